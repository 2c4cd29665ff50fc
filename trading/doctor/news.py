"""The calendar of the news rules: the feed's last reading, or a file."""

from collections.abc import Callable
from pathlib import Path

from market.sources.calendar_archive import is_archive, read_archive
from trading.decision.settings import DecisionSettings
from trading.doctor.check import Finding, bad, good, note
from trading.news import ARCHIVE
from trading.news_feed import NewsFeed
from trading.news_settings import NewsSettings
from trading.releases import CalendarSource

_HOUR_MS = 3_600_000


def news(
    settings: NewsSettings, decision: DecisionSettings, state: Path,
    given: Callable[[], CalendarSource], now_ms: int,
) -> Finding:  # fmt: skip
    """`given`: the file that the settings name, asked for where no feed is on."""
    if settings.enabled:
        return _feed(settings, decision, state, now_ms)
    if not decision.news_window_minutes:
        return note("no rule looks at news (news_block_minutes), no feed is on (news.enabled)")
    known = given().at(now_ms)
    if not known.unknown:
        return good(f"{len(known.events)} releases known")
    return bad(
        f"{known.unknown}; {_then(decision)}",
        "set news.enabled to true, or name a calendar that covers today in features.calendar",
    )


def _feed(settings: NewsSettings, decision: DecisionSettings, state: Path, now_ms: int) -> Finding:
    """What the daemon read last counts; where it is too old, the feed is read once."""
    read_ms = _last_read_ms(state / ARCHIVE)
    if 0 <= now_ms - read_ms <= settings.max_age_ms:
        return good(f"read {(now_ms - read_ms) / _HOUR_MS:.1f} h ago")
    feed = NewsFeed(settings, key="doctor")
    feed.refresh()
    if feed.state.feed is not None:
        return good(f"the feed answers: {len(feed.state.feed.events)} releases this week")
    return bad(
        f"{feed.state.trouble}; {_then(decision)}",
        "look at the network and at news.url; news_filter.when_unknown says what entries do until "
        "it answers",
    )


def _last_read_ms(archive: Path) -> int:
    """The last reading in an archive, epoch ms; 0 where there is none."""
    if not (archive.exists() and is_archive(archive)):
        return 0
    return max((each.observed_ms for each in read_archive(archive).refreshes), default=0)


def _then(decision: DecisionSettings) -> str:
    blocks = decision.news_filter.when_unknown == "block"
    return "entries are blocked meanwhile" if blocks else "it trades on meanwhile"
