"""The features by name: group, family, lookback and meaning. `python -m ml.features.catalogue`
prints this catalogue as docs/features.md.

`lookback_ms`: a window whose first bar opens at or before the row's open − lookback_ms gives the
row of the full history, bit for bit. A shorter window gives the same bits or NaN.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from market.indicators import BLOCK_MS
from market.timeframe import Timeframe
from ml.features import page
from ml.features.kernels import held, minute, published, smc
from ml.features.kernels.structure import LIFE

BAR_MS = Timeframe.M15.ms
DAY_MS = Timeframe.D1.ms
# What a market may be closed inside a window of bars before the feature becomes NaN.
CLOSURE_MS = 7 * DAY_MS
# 13 weeks hold 60 daily bars also where weekends are closed; 16 whole weeks and the present one.
D1_LOOKBACK_MS = 13 * Timeframe.W1.ms
W1_LOOKBACK_MS = 17 * Timeframe.W1.ms
# Raised whenever a formula changes; part of the hash that binds a model to its features.
FORMULAS = 1


@dataclass(frozen=True, slots=True)
class Feature:
    """One column. `bars`: how many M15 bars its row looks at directly (1: only its own).

    `protected` features are never pruned for a low importance.
    """

    name: str
    group: str
    family: str
    lookback_ms: int
    bars: int
    meaning: str
    protected: bool = False


def _reach_ms(bars: int) -> int:
    """How far back `bars` M15 bars may reach; a row whose bars reach further is NaN."""
    return (bars - 1) * BAR_MS + CLOSURE_MS if bars > 1 else 0


def _finite(family: str, name: str, bars: int, meaning: str) -> Feature:
    return Feature(name, "base", family, _reach_ms(bars), bars, meaning)


def _anchored(family: str, name: str, bars: int, meaning: str, group: str = "base") -> Feature:
    return Feature(name, group, family, 2 * BLOCK_MS + _reach_ms(bars), bars, meaning)


def _over_atr(family: str, name: str, bars: int, meaning: str) -> Feature:
    """A finite window of closes over the ATR of the row itself."""
    lookback_ms = max(2 * BLOCK_MS, _reach_ms(bars))
    return Feature(name, "base", family, lookback_ms, bars, meaning)


def _higher(timeframe: Timeframe, name: str, meaning: str) -> Feature:
    lookback_ms = 2 * BLOCK_MS + timeframe.ms + CLOSURE_MS
    return Feature(name, "base", timeframe.name.lower(), lookback_ms, 1, meaning)


def _clock(family: str, name: str, meaning: str) -> Feature:
    return Feature(name, "base", family, 0, 1, meaning, protected=True)


def _momentum() -> Iterable[Feature]:
    family = "momentum"
    spans = {"return_1": 1, "hourly_return": 4, "return_4h": 16, "return_1d": 96}
    for name, count in spans.items():
        before = f"{count} bar{'s' if count > 1 else ''} before"
        yield _over_atr(family, name, count + 1, f"ln(close / close {before}) / (ATR(14) / close)")
    yield _anchored(family, "rsi_14", 1, "Wilder RSI(14) of the close in 0–1; 0.5 without change")
    yield _anchored(family, "rsi_slope", 4, "rsi_14 − rsi_14 three bars before")
    yield _anchored(
        family, "macd_hist", 1, "MACD(12, 26, 9) histogram (line − its EMA(9)) / ATR(14)"
    )
    yield _anchored(family, "macd_line", 1, "(EMA(12) − EMA(26)) / ATR(14)")
    yield _finite(
        family, "stoch_k", 14,
        "(close − lowest low) / (highest high − lowest low) of the last 14 bars; 0.5 without range",
    )  # fmt: skip
    yield _over_atr(
        family, "price_acceleration", 9,
        "(4-bar log return − the 4-bar log return four bars before) / (ATR(14) / close)",
    )  # fmt: skip
    yield _finite(
        family, "momentum_decay", 20,
        "close − close 4 bars before, over the largest absolute value of it in the last 16 bars "
        "(this one included); 0 if all are 0",
    )  # fmt: skip
    yield _finite(
        family, "consecutive_direction", 9,
        "count of closes in a row that moved like the last one (up or down against the close "
        "before), at most 8, times its sign, / 8; 0 after an unchanged close",
    )  # fmt: skip


def _candles() -> Iterable[Feature]:
    family = "candles"
    yield _finite(family, "candle_direction", 1, "sign of close − open")
    yield _finite(
        family, "adverse_candle_ratio", 13,
        "share of the last 12 candles whose close − open has the opposite sign of "
        "close − close 12 bars before; 0 if that is 0",
    )  # fmt: skip
    yield _finite(family, "body_ratio", 1, "abs(close − open) / (high − low); 0 without range")
    yield _finite(
        family, "upper_wick_ratio", 1, "(high − max(open, close)) / (high − low); 0 without range"
    )
    yield _finite(
        family, "lower_wick_ratio", 1, "(min(open, close) − low) / (high − low); 0 without range"
    )


def _volatility() -> Iterable[Feature]:
    family = "volatility"
    yield _anchored(family, "atr_14", 1, "Wilder ATR(14) / close")
    yield _anchored(
        family, "atr_percentile", 96,
        "share of the 95 bars before whose ATR(14) / close is below this one's",
    )  # fmt: skip
    yield _finite(
        family, "volatility_20", 21,
        "sample standard deviation (divisor 19) of the last 20 one-bar log returns",
    )  # fmt: skip
    yield _finite(
        family, "bb_width", 20,
        "4 population standard deviations of the last 20 closes / their mean",
    )  # fmt: skip
    yield _finite(
        family, "bb_position", 20,
        "place of the close between the lower (0) and upper (1) Bollinger(20, 2) band; 0.5 without "
        "width",
    )  # fmt: skip
    yield _finite(
        family, "bb_squeeze", 115,
        "1 where less than 0.2 of the 95 bars before have a smaller bb_width, else 0",
    )  # fmt: skip
    yield _anchored(family, "range_ratio", 1, "(high − low) / ATR(14)")


def _trend() -> Iterable[Feature]:
    family = "trend"
    yield _anchored(family, "adx_14", 1, "Wilder ADX(14) in 0–1 (0.25 is the usual 25)")
    yield _anchored(family, "di_diff", 1, "+DI(14) − −DI(14) in 0–1 units")
    for span in (20, 50, 200):
        yield _anchored(family, f"price_vs_ema{span}", 1, f"(close − EMA({span})) / ATR(14)")
    yield _anchored(
        family, "ema_stack", 1, "+1 for EMA(20) > EMA(50) > EMA(200), −1 for the reverse, else 0"
    )
    yield _anchored(family, "ema50_slope", 9, "(EMA(50) − EMA(50) eight bars before) / ATR(14)")
    yield _anchored(
        family, "dist_to_round_number", 1,
        "abs(close − nearest multiple of the symbol's round_step) / ATR(14)",
    )  # fmt: skip
    yield Feature(
        "near_daily_high_low", "base", family, DAY_MS, 1,
        "place of the close between today's low (−1) and high (+1) so far; today is the UTC day of "
        "the bar's open; 0 without range",
    )  # fmt: skip
    yield _finite(
        family, "market_quality", 33,
        "abs(close − close 32 bars before) / sum of the 32 absolute one-bar moves; 0 without moves",
    )  # fmt: skip


def _volume() -> Iterable[Feature]:
    family = "volume"
    yield _finite(
        family, "volume_ratio", 50,
        "tick volume / mean of the last 50 (this bar included); 0 without volume",
    )  # fmt: skip
    yield _finite(family, "volume_surge", 50, "1 where volume_ratio is above 2, else 0")
    yield _finite(
        family, "volume_delta", 12,
        "sum of sign(close − open) × tick volume over the last 12 bars / sum of their tick volume; "
        "0 without volume",
    )  # fmt: skip


def _higher_timeframes() -> Iterable[Feature]:
    for timeframe in (Timeframe.M30, Timeframe.H1, Timeframe.H4):
        tf = timeframe.name
        yield _higher(timeframe, f"{tf.lower()}_rsi_norm", f"RSI(14) in 0–1 of the last {tf} bar")
        yield _higher(
            timeframe, f"{tf.lower()}_ema_bias", f"(close − EMA(20)) / ATR(14) of the last {tf} bar"
        )
        if timeframe is not Timeframe.M30:
            yield _higher(
                timeframe, f"{tf.lower()}_macd_dir",
                f"sign of the MACD(12, 26, 9) histogram of the last {tf} bar",
            )  # fmt: skip
    yield Feature(
        "d1_trend", "base", "d1", D1_LOOKBACK_MS, 1,
        "sign of close − EMA(20) of the last D1 bar; the EMA runs over exactly 60 D1 closes, "
        "seeded by the mean of the first 20",
    )  # fmt: skip
    yield Feature(
        "d1_rsi_norm", "base", "d1", D1_LOOKBACK_MS, 1,
        "RSI(14) in 0–1 of the last D1 bar: Wilder over exactly 60 D1 closes, seeded by the mean "
        "of the first 14 changes",
    )  # fmt: skip
    yield Feature(
        "price_vs_d1_open", "base", "d1_open", 2 * BLOCK_MS, 1,
        "(close − open of today's first bar) / ATR(14); today is the UTC day of the bar's open",
    )  # fmt: skip


def _clocks() -> Iterable[Feature]:
    for name, exchange, hours in (
        ("is_london_session", "Europe/London", "08:00–16:30"),
        ("is_ny_session", "America/New_York", "09:30–16:00"),
        ("is_asian_session", "Asia/Tokyo", "09:00–15:00"),
    ):
        yield _clock(
            "sessions", name, f"1 where the bar opens Monday to Friday {hours} {exchange}, else 0"
        )
    yield _clock("clock", "session_hour_sin", "sine of the UTC time of day of the bar's open")
    yield _clock("clock", "session_hour_cos", "cosine of the UTC time of day of the bar's open")
    yield _clock(
        "clock", "day_of_week_sin", "sine of the UTC weekday of the bar's open, Monday 0 of 7"
    )
    yield _clock("clock", "day_of_week_cos", "cosine of the UTC weekday of the bar's open")
    yield _clock(
        "news", "is_news_near",
        "1 where a known high-impact event is at most 30 minutes before or after the bar's close, "
        "else 0",
    )  # fmt: skip
    yield _clock(
        "news", "news_minutes_away",
        "minutes from the bar's close to the next known high-impact event, at most 1440, / 1440; "
        "1 without one",
    )  # fmt: skip
    yield _clock(
        "news", "news_count_today",
        "count of known high-impact events on the UTC day of the bar's open, at most 10, / 10",
    )  # fmt: skip
    yield _clock(
        "news", "news_impact_next",
        "impact (1 low, 2 medium, 3 high) / 3 of the next known event within 1440 minutes of the "
        "bar's close, the largest of those at one instant; 0 without one",
    )  # fmt: skip


def _regime() -> Iterable[Feature]:
    yield _anchored(
        "regime", "volatility_regime", 500,
        "share of the 499 bars before whose ATR(14) is below this one's", "regime",
    )  # fmt: skip
    yield Feature(
        "w1_ema_bias", "regime", "w1", W1_LOOKBACK_MS, 1,
        "(close − EMA(10)) / close of the last W1 bar; the EMA runs over exactly 16 W1 closes, "
        "seeded by the first",
    )  # fmt: skip
    yield Feature(
        "w1_rsi_norm", "regime", "w1", W1_LOOKBACK_MS, 1,
        "RSI(14) in 0–1 of the last W1 bar, from the simple means of its last 14 changes",
    )  # fmt: skip


def _smc() -> Iterable[Feature]:
    for name, meaning in (
        ("ob_bullish_present",
         f"1 where ob_bullish_dist is at most {smc.NEAR:g}, else 0"),
        ("ob_bearish_present",
         f"1 where ob_bearish_dist is at most {smc.NEAR:g}, else 0"),
        ("ob_bullish_dist",
         "(close − the highest top of the bullish order blocks) / ATR(14); below 0 inside the "
         "block"),
        ("ob_bearish_dist",
         "(the lowest bottom of the bearish order blocks − close) / ATR(14); below 0 inside the "
         "block"),
        ("ob_volume_ratio",
         "volume_ratio at the candle of the order block that was confirmed last, of either side; 0 "
         "without one"),
        ("fvg_bull_above",
         "1 where a gap is open above the close (left by a fall; it draws the price up), else 0"),
        ("fvg_bear_below",
         "1 where a gap is open below the close (left by a rise; it draws the price down), else 0"),
        ("fvg_bull_dist",
         "(the lowest bottom of what is left of the gaps above − close) / ATR(14)"),
        ("fvg_bear_dist",
         "(close − the highest top of what is left of the gaps below) / ATR(14)"),
        ("recent_bos",
         f"+1 up or −1 down: side of the last BOS among the last {smc.RECENT} bars; 0 without one"),
        ("recent_choch",
         f"+1 up or −1 down: side of the last CHoCH among the last {smc.RECENT} bars; 0 without "
         "one"),
        ("structure_bias",
         f"+1 up or −1 down: side of the last break among the last {LIFE} bars; 0 without one"),
        ("liq_above_dist", "(the lowest liquidity pool above − close) / ATR(14)"),
        ("liq_below_dist", "(close − the highest liquidity pool below) / ATR(14)"),
    ):  # fmt: skip
        yield _anchored("smc", name, smc.REACH, meaning, "smc")


def _onchain() -> Iterable[Feature]:
    for name, meaning in (
        ("funding_rate_norm",
         f"last funding rate of the perpetual known at the close, at most "
         f"±{published.FUNDING_CLIP:g}, / {published.FUNDING_CLIP:g}; neutral 0"),
        ("oi_change",
         "last open interest known at the close / the last one at least 16 bars (4 h) older − 1, "
         "at most ±1; neutral 0"),
        ("fear_greed",
         "last fear & greed index known at the close / 100; neutral 0.5"),
    ):  # fmt: skip
        yield Feature(name, "onchain", "onchain", 0, 1, meaning)


def _position_state() -> Iterable[Feature]:
    for name, meaning in (
        ("trade_direction", "+1 for a long, −1 for a short"),
        ("bars_held",
         f"M15 closes since the fill, the entry bar's included, / {held.HORIZON_BARS}"),
        ("open_profit_atr",
         "(price at the close − fill price) × direction / ATR(14) of the bar that was decided"),
        ("give_back_atr",
         "(best closed-bar extreme since the fill − price at the close) × direction / the same "
         "ATR"),
    ):  # fmt: skip
        yield Feature(name, "position_state", "position_state", 0, 1, meaning)


def _m1() -> Iterable[Feature]:
    for name, meaning in (
        ("m1_price_accel_5", "close / close 5 bars before − 1; neutral 0"),
        ("m1_vol_ratio_5",
         "tick volume of the last 5 bars / that of the 5 before; 0 without volume; neutral 1"),
        ("m1_rsi_9",
         f"RSI(9) in 0–1: Wilder over exactly {minute.BARS} closes, seeded by the mean of the "
         "first 9 changes; neutral 0.5"),
        ("m1_atr_3",
         f"ATR(3) / close: Wilder over exactly {minute.BARS - 1} true ranges, seeded by the mean "
         "of the first 3; neutral 0"),
        ("m1_body_pct", "abs(close − open) / (high − low); 0 without range; neutral 0.5"),
    ):  # fmt: skip
        yield Feature(name, "m1", "m1", minute.REACH_MS, 1, meaning)


CATALOGUE: tuple[Feature, ...] = (
    *_momentum(),
    *_candles(),
    *_volatility(),
    *_trend(),
    *_volume(),
    *_higher_timeframes(),
    *_clocks(),
    *_regime(),
    *_smc(),
    *_onchain(),
)
# Of the position model alone: they follow the features of the groups, in this order.
POSITION_STATE: tuple[Feature, ...] = tuple(_position_state())
M1: tuple[Feature, ...] = tuple(_m1())
GROUPS: tuple[str, ...] = tuple(dict.fromkeys(feature.group for feature in CATALOGUE))
LOOKBACK_MS: int = max(feature.lookback_ms for feature in CATALOGUE)


def features(groups: Sequence[str]) -> tuple[Feature, ...]:
    """The features of the groups, in catalogue order; `ValueError` for an unknown group."""
    for group in groups:
        if group not in GROUPS:
            raise ValueError(
                f"features.groups: any of {', '.join(GROUPS)} is allowed, {group!r} came"
            )
    return tuple(feature for feature in CATALOGUE if feature.group in groups)


def names(groups: Sequence[str]) -> tuple[str, ...]:
    """The columns of `feature_matrix` for the groups, in order."""
    return tuple(feature.name for feature in features(groups))


def feature_hash(names: Sequence[str]) -> str:
    """SHA-256 of an ordered list of feature names and of the version of the formulas."""
    return hashlib.sha256("\n".join([f"formulas {FORMULAS}", *names]).encode()).hexdigest()


def markdown() -> str:
    """The catalogue as a page."""
    rows = [
        f"| {number} | `{each.name}` | {each.group} | {each.meaning}{_mark(each)} | {_span(each)} |"
        for number, each in enumerate((*CATALOGUE, *POSITION_STATE, *M1), start=1)
    ]
    sections = (page.STRUCTURE, page.PUBLISHED, page.POSITION, page.RISK)
    return _HEAD + "\n".join(rows) + "\n" + "".join(sections)


def _mark(feature: Feature) -> str:
    return " (protected)" if feature.protected else ""


def _span(feature: Feature) -> str:
    hours, minutes = divmod(feature.lookback_ms // 60_000, 60)
    parts = ((hours // 24, "d"), (hours % 24, "h"), (minutes, "min"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0"


_HEAD = f"""# Features

