"""`NativeBroker`: the `Broker` port over one terminal."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from broker.contract.marks import bears_mark, comment_of, mark_of
from broker.contract.messages import (
    Deal,
    IntentReport,
    Order,
    OrderRequest,
    Position,
    TradeResult,
)
from broker.native import face, trade
from broker.native.intents import KEPT_MS, IntentMemory, IntentStore, SentIntents
from broker.native.reading import DAY_MS, one_at_a_time
from broker.native.sending import TerminalSender
from market.server_clock import ServerClock
from market.sessions import Sessions


class NativeBroker(TerminalSender):
    """One account at a terminal.

    `mt5`: the MetaTrader5 package or the simulated terminal's native face. `now_ms`: the venue's
    clock, epoch ms UTC. `sessions`: when symbols trade, since the package does not tell; a symbol
    that is left out counts as always open. `mode`: live or paper, for `health`. `intents`: where
    sent intents are remembered, in memory if nothing is given.
    """

    def __init__(
        self,
        mt5: face.Mt5,
        server_clock: ServerClock,
        *,
        now_ms: Callable[[], int],
        mode: str,
        sessions: Mapping[str, Sessions] | None = None,
        intents: IntentStore | None = None,
    ) -> None:
        super().__init__(mt5, server_clock, now_ms=now_ms, mode=mode, sessions=sessions)
        self._store = intents or IntentMemory()
        self._intents = self._sent_intents()

    @one_at_a_time
    def send(self, request: OrderRequest) -> TradeResult:
        return self._intents.once(request.client_id, request, lambda: self._send(request))

    @one_at_a_time
    def check(self, request: OrderRequest) -> TradeResult:
        quote = self.tick(request.symbol)
        body = trade.order_body(request, quote, request.position)
        answer = self._asked("order_check", self._mt5.order_check(body))
        return trade.check_result(
            answer, request, quote, price=body.get("price", 0.0), now_ms=self._now_ms()
        )

    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        return self.set_levels(position, sl=sl, tp=tp, client_id=client_id)

    @one_at_a_time
    def set_levels(
        self, position: int, *, sl: float | None, tp: float | None, client_id: str
    ) -> TradeResult:
        """`modify` where a level that is left out (None) keeps its present value."""
        return self._intents.once(
            client_id, ("levels", position, sl, tp),
            lambda: self._set_levels(position, sl, tp, client_id), repeatable=True,
        )  # fmt: skip

    @one_at_a_time
    def close(
        self, position: int, *, client_id: str, volume: float | None = None,
        deviation: int | None = None, comment: str = "",
    ) -> TradeResult:  # fmt: skip
        """Closes (part of) a position at the market."""
        return self._intents.once(
            client_id, ("close", position, volume, deviation, comment),
            lambda: self._close(position, volume, deviation, client_id, comment),
        )  # fmt: skip

    @one_at_a_time
    def set_order(self, ticket: int, *, change: trade.OrderChange, client_id: str) -> TradeResult:
        """Changes a working order; what is left out (None) keeps its present value."""
        return self._intents.once(
            client_id, ("order", ticket, change),
            lambda: self._set_order(ticket, change, client_id), repeatable=True,
        )  # fmt: skip

    @one_at_a_time
    def cancel_order(self, ticket: int, *, client_id: str) -> TradeResult:
        """Removes a working order."""
        return self._intents.once(
            client_id, ("cancel", ticket), lambda: self._cancel(ticket, client_id), repeatable=True
        )

    @one_at_a_time
    def intent(self, client_id: str) -> IntentReport:
        report = self.intent_by_deals(client_id)
        if report.state == "unknown" and self._is_working(client_id):
            return replace(report, state="in_flight")
        return report

    @one_at_a_time
    def intent_by_deals(self, client_id: str) -> IntentReport:
        """What memory and deals tell of an intent; working orders are not asked for."""
        result, deals = self._intents.result(client_id), self._deals_of(client_id)
        if deals and (result is None or result.outcome == "placed"):
            result = trade.result_from_deals(deals, client_id)
        position = deals[0].position_id if deals else result.position if result else 0
        under_way = "in_flight" if self._intents.is_under_way(client_id) else "unknown"
        state = trade.intent_state(result) if result else under_way
        return IntentReport(client_id, state, result, position, tuple(deals))

    def searched_from_ms(self, client_id: str) -> int:
        """From when on the venue's history may tell of an intent: a day before it was sent, since
        the server's clock may be hours off; a week ago where only the venue remembers it."""
        sent_ms = self._intents.sent_ms(client_id)
        return self._now_ms() - KEPT_MS if sent_ms is None else sent_ms - DAY_MS

    def has_answer(self, client_id: str) -> bool:
        """Whether this intent's answer is known, so that sending it again replays it."""
        return self._intents.result(client_id) is not None

    @one_at_a_time
    def restarted(self) -> None:
        """As a new process over the same store of intents would be."""
        super().restarted()
        self._intents = self._sent_intents()

    def _sent_intents(self) -> SentIntents:
        return SentIntents(self._store, self._now_ms, self._found_result, self._marks_at_the_venue)

    def answered(self, client_id: str, body: object) -> TradeResult | None:
        """The known answer to a request, without the terminal. `body`: the `OrderRequest`, or
        the tuple that `set_levels`, `close`, `set_order` or `cancel_order` names it by."""
        return self._intents.answered(client_id, body)

    def was_sent(self, client_id: str) -> bool:
        """Whether this intent may have been sent, by this process or one before."""
        return self._intents.was_sent(client_id)

    def keep_answers(self) -> None:
        """Makes the answers given so far as durable as their store is."""
        self._store.flush()

    def _deals_of(self, client_id: str) -> list[Deal]:
        """The intent's own deals; stops and targets carry the entry's magic too."""
        comment = comment_of(client_id)
        return [
            deal
            for deal in self._deals_since(self.searched_from_ms(client_id))
            if (bears_mark(deal.magic, client_id) or deal.comment == comment)
            and trade.of_an_intent(deal)
        ]

    def _is_working(self, client_id: str) -> bool:
        return any(bears_mark(order.magic, client_id) for order in self.orders())

    def _found_result(self, client_id: str) -> TradeResult | None:
        return self.intent(client_id).result

    def _marks_at_the_venue(self) -> set[int]:
        """Marks of all intents that left deals, orders or positions there."""
        there: tuple[Deal | Order | Position, ...] = (
            *self._deals_since(self._now_ms() - KEPT_MS), *self.orders(), *self.positions(),
        )  # fmt: skip
        marks = {mark_of(each.magic) for each in there}
        return {mark for mark in marks if mark is not None}

    def _deals_since(self, from_ms: int) -> tuple[Deal, ...]:
        return self.deals(from_ms=from_ms, to_ms=self._now_ms() + DAY_MS)
