"""The start-up check finds a feature that looks ahead, and passes one that does not."""

import numpy as np
import pytest

from market.bars import Bars, Float64s
from ml.features.catalogue import GROUPS, names
from ml.features.kernels.smc import gaps
from ml.features.kernels.structure import swing_highs
from ml.features.truncation import FutureLeakError, require_known_at_close
from tests.features.markets import bitcoin, matrix_of


def test_shipped_features_pass() -> None:
    require_known_at_close(bitcoin(), matrix_of, names(GROUPS))


def test_centred_mean_is_named_with_its_bar() -> None:
    def leaking(bars: Bars, first_row: int) -> Float64s:
        centred = (np.roll(bars.close, 1) + np.roll(bars.close, -1)) / 2
        return np.column_stack([bars.close, centred])[first_row:]

    bars = bitcoin().rows(0, 100)
    with pytest.raises(FutureLeakError, match=r"feature centred: .* at 2024-01-03 20:15 UTC"):
        require_known_at_close(bars, leaking, ("close", "centred"))


def test_swing_shown_at_its_extreme_is_named() -> None:
    """Structure at formation instead of confirmation: ten bars too early."""

    def leaking(bars: Bars, first_row: int) -> Float64s:
        return swing_highs(bars.high)[first_row:, None].astype(np.float64)

    with pytest.raises(FutureLeakError, match=r"feature swing: .* changes with later bars"):
        require_known_at_close(bitcoin().rows(0, 400), leaking, ("swing",), rows=200)


def test_gap_shown_at_its_middle_bar_is_named() -> None:
    def leaking(bars: Bars, first_row: int) -> Float64s:
        found = np.append(gaps(bars.high, bars.low)[1:], False)
        return found[first_row:, None].astype(np.float64)

    with pytest.raises(FutureLeakError, match=r"feature gap: .* changes with later bars"):
        require_known_at_close(bitcoin().rows(0, 400), leaking, ("gap",), rows=200)
