"""A venue of one symbol that answers as told, and really opens and closes what it says it does."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from broker.contract import retcodes
from broker.contract.constants import DealEntry, DealReason, DealType, OrderType, PositionType
from broker.contract.errors import OutcomeUnknown
from broker.contract.messages import (
    Deal,
    IntentReport,
    OrderRequest,
    Position,
    SymbolSpec,
    Tick,
    TradeResult,
)
from tests.builders import make_deal, make_spec
from tests.trading.test_journal import OPEN_MS, make_bar, make_request
from trading.execution.dispatch import Dispatcher
from trading.execution.intents import IntentState
from trading.execution.resolve import Resolver
from trading.journal import Journal

NOW_MS = OPEN_MS + 900_000
LOST = OutcomeUnknown("no answer in time")


class Venue:
    """`answers`: a retcode, an error to raise, or a callable of the request, for each order; what
    is not told is done (10009). `executed_lost`: the next order is executed, its answer is lost.
    """

    def __init__(self) -> None:
        self.now_ms = NOW_MS
        self.bid, self.ask = 99_998.0, 100_000.0
        self.spec: SymbolSpec = make_spec()
        self.answers: list[Any] = []
        self.levels_answers: list[Any] = []
        self.sent: list[OrderRequest] = []
        self.modified: list[tuple[int, float, float, str]] = []
        self.held: dict[int, Position] = {}
        self.history: list[Deal] = []
        self.reports: dict[str, str] = {}
        self.reported_code: int | None = None
        self.status, self.dialect, self.connected = "ok", "native", True
        self.margin: float | None = None
        self.drops_stops = self.hides_positions = self.hides_deals = False
        self.fill_share = 1.0
        self.failing: Exception | None = None
        self.trade_allowed = True

    def send(self, request: OrderRequest) -> TradeResult:
        self.sent.append(request)
        answer = self.answers.pop(0) if self.answers else retcodes.DONE
        if callable(answer):
            answer = answer(request)
        if answer == "executed, answer lost":
            self.execute(request)
            raise LOST
        if isinstance(answer, Exception):
            raise answer
        if answer in (retcodes.DONE, retcodes.DONE_PARTIAL):
            return self._result(answer, request, *self.execute(request))
        return self._result(answer, request, 0, 0.0)

    def execute(self, request: OrderRequest) -> tuple[int, float]:
        """(position, lots) of a market order at the quote."""
        if request.position is not None:
            return request.position, self.reduce(request.position, request.volume, request)
        ticket, lots = 1000 + len(self.history), round(request.volume * self.fill_share, 8)
        long = request.type is OrderType.BUY
        price = self.ask if long else self.bid
        sl, tp = (0.0, 0.0) if self.drops_stops else (request.sl or 0.0, request.tp or 0.0)
        self.held[ticket] = Position(
            ticket, ticket, self.now_ms, self.now_ms,
            PositionType.BUY if long else PositionType.SELL, request.magic, 3, lots, price, sl, tp,
            price, 0.0, 0.0, request.symbol, request.comment,
        )  # fmt: skip
        self._deal(ticket, DealEntry.IN, lots, request.magic, long=long)
        return ticket, lots

    def reduce(
        self, position: int, lots: float, request: OrderRequest | None = None,
        reason: DealReason = DealReason.EXPERT,
    ) -> float:  # fmt: skip
        """Closes (part of) a position; what was closed."""
        held = self.held[position]
        done = round(min(lots, held.volume) * (self.fill_share if request else 1.0), 8)
        left = round(held.volume - done, 8)
        if left > 0:
            self.held[position] = replace(held, volume=left)
        else:
            del self.held[position]
        magic = request.magic if request else held.magic
        self._deal(position, DealEntry.OUT, done, magic, long=False, reason=reason)
        return done

    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        self.modified.append((position, sl, tp, client_id))
        answer = self.levels_answers.pop(0) if self.levels_answers else retcodes.DONE
        if callable(answer):
            answer = answer()
        if answer == "done, answer lost":
            self.held[position] = replace(self.held[position], sl=sl, tp=tp)
            raise LOST
        if isinstance(answer, Exception):
            raise answer
        if answer == retcodes.DONE:
            self.held[position] = replace(self.held[position], sl=sl, tp=tp)
        request = make_request(client_id)
        return self._result(answer, request, position, 0.0)

    def intent(self, client_id: str) -> IntentReport:
        self._answers()
        result = None
        if self.reported_code is not None:
            result = self._result(self.reported_code, make_request(client_id), 0, 0.0)
        return IntentReport(client_id, self.reports.get(client_id, "unknown"), result, 0, ())

    def positions(self, symbol: str | None = None) -> tuple[Position, ...]:
        self._answers()
        return () if self.hides_positions else tuple(self.held.values())

    def orders(self, symbol: str | None = None) -> tuple[Any, ...]:
        self._answers()
        return ()

    def deals(self, *, from_ms: int, to_ms: int) -> tuple[Deal, ...]:
        self._answers()
        known = () if self.hides_deals else self.history
        return tuple(deal for deal in known if from_ms <= deal.time_msc < to_ms)

    def symbol(self, symbol: str) -> SymbolSpec:
        self._answers()
        return self.spec

    def tick(self, symbol: str) -> Tick:
        self._answers()
        return Tick(self.now_ms, self.bid, self.ask, 0.0, 0, 6)

    def snapshot(self, symbol: str) -> Any:
        margin = 100.0 * len(self.held) if self.margin is None else self.margin
        return SimpleNamespace(
            positions=self.positions(), account=SimpleNamespace(margin=margin),
            tick=self.tick(symbol),
        )  # fmt: skip

    def health(self) -> Any:
        self._answers()
        allowed = self.trade_allowed
        return SimpleNamespace(
            status=self.status, dialect=self.dialect,
            account_trade_allowed=True, account_trade_expert=True,
            terminal=SimpleNamespace(
                trade_allowed=allowed, tradeapi_disabled=False, connected=self.connected
            ),
        )  # fmt: skip

    def _answers(self) -> None:
        if self.failing is not None:
            raise self.failing

    def _deal(
        self, position: int, entry: DealEntry, lots: float, magic: int, *, long: bool,
        reason: DealReason = DealReason.EXPERT,
    ) -> None:  # fmt: skip
        self.history.append(
            make_deal(
                len(self.history) + 1,
                self.now_ms,
                entry=entry,
                position_id=position,
                volume=lots,
                magic=magic,
                type=DealType.BUY if long else DealType.SELL,
                reason=reason,
            )
        )

    def _result(self, code: int, request: OrderRequest, position: int, lots: float) -> TradeResult:
        known = retcodes.retcode(code)
        return TradeResult(
            code, known.name, retcodes.outcome(code), 1, len(self.history), position, lots,
            self.ask, self.bid, self.ask, "", request.client_id, 0, self.now_ms, self.now_ms,
        )  # fmt: skip


class Pages:
    def __init__(self) -> None:
        self.keys: list[str] = []
        self.settled: list[str] = []

    def page(self, text: str, *, key: str) -> None:
        self.keys.append(key)

    def over(self, text: str, *, key: str) -> None:
        self.settled.append(key)


def entry(client_id: str = "a", **changes: Any) -> OrderRequest:
    """A buy of 0.1 at 100,000 that risks 500 points of price, wants 700, and may move 2.00."""
    words: dict[str, Any] = {
        "magic": (7719 << 32) | hash(client_id) & 0xFFFFFF, "price": 100_000.0, "sl": 99_500.0,
        "tp": 100_700.0, "deviation": 200,
    }  # fmt: skip
    return make_request(client_id, **(words | changes))


class Orders:
    """A journal with the intents of one bar, a venue, and what works on them."""

    def __init__(self, path: Path, *requests: OrderRequest, **options: Any) -> None:
        self.venue = Venue()
        self.path = path
        self.pages = Pages()
        self.journal = Journal(path)
        self._options = options
        self._work()
        if requests:
            self.requests = list(requests)
            self.journal.decided(make_bar(), self.requests, state=self.dispatcher.first_state)

    def _work(self) -> None:
        broker: Any = self.venue
        self.dispatcher = Dispatcher(broker, self.journal, pager=self.pages, **self._options)
        self.resolver = Resolver(broker, self.journal, self.dispatcher)

    def restart(self) -> None:
        """A new process over the same journal and venue."""
        self.journal.close()
        self.journal = Journal(self.path)
        self._work()

    def send(self) -> IntentState:
        """Sends what was decided; the first one's state."""
        return self.dispatcher.send_all(self.requests, self.venue.now_ms)[0].state

    def beat(self, after_ms: int = 3_000) -> tuple[str, ...]:
        """Lets time pass and looks; what is still open."""
        self.venue.now_ms += after_ms
        return self.resolver.resolve(self.venue.now_ms)

    def beats(self, count: int) -> tuple[str, ...]:
        left: tuple[str, ...] = ()
        for _ in range(count):
            left = self.beat()
        return left

    def state(self, client_id: str = "a") -> IntentState | None:
        return self.journal.intent_state(client_id)

    def kinds(self) -> list[str]:
        return [kind for kind, _, _ in self.journal.events()]
