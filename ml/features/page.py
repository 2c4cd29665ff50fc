"""What the catalogue's page says of the optional and the position model's groups beyond rows."""

from ml.features.kernels import minute
from ml.features.kernels.smc import FAR, POOL_WIDTH
from ml.features.kernels.structure import LIFE, SWING
from ml.features.risk import MAX_EQUITY_RATIO, RECENT_TRADES, RISK_FEATURES

STRUCTURE = f"""
## Structure (`smc`)

All fourteen look at the row's last {LIFE} bars ({LIFE // 4} hours of market time) and at what those
bars refer to; older structures are forgotten. Each exists from the close of the bar that confirms
it. Bars count in a row; a pause of the market between two bars is not seen. Where a rule names one
side, the other is the same upside down.

- **Swing high**: a high above each of the {SWING} highs before it and not below any of the {SWING}
  after it. It is known at the close of the {SWING}th bar after it.
- **Break** up: the first close above the last known swing high, if that is among the last {LIFE}
  bars. Each swing is broken at most once. The break is a **BOS** where the break before it had the
  same side and a **CHoCH** where it had the other; where none is among the {LIFE} bars up to it, it
  is neither and only starts a side.
- **Order block**, bullish: confirmed by a break up. It is the last candle that closed below its
  open, from the bar of the broken swing high to the lowest of the lows after it up to the break
  (the later of equal lows); without such a candle there is none. Its zone is that candle's low to
  high. It counts while its break is among the last {LIFE} bars, and is mitigated by the first low
  after the break that is below the zone.
- **Fair value gap** below the price: confirmed by a bar whose low is above the high two bars
  before. It reaches from that high to that low. Each later low inside it leaves only the part below
  that low; a low that reaches its bottom fills it. It counts while the bar that confirmed it is
  among the last {LIFE}. It is named after where it draws the price: one below is `bear`, one above
  is `bull` (elsewhere often the other way round, after the move that left it).
- **Liquidity pool** above: two known swing highs among the last {LIFE} bars, neither traded above
  since, at most {POOL_WIDTH:g} ATR(14) apart; that ATR is the one of the bar that made the later
  swing known. Its level is the lower of the two. The first high above that level sweeps it.
- Distances are at most ±{FAR:g} ATR(14) of the row; {FAR:g} also stands for what is not there.
"""

PUBLISHED = """
## Published values (`onchain`)

Given to `feature_matrix` as an `OnChain` record. A value counts from the instant it was published,
and no longer than it may be old.

| value | stamped | known | oldest |
|---|---|---|---|
| funding rate | when it is charged, every 8 h | 1 min after | 24 h |
| open interest, snapshots | when it is counted | 5 min after | 1 h |
| open interest, daily | the start of the day that it ends | 5 min after that day | 48 h |
| fear & greed | 00:00 UTC, where the service's countdown to it ends | 1 h after | 48 h |

- The lags are assumptions on the late side: files that were collected afterwards do not say when a
  value was there. Binance stamps a charge some milliseconds after the hour and files round it; one
  minute puts both on the same bar.
- Not published yet, or older than that: NaN, which training drops and the daemon refuses by the
  feature's name.
- `OnChain.none()` stands for no data at all: 0, 0 and 0.5 on every row. It is never assumed: where
  the group is on and no record is given, `feature_matrix` refuses.
- A daily source makes `oi_change` the change over its last whole day. A model must be served from
  the kind of source that it was trained on.
"""

RISK = f"""
## Risk model

Seven inputs in a fixed order, beside the catalogue: `{"`, `".join(RISK_FEATURES)}`.

- The first four are the account's, from own finished trades and today's balance and equity.
  `drawdown_pct`: percent of equity below the highest balance so far. `equity_ratio`: equity over
  the balance before the first trade, at most {MAX_EQUITY_RATIO:g}. `win_rate_recent`: share of
  winners among the last {RECENT_TRADES}; trades missing to {RECENT_TRADES} count half.
  `consecutive_losses`: trades in a row that lost.
- The balance before the first trade is today's less all net profits since. Money paid in or out
  later counts as if it had been there, or gone, from the start.
- `volatility_20` and `atr_14` are the catalogue's, of the decided bar; `hour` is the UTC hour of
  its close.
"""

POSITION = f"""
## The position model's own (`position_state`, `m1`)

- A long leaves at the bid: its price at the close is the bar's close, its best extreme the highest
  high. A short leaves at the ask: close and lowest low plus each bar's own spread. Bars count from
  the one whose first tick filled the trade.
- M1 bars count when they have closed at or before the M15 close. The last {minute.BARS} of them
  must have opened within {minute.REACH_MS // minute.MINUTE_MS} minutes before it; otherwise, and
  without M1 bars, all five have their neutral values.
"""
