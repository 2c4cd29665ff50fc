"""The features a second time: slow, in pandas, written from the words of the catalogue."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from market.bars import Bars
from market.calendar import EconomicCalendar

BLOCK = pd.Timedelta(minutes=15) * 2560
EPOCH = pd.Timestamp(0, tz="UTC")
M15 = pd.Timedelta(minutes=15)
CLOSURE = pd.Timedelta(days=7)


def frame(bars: Bars) -> pd.DataFrame:
    index = pd.to_datetime(bars.open_ms, unit="ms", utc=True)
    columns = ("open", "high", "low", "close", "tick_volume")
    return pd.DataFrame({name: getattr(bars, name) for name in columns}, index=index)


def blocks(df: pd.DataFrame, recursion: Callable[[pd.DataFrame], pd.Series]) -> pd.Series:
    """`recursion` started at the first bar of the block before, for each block on its own."""
    number = (df.index - EPOCH) // BLOCK
    out = pd.Series(np.nan, index=df.index)
    for block in np.unique(number):
        if df.index[0] < EPOCH + (block - 1) * BLOCK:
            part = df[(number == block) | (number == block - 1)]
            values = recursion(part)
            own = df.index[number == block]
            out[own] = values[own]
    return out


def ema(column: str, span: int) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda df: df[column].ewm(span=span, adjust=False).mean()


def wilder(values: pd.Series) -> pd.Series:
    return values.ewm(alpha=1 / 14, adjust=False).mean()


def with_moves(df: pd.DataFrame) -> pd.DataFrame:
    before = df["close"].shift()
    ranges = [df["high"] - df["low"], (df["high"] - before).abs(), (df["low"] - before).abs()]
    change, up, down = df["close"].diff(), df["high"].diff(), -df["low"].diff()
    return df.assign(
        true_range=pd.concat(ranges, axis=1).max(axis=1),
        gain=change.clip(lower=0), loss=-change.clip(upper=0),
        plus_dm=up.where((up > down) & (up > 0), 0.0),
        minus_dm=down.where((down > up) & (down > 0), 0.0),
    )  # fmt: skip


def atr(df: pd.DataFrame) -> pd.Series:
    return blocks(df, lambda part: wilder(part["true_range"]))


def rsi(df: pd.DataFrame) -> pd.Series:
    def recursion(part: pd.DataFrame) -> pd.Series:
        strength = wilder(part["gain"]) / wilder(part["loss"])
        return 1 - 1 / (1 + strength)

    return blocks(df, recursion)


def macd_line(part: pd.DataFrame) -> pd.Series:
    return ema("close", 12)(part) - ema("close", 26)(part)


def macd_hist(part: pd.DataFrame) -> pd.Series:
    line = macd_line(part)
    return line - line.ewm(span=9, adjust=False).mean()


def di_diff(part: pd.DataFrame) -> pd.Series:
    return (wilder(part["plus_dm"]) - wilder(part["minus_dm"])) / wilder(part["true_range"])


def adx(part: pd.DataFrame) -> pd.Series:
    plus, minus = wilder(part["plus_dm"]), wilder(part["minus_dm"])
    return wilder(((plus - minus).abs() / (plus + minus)).fillna(0))


def share_below(values: pd.Series, bars: int) -> pd.Series:
    windows = np.lib.stride_tricks.sliding_window_view(values.to_numpy(), bars)
    share = (windows[:, :-1] < windows[:, -1:]).sum(axis=1) / (bars - 1)
    share[np.isnan(windows).any(axis=1)] = np.nan
    return pd.Series(np.r_[np.full(bars - 1, np.nan), share], index=values.index)


def momentum_and_candles(df: pd.DataFrame) -> dict[str, pd.Series]:
    close, atr14 = df["close"], atr(df)
    atr_share = atr14 / close
    log = np.log(close)
    highest, lowest = df["high"].rolling(14).max(), df["low"].rolling(14).min()
    four = close - close.shift(4)
    direction = np.sign(close.diff())
    run = direction.copy()
    for _ in range(7):
        run = direction.where(
            direction != direction.shift(), direction + np.sign(direction) * abs(run.shift())
        )
    candle = np.sign(close - df["open"])
    move = np.sign(close - close.shift(12))
    against = sum((candle.shift(i) == -move) & (move != 0) for i in range(12))
    span = (df["high"] - df["low"]).replace(0, np.nan)
    body_top, body_bottom = df[["open", "close"]].max(axis=1), df[["open", "close"]].min(axis=1)
    rsi14 = rsi(df)
    return {
        "return_1": log.diff(1) / atr_share,
        "hourly_return": log.diff(4) / atr_share,
        "return_4h": log.diff(16) / atr_share,
        "return_1d": log.diff(96) / atr_share,
        "rsi_14": rsi14,
        "rsi_slope": rsi14 - rsi14.shift(3),
        "macd_hist": blocks(df, macd_hist) / atr14,
        "macd_line": blocks(df, macd_line) / atr14,
        "stoch_k": (close - lowest) / (highest - lowest),
        "price_acceleration": (log.diff(4) - log.diff(4).shift(4)) / atr_share,
        "momentum_decay": four / four.abs().rolling(16).max(),
        "consecutive_direction": run.clip(-8, 8).where(close.shift(8).notna()) / 8,
        "candle_direction": candle,
        "adverse_candle_ratio": (against / 12).where(move.notna()),
        "body_ratio": ((body_top - body_bottom) / span).fillna(0),
        "upper_wick_ratio": ((df["high"] - body_top) / span).fillna(0),
        "lower_wick_ratio": ((body_bottom - df["low"]) / span).fillna(0),
    }


def volatility(df: pd.DataFrame) -> dict[str, pd.Series]:
    close, atr14 = df["close"], atr(df)
    middle = close.rolling(20).mean()
    # rolling().std() keeps a running sum; each window on its own is what the words say
    deviation = close.rolling(20).apply(lambda values: values.std(ddof=0), raw=True)
    returns = np.log(close).diff()
    width = 4 * deviation / middle
    squeeze = share_below(width, 96)
    return {
        "atr_14": atr14 / close,
        "atr_percentile": share_below(atr14 / close, 96),
        "volatility_20": returns.rolling(20).apply(lambda values: values.std(ddof=1), raw=True),
        "bb_width": width,
        "bb_position": (close - (middle - 2 * deviation)) / (4 * deviation),
        "bb_squeeze": (squeeze < 0.2).astype(float).where(squeeze.notna()),
        "range_ratio": (df["high"] - df["low"]) / atr14,
        "volatility_regime": share_below(atr14, 500),
    }


def trend(df: pd.DataFrame, round_step: float) -> dict[str, pd.Series]:
    close, atr14 = df["close"], atr(df)
    ema20, ema50, ema200 = (blocks(df, ema("close", span)) for span in (20, 50, 200))
    up, down = (ema20 > ema50) & (ema50 > ema200), (ema20 < ema50) & (ema50 < ema200)
    away = close % round_step
    day = df.index.floor("D")
    first_day = day == day[0]  # its start is not sure to be in the data
    high, low = df["high"].groupby(day).cummax(), df["low"].groupby(day).cummin()
    today_open = df["open"].groupby(day).transform("first")
    return {
        "adx_14": blocks(df, adx),
        "di_diff": blocks(df, di_diff),
        "price_vs_ema20": (close - ema20) / atr14,
        "price_vs_ema50": (close - ema50) / atr14,
        "price_vs_ema200": (close - ema200) / atr14,
        "ema_stack": (up.astype(float) - down.astype(float)).where(ema200.notna()),
        "ema50_slope": (ema50 - ema50.shift(8)) / atr14,
        "dist_to_round_number": np.minimum(away, round_step - away) / atr14,
        "near_daily_high_low": (-1 + 2 * (close - low) / (high - low)).fillna(0).where(~first_day),
        "market_quality": (close - close.shift(32)).abs() / close.diff().abs().rolling(32).sum(),
        "price_vs_d1_open": ((close - today_open) / atr14).where(~first_day),
    }


def volume(df: pd.DataFrame) -> dict[str, pd.Series]:
    ticks = df["tick_volume"].astype(float)
    ratio = ticks / ticks.rolling(50).mean()
    signed = np.sign(df["close"] - df["open"]) * ticks
    return {
        "volume_ratio": ratio,
        "volume_surge": (ratio > 2).astype(float).where(ratio.notna()),
        "volume_delta": signed.rolling(12).sum() / ticks.rolling(12).sum(),
    }


def resampled(df: pd.DataFrame, span: str) -> pd.DataFrame:
    rule = {"W1": "W-MON", "D1": "1D", "H4": "4h", "H1": "1h", "M30": "30min"}[span]
    words = {"open": "first", "high": "max", "low": "min", "close": "last"}
    return df.resample(rule, label="left", closed="left").agg(words).dropna()


LENGTH = {name: pd.Timedelta(length) for name, length in
          {"M30": "30min", "H1": "1h", "H4": "4h", "D1": "1D", "W1": "7D"}.items()}  # fmt: skip


def last_completed(df: pd.DataFrame, higher: pd.DataFrame, span: str) -> pd.DataFrame:
    """For each M15 row the last higher bar that is over; the first one does not exist."""
    known = higher.iloc[1:].assign(opened=higher.index[1:])
    known = known.set_axis(known.index + LENGTH[span])
    rows = pd.DataFrame(index=df.index + M15)
    return pd.merge_asof(rows, known, left_index=True, right_index=True).set_axis(df.index)


def intraday(df: pd.DataFrame, span: str) -> dict[str, pd.Series]:
    higher = with_moves(resampled(df, span))
    states = pd.DataFrame({
        "rsi_norm": rsi(higher),
        "ema_bias": (higher["close"] - blocks(higher, ema("close", 20))) / atr(higher),
        "macd_dir": np.sign(blocks(higher, macd_hist)),
    })  # fmt: skip
    joined = last_completed(df, states, span)
    age = df.index.to_series() - (joined["opened"] + LENGTH[span])
    return {f"{span.lower()}_{name}": joined[name].where(age <= CLOSURE) for name in states}


def finite(df: pd.DataFrame) -> dict[str, pd.Series]:
    days = resampled(df, "D1")
    sixty = [days["close"].to_numpy()[max(i - 59, 0) : i + 1] for i in range(len(days))]
    day_states = pd.DataFrame({
        "trend": [daily_trend(part) for part in sixty],
        "rsi": [daily_rsi(part) for part in sixty],
        "oldest": days.index.to_series().shift(59),
    }, index=days.index)  # fmt: skip
    day_states.iloc[:60] = np.nan
    weeks = resampled(df, "W1")
    closes = weeks["close"]
    change = closes.diff()
    gain = change.clip(lower=0).rolling(14).mean()
    loss = (-change.clip(upper=0)).rolling(14).mean()
    week_states = pd.DataFrame({
        "bias": closes.rolling(16).apply(weekly_bias, raw=False),
        "rsi": gain / (gain + loss),
        "oldest": weeks.index.to_series().shift(15),
    })  # fmt: skip
    week_states.iloc[:16] = np.nan
    day, week = last_completed(df, day_states, "D1"), last_completed(df, week_states, "W1")
    near_days = df.index.to_series() - day["oldest"] < pd.Timedelta(weeks=13)
    near_weeks = df.index.to_series() - week["oldest"] < pd.Timedelta(weeks=17)
    return {
        "d1_trend": day["trend"].where(near_days),
        "d1_rsi_norm": day["rsi"].where(near_days),
        "w1_ema_bias": week["bias"].where(near_weeks),
        "w1_rsi_norm": week["rsi"].where(near_weeks),
    }


def daily_trend(closes: np.ndarray) -> float:
    seeded = pd.Series(np.r_[closes[:20].mean(), closes[20:]])
    return float(np.sign(closes[-1] - seeded.ewm(span=20, adjust=False).mean().iloc[-1]))


def daily_rsi(closes: np.ndarray) -> float:
    change = np.diff(closes)
    if len(change) < 15:
        return np.nan
    gain, loss = np.clip(change, 0, None), np.clip(-change, 0, None)
    seeded = [np.r_[part[:14].mean(), part[14:]] for part in (gain, loss)]
    up, down = (wilder(pd.Series(part)).iloc[-1] for part in seeded)
    return float(up / (up + down))


def weekly_bias(closes: pd.Series) -> float:
    return float(1 - closes.ewm(span=10, adjust=False).mean().iloc[-1] / closes.iloc[-1])


def clocks(df: pd.DataFrame) -> dict[str, pd.Series]:
    def within(zone: str, start: str, end: str) -> pd.Series:
        local = df.index.tz_convert(zone)
        clock = local.strftime("%H:%M")
        return pd.Series((local.day_of_week < 5) & (clock >= start) & (clock < end), df.index) * 1.0

    hour = 2 * np.pi * (df.index.hour + df.index.minute / 60).to_numpy() / 24
    day = 2 * np.pi * df.index.day_of_week.to_numpy() / 7
    return {
        "is_london_session": within("Europe/London", "08:00", "16:30"),
        "is_ny_session": within("America/New_York", "09:30", "16:00"),
        "is_asian_session": within("Asia/Tokyo", "09:00", "15:00"),
        "session_hour_sin": pd.Series(np.sin(hour), df.index),
        "session_hour_cos": pd.Series(np.cos(hour), df.index),
        "day_of_week_sin": pd.Series(np.sin(day), df.index),
        "day_of_week_cos": pd.Series(np.cos(day), df.index),
    }


def news(df: pd.DataFrame, calendar: EconomicCalendar) -> dict[str, pd.Series]:
    events = pd.DataFrame({
        "time": pd.to_datetime(calendar.time_ms, unit="ms"),
        "known": pd.to_datetime(calendar.known_since_ms, unit="ms"),
        "impact": calendar.impact.astype(int),
    })  # fmt: skip
    time, known = events["time"].to_numpy(), events["known"].to_numpy()
    impact = events["impact"].to_numpy()
    rows = []
    day, minute = np.timedelta64(1, "D"), np.timedelta64(1, "m")
    for opened in df.index.tz_localize(None).to_numpy():
        now, today = opened + np.timedelta64(15, "m"), opened.astype("datetime64[D]")
        seen = known <= now
        high = time[seen & (impact == 3)]
        ahead = high[high >= now]
        away = min((ahead.min() - now) / minute, 1440) if len(ahead) else 1440
        coming = seen & (time >= now) & (time <= now + day) & (impact > 0)
        nearest = impact[coming & (time == time[coming].min())].max() if coming.any() else 0
        near = (np.abs(high - now) <= 30 * minute).any()
        count = ((high >= today) & (high < today + day)).sum()
        rows.append((float(near), away / 1440, min(count / 10, 1.0), nearest / 3))
    table = pd.DataFrame(rows, index=df.index)
    names = ("is_news_near", "news_minutes_away", "news_count_today", "news_impact_next")
    return {name: table[column] for column, name in enumerate(names)}


def reference(bars: Bars, round_step: float, calendar: EconomicCalendar) -> dict[str, pd.Series]:
    """Every feature over all rows, by name."""
    df = with_moves(frame(bars))
    return {
        **momentum_and_candles(df), **volatility(df), **trend(df, round_step), **volume(df),
        **intraday(df, "M30"), **intraday(df, "H1"), **intraday(df, "H4"), **finite(df),
        **clocks(df), **news(df, calendar),
    }  # fmt: skip


def not_torn(bars: Bars, count: int) -> np.ndarray:
    """Rows whose last `count` bars span at most seven days more than without pauses."""
    opened = pd.Series(frame(bars).index)
    return (~(opened - opened.shift(count - 1) > (count - 1) * M15 + CLOSURE)).to_numpy()
