"""The published values a second time: each series joined backwards by pandas."""

import pandas as pd

from market.onchain import OnChain, Published
from tests.features.reference import M15


def onchain(df: pd.DataFrame, given: OnChain) -> dict[str, pd.Series]:
    return {
        "funding_rate_norm": _joined(df, given.funding_rate).clip(-0.003, 0.003) / 0.003,
        "oi_change": _joined(df, given.open_interest_change).clip(-1, 1),
        "fear_greed": _joined(df, given.fear_greed) / 100,
    }


def _joined(df: pd.DataFrame, series: Published) -> pd.Series:
    known = pd.to_datetime(series.known_ms, unit="ms", utc=True)
    table = pd.DataFrame({"value": series.value}, index=known)
    rows = pd.DataFrame(index=df.index + M15)
    oldest = pd.Timedelta(milliseconds=series.max_age_ms)
    joined = pd.merge_asof(rows, table, left_index=True, right_index=True, tolerance=oldest)
    return joined["value"].set_axis(df.index)
