"""The implausibility alarm: figures that are too good, or rest on too little, to be true."""

import math

MOST_SHARPE, MOST_PROFIT_FACTOR, MOST_WIN_RATE = 5.0, 4.0, 0.75
LEAST_TRADES = 30

_WRONG = "something is probably wrong"
_TOO_GOOD = (
    "usual causes: features that see the future (a forming higher-timeframe bar, a swing or a gap "
    "at its formation, a row of the next bar), bars that the model was trained on, shuffled or "
    "unpurged splits, costs left out, fills inside a bar that nobody could have had"
)
_TOO_FEW = (
    "usual causes: a window of a few weeks, a confidence threshold above what calibrated forecasts "
    "reach, a filter or guard that denies nearly every bar, a feature that is missing"
)


def implausible(
    *,
    sharpe: float | None,
    profit_factor: float | None,
    win_rate: float | None,
    trades: int,
    whole_window: bool = True,
) -> list[str]:
    """One line of words for every figure beyond its limit; empty where all are plausible.

    `sharpe` is annual, from daily returns; `win_rate` a share; None and NaN are figures that do
    not exist. A profit factor without a loss is infinite. Too few trades are an alarm on the whole
    evaluated window, not on a fold of it.
    """
    found = []
    if sharpe is not None and sharpe > MOST_SHARPE:
        found.append(f"Sharpe ratio {sharpe:.1f} is above 5: {_WRONG}; {_TOO_GOOD}")
    if profit_factor is not None and profit_factor > MOST_PROFIT_FACTOR:
        shown = "without a loss" if math.isinf(profit_factor) else f"{profit_factor:.2f}"
        found.append(f"profit factor {shown} is above 4: {_WRONG}; {_TOO_GOOD}")
    if win_rate is not None and win_rate > MOST_WIN_RATE:
        found.append(f"win rate {win_rate:.1%} is above 75 %: {_WRONG}; {_TOO_GOOD}")
    if whole_window and trades < LEAST_TRADES:
        said = "1 trade is" if trades == 1 else f"{trades} trades are"
        found.append(f"{said} fewer than 30: these figures prove nothing, and {_WRONG}; {_TOO_FEW}")
    return found
