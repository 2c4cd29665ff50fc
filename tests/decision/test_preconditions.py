"""What primary exit waits for."""

from dataclasses import replace

from tests.builders import make_closed_trade
from trading.decision.preconditions import (
    ExitEvidence,
    exit_evidence,
    missing,
    preconditions,
    table,
)

READY = ExitEvidence(exit_precision=0.87, trades=200, ml_exits=120)
NAN = float("nan")


def names(evidence: ExitEvidence) -> list[str]:
    return [each.name for each in missing(evidence)]


def test_nothing_is_missing_at_the_seeds_numbers() -> None:
    assert names(READY) == []


def test_each_precondition_is_missing_alone() -> None:
    assert names(replace(READY, exit_precision=0.869)) == ["EXIT precision"]
    assert names(ExitEvidence(0.9, 199, 150)) == ["dry-run trades"]
    assert names(replace(READY, ml_exits=119)) == ["closed by the model"]


def test_what_was_never_measured_is_missing() -> None:
    assert names(ExitEvidence(NAN, 0, 0)) == [
        "EXIT precision", "dry-run trades", "closed by the model",
    ]  # fmt: skip


def test_evidence_is_counted_from_closed_trades() -> None:
    trades = [replace(make_closed_trade(i, 1.0), close_type=kind)
              for i, kind in enumerate(["ML_EXIT", "TP_HIT", "ML_EXIT"])]  # fmt: skip
    assert exit_evidence(trades, 0.9) == ExitEvidence(0.9, 3, 2)


def test_table_is_readable() -> None:
    assert table(preconditions(ExitEvidence(NAN, 150, 100))).splitlines() == [
        "precondition         needed  seen",
        "EXIT precision       ≥ 87%   not measured  missing",
        "dry-run trades       ≥ 200   150           missing",
        "closed by the model  ≥ 60%   66.7%         ok",
    ]
