"""The path of the generated market: one compiled loop over M15 slots, log prices out."""

import math

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s
from market.compiled import kernel

PATH_STEPS = 15  # minutes in a bar
NO_OPENING = -1

_RANGE, _TREND, _VOLATILE = 0, 1, 2
_REGIME_VOLATILITY = (0.9, 1.0, 1.3)
_REGIME_ENDS = 1.0 / 192.0  # probability per bar: two days on average
_TREND_DRIFT = 0.03  # of a bar's standard deviation, per bar
_CLUSTER_MEMORY, _CLUSTER_SHOCK = 0.985, 0.04
_JUMP = 1.0 / 300.0  # probability per bar
_JUMP_SIZE, _JUMP_EXCITES = 2.5, 0.15
_MOVE_BARS = 16

# Drift of each bar of an opening, in standard deviations of the bar. The opening bar itself is
# drawn up or down and shows the direction; the bars after it tend to follow.
_OPENING_DRIFT = (2.0, 0.45, 0.45, 0.35, 0.20, 0.10)
OPENING_BARS = len(_OPENING_DRIFT)
_OPENING_VOLATILITY = 1.2
_STRETCHED = 1.5
_REVERSION = 0.08


@kernel
def simulate(
    level: float,
    level_sd: float,
    bar_sd: float,
    is_open: NDArray[np.bool_],
    season: Float64s,
    opening_bar: NDArray[np.int8],
    normals: Float64s,
    uniforms: Float64s,
) -> tuple[Float64s, Float64s, Float64s, Float64s, Float64s]:
    """Open, high, low, close as log(price / usual level), and volatility relative to usual.

    One row per M15 slot; rows of closed slots stay 0. `normals` has `PATH_STEPS` + 6 columns: the
    minutes, then a trend's direction, the clustering, a gap or jump, an opening's direction, and
    two left to the caller; `uniforms` has 3: end of the regime, the next one, the jump.
    """
    slots = len(is_open)
    open_, high, low, close = np.zeros(slots), np.zeros(slots), np.zeros(slots), np.zeros(slots)
    volatility = np.zeros(slots)
    closes = np.full(_MOVE_BARS, level)
    regime, trend, cluster, push = _RANGE, 1.0, 0.0, 0.0
    bars = closed = 0
    for slot in range(slots):
        normal = normals[slot]
        if uniforms[slot, 0] < _REGIME_ENDS:
            regime = _next_regime(regime, uniforms[slot, 1])
            trend = 1.0 if normal[PATH_STEPS] > 0 else -1.0
        cluster = _CLUSTER_MEMORY * cluster + _CLUSTER_SHOCK * normal[PATH_STEPS + 1]
        calm = bar_sd * _REGIME_VOLATILITY[regime] * math.exp(cluster)
        if opening_bar[slot] == 0:
            push = math.copysign(1.0, normal[PATH_STEPS + 3])
        move = (level - closes[bars % _MOVE_BARS]) / (calm * math.sqrt(_MOVE_BARS))
        if not is_open[slot]:
            closed += 1
            continue
        if closed:
            level += 0.2 * calm * math.sqrt(closed) * normal[PATH_STEPS + 2]
            closed = 0
        sd = calm * season[slot] * (_OPENING_VOLATILITY if opening_bar[slot] == 0 else 1.0)
        drift = _planted_drift(opening_bar[slot], push, move)
        if regime == _TREND:
            drift += trend * _TREND_DRIFT
        drift = drift * sd - _pull(level, level_sd, bar_sd)
        jump_step = -1
        if uniforms[slot, 2] < _JUMP:
            jump_step = int(uniforms[slot, 2] / _JUMP * PATH_STEPS)
            cluster += _JUMP_EXCITES
        open_[slot] = level
        high[slot], low[slot], level = _walk(level, drift, sd, normal, jump_step)
        close[slot] = level
        if opening_bar[slot] == 0:
            push = math.tanh(3.0 * (level - open_[slot]) / sd)
        volatility[slot] = sd / bar_sd
        closes[bars % _MOVE_BARS] = level
        bars += 1
    return open_, high, low, close, volatility


@kernel
def _walk(
    level: float, drift: float, sd: float, normal: Float64s, jump_step: int
) -> tuple[float, float, float]:
    """One bar, minute by minute: its high, low and close; a jump falls into `jump_step`."""
    high = low = level
    for step in range(PATH_STEPS):
        level += drift / PATH_STEPS + sd / math.sqrt(PATH_STEPS) * normal[step]
        if step == jump_step:
            level += _JUMP_SIZE * sd * normal[PATH_STEPS + 2]
        high, low = max(high, level), min(low, level)
    return high, low, level


@kernel
def _next_regime(regime: int, uniform: float) -> int:
    """One of the two other regimes; after a volatile one mostly a range."""
    first = (regime + 1) % 3
    second = (regime + 2) % 3
    return first if uniform < (0.7 if regime == _VOLATILE else 0.5) else second


@kernel
def _planted_drift(opening_bar: int, push: float, move: float) -> float:
    """The learnable part, in standard deviations of the bar.

    `push` is the direction of the last opening bar, −1 to +1; `move` that of the last four hours.
    """
    if opening_bar != NO_OPENING:
        return _OPENING_DRIFT[opening_bar] * push
    if abs(move) > _STRETCHED:
        return -_REVERSION * (move - math.copysign(_STRETCHED, move))
    return 0.0


@kernel
def _pull(level: float, level_sd: float, bar_sd: float) -> float:
    """Drift back to the usual level: weak inside `level_sd`, 0.2 bar_sd a bar at 2.6 of them."""
    linear = bar_sd * bar_sd / (2.0 * level_sd * level_sd)
    return linear * level + 0.2 * bar_sd * (level / (2.6 * level_sd)) ** 3
