"""What must be known of the position model before its exits may be the first ones (seeds, 21.4)."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from trading.decision.records import ClosedTrade

MIN_EXIT_PRECISION = 0.87
MIN_DRY_RUN_TRADES = 200
MIN_ML_EXIT_SHARE = 0.60


@dataclass(frozen=True, slots=True)
class ExitEvidence:
    """`exit_precision`: share of EXIT forecasts on unseen trades that were right, NaN where nobody
    measured it. The counts are of trades that were closed with the position model switched on."""

    exit_precision: float
    trades: int
    ml_exits: int


@dataclass(frozen=True, slots=True)
class Precondition:
    name: str
    needed: str
    seen: str
    met: bool


def exit_evidence(closed: Sequence[ClosedTrade], exit_precision: float) -> ExitEvidence:
    """The evidence of a dry run's own finished trades."""
    ml_exits = sum(trade.close_type == "ML_EXIT" for trade in closed)
    return ExitEvidence(exit_precision, len(closed), ml_exits)


def preconditions(evidence: ExitEvidence) -> tuple[Precondition, ...]:
    """Every precondition of `position_as_primary_exit`, met or not."""
    precision, trades = evidence.exit_precision, evidence.trades
    share = evidence.ml_exits / trades if trades else math.nan
    return (
        Precondition(
            "EXIT precision", f"≥ {MIN_EXIT_PRECISION:.0%}", _percent(precision),
            precision >= MIN_EXIT_PRECISION,
        ),
        Precondition(
            "dry-run trades", f"≥ {MIN_DRY_RUN_TRADES}", str(trades), trades >= MIN_DRY_RUN_TRADES
        ),
        Precondition(
            "closed by the model", f"≥ {MIN_ML_EXIT_SHARE:.0%}", _percent(share),
            share >= MIN_ML_EXIT_SHARE,
        ),
    )  # fmt: skip


def missing(evidence: ExitEvidence) -> tuple[Precondition, ...]:
    """What is not met yet; empty where primary exit may be switched on."""
    return tuple(each for each in preconditions(evidence) if not each.met)


def table(rows: Iterable[Precondition]) -> str:
    """The preconditions as lines of text, one each, under a heading."""
    cells = [("precondition", "needed", "seen", "")]
    cells += [(row.name, row.needed, row.seen, "ok" if row.met else "missing") for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _percent(share: float) -> str:
    return "not measured" if math.isnan(share) else f"{share:.1%}"
