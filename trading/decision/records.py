"""The core's own words: what it is told, and what it says.

`Forecast` (the model says) → `Signal` (the gate says) → intents (we want). Denied is us; rejected
is the venue. Instants are epoch milliseconds in UTC; money is in the deposit currency.
"""

import math
from dataclasses import dataclass
from enum import IntEnum

from market.quick import quick


class Side(IntEnum):
    SELL = -1
    NONE = 0
    BUY = 1


@quick
@dataclass(frozen=True, slots=True)
class Forecast:
    """What the signal model says of one closed bar.

    Probabilities are the calibrated ensemble's; `votes` holds each model's own side
    (rf, xgb, lgb and, where it was trained, a fourth, as +1, 0, −1).
    """

    p_buy: float
    p_sell: float
    p_hold: float
    votes: tuple[int, ...]


@quick
@dataclass(frozen=True, slots=True)
class StopForecast:
    """What the SL/TP model says of one closed bar: stop and target as multiples of ATR(14)."""

    sl_multiplier: float
    tp_multiplier: float


@quick
@dataclass(frozen=True, slots=True)
class ExitForecast:
    """What the position model says of one open trade at one close.

    `votes`: each model's own class: 0 HOLD (and a tie), 1 EXIT, 2 ADD.
    """

    p_hold: float
    p_exit: float
    p_add: float
    votes: tuple[int, ...]


@quick
@dataclass(frozen=True, slots=True)
class MarketView:
    """One closed bar and what the gate needs of its past.

    `atr` is Wilder ATR(14) and `ema200` the EMA of closes, both in price units at this bar's
    close. `margin_floor`: the rolling quantile of earlier margins, NaN while its look-back is not
    filled. `adx`: ADX(14) in 0-1; `trending`: the regime by `decision.regime`, with its
    hysteresis; `momentum_decay`: the feature of that name. NaN and False where nobody asks.
    """

    symbol: str
    open_ms: int
    close_ms: int
    open: float
    high: float
    low: float
    close: float
    spread_points: int
    atr: float
    ema200: float
    margin_floor: float
    adx: float = math.nan
    trending: bool = False
    momentum_decay: float = math.nan


@quick
@dataclass(frozen=True, slots=True)
class Quote:
    """The quote in force at the decision, and when it was made."""

    time_ms: int
    bid: float
    ask: float


@quick
@dataclass(frozen=True, slots=True)
class InstrumentView:
    """What sizing and stops need of a symbol. `tick_value`: deposit currency per tick and lot.

    `commission_per_lot`: deposit currency per lot and side; 0 where the venue does not say.
    """

    symbol: str
    digits: int
    point: float
    tick_size: float
    tick_value: float
    volume_min: float
    volume_max: float
    volume_step: float
    stops_level_points: int
    margin_per_lot: float
    commission_per_lot: float = 0.0


@quick
@dataclass(frozen=True, slots=True)
class AccountView:
    balance: float
    equity: float
    margin_free: float


@quick
@dataclass(frozen=True, slots=True)
class OpenTrade:
    """One of our own open positions, keyed by the identifier that never changes."""

    position_id: int
    side: Side
    volume_lots: float
    price_open: float
    sl: float
    tp: float
    opened_ms: int
    profit: float
    swap: float


@quick
@dataclass(frozen=True, slots=True)
class HeldTrade:
    """What active management must know of an open trade beside its present state.

    `bars_held`: closes since the fill, the entry bar's included. `best_price`: best closed-bar
    extreme since the fill on the side it would leave at (bid for a long, ask for a short).
    `atr_entry`: ATR(14) of the bar that was decided, price units; either is NaN where the bars do
    not reach back that far, and nothing that needs it is done then. `entry_volume_lots`: volume
    before any partial close. `forecast`: None where the position model is off, absent, or was not
    asked; `missing_feature` names an input that was not finite.
    """

    position_id: int
    bars_held: int
    best_price: float
    atr_entry: float
    entry_volume_lots: float
    forecast: ExitForecast | None = None
    missing_feature: str = ""


@quick
@dataclass(frozen=True, slots=True)
class NewsEvent:
    """A scheduled release near the decision, as it was known at the bar's close."""

    time_ms: int
    currency: str
    impact: int
    title: str


@quick
@dataclass(frozen=True, slots=True)
class DayState:
    """An account's day (or week) so far, by the clock of one zone; money in deposit currency.

    `start_ms`: the local midnight. `start_balance`: before any deal at or after it;
    `start_equity`: at the first close at or after it. Payments in and out move all three.
    `low_equity`: the lowest equity that earlier closed bars of the day have seen, at their worst
    extremes (NaN before the first).
    """

    start_ms: int
    start_balance: float
    start_equity: float
    low_equity: float = math.nan


