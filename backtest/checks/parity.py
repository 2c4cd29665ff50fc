"""A journalled day against the backtest over the same bars; and a journal's lines decided anew."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from backtest.checks.differences import Difference, Kind, differences
from backtest.checks.lookahead import first_change
from market.bars import Float64s
from trading.canonical import decision_line, parse_input
from trading.decision.decide import decide
from trading.decision.settings import DecisionSettings
from trading.views import INPUT_SCHEMA


@dataclass(frozen=True, slots=True, eq=False)
class Decided:
    """One decided bar: its canonical line and its feature row (k,)."""

    line: str
    features: Float64s


@dataclass(slots=True)
class Parity:
    """`first`: the first difference of each kind; `bars_of`: bars with one of that kind.

    `only_journal`, `only_backtest`: bars (open) that just one of the two decided.
    """

    bars: int = 0
    equal: int = 0
    first: dict[Kind, Difference] = field(default_factory=dict)
    bars_of: Counter[Kind] = field(default_factory=Counter)
    only_journal: list[int] = field(default_factory=list)
    only_backtest: list[int] = field(default_factory=list)

    def holds(self, *, strict: bool) -> bool:
        """Whether both decided alike: by what bars and models said, and in what was decided.

        `strict`: every byte, the account's part included; what a paper run must give.
        """
        watched: tuple[Kind, ...] = ("feature", "market", "decision")
        allowed = not any(self.bars_of[kind] for kind in watched) and not self.only_journal
        return allowed and (not strict or self.bars == self.equal)


def parity(
    journal: Mapping[int, Decided], backtest: Mapping[int, Decided], names: Sequence[str],
    *, strict: bool,
) -> Parity:  # fmt: skip
    """Both sides by the bar's open; `names` of the features. Bars that the daemon missed are named,
    not held against it."""
    found = Parity(
        only_journal=sorted(journal.keys() - backtest.keys()),
        only_backtest=sorted(backtest.keys() - journal.keys()),
    )
    for bar_ms in sorted(journal.keys() & backtest.keys()):
        mine, theirs = journal[bar_ms], backtest[bar_ms]
        found.bars += 1
        found.equal += mine.line == theirs.line
        here = [*_feature(bar_ms, mine.features, theirs.features, names)]
        here += differences(mine.line, theirs.line, volumes=strict)
        for kind in dict.fromkeys(each.kind for each in here):
            found.bars_of[kind] += 1
        for each in here:
            found.first.setdefault(each.kind, each)
    return found


def _feature(
    bar_ms: int, one: Float64s, other: Float64s, names: Sequence[str]
) -> Iterable[Difference]:
    if len(one) != len(other):
        yield Difference("feature", bar_ms, "number of features", f"{len(one)}", f"{len(other)}")
        return
    _, column = first_change(one[None, :], other[None, :])
    if column >= 0:
        values = repr(float(one[column])), repr(float(other[column]))
        yield Difference("feature", bar_ms, names[column], *values)


@dataclass(slots=True)
class Replay:
    """`older`: lines of an earlier schema, of which only intents and denials are compared;
    `without_rules`: lines whose settings the journal did not keep, which are not decided anew."""

    lines: int = 0
    equal: int = 0
    older: int = 0
    without_rules: int = 0
    first: Difference | None = None

    @property
    def holds(self) -> bool:
        return self.equal + self.without_rules == self.lines


def replay(lines: Iterable[str], settings_of: Callable[[int], DecisionSettings | None]) -> Replay:
    """Reads each line's input, decides, writes the line again: the same bytes, or a finding.

    `settings_of` a bar's open: the rules it was decided by, None where nobody knows them.
    """
    found = Replay()
    for line in lines:
        found.lines += 1
        words = json.loads(line)
        settings = settings_of(int(words["bar"]))
        if settings is None:
            found.without_rules += 1
            continue
        now = parse_input(line)
        again = decision_line(now, decide(now, settings))
        if words["schema"] != INPUT_SCHEMA:
            found.older += 1
            again = _with_decision_of(line, again)
            line = _with_decision_of(line, line)
        if again == line:
            found.equal += 1
        elif found.first is None:
            found.first = next(differences(line, again), None) or Difference(
                "decision", int(words["bar"]), "bytes", "other text", "of equal values"
            )
    return found


def _with_decision_of(line: str, other: str) -> str:
    """`line` with the intents and denials of another, keys in order."""
    decided = json.loads(other)
    words = json.loads(line) | {key: decided[key] for key in ("intents", "denials")}
    return json.dumps(words, sort_keys=True)


def by_bar(
    lines: Iterable[str], features: Iterable[Float64s], from_ms: int, to_ms: int
) -> dict[int, Decided]:
    """Lines and feature rows of the bars that open in [from_ms, to_ms)."""
    found = {}
    for line, row in zip(lines, features, strict=True):
        bar_ms = int(json.loads(line)["bar"])
        if from_ms <= bar_ms < to_ms:
            found[bar_ms] = Decided(line, np.asarray(row))
    return found
