"""Blocks: how they are cut, what they hold, and what they come to together."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from backtest.statistics import TrialSharpes
from backtest.walk_forward.blocks import (
    DAY_MS,
    WEEK_MS,
    Block,
    TradedBlock,
    block_figures,
    cut_blocks,
    pool_figures,
    pooled,
)
from tests.walk_forward.records import MONDAY_MS, block

NO_TRIALS = TrialSharpes.of([], count=1)


def test_blocks_follow_each_other_and_the_last_takes_what_is_left() -> None:
    cut = cut_blocks(MONDAY_MS, MONDAY_MS + 5 * WEEK_MS, every_weeks=2)
    assert [each.name for each in cut] == ["2024-01-01", "2024-01-15", "2024-01-29"]
    assert [(each.to_ms - each.cutoff_ms) // WEEK_MS for each in cut] == [2, 2, 1]
    assert all(a.to_ms == b.cutoff_ms for a, b in pairwise(cut))


@pytest.mark.parametrize(("hours", "blocks"), [(23, 0), (24, 1)], ids=["less than a day", "a day"])
def test_a_block_has_a_day_or_more(hours: int, blocks: int) -> None:
    assert len(cut_blocks(MONDAY_MS, MONDAY_MS + hours * 3_600_000, every_weeks=1)) == blocks


def test_a_block_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = block(0, [0.01, -0.02], [(0.5, 7.0), (1.5, -3.0)], dips=[0.9])
    made.write(tmp_path / "kept" / "block.npz")
    again = TradedBlock.read(tmp_path / "kept" / "block.npz")
    assert again.block == made.block
    assert again.facts == made.facts
    for name in ("opened_ms", "closed_ms", "net", "r", "paid", "time_ms", "close", "worst"):
        assert np.array_equal(getattr(again, name), getattr(made, name))
    assert [each.name for each in (tmp_path / "kept").iterdir()] == ["block.npz"]


def test_equity_of_the_pool_goes_on_where_the_block_before_ended() -> None:
    pool = pooled([block(0, [0.10, -0.05]), block(2, [0.20], balance=500.0)])
    assert pool.daily == pytest.approx([0.10, -0.05, 0.20])
    assert pool.curve.close[-1] == pytest.approx(1000 * 1.10 * 0.95 * 1.20)
    assert pool.days.tolist() == [19_723, 19_724, 19_725]


def test_drawdown_reaches_across_the_border_of_blocks_and_inside_bars() -> None:
    pool = pooled([block(0, [0.25, -0.20]), block(2, [0.0, 0.0], dips=[1.0, 0.5])])
    found = pool_figures(pool, NO_TRIALS)
    # peak 1250, after the first block 1000, half of it inside a bar of the second
    assert found["max_drawdown"] == pytest.approx(1 - 500 / 1250)


def test_trades_keep_the_money_of_their_block_and_are_pooled_in_order() -> None:
    pool = pooled([block(0, [0.0], [(0.2, 5.0)]), block(1, [0.0], [(0.3, -4.0), (0.6, 8.0)])])
    found = pool_figures(pool, NO_TRIALS)
    assert pool.net.tolist() == [5.0, -4.0, 8.0]
    assert found["trades"] == 3
    assert found["win_rate"]["value"] == pytest.approx(2 / 3)
    assert found["profit_factor"]["value"] == pytest.approx(13 / 4)
    assert found["r_sum"] == pytest.approx(0.9)
    assert found["ambiguous_exits"] == 2


def test_costs_of_the_pool_are_those_of_its_blocks() -> None:
    pool = pooled([block(0, [0.0], [(0.2, 5.0)]), block(1, [0.0], [(0.3, -4.0), (0.6, 8.0)])])
    assert pool.costs["spread"] == 6.0
    assert pool.costs["slippage"] == 1.0
    # winners earned 5 + 2 and 8 + 2 before costs; three trades paid 2 each
    assert pool.costs["share_of_gross"] == pytest.approx(6 / 17)
    assert pool.costs["profit_factor_before"] == pytest.approx((7 + 10) / 2)
    assert pool.costs["r_paid"] == pytest.approx(0.2)  # an R is 10 of money


def test_what_lost_everything_still_has_returns() -> None:
    pool = pooled([block(0, [-1.5]), block(1, [0.01])])
    assert np.isfinite(pool.daily).all()
    assert pool_figures(pool, NO_TRIALS)["return"] == pytest.approx(-1, abs=1e-5)


def test_few_trades_are_an_alarm_of_the_pool_and_none_of_a_block() -> None:
    one = block(0, [0.01, -0.01, 0.001], [(0.5, 5.0), (1.5, -4.0)])
    assert any("fewer than 30" in each for each in pool_figures(pooled([one]), NO_TRIALS)["alarms"])
    assert block_figures(one, NO_TRIALS)["alarms"] == []


def test_a_block_without_a_trade_has_figures_too() -> None:
    found = block_figures(block(0, [0.0, 0.0]), NO_TRIALS)
    assert found["trades"] == 0
    assert np.isnan(found["profit_factor"]["value"])


def test_blocks_that_overlap_are_no_record() -> None:
    with pytest.raises(ValueError, match="do not overlap"):
        pooled([block(0, [0.0, 0.0]), block(1, [0.0])])


def test_a_block_is_named_by_its_cutoff() -> None:
    assert Block(MONDAY_MS + 40 * DAY_MS, MONDAY_MS + 41 * DAY_MS).name == "2024-02-10"
