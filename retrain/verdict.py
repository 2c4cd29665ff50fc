"""What a run came to, in words: a headline, why, and what a person might do next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from retrain.store import PhaseRecord
from retrain.swapping import GATES

_HEADLINES = {
    "promoted": "The challenger serves now; it was proven in shadow.",
    "serve": "The candidate serves now.",
    "place": "The champion stays; the candidate decides in shadow from now on.",
    "keep": "The champion stays.",
    "none": "No model serves: there was none, and the candidate was not let in.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why` and `next` are sentences; the most important ones come first."""

    headline: str
    why: tuple[str, ...]
    next: tuple[str, ...]


def verdict_of(records: Mapping[str, PhaseRecord]) -> Verdict:
    """Of a run that came to its last phase, or that failed before."""
    failed = next((each for each in records.values() if each.state == "failed"), None)
    if failed is not None:
        return Verdict(
            f"FAILED at {failed.name}: {_what_serves(records)}",
            failed.words,
            ("Mend what it says, then start the same command again: it goes on at this phase.",),
        )
    swapped = records.get("swap")
    if swapped is None or not swapped.is_over:
        return Verdict("The run is not over yet.", (), ())
    action = str(swapped.figures["action"])
    if swapped.figures["challenger"].get("ruling") == "promoted":
        action = "promoted"
    elif action == "keep" and not swapped.figures["after"]:
        action = "none"
    why = (*swapped.words, *(line for name in GATES for line in _missed(records, name)))
    return Verdict(_HEADLINES[action], why, tuple(_next(records, action)))


def _what_serves(records: Mapping[str, PhaseRecord]) -> str:
    swapped = records.get("swap")
    if swapped is None or not swapped.is_over:
        return "the models that served serve on."
    return "phase swap was over: " + _HEADLINES[str(swapped.figures["action"])]


def _missed(records: Mapping[str, PhaseRecord], name: str) -> Iterator[str]:
    """Each criterion that was not met: needed, seen, and what would prove it."""
    figures = records[name].figures if name in records else {}
    for each in (*figures.get("criteria", ()), *figures.get("checks", ())):
        if not each["met"]:
            proof = f"; what would prove it: {each['proof']}" if each.get("proof") else ""
            yield f"{each['name']}: {each['needed']} is needed, {each['seen']} was seen{proof}"


def _before_real_money(go_live: Mapping[str, Any]) -> Iterator[str]:
    if go_live.get("passed"):
        yield (
            "Real money: the evidence that serves with the models passes the go-live gate; "
            "python trading.py --swap-model TAG, or a start, then --doctor (docs/running.md)."
        )
        return
    missing = [each["name"] for each in go_live.get("criteria", ()) if not each["met"]]
    needed = f" It is missing: {', '.join(missing)} (section Real money)." if missing else ""
    yield f"Before real money: evidence that passes the go-live gate (docs/running.md).{needed}"


def _next(records: Mapping[str, PhaseRecord], action: str) -> Iterator[str]:
    if action == "place":
        yield "Let scripts/shadow.py run (docs/shadow.md); the next weekly run rules on it."
    if action in ("serve", "promoted"):
        yield from _before_real_money(records["swap"].figures["go_live"])
    found = records["sweep"].figures if "sweep" in records else {}
    if found.get("best") and not found.get("chosen"):
        yield f"Settings of the sweep were not taken: {found.get('why_not')}"
