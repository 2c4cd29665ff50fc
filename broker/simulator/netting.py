"""Requests and triggers on a netting account: what an order does depends on what is held."""

from dataclasses import replace

from broker.contract.constants import Filling, OrderType, TradeAction
from broker.simulator import validation as check
from broker.simulator.events import Events
from broker.simulator.feed import Watch
from broker.simulator.netting_book import NettingBook
from broker.simulator.records import OpenPosition, SendResult, TradeRequest, WorkingOrder
from broker.simulator.rollover import Rollovers
from broker.simulator.trading_desk import TradingDesk
from broker.simulator.validation import Attempt, Check, first_failure, order_side


class NettingDesk(TradingDesk):
    """`TradingDesk` on a `NettingBook`. A request that names its position closes (part of) it."""

    def __init__(
        self, book: NettingBook, rollovers: Rollovers, *, seed: int, slippage_points: int,
        slippage_table: tuple[int, ...] = (),
    ) -> None:  # fmt: skip
        super().__init__(
            book, rollovers, seed=seed, slippage_points=slippage_points,
            slippage_table=slippage_table,
        )  # fmt: skip
        self._netted = book

    def send(self, request: TradeRequest, now_ms: int) -> SendResult:
        held = self._meets(request)
        if held is None:
            return super().send(request, now_ms)
        self.requests += 1
        return self._net(request, held, now_ms, execute=True)

    def check(self, request: TradeRequest, now_ms: int) -> SendResult:
        held = self._meets(request)
        if held is None:
            return super().check(request, now_ms)
        return self._net(request, held, now_ms, execute=False)

    def _meets(self, request: TradeRequest) -> OpenPosition | None:
        """The position that a market order changes; None for all other requests."""
        is_market = request.action == TradeAction.DEAL and request.type <= OrderType.SELL
        if not is_market or request.position:
            return None
        return self._netted.held(request.symbol)

    def _net(
        self, request: TradeRequest, held: OpenPosition, now_ms: int, *, execute: bool
    ) -> SendResult:
        attempt = self._attempt(request, request.symbol, request.type, now_ms)
        attempt.side, attempt.position = order_side(request.type), held
        attempt.sl_ticks = attempt.tp_ticks = 0
        code = first_failure(attempt, _checks(attempt))
        if code or not execute:
            return self._refused(code, request, now_ms)
        price = attempt.price_ticks + self._slippage(attempt, request.magic, request.comment)
        sl, tp, feed = attempt.sl_ticks, attempt.tp_ticks, attempt.feed
        self._netted.enter(
            request.symbol, attempt.side, attempt.steps, price, sl=sl, tp=tp, magic=request.magic,
            comment=request.comment, filling=Filling(request.type_filling), time_ms=now_ms,
            watch=Watch(feed, attempt.side, sl, tp, *feed.ahead(now_ms)),
        )  # fmt: skip
        ledger = self._netted.ledger
        return self._done(attempt, ledger.last_deal, ledger.last_order, held, price)


class NettingEvents(Events):
    """`Events` on a `NettingBook`: pending orders net when they trigger."""

    __slots__ = ()

    def _trigger(self, working: WorkingOrder, instant_ms: int, *, at_open: bool) -> None:
        """As `Events._trigger`; an order that takes away brings no stop of its own."""
        row = working.row
        held = self._held(row.symbol)
        takes = (
            held is not None
            and held.side != order_side(row.type)
            and row.steps_current <= held.steps
        )
        if takes:
            working.row = replace(row, sl_ticks=0, tp_ticks=0)
        super()._trigger(working, instant_ms, at_open=at_open)

    def _held(self, symbol: str) -> OpenPosition | None:
        positions = self._book.positions.values()
        return next((p for p in positions if p.symbol == symbol), None)


def _checks(attempt: Attempt) -> tuple[Check, ...]:
    """Adding and reversing are judged as entries, taking away as a close."""
    held = attempt.position
    wanted = attempt.units.steps(attempt.request.volume)
    return CLOSE if attempt.side != held.side and wanted <= held.steps else ENTRY


def _net_limit(attempt: Attempt) -> int:
    """10034 where the position would grow above the symbol's volume."""
    limit = attempt.units.limit_steps
    return check.LIMIT_VOLUME if limit and _left(attempt) > limit else check.OK


def _net_margin(attempt: Attempt) -> int:
    """B14 for what would be held afterwards; the commission is that of the whole deal."""
    units = attempt.units
    adds = attempt.side == attempt.position.side
    steps = attempt.steps if adds else _left(attempt)
    fits = attempt.book.affords(
        attempt.request.symbol, attempt.side, units.margin(steps, attempt.price_ticks),
        units.commission(attempt.steps), attempt.now_ms,
    )  # fmt: skip
    return check.OK if fits else check.NO_MONEY


def _left(attempt: Attempt) -> int:
    """Steps held after the deal."""
    held = attempt.position
    return abs(held.side * held.steps + attempt.side * attempt.steps)


_OWN: dict[Check, Check] = {check.limits: _net_limit, check.margin: _net_margin}
ENTRY: tuple[Check, ...] = tuple(_OWN.get(each, each) for each in check.ENTRY)
CLOSE: tuple[Check, ...] = check.CLOSE
