"""Closes a part of a position: asked once, again only where it was certainly refused.

A part is not chased: what is not closed stays open, behind its stop, and the next bar decides anew.
"""

from dataclasses import replace

from broker.contract import retcodes
from broker.contract.errors import BrokerError
from broker.contract.filling import next_filling
from broker.contract.messages import OrderRequest, Position
from broker.contract.port import Broker
from broker.contract.retcodes import RetcodeClass
from trading.execution.evidence import closed_lots, opened_lots
from trading.execution.intents import IntentLog, IntentState, JournalledIntent, is_open
from trading.execution.retry import renamed
from trading.execution.sending import Answer, Sender

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_LEAST_VOLUME = 1e-9


class Parts:
    """Partial closes. While one of a position has no outcome, no other is sent."""

    def __init__(self, broker: Broker, journal: IntentLog, sender: Sender) -> None:
        self._broker = broker
        self._journal = journal
        self._sender = sender

    def works_on(self, request: OrderRequest) -> bool:
        """Whether another partial close of this position has no outcome yet."""
        assert request.position is not None
        return any(
            each.request.client_id != request.client_id and is_open(each.kind, each.state)
            for each in self._journal.parts_of(request.position)
        )

    def part(self, first: OrderRequest, now_ms: int) -> tuple[OrderRequest, Answer]:
        """Sends a PENDING partial close; the last request and what became of it."""
        request, asked = first, 0
        while True:
            answer = self._sender.order(request, now_ms)
            asked += 1
            following = self._following(first, request, answer, asked)
            self._sender.note(request.client_id, answer, now_ms, then=following)
            if following is None:
                return request, answer
            request = following

    def executed(self, intent: JournalledIntent) -> bool:
        """Whether the position shows that a part without a deal of its own was closed: it is
        smaller than its deals say, by that part. Raises `BrokerError`."""
        position = self._find(intent.request)
        if position is None:
            return False
        from_ms = position.time_msc - _HOUR_MS
        deals = self._broker.deals(from_ms=from_ms, to_ms=intent.changed_ms + _DAY_MS)
        opened = opened_lots(position.identifier, deals)
        told = opened - closed_lots(position.identifier, deals)
        return opened > 0 and position.volume <= told - intent.request.volume + _LEAST_VOLUME

    def _following(
        self, first: OrderRequest, request: OrderRequest, answer: Answer, asked: int
    ) -> OrderRequest | None:
        """The request in place of one that the venue refused for its price or its filling."""
        code = answer.code
        if answer.state is not IntentState.REJECTED or code is None:
            return None
        if code.class_ is not RetcodeClass.FRESH or asked > code.retries:
            return None
        try:
            position = self._find(request)
            bits = self._broker.symbol(request.symbol).filling_mode
        except BrokerError:
            return None
        if position is None or position.volume <= request.volume + _LEAST_VOLUME:
            return None
        again = renamed(first, first.client_id, asked, "r")
        if code.code != retcodes.INVALID_FILL:
            return replace(again, type_filling=request.type_filling)
        other = next_filling(bits, request.type_filling)
        return None if other is None else replace(again, type_filling=other)

    def _find(self, request: OrderRequest) -> Position | None:
        held = self._broker.positions(request.symbol)
        return next((each for each in held if each.identifier == request.position), None)
