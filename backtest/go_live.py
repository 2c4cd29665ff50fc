"""May this account trade this system? Only a real-money account needs evidence.

`require_evidence` decides; a person who knows better types a sentence, and that is recorded.
"""

from dataclasses import dataclass
from typing import Any

from backtest.evidence import Evidence, System, differences
from backtest.gates import GoLiveSettings, go_live_gate
from broker.contract.constants import AccountTradeMode

_MAKE = (
    "train, backtest out of sample and shadow-trade this very system, then write its evidence "
    "file; a demo or paper account trades without it"
)


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that is missing, and what would prove it."""

    what: str
    proof: str


@dataclass(frozen=True, slots=True)
class Override:
    """A person's decision to trade without proof, as it was typed; for the journal."""

    login: int
    sentence: str
    at_ms: int
    graphs: dict[str, str]
    settings_sha256: str
    missing: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "login": self.login, "sentence": self.sentence, "at_ms": self.at_ms,
            "graphs": self.graphs, "settings_sha256": self.settings_sha256,
            "missing": list(self.missing),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Go:
    """The account may trade. `note`: what to say at the start, and in the journal."""

    note: str
    override: Override | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The account may not open anything. Positions that are open may be closed."""

    missing: tuple[Missing, ...]

    @property
    def text(self) -> str:
        lines = [f"- {each.what}. What would prove it: {each.proof}" for each in self.missing]
        return "\n".join(
            ["this real-money account does not trade without evidence; missing:", *lines]
        )


def require_evidence(
    trade_mode: int, evidence: Evidence | None, here: System, settings: GoLiveSettings, *,
    slippage_points: int = 0,
) -> Go | Refusal:  # fmt: skip
    """Whether an account of this trade mode may trade the system that is here.

    The gate is judged again from the evidence's figures, by the settings in force.
    `slippage_points`: what a market order is taken to pay here. A trade mode that is not known
    counts as real.
    """
    missing = missing_proof(evidence, here, settings, slippage_points=slippage_points)
    proven = "" if missing or evidence is None else _proven(evidence)
    if trade_mode in (AccountTradeMode.DEMO, AccountTradeMode.CONTEST):
        kind = f"{AccountTradeMode(trade_mode).name.lower()} account"
        said = proven or f"trades without proof ({'; '.join(each.what for each in missing)})"
        return Go(f"{kind}: {said}")
    return Refusal(missing) if missing else Go(f"real-money account: {proven}")


def override_sentence(login: int) -> str:
    """What a person has to type, to the letter."""
    return f"I trade account {login} with real money and without proof"


def require_override(
    typed: str, login: int, refusal: Refusal, here: System, *, now_ms: int
) -> Go | Refusal:
    """`Go` with a record of it, if the sentence was typed; else the refusal, which then says how.

    The record holds for these graphs and settings only: ask again when they change.
    """
    sentence = override_sentence(login)
    if typed.strip() != sentence:
        how = Missing(
            f"the override was not typed: {typed.strip()!r} came", f"typing exactly: {sentence}"
        )
        return Refusal((*refusal.missing, how))
    missing = tuple(each.what for each in refusal.missing)
    override = Override(
        login, sentence, now_ms, dict(here.graphs), here.settings_sha256, missing
    )  # fmt: skip
    note = f"OVERRIDE: account {login} trades real money without proof: {'; '.join(missing)}"
    return Go(note, override)


def missing_proof(
    evidence: Evidence | None, here: System, settings: GoLiveSettings, *, slippage_points: int = 0
) -> tuple[Missing, ...]:
    """What this system lacks to trade real money; nothing where it is proven."""
    if evidence is None:
        return (Missing("there is no evidence file", _MAKE),)
    found = [Missing(each.text, _MAKE) for each in differences(evidence, here)]
    found += _too_cheap(evidence, slippage_points)
    gate = go_live_gate(evidence.figures, settings)
    found += [
        Missing(f"{each.name}: {each.needed} is needed, {each.seen} was seen", each.proof)
        for each in gate.missing
    ]
    return tuple(found)


def _too_cheap(evidence: Evidence, slippage_points: int) -> list[Missing]:
    """Slippage that was drawn from the broker's own deals is never too cheap."""
    paid = evidence.costs.slippage_points
    if paid is None or paid >= slippage_points:
        return []
    what = (
        f"costs: the evidence is for {paid} points of slippage, paper.slippage_points is "
        f"{slippage_points} here"
    )
    return [Missing(what, "evidence at the costs that are named here: scripts/evidence.py")]


def _proven(evidence: Evidence) -> str:
    costs = evidence.costs.text
    return f"the evidence fits this system and passes the go-live gate, at {costs}"
