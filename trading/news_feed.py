"""Reads the news feed again and again, in a thread beside the loop.

The thread only reads and parses: what it has read lies in one immutable record, which the loop
looks at when it wants to. Nothing here waits for the loop, and the loop waits for nothing here.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType
from typing import Self

import httpx

from market.sources.errors import SourceError
from market.sources.forex_factory import CalendarFeed, parse_feed
from trading.news_settings import NewsSettings

_TIMEOUT = httpx.Timeout(10.0)
_MOST_S = 60.0
_MOST_BYTES = 4_000_000
_FIRST_PAUSE_S = 60.0
_LONGEST_PAUSE_S = 86_400.0
_AGENT = "novosky-calendar"


@dataclass(frozen=True, slots=True)
class FeedState:
    """`readings`: how often the feed was read; `feed`: what it said last, None before the first.
    `failures`: attempts since then that came to nothing, and in `trouble` why the last one did."""

    readings: int = 0
    feed: CalendarFeed | None = None
    failures: int = 0
    trouble: str = ""


class NewsFeed:
    """A context manager: the thread runs inside it. `key` tells daemons of one machine apart, so
    that they do not ask at the same second."""

    def __init__(
        self, settings: NewsSettings, *, key: str, client: httpx.Client | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.state = FeedState()
        self._url = settings.url
        self._every_s = settings.refresh_minutes * 60
        self._key = key
        self._client = client or httpx.Client(
            timeout=_TIMEOUT, follow_redirects=True, headers={"User-Agent": _AGENT}
        )
        self._monotonic_s = monotonic_s
        self._validators: dict[str, str] = {}
        self._attempts = 0
        self._stop = Event()
        self._thread = Thread(target=self._run, name="news-feed", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._stop.set()
        self._thread.join(timeout=1.0)
        self._client.close()

    def refresh(self) -> float:
        """One attempt; how many seconds to wait before the next one."""
        self._attempts += 1
        try:
            feed = self._read()
        except _Refused as error:
            return self._failed(str(error), error.retry_after_s)
        except (httpx.HTTPError, httpx.InvalidURL, SourceError) as error:
            return self._failed(str(error) or type(error).__name__)
        self.state = FeedState(self.state.readings + 1, feed)
        return self._every_s * (1 + 0.1 * self._draw())

    def _run(self) -> None:
        while not self._stop.wait(self.refresh()):
            pass

    def _failed(self, why: str, retry_after_s: float = 0.0) -> float:
        before = self.state
        self.state = FeedState(before.readings, before.feed, before.failures + 1, why)
        doubled = _FIRST_PAUSE_S * 2.0 ** min(before.failures, 20)
        pause_s = min(doubled, self._every_s) * (0.5 + 0.5 * self._draw())
        return min(max(pause_s, retry_after_s), _LONGEST_PAUSE_S)

    def _draw(self) -> float:
        """A number from 0 to 1 that this daemon and attempt alone have."""
        digest = hashlib.sha256(f"{self._key} {self._attempts}".encode()).digest()
        return int.from_bytes(digest[:8]) / 2**64

    def _read(self) -> CalendarFeed:
        """The feed; the one before where the server says that nothing has changed."""
        with self._client.stream("GET", self._url, headers=self._validators) as answer:
            if answer.status_code == 304 and self.state.feed is not None:
                return self.state.feed
            if answer.status_code != 200:
                raise _Refused(
                    f"status {answer.status_code} from {self._url}", _retry_after_s(answer)
                )
            feed = parse_feed(self._content(answer))
            self._validators = _validators(answer)
            return feed

    def _content(self, answer: httpx.Response) -> bytes:
        began_s, content = self._monotonic_s(), b""
        for part in answer.iter_bytes():
            content += part
            if len(content) > _MOST_BYTES:
                raise _Refused(f"more than {_MOST_BYTES} bytes from {self._url}")
            if self._monotonic_s() - began_s > _MOST_S:
                raise _Refused(f"no whole answer in {_MOST_S:g} s from {self._url}")
        return content


class _Refused(Exception):
    """An answer that is no feed. `retry_after_s`: how long the server wants to be left alone."""

    def __init__(self, said: str, retry_after_s: float = 0.0) -> None:
        super().__init__(said)
        self.retry_after_s = retry_after_s


def _validators(answer: httpx.Response) -> dict[str, str]:
    """Headers that ask for the content only if it has changed since."""
    pairs = (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
    return {ask: answer.headers[said] for said, ask in pairs if said in answer.headers}


def _retry_after_s(answer: httpx.Response) -> float:
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isdecimal() else 0.0
