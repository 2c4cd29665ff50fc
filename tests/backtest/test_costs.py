"""Costs learnt from a paper journal are those the terminal charged; a backtest pays them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.costs import LearnedCosts, Rejects, Sample, read_costs, write_costs
from backtest.costs_learning import learn
from broker.contract.constants import DealEntry
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instrument import SwapMode
from market.instruments import instrument
from scripts.costs import main
from tests.builders import make_bars
from tests.trading.paper_runs import make_case, run_in_process, settings_of
from trading.errors import DaemonError
from trading.journal_reads import JournalReads
from trading.outbox import open_read_only
from trading.settings import DaemonSettings

BTC = instrument("BTCUSD")
BARS = 220
_OPEN = {"spread_filter": {"max_points": 1e9, "max_atr_share": 10.0}, "max_daily_loss_pct": 0.0,
         "circuit_breaker": {"enabled": False}}  # fmt: skip


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SimulatedTerminal, Bars]:
    """A state folder of a paper run with ± 50 points of slippage; its terminal and bars."""
    folder = tmp_path_factory.mktemp("paper")
    case = make_case(folder, settings_of(**_OPEN), bars=BARS)
    _, terminal = run_in_process(case, folder / "state")
    first = case.plan.limits.from_ms
    return folder / "state", terminal, case.plan.bars.between(first, first + BARS * 900_000)


@pytest.fixture(scope="module")
def learned(paper: tuple[Path, SimulatedTerminal, Bars]) -> LearnedCosts:
    journal = JournalReads(open_read_only(paper[0] / "journal.sqlite"))
    return learn(
        journal, BTC, strategy_id=DaemonSettings().strategy_id, currency="USD", server_zone="UTC"
    )


def test_spreads_are_those_of_the_quotes_at_the_closes(
    learned: LearnedCosts, paper: tuple[Path, SimulatedTerminal, Bars]
) -> None:
    bars = paper[2]
    assert learned.quotes == len(bars)
    assert sum(seen.count for seen in learned.spread_by_hour.values()) == len(bars)
    for hour, seen in learned.spread_by_hour.items():
        there = bars.spread_points[bars.close_ms // 3_600_000 % 24 == int(hour)]
        assert list(seen.points) == sorted(there.tolist())


def test_slippage_is_what_each_entry_filled_worse_than_it_was_decided_on(
    learned: LearnedCosts, paper: tuple[Path, SimulatedTerminal, Bars]
) -> None:
    entries = [deal for deal in paper[1].deals()[1:] if deal.entry is DealEntry.IN]
    assert learned.slippage.count == len(entries) > 15
    assert -50 <= min(learned.slippage.points) < 0 < max(learned.slippage.points) <= 50


def test_commission_and_swap_are_those_charged(
    learned: LearnedCosts, paper: tuple[Path, SimulatedTerminal, Bars]
) -> None:
    deals = paper[1].deals()[1:]
    assert learned.deals == len(deals)
    assert learned.commission_per_lot == 0
    if any(deal.swap for deal in deals):
        assert min(learned.swap_long or 0.0, learned.swap_short or 0.0) < 0


def test_command_writes_a_file_that_reads_back_and_says_what_it_rests_on(
    paper: tuple[Path, SimulatedTerminal, Bars], learned: LearnedCosts, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "costs.json"
    assert main(["learn", "--state-folder", str(paper[0]), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"{learned.deals} deals and {BARS} quotes" in said
    assert read_costs(out, symbol="BTCUSD", currency="USD") == learned
    assert main(["show", str(out)]) == 0
    assert "rejects: 0 of" in capsys.readouterr().out


def test_folder_without_a_journal_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--state-folder", str(tmp_path), "--out", str(tmp_path / "c.json")]
    assert main(["learn", *flags]) == 2
    assert "no journal there yet" in capsys.readouterr().err


def costs(**words: Any) -> LearnedCosts:
    plain = {
        "symbol": "BTCUSD", "currency": "USD", "from_ms": 0, "to_ms": 1, "deals": 40,
        "quotes": 500, "spread": Sample(count=3, points=(1000, 2000, 3000)), "spread_by_hour": {},
        "slippage": Sample(count=2, points=(0, 30)), "rejects": Rejects(),
    }  # fmt: skip
    return LearnedCosts.model_validate(plain | words)


def bars_of_a_day() -> Bars:
    return make_bars([(100.0, 101.0, 99.0, 100.0)] * 96, spread_points=1)


def test_spreads_are_drawn_by_the_hour_of_the_close_and_again_the_same() -> None:
    hours = {"07": Sample(count=20, points=(70, 71)), "08": Sample(count=19, points=(80,))}
    bars = bars_of_a_day()
    made = costs(spread_by_hour=hours).on_bars(bars, seed=3)
    hour = bars.close_ms // 3_600_000 % 24
    assert set(made.spread_points[hour == 7]) == {70, 71}
    # too few quotes at 08: drawn from all, as where there are none
    assert set(made.spread_points[hour != 7]) == {1000, 2000, 3000}
    again = costs(spread_by_hour=hours).on_bars(bars, seed=3)
    assert np.array_equal(made.spread_points, again.spread_points)
    other = costs(spread_by_hour=hours).on_bars(bars, seed=4)
    assert not np.array_equal(made.spread_points, other.spread_points)
    assert np.array_equal(made.close, bars.close)


def test_spread_of_a_bar_does_not_depend_on_the_bars_before_it() -> None:
    bars = bars_of_a_day()
    whole = costs().on_bars(bars, seed=3).spread_points
    late = costs().on_bars(bars.rows(40, 96), seed=3).spread_points
    assert np.array_equal(whole[40:], late)


def test_swap_and_commission_replace_the_instruments_own() -> None:
    of = costs(commission_per_lot=3.5, swap_long=-4.0, swap_short=1.0).on_instrument(BTC)
    assert (of.commission_per_lot, of.swap_mode) == (3.5, SwapMode.CURRENCY_DEPOSIT)
    assert (of.swap_long, of.swap_short) == (-4.0, 1.0)
    assert costs().on_instrument(BTC) == BTC


def test_cent_accounts_commission_is_a_hundredth_of_a_dollars() -> None:
    of = costs(currency="USC", commission_per_lot=350.0).on_instrument(BTC)
    assert of.commission_per_lot == 3.5


def test_file_says_what_it_does_not_know() -> None:
    text = " ".join(costs(slippage=Sample(count=0)).words())
    assert "40 deals and 500 quotes" in text
    assert "paper.slippage_points holds" in text
    assert "24 of 24 hours" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [({"symbol": "EURUSD"}, "symbol BTCUSD"), ({"currency": "USC"}, "currency USD"),
     ({"schema": 9}, "schema 1"), ({"nonsense": 1}, "nonsense")],
    ids=["symbol", "currency", "schema", "unknown_key"],
)  # fmt: skip
def test_file_of_another_account_or_version_is_refused(
    change: dict[str, Any], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "costs.json"
    write_costs(path, costs())
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DaemonError, match=words):
        read_costs(path, symbol="BTCUSD", currency="USD")


def test_file_that_is_no_cost_file_is_refused_in_one_line(tmp_path: Path) -> None:
    other = tmp_path / "summary.json"
    other.write_text('{"bars": 1, "trades": 2}')
    with pytest.raises(DaemonError, match=r"a cost file is allowed: .* more problems; write") as no:
        read_costs(other, symbol="BTCUSD", currency="USD")
    assert "\n" not in str(no.value)
