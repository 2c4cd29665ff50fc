"""The start-up check finds a feature that looks ahead, and passes one that does not."""

import numpy as np
import pytest

from market.bars import Bars, Float64s
from ml.features.catalogue import GROUPS, names
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
