"""An instrument with every unit: what one lot, one point and one tick are worth.

Names follow MetaTrader's `symbol_info`. Money is in the deposit currency of the account.
"""

from dataclasses import dataclass, replace
from enum import IntEnum

from market.sessions import ALWAYS_OPEN, Sessions


class SwapMode(IntEnum):
    """How `swap_long` and `swap_short` are meant (MT5 `SYMBOL_SWAP_MODE_*`)."""

    DISABLED = 0
    POINTS = 1
    CURRENCY_SYMBOL = 2
    CURRENCY_MARGIN = 3
    CURRENCY_DEPOSIT = 4
    INTEREST_CURRENT = 5
    INTEREST_OPEN = 6
    REOPEN_CURRENT = 7
    REOPEN_BID = 8


class CalcMode(IntEnum):
    """How margin and profit are computed (MT5 `SYMBOL_CALC_MODE_*`)."""

    FOREX = 0
    FUTURES = 1
    CFD = 2
    CFD_INDEX = 3
    CFD_LEVERAGE = 4
    FOREX_NO_LEVERAGE = 5


class TradeMode(IntEnum):
    """What may be opened (MT5 `SYMBOL_TRADE_MODE_*`)."""

    DISABLED = 0
    LONG_ONLY = 1
    SHORT_ONLY = 2
    CLOSE_ONLY = 3
    FULL = 4


class Execution(IntEnum):
    """How orders fill (MT5 `SYMBOL_TRADE_EXECUTION_*`)."""

    REQUEST = 0
    INSTANT = 1
    MARKET = 2
    EXCHANGE = 3


FILL_FOK_BIT = 1
FILL_IOC_BIT = 2


@dataclass(frozen=True, slots=True)
class Instrument:
    """One symbol's specification.

    `tick_value`: deposit currency per tick and lot. `swap_days`: nights charged at the rollover
    that ends each weekday, Monday first; 3 means triple. `spread_points`: the usual spread, used
    where a data file has none. `round_step`: distance between round prices (features).
    """

    symbol: str
    description: str
    digits: int
    point: float
    tick_size: float
    tick_value: float
    contract_size: float
    currency_base: str
    currency_profit: str
    currency_margin: str
    volume_min: float
    volume_max: float
    volume_step: float
    spread_points: int
    round_step: float
    volume_limit: float = 0.0
    stops_level_points: int = 0
    freeze_level_points: int = 0
    trade_mode: TradeMode = TradeMode.FULL
    execution: Execution = Execution.MARKET
    filling_bits: int = FILL_FOK_BIT | FILL_IOC_BIT
    calc_mode: CalcMode = CalcMode.CFD_LEVERAGE
    margin_rate: float = 1.0
    commission_per_lot: float = 0.0
    swap_mode: SwapMode = SwapMode.DISABLED
    swap_long: float = 0.0
    swap_short: float = 0.0
    swap_days: tuple[int, int, int, int, int, int, int] = (1, 1, 3, 1, 1, 0, 0)
    sessions: Sessions = ALWAYS_OPEN

    @property
    def currencies(self) -> tuple[str, ...]:
        """Whose news concern it: those of base and profit, sorted."""
        return tuple(sorted({self.currency_base, self.currency_profit}))

    def in_deposit_currency(self, units_per_profit_currency: float) -> "Instrument":
        """The same instrument on an account whose unit is worth 1/x of the profit currency.

        A cent account (USC) has 100 units per USD: tick value and commission grow a hundredfold.
        """
        return replace(
            self,
            tick_value=self.tick_value * units_per_profit_currency,
            commission_per_lot=self.commission_per_lot * units_per_profit_currency,
        )