Generated from `ml/features/catalogue.py` by `python -m ml.features.catalogue > docs/features.md`.

- A row is labelled by its M15 bar's open and uses only bars that closed at or before its own close.
- Lookback: a window whose first bar opens at or before the row's open minus the lookback gives the
  row of the full history bit for bit; a shorter window gives the same bits or NaN. The largest is
  {LOOKBACK_MS // DAY_MS} days, which is what training loses at the start and what live back-fills.
- EMA, Wilder means and MACD on M15 to H4 run in anchored blocks of {BLOCK_MS // BAR_MS} M15 bars of
  absolute UTC time: rows of a block use the recursion started at the first bar of the block before.
- Higher bars are resampled from M15 at UTC boundaries, weeks from Monday; "the last" one is the
  last whose span ended at or before the row's close. From its end to the row's open may pass at
  most {CLOSURE_MS // DAY_MS} days, else NaN.
- The M15 bars that one row looks at may span {CLOSURE_MS // DAY_MS} days more than a market without
  pauses needs, else NaN.
- Groups are switched by `features.groups` in ml_config.json; the columns keep the order of this
  page whatever the order there. `base` and `regime` are the 62 that ship, `smc` and `onchain` are
  optional. `position_state` and `m1` are the position model's own and follow the groups: 71 inputs.
- A quotient by 0 is 0. Protected features are never pruned.

| # | name | group | meaning | lookback |
|---|---|---|---|---|
"""


if __name__ == "__main__":
    print(markdown(), end="")
