"""Exits by the position model alone: what is said at the start, and what is refused."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ml.predictors.model_set import ModelSet
from trading.advice import NO_MODELS, Adviser
from trading.decision.records import ClosedTrade, Side
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.primary_exit import primary_exit_lines

ON = DecisionSettings.model_validate(
    {"ml_active_management": {"position_as_primary_exit": {"enabled": True}}}
)


def models(precision: float | None) -> ModelSet:
    notes: dict[str, Any] = {} if precision is None else {
        "walk_forward": {"exit": {"precision": precision}}
    }  # fmt: skip
    return cast(ModelSet, SimpleNamespace(position=SimpleNamespace(notes=notes)))


def trades(count: int, close_type: str) -> list[ClosedTrade]:
    return [
        ClosedTrade(i, Side.BUY, 0.1, i, i + 1, 1.0, 2.0, 3.0, close_type) for i in range(count)
    ]


def test_mode_that_is_off_says_nothing_and_asks_for_no_trades() -> None:
    assert primary_exit_lines(models(0.9), DecisionSettings(), lambda: 1 / 0) == ()  # type: ignore[arg-type, return-value]


def test_unmet_preconditions_are_a_table_and_a_warning() -> None:
    heading, table, verdict = primary_exit_lines(models(0.81), ON, lambda: trades(20, "SL_HIT"))
    assert heading == "position_as_primary_exit is on"
    assert "81.0%" in table
    assert "≥ 200" in table
    assert verdict == (
        "warning: not met yet: EXIT precision, dry-run trades, closed by the model"
    )  # fmt: skip


def test_precision_that_nobody_measured_is_missing() -> None:
    *_, verdict = primary_exit_lines(models(None), ON, lambda: trades(250, "ML_EXIT"))
    assert verdict == "warning: not met yet: EXIT precision"


def test_met_preconditions_are_said() -> None:
    *_, verdict = primary_exit_lines(models(0.9), ON, lambda: trades(250, "ML_EXIT"))
    assert verdict == "all of them are met"


def test_mode_without_a_position_model_is_refused_with_what_to_do() -> None:
    with pytest.raises(DaemonError, match=r"no position model .*--position"):
        Adviser(NO_MODELS, ON, ())
