"""The simulated terminal as a backtest needs it: time, state in the core's records, orders."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from broker.contract import retcodes
from broker.contract.constants import OrderType, TradeAction
from broker.contract.messages import Deal, OrderRequest, SymbolSpec, TradeResult
from broker.simulator import records
from broker.simulator.feed import QuoteTicks
from broker.simulator.records import SendResult
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Float64s, Int64s
from market.instrument import Instrument
from trading.decision.records import AccountView, InstrumentView, OpenTrade, Quote, Side
from trading.execution.intents import LevelsRequest, TradeRequest
from trading.trade_book import TradeBook, is_ours
from trading.views import instrument_view

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_BUY, _DEAL, _LEVELS = OrderType.BUY, TradeAction.DEAL, TradeAction.SLTP
_LONG, _SHORT = Side.BUY, Side.SELL


class Venue:
    """One symbol of one terminal. Reads its records directly, without the native face.

    `reasons`: why closes were decided, by the magic of their deals (`plan.close_reasons`).
    """

    def __init__(self, terminal: SimulatedTerminal, symbol: str, strategy_id: int) -> None:
        self.terminal = terminal
        self.symbol = symbol
        self.reasons: dict[int, str] = {}
        self.reason_of = _reader(self.reasons)
        self.book = TradeBook(strategy_id, reason_of=self.reason_of)
        self.instrument = terminal.instruments[symbol]
        self.spec = symbol_spec(self.instrument)
        account = terminal.account()
        self._leverage = account.leverage
        self._commission_per_lot = self.instrument.commission_per_lot
        self.advance = terminal.advance
        self._positions = terminal.book.positions
        self._price, self._lots = terminal.units[symbol].price, terminal.units[symbol].lots
        self._deals_read = 0

    @property
    def holds(self) -> int:
        """How many positions are open."""
        return len(self._positions)

    def holds_position(self, position_id: int) -> bool:
        """Whether the only position is this one."""
        return [each.identifier for each in self._positions.values()] == [position_id]

    def read_deals(self) -> Sequence[Deal]:
        """Folds the deals made since the last call, and returns them."""
        rows = self.terminal.book.ledger.deals
        if len(rows) == self._deals_read:
            return ()
        new = list(map(self.terminal.deal, rows[self._deals_read :]))
        self.book.add(new)
        self._deals_read = len(rows)
        return new

    def state(self) -> tuple[Quote, AccountView, tuple[OpenTrade, ...], InstrumentView]:
        """Quote, account, our open trades and the symbol's terms: one snapshot."""
        terminal = self.terminal
        ticks, price = terminal.quote_ticks(self.symbol), self._price
        if ticks is None:
            raise ValueError(f"{self.symbol}: no quote yet at {terminal.now_ms}")
        now = Quote(ticks.time_ms, price(ticks.bid), price(ticks.ask))
        mine, floating = self._open_trades(ticks) if self._positions else ((), 0)
        terms = instrument_view(
            self.spec, now, self._leverage, commission_per_lot=self._commission_per_lot
        )
        return now, self._account(floating), mine, terms

    def trades(self) -> tuple[OpenTrade, ...]:
        """Our open trades at the quote in force."""
        ticks = self.terminal.quote_ticks(self.symbol)
        return self._open_trades(ticks)[0] if ticks is not None else ()

    def quotes_at_closes(self, first: int, last: int) -> tuple[Int64s, Int64s]:
        """(bids, asks) in ticks at the closes of the history's rows `first` … `last` − 1."""
        bids, asks = self.terminal.feeds[self.symbol].quotes_at_closes()
        return bids[first:last], asks[first:last]

    def worth_at(self, prices: Sequence[int]) -> tuple[Float64s, Float64s]:
        """(equity, profit) in deposit currency if the only position left at one of these prices,
        in ticks, with balance and swap of now."""
        (position,) = self._positions.values()
        book, scale = self.terminal.book, self.terminal.scale
        profits = np.array([book.profit_at(position, price) for price in prices], dtype=np.int64)
        return (book.ledger.balance + position.swap + profits) / scale, profits / scale

    def _open_trades(self, ticks: QuoteTicks) -> tuple[tuple[OpenTrade, ...], int]:
        """`views.open_trades` of the terminal's positions, from its records; and what all of its
        positions float, in minor units."""
        price, scale, lots = self._price, self.terminal.scale, self._lots
        profit_at, strategy_id = self.terminal.book.profit_at, self.book.strategy_id
        mine, floating = [], 0
        for p in self._positions.values():
            profit = profit_at(p, ticks.bid if p.side > 0 else ticks.ask)
            floating += profit + p.swap
            if is_ours(p.magic, strategy_id):
                mine.append(
                    OpenTrade(
                        p.identifier, _LONG if p.side > 0 else _SHORT, lots(p.steps),
                        price(p.open_ticks), price(p.sl), price(p.tp), p.time_ms, profit / scale,
                        p.swap / scale,
                    )
                )  # fmt: skip
        if len(mine) > 1:
            mine.sort(key=lambda trade: (trade.opened_ms, trade.position_id))
        return tuple(mine), floating

    def _account(self, floating: int) -> AccountView:
        """The account's money, with what its positions float."""
        terminal, book = self.terminal, self.terminal.book
        balance, scale = book.ledger.balance, terminal.scale
        if not self._positions:
            money = balance / scale
            return AccountView(money, money, money)
        equity = balance + floating
        return AccountView(balance / scale, equity / scale, (equity - book.margin()) / scale)

    def send(self, request: TradeRequest, seen: Quote) -> SendResult:
        """Executes a market order or a change of levels at the quote in force; `seen`: the one it
        was decided on."""
        ticket = 0 if request.position is None else self._ticket(request.position)
        if isinstance(request, LevelsRequest):
            return self.terminal.order_send(_levels_request(request, ticket))
        price = seen.ask if request.type is _BUY else seen.bid
        return self.terminal.order_send(_deal_request(request, price, ticket))

    def deals(self) -> tuple[Deal, ...]:
        return self.terminal.deals()

    def _ticket(self, position_id: int) -> int:
        """The present ticket of a position; its identifier where it is gone."""
        for position in self.terminal.book.positions.values():
            if position.identifier == position_id:
                return position.ticket
        return position_id


