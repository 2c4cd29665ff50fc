"""A daemon with a feed that fails, moves and cancels; then the same bars over its archive."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from backtest.columns import decided_bars
from backtest.driver import Rules, run_backtest
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from market.server_clock import ServerClock
from market.sources.calendar_archive import CalendarArchive, read_archive
from market.store import BarStore
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from ml.features.settings import FeatureSettings
from tests.news.feeds import reading, row
from tests.tiny_models import GROUPS
from tests.trading.doubles import StepClock
from tests.trading.paper_runs import (
    BAR_MS,
    BTC,
    Case,
    bot_of,
    make_case,
    settings_of,
    without_models,
)
from trading.forecasts import forecast_columns
from trading.journal import Journal
from trading.news import ARCHIVE, LiveNews, NewsSource
from trading.news_feed import FeedState
from trading.news_settings import NewsSettings
from trading.outside import NOTHING_OUTSIDE, Outside, read_outside, with_feed
from trading.settings import DaemonSettings
from trading.state_folder import StateFolder

BARS = 420
HOUR_MS = 3_600_000
NEWS = NewsSettings(max_age_hours=3)
# Hours of the run in which the feed is away, longer than its readings are believed.
AWAY = range(30, 40)


@dataclass
class DriftingFeed:
    """Read every half hour by the run's own clock; releases move, fade and come as it goes on."""

    from_ms: int
    terminal: SimulatedTerminal | None = None
    last: int = -1
    seen: FeedState = field(default_factory=FeedState)

    @property
    def state(self) -> FeedState:
        assert self.terminal is not None
        half_hour = max(0, (self.terminal.now_ms - self.from_ms) // (HOUR_MS // 2))
        if half_hour > self.last and half_hour // 2 not in AWAY:
            self.last = half_hour
            self.seen = FeedState(self.seen.readings + 1, self._reading(half_hour))
        return self.seen

    def _reading(self, half_hour: int) -> object:
        """Events of the whole run's two weeks; each moves by minutes, some are cancelled."""
        rows = []
        for place in range(60):
            moved = (half_hour * 7 + place * 13) // 10 % 4 * 20
            at_ms = self.from_ms + place * 2 * HOUR_MS + moved * 60_000
            if (place + half_hour // 8) % 7 == 0:
                continue
            impact, country = ("High", "USD") if place % 3 else ("Low", "EUR")
            date = np.datetime_as_string(np.datetime64(at_ms, "ms"), unit="m")
            rows.append(row(str(date), f"release {place}", impact=impact, country=country))
        return reading(*rows)


@dataclass
class LiveRun:
    case: Case
    lines: list[str]
    features: np.ndarray
    archive: Path


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> LiveRun:
    folder = tmp_path_factory.mktemp("news")
    decision = settings_of(news_block_minutes=30, news_filter={"currencies": ["USD"]})
    case = without_models(make_case(folder, decision, bars=BARS))
    feed = DriftingFeed(case.plan.limits.from_ms)
    source = NewsSource(CalendarArchive(folder / ARCHIVE), NEWS.max_age_ms)
    outside = with_feed(NOTHING_OUTSIDE, LiveNews(source, feed), BTC, learned_calendar=True)
    lines, features = run_live(replace(case, outside=outside), folder / "state", feed)
    source.close()
    return LiveRun(case, lines, features, folder / ARCHIVE)


def run_live(case: Case, path: Path, feed: DriftingFeed) -> tuple[list[str], np.ndarray]:
    """The daemon over the terminal itself, whose clock is the feed's, too."""
    plan = case.plan
    feed.terminal = terminal = SimulatedTerminal(
        bars={"BTCUSD": plan.bars}, instruments={"BTCUSD": BTC},
        account=case.paper.account_terms(), start_ms=plan.limits.from_ms, seed=case.paper.seed,
        slippage_points=case.paper.slippage_points, server_zone=case.paper.server_timezone,
    )  # fmt: skip
    broker = NativeBroker(
        NativeTerminal(terminal), ServerClock(case.paper.server_timezone),
        now_ms=lambda: terminal.now_ms, mode="paper",
    )  # fmt: skip
    with StateFolder(path) as folder:
        journal, store = Journal(folder.journal), BarStore(folder.bars)
        bot_of(case, broker, StepClock(terminal), folder, journal, store, None).run()
        lines = list(journal.decision_lines("BTCUSD"))
        features = np.array([row for _, row in journal.features("BTCUSD")])
        journal.close()
        store.close()
    return lines, features


def replayed(live: LiveRun, outside: Outside) -> tuple[list[str], np.ndarray]:
    """The backtest of the same rules over a calendar: its lines, and the decided bars' features."""
    case, plan = live.case, live.case.plan
    from_ms = plan.limits.from_ms
    calendar = outside.calendar.at(int(plan.bars.close_ms[-1])).events
    matrix = feature_matrix(
        plan.bars, groups=GROUPS, round_step=BTC.round_step, first_row=case.first_row,
        calendar=calendar,
    )  # fmt: skip
    forecasts = forecast_columns(
        matrix, names(GROUPS), plan.bars.open_ms[case.first_row :], case.models.signal.predict
    )
    bars = decided_bars(
        plan.bars, forecasts, case.decision.prediction.quantile,
        from_ms=from_ms, to_ms=from_ms + BARS * BAR_MS,
    )  # fmt: skip
    rules = Rules(BTC, case.decision, case.paper, DaemonSettings().strategy_id, news=outside.news)
    first = int(plan.bars.open_ms.searchsorted(from_ms)) - case.first_row
    return list(run_backtest(bars, rules).lines()), matrix[first : first + BARS]


def over_archive(live: LiveRun) -> Outside:
    return read_outside(
        FeatureSettings(), BTC, calendar=live.archive, learned_calendar=True, news=NEWS
    )


def refusals(lines: list[str]) -> list[list[object]]:
    """What the news rule said, bar by bar; empty where it said nothing."""
    return [
        next((each for each in json.loads(line)["denials"] if each[0] == "news_block"), [])
        for line in lines
    ]


def test_backtest_over_the_archive_equals_the_live_filter_bar_for_bar(live: LiveRun) -> None:
    lines, features = replayed(live, over_archive(live))
    assert refusals(lines) == refusals(live.lines)
    assert lines == live.lines
    assert np.array_equal(features, live.features, equal_nan=True)


def test_run_had_everything_that_could_differ(live: LiveRun) -> None:
    refused = [each for each in refusals(live.lines) if each]
    assert sum("calendar unknown" in str(each[1]) for each in refused) > 20
    assert sum("release" in str(each[1]) for each in refused) > 100
    archive = read_archive(live.archive)
    assert (archive.events.known_until_ms < np.iinfo(np.int64).max).sum() > 100
    news = names(GROUPS).index("is_news_near")
    assert 50 < (live.features[:, news] == 1).sum() < BARS - 50


def test_without_the_instants_of_knowing_the_filter_would_say_something_else(
    live: LiveRun,
) -> None:
    """The last word on each release, as a calendar collected afterwards has it."""
    archive = over_archive(live)
    events = read_archive(live.archive).events
    final = events.known_at(int(events.known_since_ms.max()))
    releases = type(archive.news)(final, read_archive(live.archive).refreshes, NEWS.max_age_ms)  # type: ignore[call-arg]
    lines, _ = replayed(live, replace(archive, news=releases))
    assert refusals(lines) != refusals(live.lines)


def test_entries_of_the_run_stand_outside_the_windows_that_were_known(live: LiveRun) -> None:
    events = read_archive(live.archive).events.only(["USD"])
    entered = [words for words in map(json.loads, live.lines) if words["intents"]]
    assert len(entered) >= 5
    for words in entered:
        close_ms = words["market"]["close_ms"]
        times = events.known_at(close_ms).time_ms
        assert (np.abs(times - close_ms) > 30 * 60_000).all()