@quick
@dataclass(frozen=True, slots=True)
class PropState:
    """What a prop firm's rules need: its own day, by its own zone, and the account's history.

    `highest_midnight_balance`: the largest balance at any midnight of the firm's clock so far,
    never below `initial_balance`.
    """

    day: DayState
    initial_balance: float
    highest_midnight_balance: float
    days_traded: int
    best_day_profit: float
    total_profit: float


@quick
@dataclass(frozen=True, slots=True)
class GuardState:
    """What the account guards fold over own deals and days. `recent_net`: net profits of the last
    closed trades, oldest first, as many as the equity-curve filter looks at."""

    day: DayState
    week: DayState
    trades_today: int
    recent_net: tuple[float, ...]
    prop: PropState | None = None


@quick
@dataclass(frozen=True, slots=True)
class ClosedTrade:
    """One of our own finished trades; `net_profit` includes both deals' costs and swap."""

    position_id: int
    side: Side
    volume_lots: float
    opened_ms: int
    closed_ms: int
    price_open: float
    price_close: float
    net_profit: float
    close_type: str


@quick
@dataclass(frozen=True, slots=True)
class DecisionInput:
    """Everything `decide` may look at for one closed bar: one snapshot at the bar's close.

    `forecast` is None where a feature was not finite; `missing_feature` then names it.
    `recent_losses`: consecutive losing trades since the last local midnight (`guards`).
    `unsettled`: names of what keeps the picture incomplete, e.g. a vanished position without deal.
    `halts`: why nothing may be opened now, e.g. a terminal without connection (`trading.health`).
    `held` goes with `open_trades`, one for one (empty where nothing manages them). `stops`: what
    the SL/TP model says, None where it is off or absent. `risk_multiplier`: the risk model's, 1.0
    where it is off or absent. `guard`: None only where no account guard is on. `news`: releases
    inside the widest window that a rule looks at; `news_unknown`: why the calendar cannot be
    trusted now, or an empty text. `break_ms`: when the session closes next for two hours or more,
    0 where that is more than a day away.
    """

    schema: int
    market: MarketView
    forecast: Forecast | None
    missing_feature: str
    quote: Quote
    account: AccountView
    instrument: InstrumentView
    open_trades: tuple[OpenTrade, ...]
    recent_losses: int
    session_open: bool
    unsettled: tuple[str, ...]
    halts: tuple[str, ...] = ()
    held: tuple[HeldTrade, ...] = ()
    stops: StopForecast | None = None
    risk_multiplier: float = 1.0
    guard: GuardState | None = None
    news: tuple[NewsEvent, ...] = ()
    news_unknown: str = ""
    break_ms: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Denial:
    """Why not: the rule's name, what was seen and what was allowed."""

    rule: str
    observed: float | str
    limit: float | str


@quick
@dataclass(frozen=True, slots=True)
class Enter:
    """Open a position. Distances are in price units from the fill side of the quote.

    `risk_pct`: what is risked in the end, in percent of equity, before rounding to lots;
    `kelly`: the raw Kelly fraction (NaN where it is off); `wanted_lots`: before caps and rounding.
    """

    side: Side
    volume_lots: float
    sl_distance: float
    tp_distance: float
    risk_money: float
    risk_pct: float = math.nan
    kelly: float = math.nan
    wanted_lots: float = math.nan


@dataclass(frozen=True, slots=True)
class Close:
    """Close a position whole."""

    position_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Partial:
    """Close a part of a position."""

    position_id: int
    volume_lots: float
    reason: str


@dataclass(frozen=True, slots=True)
class Modify:
    """Move a position's stop and target: absolute prices on the tick grid, 0 for no level."""

    position_id: int
    sl: float
    tp: float
    reason: str


@dataclass(frozen=True, slots=True)
class Add:
    """Open one more position beside `position_id`, on its side, within the same risk budget."""

    position_id: int
    side: Side
    volume_lots: float
    sl_distance: float
    tp_distance: float
    risk_money: float


# In the order in which a decision lists them and they are sent.
Intent = Close | Partial | Modify | Enter | Add


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one bar: ordered intents, and every reason against an entry."""

    symbol: str
    bar_open_ms: int
    intents: tuple[Intent, ...]
    denials: tuple[Denial, ...]
