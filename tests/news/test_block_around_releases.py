"""From the feed to the refusal: a release in the feed, a bar's close, and the words that follow."""

from pathlib import Path

import pytest

from market.sources.calendar_archive import CalendarArchive
from tests.builders import make_input
from tests.news.feeds import ms, reading, row
from trading.decision.records import Denial
from trading.decision.settings import DecisionSettings
from trading.decision.times import denials
from trading.news import NewsSource
from trading.releases import news_view

HOUR_MS = 3_600_000
CPI_MS = ms("2026-08-20T12:30")
LIMIT = "none within 30 min"


def source(path: Path, *rows: dict[str, str]) -> NewsSource:
    made = NewsSource(CalendarArchive(path / "news.sqlite"), 24 * HOUR_MS)
    made.take_in(reading(*rows), CPI_MS - 20 * HOUR_MS)
    return made


def refused(news: NewsSource, minutes: float, **settings: object) -> tuple[Denial, ...]:
    """What speaks against an entry at a close so many minutes after the release."""
    rules = DecisionSettings(**({"news_block_minutes": 30} | settings))
    close_ms = CPI_MS + round(minutes * 60_000)
    view = news_view(news, close_ms, rules.news_window_minutes)
    market = {"open_ms": close_ms - 900_000, "close_ms": close_ms}
    return denials(make_input(market=market, news=view.events, news_unknown=view.unknown), rules)


@pytest.mark.parametrize(
    ("minutes", "said"),
    [
        (-45, None),
        (-30.5, None),
        (-30, "USD CPI m/m in 30 min"),
        (-15, "USD CPI m/m in 15 min"),
        (0, "USD CPI m/m in 0 min"),
        (15, "USD CPI m/m 15 min ago"),
        (30, "USD CPI m/m 30 min ago"),
        (45, None),
    ],
)
def test_high_impact_release_blocks_before_and_after(
    tmp_path: Path, minutes: float, said: str | None
) -> None:
    found = refused(source(tmp_path, row("2026-08-20T08:30:00-04:00")), minutes)
    assert found == (() if said is None else (Denial("news_block", said, LIMIT),))


@pytest.mark.parametrize(
    ("fields", "settings", "blocks"),
    [
        ({}, {}, True),
        ({"country": "EUR"}, {}, False),
        ({"country": "EUR"}, {"news_filter": {"currencies": ["EUR"]}}, True),
        ({"country": "All"}, {}, True),
        ({"impact": "Medium"}, {}, False),
        ({"impact": "Medium"}, {"news_filter": {"min_impact": "medium"}}, True),
        ({"impact": "Holiday"}, {"news_filter": {"min_impact": "low"}}, False),
    ],
    ids=["usd", "other_currency", "asked_for", "all", "medium", "medium_asked_for", "holiday"],
)
def test_release_counts_by_currency_and_impact(
    tmp_path: Path, fields: dict[str, str], settings: dict[str, object], blocks: bool
) -> None:
    news = source(tmp_path, row("2026-08-20T12:30", **fields))
    assert bool(refused(news, -10, **settings)) is blocks


def test_release_that_moved_blocks_where_it_is_now_from_when_that_was_known(tmp_path: Path) -> None:
    news = source(tmp_path, row("2026-08-20T12:30"))
    news.take_in(reading(row("2026-08-20T14:00")), CPI_MS - 10 * 60_000)
    assert [refused(news, minutes)[0].observed for minutes in (-15, 75)] == [
        "USD CPI m/m in 15 min", "USD CPI m/m in 15 min",
    ]  # fmt: skip
    assert refused(news, -10) == refused(news, 0) == ()


@pytest.mark.parametrize(("when_unknown", "count"), [("block", 1), ("trade", 0)])
def test_feed_that_is_too_old_means_what_the_settings_say(
    tmp_path: Path, when_unknown: str, count: int
) -> None:
    news = source(tmp_path, row("2026-08-20T12:30"))
    found = refused(news, 5 * 60, news_filter={"when_unknown": when_unknown})
    assert len(found) == count
    if found:
        assert found[0].observed == (
            "calendar unknown: the news feed was last read at 2026-08-19 16:30 UTC, more than "
            "24 h ago"
        )
