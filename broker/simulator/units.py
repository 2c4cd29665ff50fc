"""One instrument in whole numbers: prices in ticks, volumes in steps, money in minor units.

Every factor is a ratio of integers made once from the decimals a person wrote, so that no product
in the ledger is rounded more than once, half to even.
"""

from decimal import Decimal

from market.instrument import CalcMode, Instrument, SwapMode
from market.rounding import exact
from market.sessions import ALWAYS_OPEN

_FACE_ONLY = (CalcMode.FOREX, CalcMode.FOREX_NO_LEVERAGE)
_LEVERAGED = (CalcMode.FOREX, CalcMode.CFD_LEVERAGE)
_DAYS_A_YEAR = 360
GRID_SLACK = 1e-6


def round_ratio(numerator: int, denominator: int) -> int:
    """numerator / denominator to the nearest whole number, half to even; denominator > 0."""
    quotient, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient & 1):
        return quotient + 1
    return quotient


class Factor:
    """An exact factor: `Factor(d).of(n)` is d · n, rounded half to even."""

    __slots__ = ("_twice_denominator", "_twice_numerator", "denominator", "numerator")

    def __init__(self, value: Decimal) -> None:
        self.numerator, self.denominator = value.as_integer_ratio()
        self._twice_numerator, self._twice_denominator = 2 * self.numerator, 2 * self.denominator

    def of(self, amount: int) -> int:
        # `round_ratio`, without the call: this runs several times a trade
        quotient, rest = divmod(
            amount * self._twice_numerator + self.denominator, self._twice_denominator
        )
        return quotient if rest or not quotient & 1 else quotient - 1


class _Products(dict[int, int]):
    """A factor's products by amount: the same volumes come again and again."""

    __slots__ = ("_factor",)

    def __init__(self, factor: Factor) -> None:
        self._factor = factor

    def __missing__(self, amount: int) -> int:
        product = self[amount] = self._factor.of(amount)
        return product


