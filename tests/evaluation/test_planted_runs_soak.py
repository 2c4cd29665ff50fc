"""The four fakes, really traded, over 20 seeds; and leaks on 20 windows of real bars."""

import multiprocessing
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean

import pytest

from backtest.gates import Verdict
from backtest.planted import ErrorRate
from ml.training.trials import TrialLedger
from tests.evaluation.planted_forecasters import Forecaster, moves, one_bar_early
from tests.evaluation.planted_leaks import real_bars, utc_ms
from tests.evaluation.planted_runs import FAKES, Fake, Found, decide_all, found_in, good, look

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

SEEDS = 20
FIRST_MS, DECIDE_MS = utc_ms(2024, 1, 1), utc_ms(2024, 4, 16)
FOUR_WEEKS_MS = 28 * 86_400_000

Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    def printed(line: str) -> None:
        with capsys.disabled():
            print(f"\n{line}", flush=True)

    return printed


def all_seeds(fake: Fake, folder: Path) -> list[Found]:
    """Seeds 0 … 19, on all cores."""
    fresh = multiprocessing.get_context("spawn")  # threads of the libraries do not survive a fork
    with ProcessPoolExecutor(os.cpu_count(), mp_context=fresh) as pool:
        return list(pool.map(partial(found_in, fake, folder), range(SEEDS)))


def _line(found: list[Found]) -> str:
    return (
        f"trades {mean(each.figures.trades for each in found):.0f}, "
        f"won {mean(each.win_rate for each in found):.1%}, "
        f"Sharpe {min(each.sharpe for each in found):.2f} to "
        f"{max(each.sharpe for each in found):.2f}, deflated "
        f"{mean(each.figures.deflated_sharpe for each in found):.2f}, without the count "
        f"{sum(each.uncounted is Verdict.PROVEN for each in found)} proven"
    )


@pytest.mark.parametrize("name", FAKES)
def test_fake_gets_its_verdict_over_20_seeds(name: str, tmp_path: Path, say: Say) -> None:
    fake, expected = FAKES[name]
    found = all_seeds(fake, tmp_path)
    rate = ErrorRate(name, expected, sum(each.verdict is not expected for each in found), SEEDS)
    say(f"{rate.text}; {_line(found)}")
    assert rate.wrong == 0
    tried = 1000 if name == "lucky" else 1
    assert {each.figures.trials for each in found} == {tried}


@pytest.mark.parametrize("coins", [2, 20])
def test_what_was_tried_before_costs_the_good_one_power_and_never_raises_an_alarm(
    coins: int, tmp_path: Path, say: Say
) -> None:
    found = all_seeds(partial(good, coins_before=coins), tmp_path)
    said = Counter(each.verdict for each in found)
    say(f"good after {coins} coins: {said[Verdict.PROVEN]} of {SEEDS} proven; {_line(found)}")
    assert said[Verdict.ALARM] == 0
    assert {each.uncounted for each in found} == {Verdict.PROVEN}


def on_real_bars(shared_data: Path, folder: Path, forecaster: Forecaster) -> list[Found]:
    """Four weeks each, one after the other, every time on a fresh account."""
    bars = real_bars(shared_data, FIRST_MS, DECIDE_MS + SEEDS * FOUR_WEEKS_MS)
    found = []
    for window in range(SEEDS):
        from_ms = DECIDE_MS + window * FOUR_WEEKS_MS
        run = decide_all(bars, forecaster, from_ms=from_ms, to_ms=from_ms + FOUR_WEEKS_MS)
        ledger = TrialLedger(folder / f"{window}.sqlite")
        look(ledger, run, data_sha256=bars.sha256())
        found.append(Found.of(run, ledger))
    return found


def test_forecaster_that_sees_one_real_bar_ahead_raises_the_alarm_in_20_windows(
    shared_data: Path, tmp_path: Path, say: Say
) -> None:
    found = on_real_bars(shared_data, tmp_path, one_bar_early(moves))
    wrong = sum(each.verdict is not Verdict.ALARM for each in found)
    say(f"{ErrorRate('one real bar ahead', Verdict.ALARM, wrong, SEEDS).text}; {_line(found)}")
    assert wrong == 0


def test_same_forecaster_in_time_is_never_proven_in_20_windows(
    shared_data: Path, tmp_path: Path, say: Say
) -> None:
    """An alarm by chance is no error to be mended: the Sharpe ratio of four weeks has a standard
    error of 3.6, so that now and then one is above 5."""
    found = on_real_bars(shared_data, tmp_path, moves)
    said = Counter(each.verdict for each in found)
    say(f"in time: {said[Verdict.ALARM]} of {SEEDS} alarms by chance; {_line(found)}")
    assert said[Verdict.PROVEN] == 0
    assert said[Verdict.NOT_PROVEN] > said[Verdict.ALARM]
