"""The instruments this project knows, as a dollar account sees them."""

from market.instrument import CalcMode, Instrument, SwapMode
from market.sessions import FX_WEEK, METALS_WEEK

_INSTRUMENTS = (
    Instrument(
        symbol="BTCUSD", description="Bitcoin vs US Dollar",
        digits=2, point=0.01, tick_size=0.01, tick_value=0.01, contract_size=1.0,
        currency_base="BTC", currency_profit="USD", currency_margin="USD",
        volume_min=0.01, volume_max=100.0, volume_step=0.01,
        spread_points=1459, round_step=1000.0,
        calc_mode=CalcMode.CFD_LEVERAGE,
        swap_mode=SwapMode.INTEREST_CURRENT, swap_long=-20.0, swap_short=-5.0,
        swap_days=(1, 1, 1, 1, 1, 1, 1),
    ),
    Instrument(
        symbol="XAUUSD", description="Gold vs US Dollar",
        digits=2, point=0.01, tick_size=0.01, tick_value=1.0, contract_size=100.0,
        currency_base="XAU", currency_profit="USD", currency_margin="USD",
        volume_min=0.01, volume_max=100.0, volume_step=0.01,
        spread_points=25, round_step=50.0,
        calc_mode=CalcMode.CFD_LEVERAGE,
        swap_mode=SwapMode.POINTS, swap_long=-40.0, swap_short=15.0,
        sessions=METALS_WEEK,
    ),
    Instrument(
        symbol="EURUSD", description="Euro vs US Dollar",
        digits=5, point=0.00001, tick_size=0.00001, tick_value=1.0, contract_size=100_000.0,
        currency_base="EUR", currency_profit="USD", currency_margin="EUR",
        volume_min=0.01, volume_max=100.0, volume_step=0.01,
        spread_points=8, round_step=0.01,
        calc_mode=CalcMode.FOREX,
        swap_mode=SwapMode.POINTS, swap_long=-7.0, swap_short=2.0,
        sessions=FX_WEEK,
    ),
)  # fmt: skip

INSTRUMENTS: dict[str, Instrument] = {each.symbol: each for each in _INSTRUMENTS}


def instrument(symbol: str) -> Instrument:
    """The instrument of a symbol; `KeyError` text lists what is known."""
    if symbol not in INSTRUMENTS:
        raise KeyError(f"symbol: one of {', '.join(INSTRUMENTS)} is allowed, {symbol} came")
    return INSTRUMENTS[symbol]
