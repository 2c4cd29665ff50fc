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


@pytest.mark.parametrize(
    ("forecaster", "expected"),
    [(one_bar_early(moves), Verdict.ALARM), (moves, Verdict.NOT_PROVEN)],
    ids=["one-real-bar-ahead", "the-same-in-time"],
)
def test_forecaster_of_moves_gets_its_verdict_in_20_windows_of_real_bars(
    forecaster: Forecaster, expected: Verdict, shared_data: Path, tmp_path: Path, say: Say
) -> None:
    bars = real_bars(shared_data, FIRST_MS, DECIDE_MS + SEEDS * FOUR_WEEKS_MS)
    found = []
    for window in range(SEEDS):
        from_ms = DECIDE_MS + window * FOUR_WEEKS_MS
        run = decide_all(bars, forecaster, from_ms=from_ms, to_ms=from_ms + FOUR_WEEKS_MS)
        ledger = TrialLedger(tmp_path / f"{window}.sqlite")
        look(ledger, run, data_sha256=bars.sha256())
        found.append(Found.of(run, ledger))
    wrong = sum(each.verdict is not expected for each in found)
    rate = ErrorRate("moves, real bars", expected, wrong, SEEDS)
    say(f"{rate.text}; {_line(found)}")
    assert rate.wrong == 0
