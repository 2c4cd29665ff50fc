"""No intent is acted on twice: what was sent under which client id, and what came of it.

Kept in memory: after a restart the venue's own records answer.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from broker.contract.errors import (
    BadAnswer,
    BrokerRefused,
    BrokerUnavailable,
    IntentInFlight,
    IntentReused,
)
from broker.contract.marks import mark
from broker.contract.messages import TradeResult

KEPT_MS = 7 * 86_400_000


@dataclass(slots=True)
class SentIntent:
    """One request and its answer. `result` is None while the outcome is not known; `body` where a
    bridge before this one sent it."""

    body: object | None
    sent_ms: int
    result: TradeResult | None = None


class SentIntents:
    """Requests of the last seven days by client id.

    `find`: looks for an intent's outcome at the venue. `marks_at_the_venue`: marks of intents that
    left something there; asked once, since whatever is sent later is remembered here.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        find: Callable[[str], TradeResult | None],
        marks_at_the_venue: Callable[[], set[int]],
    ) -> None:
        self._now_ms = now_ms
        self._find = find
        self._marks_at_the_venue = marks_at_the_venue
        self._marks_before_start: set[int] | None = None
        self._sent: OrderedDict[str, SentIntent] = OrderedDict()

    def result(self, client_id: str) -> TradeResult | None:
        """The answer, where it is known here."""
        sent = self._sent.get(client_id)
        return sent.result if sent else None

    def was_sent(self, client_id: str) -> bool:
        return client_id in self._sent

    def once(self, client_id: str, body: object, act: Callable[[], TradeResult]) -> TradeResult:
        """Acts at most once per client id: replays a known answer, never repeats a lost one.

        An empty client id acts always. Raises `IntentReused` for another body, `IntentInFlight`
        while the outcome is not known.
        """
        if not client_id:
            return act()
        sent = self._sent.get(client_id)
        if sent is None and self._was_sent_before_start(client_id):
            sent = self._begin(client_id, None)
        if sent is None:
            return self._first_time(client_id, body, act)
        if sent.body not in (None, body):
            raise IntentReused(
                f"client_id {client_id}: already used for another request; a new intent needs a "
                "new client_id"
            )
        sent.result = sent.result or self._find(client_id)
        if sent.result is None:
            raise IntentInFlight(f"client_id {client_id}: sent earlier, its outcome is not known")
        return sent.result

    def _first_time(
        self, client_id: str, body: object, act: Callable[[], TradeResult]
    ) -> TradeResult:
        sent = self._begin(client_id, body)
        try:
            result = act()
        except (BrokerRefused, BrokerUnavailable, BadAnswer):
            del self._sent[client_id]
            raise
        if result.outcome == "not_sent":
            del self._sent[client_id]
        else:
            sent.result = result
        return result

    def _begin(self, client_id: str, body: object | None) -> SentIntent:
        now_ms = self._now_ms()
        while self._sent and next(iter(self._sent.values())).sent_ms < now_ms - KEPT_MS:
            self._sent.popitem(last=False)
        self._sent[client_id] = SentIntent(body, now_ms)
        return self._sent[client_id]

    def _was_sent_before_start(self, client_id: str) -> bool:
        if self._marks_before_start is None:
            self._marks_before_start = self._marks_at_the_venue()
        return mark(client_id) in self._marks_before_start
