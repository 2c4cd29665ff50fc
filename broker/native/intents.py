"""No intent is acted on twice: what was sent under which client id, and what came of it.

Where this is remembered is the store's business: in memory in process, on disk in the bridge
(`mt5api.keys`). What no store remembers, the venue's own records answer.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from broker.contract.errors import (
    BadAnswer,
    BrokerRefused,
    BrokerUnavailable,
    IntentInFlight,
    IntentReused,
)
from broker.contract.marks import marks_of
from broker.contract.messages import TradeResult
from broker.contract.wire import encode

KEPT_MS = 7 * 86_400_000


@dataclass(slots=True)
class SentIntent:
    """One request and its answer. `result` is None while the outcome is not known; `body_hash` is
    empty where only the venue remembers the request."""

    body_hash: str
    sent_ms: int
    result: TradeResult | None = None


class IntentStore(Protocol):
    """Sent intents by client id, oldest first."""

    def get(self, client_id: str) -> SentIntent | None: ...

    def begin(self, client_id: str, sent: SentIntent) -> None:
        """Remembers a request before it is sent; as durable as the store is when it returns."""
        ...

    def finish(self, client_id: str, result: TradeResult) -> None: ...

    def forget(self, client_id: str) -> None:
        """The request was not sent after all."""
        ...

    def forget_before(self, instant_ms: int) -> None: ...

    def flush(self) -> None:
        """Makes the answers durable too. Until then a crash leaves their intents open."""
        ...


class IntentMemory:
    """Remembers while the process lives."""

    def __init__(self) -> None:
        self._sent: OrderedDict[str, SentIntent] = OrderedDict()

    def get(self, client_id: str) -> SentIntent | None:
        return self._sent.get(client_id)

    def begin(self, client_id: str, sent: SentIntent) -> None:
        self._sent[client_id] = sent

    def finish(self, client_id: str, result: TradeResult) -> None:
        self._sent[client_id].result = result

    def forget(self, client_id: str) -> None:
        del self._sent[client_id]

    def has_before(self, instant_ms: int) -> bool:
        return bool(self._sent) and next(iter(self._sent.values())).sent_ms < instant_ms

    def forget_before(self, instant_ms: int) -> None:
        while self.has_before(instant_ms):
            self._sent.popitem(last=False)

    def flush(self) -> None:
        """Nothing is kept elsewhere."""


class SentIntents:
    """Requests of the last seven days by client id.

    `find`: looks for an intent's outcome at the venue. `marks_at_the_venue`: marks of intents that
    left something there; asked once, since whatever is sent later is remembered here.
    """

    def __init__(
        self,
        store: IntentStore,
        now_ms: Callable[[], int],
        find: Callable[[str], TradeResult | None],
        marks_at_the_venue: Callable[[], set[int]],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self._find = find
        self._marks_at_the_venue = marks_at_the_venue
        self._marks_before_start: set[int] | None = None
        self._sent_here: set[str] = set()

    def result(self, client_id: str) -> TradeResult | None:
        """The answer, where it is known here."""
        sent = self._store.get(client_id)
        return sent.result if sent else None

    def sent_ms(self, client_id: str) -> int | None:
        """When it was sent, by this store's records; None where they do not tell."""
        sent = self._store.get(client_id)
        return sent.sent_ms if sent is not None and sent.body_hash else None

    def was_sent(self, client_id: str) -> bool:
        """Whether it may have been sent, by this process or one before."""
        return self._store.get(client_id) is not None

    def is_under_way(self, client_id: str) -> bool:
        """Whether this process sent it and has no answer."""
        return client_id in self._sent_here and self.result(client_id) is None

    def answered(self, client_id: str, body: object) -> TradeResult | None:
        """The known answer to this request, without asking anybody; `IntentReused` for another."""
        sent = self._store.get(client_id) if client_id else None
        if sent is None:
            return None
        self._require_same(client_id, sent, body)
        return sent.result

    def once(
        self, client_id: str, body: object, act: Callable[[], TradeResult], *,
        repeatable: bool = False,
    ) -> TradeResult:  # fmt: skip
        """Acts at most once per client id: replays a known answer, never repeats a lost one.

        An empty client id acts always. `repeatable`: doing it again does no harm, so that a lost
        answer is got by doing so. Raises `IntentReused` for another body, `IntentInFlight` while
        the outcome is not known.
        """
        if not client_id:
            return act()
        sent = self._store.get(client_id)
        if sent is None and self._was_sent_before_start(client_id):
            sent = self._begin(client_id, "")
        if sent is None:
            return self._first_time(client_id, body, act)
        self._require_same(client_id, sent, body)
        if sent.result is None:
            self._settle(client_id, act if repeatable else lambda: self._find(client_id))
        if sent.result is None:
            raise IntentInFlight(f"client_id {client_id}: sent earlier, its outcome is not known")
        return sent.result

    def _settle(self, client_id: str, look: Callable[[], TradeResult | None]) -> None:
        found = look()
        if found is not None and found.outcome != "not_sent":
            self._store.finish(client_id, found)

    def _first_time(
        self, client_id: str, body: object, act: Callable[[], TradeResult]
    ) -> TradeResult:
        self._begin(client_id, _hash(body))
        self._sent_here.add(client_id)
        try:
            result = act()
        except (BrokerRefused, BrokerUnavailable, BadAnswer):
            self._forget(client_id)
            raise
        if result.outcome == "not_sent":
            self._forget(client_id)
        else:
            self._store.finish(client_id, result)
            self._sent_here.discard(client_id)
        return result

    def _begin(self, client_id: str, body_hash: str) -> SentIntent:
        now_ms = self._now_ms()
        self._store.forget_before(now_ms - KEPT_MS)
        sent = SentIntent(body_hash, now_ms)
        self._store.begin(client_id, sent)
        return sent

    def _forget(self, client_id: str) -> None:
        self._store.forget(client_id)
        self._sent_here.discard(client_id)

    def _require_same(self, client_id: str, sent: SentIntent, body: object) -> None:
        if sent.body_hash not in ("", _hash(body)):
            raise IntentReused(
                f"client_id {client_id}: already used for another request; a new intent needs a "
                "new client_id"
            )

    def _was_sent_before_start(self, client_id: str) -> bool:
        if self._marks_before_start is None:
            self._marks_before_start = self._marks_at_the_venue()
        return not marks_of(client_id).isdisjoint(self._marks_before_start)


def _hash(body: object) -> str:
    return hashlib.sha256(encode(body)).hexdigest()
