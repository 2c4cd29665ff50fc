"""The core's own words: what it is told, and what it says.

`Forecast` (the model says) → `Signal` (the gate says) → intents (we want). Denied is us; rejected
is the venue. Instants are epoch milliseconds in UTC; money is in the deposit currency.
"""

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
    (rf, xgb, lgb as +1, 0, −1).
    """

    p_buy: float
    p_sell: float
    p_hold: float
    votes: tuple[int, int, int]


@quick
@dataclass(frozen=True, slots=True)
class MarketView:
    """One closed bar and what the gate needs of its past.

    `atr` is Wilder ATR(14) and `ema200` the EMA of closes, both in price units at this bar's
    close. `margin_floor`: the rolling quantile of earlier margins, NaN while its look-back is not
    filled.
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
    """Open a position. Distances are in price units from the fill side of the quote."""

    side: Side
    volume_lots: float
    sl_distance: float
    tp_distance: float
    risk_money: float


@dataclass(frozen=True, slots=True)
class Close:
    """Close a position whole."""

    position_id: int
    reason: str


Intent = Enter | Close


@quick
@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one bar: ordered intents, and every reason against an entry."""

    symbol: str
    bar_open_ms: int
    intents: tuple[Intent, ...]
    denials: tuple[Denial, ...]