def _reader(reasons: Mapping[int, str]) -> Callable[[int], str]:
    """Why the close that bears a magic was decided; empty where nobody knows.

    No method of the venue: the book would hold its venue, and what a run leaves behind would stay
    in memory until the cycle collector comes.
    """
    return lambda magic: reasons.get(magic, "")


def symbol_spec(instrument: Instrument) -> SymbolSpec:
    """What the terminal's `symbol_info` says of an instrument, as far as decisions need it."""
    return SymbolSpec(
        symbol=instrument.symbol,
        description=instrument.description,
        digits=instrument.digits,
        point=instrument.point,
        trade_tick_size=instrument.tick_size,
        trade_tick_value=instrument.tick_value,
        trade_contract_size=instrument.contract_size,
        volume_min=instrument.volume_min,
        volume_max=instrument.volume_max,
        volume_step=instrument.volume_step,
        volume_limit=instrument.volume_limit,
        trade_stops_level=instrument.stops_level_points,
        trade_freeze_level=instrument.freeze_level_points,
        trade_mode=int(instrument.trade_mode),
        trade_exemode=int(instrument.execution),
        filling_mode=instrument.filling_bits,
        trade_calc_mode=int(instrument.calc_mode),
        swap_mode=int(instrument.swap_mode),
        swap_long=instrument.swap_long,
        swap_short=instrument.swap_short,
        swap_rollover3days=0,
        margin_initial=0.0,
        currency_base=instrument.currency_base,
        currency_profit=instrument.currency_profit,
        currency_margin=instrument.currency_margin,
        spec_hash="",
    )


def _levels_request(request: LevelsRequest, ticket: int) -> records.TradeRequest:
    return records.TradeRequest(
        _LEVELS, request.symbol, sl=request.sl, tp=request.tp, position=ticket
    )


def _deal_request(request: OrderRequest, price: float, ticket: int) -> records.TradeRequest:
    return records.TradeRequest(
        _DEAL, request.symbol, request.volume, request.type, price, request.sl or 0.0,
        request.tp or 0.0, request.deviation or 0, request.magic, request.comment,
        request.type_filling, position=ticket,
    )  # fmt: skip


def trade_result(sent: SendResult, request: TradeRequest, now_ms: int) -> TradeResult:
    """The terminal's answer in the contract's words."""
    code = sent.retcode
    return TradeResult(
        code, retcodes.retcode(code).name, retcodes.outcome(code), sent.order, sent.deal,
        sent.position, sent.volume, sent.price, sent.bid, sent.ask, sent.comment,
        request.client_id, sent.request_id, now_ms, now_ms,
    )  # fmt: skip
