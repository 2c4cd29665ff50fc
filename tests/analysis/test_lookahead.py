"""What a cut history changes: by hand on small arrays, and through the command's own door."""

import json
from pathlib import Path

import numpy as np
import pytest

from backtest import lookahead
from backtest.checks.lookahead import first_change, with_first_tick
from market.bars import Bars
from tests.backtest.markets import random_walk
from tests.tiny_models import write_models
from tests.trading.paper_runs import BTC


@pytest.fixture(scope="module")
def bars() -> Bars:
    return random_walk(BTC, 50, seed=1, level=60_000, move=0.002)


def test_first_change_goes_by_row_then_by_column() -> None:
    one = np.arange(12.0).reshape(4, 3)
    other = one.copy()
    other[2, 0] += 1
    other[1, 2] += 1
    assert first_change(one, other) == (1, 2)
    assert first_change(one, one.copy()) == (-1, -1)


def test_missing_values_are_equal_and_signed_zeros_are_not() -> None:
    assert first_change(np.array([[np.nan]]), np.array([[-np.nan]])) == (-1, -1)
    assert first_change(np.array([[0.0]]), np.array([[-0.0]])) == (0, 0)
    assert first_change(np.array([[np.nan]]), np.array([[0.0]])) == (0, 0)


def test_of_the_bar_after_a_cut_only_its_first_tick_is_left(bars: Bars) -> None:
    cut = with_first_tick(bars, 30).checked()
    assert len(cut) == 32
    assert cut.open[-1] == cut.high[-1] == cut.low[-1] == cut.close[-1] == bars.open[31]
    assert cut.tick_volume[-1] == 1
    assert cut.rows(0, 31).sha256() == bars.rows(0, 31).sha256()


@pytest.fixture
def flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    write_models(tmp_path, ("signal",))
    return ["--models", str(tmp_path), "--override", "prediction.quantile.lookback_days=2",
            "--from", "2025-05-03", "--to", "2025-05-05"]  # fmt: skip


def test_command_finds_nothing_in_the_shipped_pipeline(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lookahead.main([*flags, "--cuts", "3", "--at", "2025-05-04T12:05", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"bars": 192, "cuts": 4, "changes": []}


def test_table_has_a_row_for_every_cut(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lookahead.main([*flags, "--cuts", "1", "--at", "2025-05-04T12:05"]) == 0
    said = capsys.readouterr().out
    assert "History cut after these bars" in said
    assert "2025-05-04 12:00 │ 144" in said
    assert "lookahead: 192 decided bars, history cut after 2 of them: nothing changed" in said


def test_stated_bar_outside_of_the_run_cannot_be_checked(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lookahead.main([*flags, "--at", "2025-06-01"]) == 2
    said = capsys.readouterr().err
    assert "--at: an instant from 2025-05-" in said
    assert "UTC is allowed, 2025-06-01 00:00 came" in said
