"""What was sent under which client id, so that no intent is filled twice.

Kept in memory: after a restart the venue's own records answer (`NativeBroker.intent`).
"""

from collections import OrderedDict
from dataclasses import dataclass

from broker.contract.messages import TradeResult

KEPT_MS = 7 * 86_400_000


@dataclass(slots=True)
class SentIntent:
    """One request and its answer; `result` is None while the outcome is not known."""

    body: object
    sent_ms: int
    result: TradeResult | None = None


class SentIntents:
    """Requests of the last seven days by client id."""

    def __init__(self) -> None:
        self._sent: OrderedDict[str, SentIntent] = OrderedDict()

    def get(self, client_id: str) -> SentIntent | None:
        return self._sent.get(client_id)

    def begin(self, client_id: str, body: object, now_ms: int) -> SentIntent:
        """Notes a request before it is sent."""
        while self._sent and next(iter(self._sent.values())).sent_ms < now_ms - KEPT_MS:
            self._sent.popitem(last=False)
        intent = SentIntent(body, now_ms)
        self._sent[client_id] = intent
        return intent

    def forget(self, client_id: str) -> None:
        """Takes back a request that surely was not sent."""
        self._sent.pop(client_id, None)
