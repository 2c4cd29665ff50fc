"""Reading the feed over HTTP: what is kept, what is tried again, and when."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.news.feeds import body, row
from tests.news.server import FeedServer, feed_server
from tests.patience import PATIENCE_S
from trading.news_feed import FeedState, NewsFeed
from trading.news_settings import NewsSettings

HOUR_S = 3600.0


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with feed_server() as told:
        yield told


def feed_of(server: FeedServer, key: str = "live-main") -> NewsFeed:
    return NewsFeed(NewsSettings(enabled=True, url=server.url), key=key)


def test_reading_is_kept_and_repeated_after_an_hour_and_a_little(server: FeedServer) -> None:
    feed = feed_of(server)
    assert feed.state == FeedState()
    wait_s = feed.refresh()
    assert HOUR_S <= wait_s <= 1.1 * HOUR_S
    assert feed.state.readings == 1
    assert feed.state.feed is not None
    assert feed.state.feed.events[0].title == "CPI m/m"


def test_unchanged_feed_is_asked_for_by_its_mark_and_counts_as_read(server: FeedServer) -> None:
    server.etag = '"week-33"'
    feed = feed_of(server)
    feed.refresh()
    first = feed.state.feed
    feed.refresh()
    assert server.asked[1]["If-None-Match"] == '"week-33"'
    assert (feed.state.readings, feed.state.failures) == (2, 0)
    assert feed.state.feed is first


def test_changed_feed_is_read_anew(server: FeedServer) -> None:
    server.etag = '"one"'
    feed = feed_of(server)
    feed.refresh()
    server.etag, server.content = '"two"', body([row("2026-08-20T14:00")])
    feed.refresh()
    assert feed.state.feed is not None
    assert feed.state.feed.events[0].time_ms % 86_400_000 == 14 * 3_600_000


FAILURES = {
    "outage": (503, b"down", "status 503 from"),
    "too_many": (429, b"slow down", "status 429 from"),
    "moved_away": (404, b"", "status 404 from"),
    "garbage": (200, b"<html>Just a moment...</html>", "<weeklyevents> is allowed, <html> came"),
    "empty": (200, b"[]", "more good rows than bad ones are needed"),
    "huge": (200, b" " * 4_000_001, "more than 4000000 bytes"),
}


@pytest.mark.parametrize(
    ("status", "content", "said"), FAILURES.values(), ids=list(FAILURES)
)  # fmt: skip
def test_failure_keeps_the_last_reading_and_says_why(
    server: FeedServer, status: int, content: bytes, said: str
) -> None:
    feed = feed_of(server)
    feed.refresh()
    read = feed.state.feed
    server.status, server.content = status, content
    wait_s = feed.refresh()
    assert 30 <= wait_s <= 60
    assert feed.state.feed is read
    assert (feed.state.readings, feed.state.failures) == (1, 1)
    assert said in feed.state.trouble


def test_server_that_is_not_there_is_a_failure() -> None:
    feed = NewsFeed(NewsSettings(url="http://127.0.0.1:1/ff.json"), key="live-main")
    feed.refresh()
    assert feed.state.failures == 1
    assert "refused" in feed.state.trouble


def test_pauses_grow_up_to_the_usual_one_and_a_reading_ends_them(server: FeedServer) -> None:
    server.status = 500
    feed = feed_of(server)
    pauses = [feed.refresh() for _ in range(12)]
    for place, pause_s in enumerate(pauses):
        most_s = min(60 * 2**place, HOUR_S)
        assert most_s / 2 <= pause_s <= most_s
    server.status = 200
    assert feed.refresh() >= HOUR_S
    assert (feed.state.failures, feed.state.trouble) == (0, "")


@pytest.mark.parametrize(("said", "least_s"), [("900", 900), ("7200", 7200), ("soon", 30)])
def test_server_that_says_how_long_to_wait_is_left_alone_so_long(
    server: FeedServer, said: str, least_s: float
) -> None:
    server.status, server.headers = 429, {"Retry-After": said}
    wait_s = feed_of(server).refresh()
    assert wait_s >= least_s
    assert wait_s <= max(least_s, 60)


def test_pauses_are_drawn_by_daemon_and_attempt_and_the_same_each_time(
    server: FeedServer,
) -> None:
    one, same, other = (feed_of(server, key) for key in ("live-a", "live-a", "live-b"))
    first = [one.refresh() for _ in range(3)]
    assert first == [same.refresh() for _ in range(3)]
    assert len({*first, *(other.refresh() for _ in range(3))}) == 6


def test_answer_that_trickles_for_a_minute_is_given_up(server: FeedServer) -> None:
    seconds = iter(range(0, 10_000, 61))
    feed = NewsFeed(
        NewsSettings(url=server.url), key="live-main", monotonic_s=lambda: float(next(seconds))
    )
    feed.refresh()
    assert "no whole answer in 60 s" in feed.state.trouble


def test_thread_reads_beside_the_loop_and_ends_with_it(server: FeedServer) -> None:
    read = threading.Event()
    transport = httpx.HTTPTransport()

    class Client(httpx.Client):
        def send(self, request: httpx.Request, **how: object) -> httpx.Response:  # type: ignore[override]
            answer = super().send(request, **how)  # type: ignore[arg-type]
            read.set()
            return answer

    feed = NewsFeed(
        NewsSettings(url=server.url), key="live-main", client=Client(transport=transport)
    )
    with feed:
        assert read.wait(PATIENCE_S)
    assert not any(each.name == "news-feed" for each in threading.enumerate())
    assert len(server.asked) == 1
