"""Two canonical lines of one bar: where they differ first, in the order of cause and effect."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["feature", "market", "venue", "decision"]

# What bars, models and calendar say; what the account says; what came of it.
MARKET = (
    "schema", "symbol", "bar", "market", "missing_feature", "forecast", "session_open", "break_ms",
    "news", "news_unknown",
)  # fmt: skip
VENUE = (
    "quote", "instrument", "account", "open_trades", "held", "stops", "risk_multiplier", "guard",
    "recent_losses", "halts", "unsettled",
)  # fmt: skip
DECISION = ("denials", "intents")
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(MARKET, "market"),
    **dict.fromkeys(VENUE, "venue"),
    **dict.fromkeys(DECISION, "decision"),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one bar. `one` and `other`: its values as text, `nothing` where it is absent."""

    kind: Kind
    bar_ms: int
    field: str
    one: str
    other: str


def differences(one: str, other: str, *, volumes: bool = True) -> Iterator[Difference]:
    """Every field that differs between two lines of a bar, in the order of cause and effect.

    `volumes=False`: of intents only kind, side and reason count, of denials only the rule; what
    they say in money and lots follows an account's fills.
    """
    mine, theirs = json.loads(one), json.loads(other)
    if not volumes:
        mine, theirs = _plain(mine), _plain(theirs)
    named = (*MARKET, *VENUE, *DECISION)
    rest = sorted((set(mine) | set(theirs)) - set(named))
    for key in (*named, *rest):
        if key in mine or key in theirs:
            for path, left, right in _walk(key, mine.get(key), theirs.get(key)):
                yield Difference(_KINDS.get(key, "market"), int(mine["bar"]), path, left, right)


def _plain(words: dict[str, Any]) -> dict[str, Any]:
    intents = [_intent(each) for each in words["intents"]]
    return {**words, "denials": [rule for rule, *_ in words["denials"]], "intents": intents}


def _intent(words: dict[str, Any]) -> str:
    ((kind, fields),) = words.items()
    return " ".join([kind, *(f"{fields[key]}" for key in ("side", "reason") if key in fields)])


def _walk(path: str, one: Any, other: Any) -> Iterator[tuple[str, str, str]]:
    """Fields below a path with other values; a list of another length differs as a whole."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            yield from _walk(f"{path}.{key}", one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _walk(f"{path}[{place}]", left, right)
    elif one != other or type(one) is not type(other):
        yield path, _text(one), _text(other)


def _text(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)
