"""The state of an open trade at a bar's close."""

from market.bars import Float64s, Int64s
from market.compiled import kernel

HORIZON_BARS = 48


@kernel
def fill_row(
    into: Float64s,
    side: int,
    price_open: float,
    bars_held: int,
    close_price: float,
    best_price: float,
    atr_entry: float,
) -> None:
    into[0] = side
    into[1] = bars_held / HORIZON_BARS
    into[2] = side * (close_price - price_open) / atr_entry
    into[3] = side * (best_price - close_price) / atr_entry


@kernel
def fill(
    out: Float64s,
    side: Int64s,
    price_open: Float64s,
    bars_held: Int64s,
    close_price: Float64s,
    best_price: Float64s,
    atr_entry: Float64s,
) -> None:
    for row in range(len(out)):
        fill_row(
            out[row], side[row], price_open[row], bars_held[row], close_price[row],
            best_price[row], atr_entry[row],
        )  # fmt: skip
