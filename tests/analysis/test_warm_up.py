"""How much history a value needs: columns whose need is known by construction."""

import numpy as np
import pytest

from backtest import recursive
from backtest.checks.given import parsed, run_parser
from backtest.checks.warm_up import look_backs, warm_up
from backtest.decided_run import decided_run
from market.bars import Bars, Float64s
from tests.backtest.markets import random_walk
from tests.tiny_models import write_models
from tests.trading.paper_runs import BAR_MS, BTC

NAMES = ("own bar", "mean of 4", "never ends")


@pytest.fixture(scope="module")
def bars() -> Bars:
    return random_walk(BTC, 200, seed=3, level=60_000, move=0.002)


def columns(bars: Bars, first_row: int) -> Float64s:
    """The last one is an exponential mean from wherever history begins: the usual mistake."""
    close = bars.close
    four = np.full(len(close), np.nan)
    for row in range(3, len(close)):
        four[row] = close[row - 3 : row + 1].mean()
    mean = close.copy()
    for row in range(1, len(mean)):
        mean[row] = 0.9 * mean[row - 1] + 0.1 * close[row]
    return np.column_stack([close, four, mean])[first_row:]


def test_need_is_measured_and_a_mean_without_an_end_is_found(bars: Bars) -> None:
    own, four, endless = warm_up(
        bars, columns, NAMES, (0, 3 * BAR_MS, 40 * BAR_MS), rows=[100, 150]
    )
    assert (own.needed_ms, own.holds) == (0, True)
    assert (four.needed_ms, four.holds, four.wrong_ms) == (3 * BAR_MS, True, 0)
    assert (endless.needed_ms, endless.holds) == (None, False)
    assert endless.wrong_ms == 40 * BAR_MS


def test_published_look_back_that_is_too_short_is_found(bars: Bars) -> None:
    _, four, _ = warm_up(bars, columns, NAMES, (0, 2 * BAR_MS, 40 * BAR_MS), rows=[100])
    assert four.needed_ms == 3 * BAR_MS
    assert not four.holds


def test_every_published_look_back_is_tried() -> None:
    tried = look_backs((0, 7 * BAR_MS, 1000 * BAR_MS), BAR_MS)
    assert {0, BAR_MS, 7 * BAR_MS, 1000 * BAR_MS} <= set(tried)
    assert tried == sorted(tried)


def test_history_too_short_for_the_longest_look_back_cannot_be_judged(bars: Bars) -> None:
    with pytest.raises(ValueError, match="days of history before the first tried bar are needed"):
        warm_up(bars, columns, NAMES, (0, 0, 120 * BAR_MS), rows=[100])


def test_published_look_backs_of_the_shipped_features_and_the_gate_hold(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("models")
    write_models(folder, ("signal",))
    given = parsed(
        run_parser("recursive", ""),
        ["--models", str(folder), "--from", "2025-05-03", "--to", "2025-05-05",
         "--override", "prediction.quantile.lookback_days=2"],
    )  # fmt: skip
    found = recursive.measured(decided_run(given), rows=2, seed=1)
    assert len(found) == 62 + 4
    assert [each.name for each in found if not each.holds] == []
