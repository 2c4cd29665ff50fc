"""The stateless rules, written once, on columns. Live passes one row.

A bar's verdict is its side and a bitmask of every rule that speaks against an entry. What needs
the account, the clock or open positions is in `filters`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from market.quick import quick
from trading.decision.records import DecisionInput, Denial, Side
from trading.decision.settings import DecisionSettings
from trading.decision.signal import read_signal

RULES = (
    "features",
    "gate_lookback",
    "votes",
    "margin",
    "confidence",
    "probability_gap",
    "atr_floor",
    "ema_trend",
    "adx_regime",
    "spread_points",
    "spread_atr",
)


_SIDES = (Side.NONE, Side.BUY, Side.SELL)  # by their value: −1 is the last


@dataclass(frozen=True, slots=True, eq=False)
class GateColumns:
    """What the gate sees of each closed bar: columns of equal length, prices in price units.

    `side` … `margin` as in `signal`; `margin_floor` as in `quantile`. `spread_points`: the spread
    of the quote in force at the bar's close. `adx` in 0–1 and `trending` as in `regime`: needed
    only while the regime filter is on.
    """

    side: NDArray[np.int8]
    agreeing: NDArray[np.int8]
    confidence: Float64s
    gap: Float64s
    margin: Float64s
    margin_floor: Float64s
    close: Float64s
    atr: Float64s
    ema200: Float64s
    spread_points: Float64s
    point: float
    adx: Float64s | None = None
    trending: NDArray[np.bool_] | None = None


@quick
@dataclass(frozen=True, slots=True)
class Verdict:
    """One row of the gate: its readings, and the bitmask over `RULES` of what speaks against."""

    side: Side
    agreeing: int
    confidence: float
    gap: float
    margin: float
    spread_points: float
    denied: int


class GateVerdicts:
    """The gate's answer for every row of `columns`."""

    __slots__ = ("_readings", "denied", "side")

    def __init__(self, columns: GateColumns, denied: NDArray[np.uint32]) -> None:
        self.side, self.denied = columns.side, denied
        c = columns
        read = (c.side, c.agreeing, c.confidence, c.gap, c.margin, c.spread_points, denied)
        # A memoryview hands out Python numbers, several times faster than a numpy scalar.
        self._readings = tuple(column.data for column in read)

    def row(self, i: int) -> Verdict:
        side, agreeing, confidence, gap, margin, spread_points, denied = self._readings
        return Verdict(
            _SIDES[side[i]], agreeing[i], confidence[i], gap[i], margin[i], spread_points[i],
            denied[i],
        )  # fmt: skip


def evaluate(columns: GateColumns, settings: DecisionSettings) -> GateVerdicts:
    """Which rules speak against each row. A rule whose input is missing leaves it to `features`."""
    fixed = settings.prediction.gate == "fixed"
    prediction, spread_filter, c = settings.prediction, settings.spread_filter, columns
    filled = ~np.isnan(c.margin_floor)
    against_trend = c.side * (c.close - c.ema200) < 0
    spread = c.spread_points * c.point
    never = np.zeros(len(c.side), dtype=np.bool_)
    no_regime, other_regime = _regime(c, settings) or (never, never)
    rules = {
        "features": np.isnan(c.margin) | np.isnan(c.atr) | np.isnan(c.ema200) | no_regime,
        "gate_lookback": never if fixed else ~filled,
        "votes": ~np.isnan(c.margin) & ((c.side == 0) | (c.agreeing < prediction.min_votes)),
        "margin": never if fixed else c.margin < c.margin_floor,
        "confidence": c.confidence < prediction.confidence_threshold if fixed else never,
        "probability_gap": c.gap < prediction.min_probability_diff if fixed else never,
        "atr_floor": c.atr < settings.risk_management.min_atr_threshold,
        "ema_trend": against_trend if settings.enable_ema_trend_filter else never,
        "adx_regime": other_regime,
        "spread_points": c.spread_points > spread_filter.max_points,
        "spread_atr": spread > spread_filter.max_atr_share * c.atr,
    }
    denied = np.zeros(len(c.side), dtype=np.uint32)
    for bit, rule in enumerate(RULES):
        denied |= rules[rule].astype(np.uint32) << np.uint32(bit)
    return GateVerdicts(columns, denied)


