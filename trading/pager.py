"""Calls a person: into the journal, the log and the view. Other channels put themselves in front.

A cause pages once and is quiet until it is over.
"""

from typing import Any, Protocol


class Pager(Protocol):
    def page(self, text: str, *, key: str) -> None:
        """Says `text` to a person, unless `key` was paged already and is not over."""
        ...

    def over(self, text: str, *, key: str) -> None:
        """Says that a cause is gone; nothing if it was not paged."""
        ...


class EventLog(Protocol):
    """Where pages are kept; `trading.journal.Journal` is one."""

    def record(self, kind: str, event_time_ms: int, **payload: Any) -> None: ...


class Herald(Protocol):
    """Who shows pages; `trading.report.Reporter` is one."""

    def page(self, text: str) -> None: ...


class Clocked(Protocol):
    def now_ms(self) -> int: ...


class JournalPager:
    """Journal event `page` or `page_over`, and the view (which logs it, too)."""

    def __init__(self, journal: EventLog, herald: Herald, clock: Clocked) -> None:
        self._journal = journal
        self._herald = herald
        self._clock = clock
        self._open: set[str] = set()

    def page(self, text: str, *, key: str) -> None:
        if key not in self._open:
            self._open.add(key)
            self._say("page", text, key)

    def over(self, text: str, *, key: str) -> None:
        if key in self._open:
            self._open.discard(key)
            self._say("page_over", text, key)

    def _say(self, kind: str, text: str, key: str) -> None:
        self._journal.record(kind, self._clock.now_ms(), key=key, text=text)
        self._herald.page(text)


class NoPager:
    """Nobody is called."""

    def page(self, text: str, *, key: str) -> None: ...

    def over(self, text: str, *, key: str) -> None: ...
