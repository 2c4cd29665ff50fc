"""The one place that turns the venue's words into the core's: for bot, backtest and replay."""

import math
from collections.abc import Iterable

from broker.contract.constants import PositionType
from broker.contract.messages import Account, Position, SymbolSpec, Tick
from market.bars import Bars
from market.instrument import CalcMode
from trading.advice import NO_ADVICE, Advice
from trading.decision.guards import consecutive_losses
from trading.decision.records import (
    AccountView,
    DecisionInput,
    Forecast,
    GuardState,
    InstrumentView,
    MarketView,
    OpenTrade,
    Quote,
    Side,
)
from trading.releases import NO_NEWS, NewsView
from trading.trade_book import TradeBook, is_ours

INPUT_SCHEMA = 3

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_FUTURES = CalcMode.FUTURES
_WITHOUT_LEVERAGE = (CalcMode.FOREX_NO_LEVERAGE, CalcMode.CFD, CalcMode.CFD_INDEX)


def assemble(
    market: MarketView,
    forecast: Forecast | None,
    missing_feature: str,
    quote_now: Quote,
    account_now: AccountView,
    mine: tuple[OpenTrade, ...],
    instrument: InstrumentView,
    book: TradeBook,
    *,
    day_zone: str,
    session_open: bool,
    halts: tuple[str, ...] = (),
    unknown: tuple[str, ...] = (),
    advice: Advice = NO_ADVICE,
    guard: GuardState | None = None,
    news: NewsView = NO_NEWS,
    break_ms: int = 0,
) -> DecisionInput:
    """Everything `decide` may look at: one snapshot at the bar's close, our trades' story, and
    what models and calendar say. `unknown`: intents whose outcome nobody knows yet."""
    losses = consecutive_losses(book.closed, now_ms=market.close_ms, day_zone=day_zone)
    return DecisionInput(
        INPUT_SCHEMA, market, forecast, missing_feature, quote_now, account_now, instrument, mine,
        losses, session_open, book.unsettled(mine) + unknown, halts, advice.held, advice.stops,
        advice.risk_multiplier, guard, news.events, news.unknown, break_ms,
    )  # fmt: skip


def market_view(
    bars: Bars, row: int, *, atr: float, ema200: float, floor: float,
    adx: float = math.nan, trending: bool = False, momentum_decay: float = math.nan,
) -> MarketView:  # fmt: skip
    """Bar `row` with what the gate needs of its past."""
    open_ms = int(bars.open_ms[row])
    return MarketView(
        symbol=bars.symbol,
        open_ms=open_ms,
        close_ms=open_ms + bars.timeframe.ms,
        open=float(bars.open[row]),
        high=float(bars.high[row]),
        low=float(bars.low[row]),
        close=float(bars.close[row]),
        spread_points=int(bars.spread_points[row]),
        atr=float(atr),
        ema200=float(ema200),
        margin_floor=float(floor),
        adx=adx,
        trending=trending,
        momentum_decay=momentum_decay,
    )


def quote(tick: Tick) -> Quote:
    return Quote(tick.time_msc, tick.bid, tick.ask)


def account_view(account: Account) -> AccountView:
    return AccountView(account.balance, account.equity, account.margin_free)


def instrument_view(
    spec: SymbolSpec, tick: Tick | Quote, leverage: int, *, commission_per_lot: float = 0.0
) -> InstrumentView:
    """The specification as sizing needs it. Read anew for each decision: tick value moves.

    `commission_per_lot` (per side) is not in the venue's specification; it is known from settings.
    """
    return InstrumentView(
        spec.symbol, spec.digits, spec.point, spec.trade_tick_size, spec.trade_tick_value,
        spec.volume_min, spec.volume_max, spec.volume_step, spec.trade_stops_level,
        margin_per_lot(spec, tick.ask, leverage), commission_per_lot,
    )  # fmt: skip


def margin_per_lot(spec: SymbolSpec, price: float, leverage: int) -> float:
    """Deposit currency bound by one lot: its worth, divided by leverage where the mode has it.

    The venue's own margin rates are not in `symbol_info`; it has the last word (retcode 10019).
    """
    if spec.trade_calc_mode == _FUTURES:
        return spec.margin_initial
    worth = price / spec.trade_tick_size * spec.trade_tick_value
    return worth if spec.trade_calc_mode in _WITHOUT_LEVERAGE else worth / leverage


def open_trades(positions: Iterable[Position], strategy_id: int) -> tuple[OpenTrade, ...]:
    """Our own positions, oldest first."""
    mine = (_open_trade(each) for each in positions if is_ours(each.magic, strategy_id))
    return tuple(sorted(mine, key=lambda trade: (trade.opened_ms, trade.position_id)))


def _open_trade(position: Position) -> OpenTrade:
    return OpenTrade(
        position_id=position.identifier,
        side=Side.BUY if position.type == PositionType.BUY else Side.SELL,
        volume_lots=position.volume,
        price_open=position.price_open,
        sl=position.sl,
        tp=position.tp,
        opened_ms=position.time_msc,
        profit=position.profit,
        swap=position.swap,
    )