def _regime(
    columns: GateColumns, settings: DecisionSettings
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """(rows without an ADX, rows of the regime that is not traded); None while the filter is off.

    `ValueError` where the filter is on and the columns are not there.
    """
    regime = settings.adx_regime_filter
    if not regime.enabled:
        return None
    if columns.adx is None or columns.trending is None:
        raise ValueError("gate: adx and trending are needed while adx_regime_filter is on")
    missing = np.isnan(columns.adx)
    return missing, ~missing & (columns.trending != (regime.allow == "trending"))


def judge(now: DecisionInput, settings: DecisionSettings) -> Verdict:
    """The verdict of one bar: `evaluate` on one row."""
    f, market = now.forecast, now.market
    probabilities = np.array([[f.p_buy, f.p_sell, f.p_hold]] if f else [[np.nan] * 3])
    signal = read_signal(probabilities, np.array([f.votes if f else (0, 0, 0)], dtype=np.int8))
    spread_points = round((now.quote.ask - now.quote.bid) / now.instrument.point)
    columns = GateColumns(
        side=signal.side,
        agreeing=signal.agreeing,
        confidence=signal.confidence,
        gap=signal.gap,
        margin=signal.margin,
        margin_floor=np.array([market.margin_floor]),
        close=np.array([market.close]),
        atr=np.array([market.atr]),
        ema200=np.array([market.ema200]),
        spread_points=np.array([spread_points], dtype=np.float64),
        point=now.instrument.point,
        adx=np.array([market.adx]),
        trending=np.array([market.trending]),
    )
    return evaluate(columns, settings).row(0)


def denials(verdict: Verdict, now: DecisionInput, settings: DecisionSettings) -> tuple[Denial, ...]:
    """A `Denial` for each bit of the verdict, in the order of `RULES`."""
    if verdict.denied == 0:
        return ()
    return tuple(
        Denial(rule, *_seen_and_allowed(rule, verdict, now, settings))
        for bit, rule in enumerate(RULES)
        if verdict.denied >> bit & 1
    )


def _seen_and_allowed(
    rule: str, verdict: Verdict, now: DecisionInput, settings: DecisionSettings
) -> tuple[float | str, float | str]:
    market, prediction = now.market, settings.prediction
    match rule:
        case "features":
            return now.missing_feature or _missing_indicator(now), "finite"
        case "gate_lookback":
            quantile = prediction.quantile
            needed = f"{quantile.min_filled_share:g} of {quantile.lookback_days} days"
            return "not filled", needed
        case "votes":
            return verdict.agreeing, prediction.min_votes
        case "margin":
            return verdict.margin, market.margin_floor
        case "confidence":
            return verdict.confidence, prediction.confidence_threshold
        case "probability_gap":
            return verdict.gap, prediction.min_probability_diff
        case "atr_floor":
            return market.atr, settings.risk_management.min_atr_threshold
        case "ema_trend":
            return market.close, market.ema200
        case "adx_regime":
            regime = "trending" if market.trending else "ranging"
            return f"{regime}, ADX {market.adx:.3f}", settings.adx_regime_filter.allow
        case "spread_points":
            return verdict.spread_points, settings.spread_filter.max_points
        case _:
            spread = verdict.spread_points * now.instrument.point
            return spread, settings.spread_filter.max_atr_share * market.atr


def _missing_indicator(now: DecisionInput) -> str:
    market = now.market
    return "adx" if market.atr == market.atr and market.ema200 == market.ema200 else "atr or ema200"