class SymbolUnits:
    """Conversions and money of one instrument on one account. Built once, read often."""

    __slots__ = (
        "_margin", "_margin_by_price", "_points_per_tick", "_step_denominator", "_step_numerator",
        "_swap_by_price", "_swap_long", "_swap_short", "_tick_denominator", "_tick_numerator",
        "_value", "_volume_step", "always_open", "commission", "instrument", "least_stop_ticks",
        "limit_steps", "max_steps", "min_steps", "price_format", "tick_size", "value_per_tick",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, *, leverage: int, currency_digits: int) -> None:
        self.instrument = instrument
        self.tick_size = instrument.tick_size
        tick, step = exact(instrument.tick_size), exact(instrument.volume_step)
        self._tick_numerator, self._tick_denominator = tick.as_integer_ratio()
        self._step_numerator, self._step_denominator = step.as_integer_ratio()
        self._volume_step = instrument.volume_step
        self.price_format = f".{instrument.digits}f"
        self._points_per_tick = float(exact(instrument.tick_size) / exact(instrument.point))
        # a stop lies at least a tick away
        self.least_stop_ticks = max(1.0, self.points_in_ticks(instrument.stops_level_points))
        step_minor = exact(instrument.volume_step) * 10**currency_digits
        self._value = Factor(exact(instrument.tick_value) * step_minor)
        self.value_per_tick = self._value.numerator / self._value.denominator
        # of one side, by steps: minor units, zero or negative (B17)
        fee = Factor(-exact(instrument.commission_per_lot) * step_minor)
        self.commission = _Products(fee).__getitem__
        self._set_margin(leverage, step_minor)
        self._swap_by_price, long, short = _swap_factors(instrument, step_minor)
        self._swap_long, self._swap_short = Factor(long), Factor(short)
        self.min_steps = self.steps(instrument.volume_min)
        self.max_steps = self.steps(instrument.volume_max)
        self.limit_steps = self.steps(instrument.volume_limit)
        self.always_open = instrument.sessions == ALWAYS_OPEN

    def price(self, ticks: int) -> float:
        """The float64 nearest to `ticks` ticks."""
        return ticks * self._tick_numerator / self._tick_denominator

    def ticks(self, price: float) -> int:
        """A price in ticks, to the nearest."""
        return round(price / self.tick_size)

    def grid_ticks(self, price: float) -> int | None:
        """A price in ticks; None where it is not a whole number of them, up to float noise."""
        ticks = price / self.tick_size
        nearest = round(ticks)
        return nearest if abs(ticks - nearest) < GRID_SLACK else None

    def on_grid(self, price: float) -> bool:
        """Whether a price is a whole number of ticks, up to float noise."""
        return self.grid_ticks(price) is not None

    def same_levels(self, sl: float, tp: float, sl_ticks: int, tp_ticks: int) -> bool:
        """Whether two levels, 0.0 for none, are the ones in ticks."""
        return self.price(sl_ticks) == sl and self.price(tp_ticks) == tp

    def points_in_ticks(self, points: float) -> float:
        """A distance in points as ticks; not rounded."""
        return points / self._points_per_tick

    def lots(self, steps: int) -> float:
        """The float64 nearest to `steps` volume steps."""
        return steps * self._step_numerator / self._step_denominator

    def steps(self, lots: float) -> int:
        """A volume in steps, to the nearest."""
        return round(lots / self._volume_step)

    def profit(self, side: int, open_ticks: int, close_ticks: int, steps: int) -> int:
        """Profit in minor units (B12): distance in ticks · tick value · volume."""
        return self._value.of(side * (close_ticks - open_ticks) * steps)

    def margin(self, steps: int, price_ticks: int) -> int:
        """Margin of a position opened at a price, in minor units (B14)."""
        return self._margin.of(steps * price_ticks if self._margin_by_price else steps)

    def swap(self, side: int, steps: int, price_ticks: int, days: int) -> int:
        """Swap in minor units for a number of nights (B16), re-opening modes excepted."""
        factor = self._swap_long if side > 0 else self._swap_short
        return factor.of(steps * days * price_ticks if self._swap_by_price else steps * days)

    def _set_margin(self, leverage: int, step_minor: Decimal) -> None:
        """Margin per step, and per tick of price where the notional depends on the price."""
        inst = self.instrument
        if inst.calc_mode is CalcMode.FUTURES:
            raise ValueError(f"{inst.symbol}.calc_mode: FUTURES needs an initial margin; not kept")
        factor = exact(inst.tick_value) * exact(inst.margin_rate) * step_minor
        self._margin_by_price = True
        if inst.calc_mode in _FACE_ONLY and inst.currency_margin == inst.currency_profit:
            self._margin_by_price = False
            factor = factor / exact(inst.tick_size)
        if inst.calc_mode is CalcMode.CFD_INDEX:
            factor = factor * exact(inst.contract_size)
        if inst.calc_mode in _LEVERAGED:
            factor = factor / leverage
        self._margin = Factor(factor)


def _swap_factors(inst: Instrument, step_minor: Decimal) -> tuple[bool, Decimal, Decimal]:
    """(depends on the price, factor of longs, of shorts) per step and night, in minor units.

    tick_value / (tick_size · contract_size) converts profit currency to deposit currency, so a
    share of the notional is tick_value · price in ticks.
    """
    mode, tick_value = inst.swap_mode, exact(inst.tick_value)
    by_price, scale = False, Decimal(0)
    if mode is SwapMode.POINTS:
        scale = exact(inst.point) / exact(inst.tick_size) * tick_value
    elif mode is SwapMode.CURRENCY_DEPOSIT:
        scale = Decimal(1)
    elif mode is SwapMode.CURRENCY_MARGIN and inst.currency_margin == inst.currency_profit:
        scale = tick_value / (exact(inst.tick_size) * exact(inst.contract_size))
    elif mode in (SwapMode.CURRENCY_SYMBOL, SwapMode.CURRENCY_MARGIN):
        by_price, scale = True, tick_value / exact(inst.contract_size)
    elif mode in (SwapMode.INTEREST_CURRENT, SwapMode.INTEREST_OPEN):
        by_price, scale = True, tick_value / (100 * _DAYS_A_YEAR)
    scale *= step_minor
    return by_price, exact(inst.swap_long) * scale, exact(inst.swap_short) * scale
