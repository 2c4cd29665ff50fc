"""What peers are compared by: a plain loop over the rules, and the ways to depart from them.

No peer is installed or run here, and nothing is timed.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from backtest.driver import run_backtest
from benchmarks import cases
from benchmarks.comparison import compared
from benchmarks.peer import STILL_OPEN, STOP, TARGET, Given, Trades
from benchmarks.peers import PEERS
from benchmarks.rules import Departure, trades_by
from market.sources.generated import generated_bars

ROOT = Path(__file__).resolve().parents[2]
QUIET = (100.0, 101.0, 99.0, 100.0)


def _bars(*bars: tuple[float, float, float, float], spread: tuple[float, ...] = ()) -> Given:
    """Bars from open, high, low, close; a distance of 5 and, if nothing else is said, no spread."""
    prices = np.array(bars).T
    count = len(bars)
    spreads = np.array(spread) if spread else np.zeros(count)
    open_ms = np.arange(count) * 900_000
    return Given(open_ms, *prices, np.zeros(count, dtype=int), np.full(count, 5.0), spreads)


def _signals(given: Given, **side_by_row: int) -> Given:
    side = given.side.copy()
    for row, value in side_by_row.items():
        side[int(row.removeprefix("at"))] = value
    return replace(given, side=side)


def _rows(trades: Trades) -> list[tuple[int, ...]]:
    columns = (trades.entry_row, trades.side, trades.exit_row, trades.kind)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_plain_loop_makes_the_trades_of_the_backtest() -> None:
    bars = generated_bars(
        cases.BTC, seed=11, from_ms=cases.FROM_MS, to_ms=cases.FROM_MS + 6000 * 900_000
    )
    run = run_backtest(cases._random_signals(bars, 0.09), cases._rules_of_the_peers())
    ours = cases._trades_of(run)
    plain = trades_by(cases._given(run))
    assert len(ours.side) > 100
    assert _rows(plain) == _rows(ours)
    assert np.allclose(plain.entry_price, ours.entry_price, atol=1e-6)
    assert np.allclose(plain.exit_price, ours.exit_price, atol=1e-6)


def test_bar_that_touches_both_levels_stops_a_long_unless_its_high_comes_first() -> None:
    given = _signals(_bars(QUIET, QUIET, (100, 106, 94, 100), QUIET), at0=1)
    assert _rows(trades_by(given)) == [(1, 1, 2, STOP)]
    assert _rows(trades_by(given, Departure(high_before_low=True))) == [(1, 1, 2, TARGET)]


def test_bar_that_touches_both_levels_stops_a_short_in_either_order() -> None:
    given = _signals(_bars(QUIET, QUIET, (100, 106, 94, 100), QUIET), at0=-1)
    assert _rows(trades_by(given)) == [(1, -1, 2, STOP)]
    assert _rows(trades_by(given, Departure(high_before_low=True))) == [(1, -1, 2, STOP)]


def test_wider_spread_at_the_exit_stops_a_short_that_is_not_judged_on_the_bid() -> None:
    bars = (QUIET, QUIET, (100, 103, 99, 100), (100, 101, 94, 95), QUIET)
    given = _signals(_bars(*bars, spread=(1, 1, 2.5, 1, 1)), at0=-1)
    assert _rows(trades_by(given)) == [(1, -1, 2, STOP)]
    assert _rows(trades_by(given, Departure(shorts_on_bid=True))) == [(1, -1, 3, TARGET)]


def test_signal_at_the_close_of_the_exit_bar_is_entered_unless_it_is_lost() -> None:
    given = _signals(_bars(QUIET, (100, 106, 99, 100), QUIET, QUIET), at0=1, at1=1)
    assert _rows(trades_by(given)) == [(1, 1, 1, TARGET), (2, 1, -1, STILL_OPEN)]
    assert _rows(trades_by(given, Departure(no_entry_on_exit_bar=True))) == [(1, 1, 1, TARGET)]


def test_gap_beyond_the_stop_leaves_at_the_open() -> None:
    given = _signals(_bars(QUIET, QUIET, (90, 91, 89, 90), QUIET), at0=1)
    assert trades_by(given).exit_price.tolist() == [90.0]


def test_comparison_counts_what_either_has_and_the_other_has_not() -> None:
    given = _signals(_bars(QUIET, QUIET, (100, 106, 94, 100), QUIET, QUIET), at0=1)
    ours, high_first = trades_by(given), trades_by(given, Departure(high_before_low=True))
    assert compared(high_first, ours, high_first) == {
        "equal": 0, "equal_share": 0.0, "other_exit": 1, "peer_alone": 0, "ours_alone": 0,
        "equal_share_explained": 1.0,
    }  # fmt: skip


def test_every_peer_has_its_script_and_a_lock_with_hashes() -> None:
    for peer in PEERS.values():
        assert (ROOT / "benchmarks" / peer.script).exists()
        lock = (ROOT / "benchmarks" / f"requirements-{peer.lock}.txt").read_text()
        assert lock.count("==") > 5
        assert lock.count("--hash=sha256:") >= lock.count("==")


def test_peers_are_given_by_a_module_that_needs_numpy_alone() -> None:
    """It runs in their environments, where nothing of ours is installed."""
    seen = "import peer, sys; print({n.split('.')[0] for n in sys.modules} & set(sys.argv[1:]))"
    ours = ["market", "broker", "ml", "trading", "backtest", "settings", "pandas", "pydantic"]
    done = subprocess.run(
        [sys.executable, "-c", seen, *ours], cwd=ROOT / "benchmarks", check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"
