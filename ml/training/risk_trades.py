"""Trades that the risk model learns from: backtests over the signal's out-of-fold forecasts.

Each gate strength is one backtest with the daemon's own core, costs included. What sizes or stops
an account is off there (guards, limits, management, news), and the account is large: each trade is
judged by its profit over its own risk, whatever was lost before it.

Stops are the static ones, or where the SL/TP model trades, those that its walk-forward folds
forecast: one backtest for each fold's test part then, so that no stop has seen its own trade.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from backtest.columns import DecidedBars, decided_bars
from backtest.driver import BacktestRun, run_backtest
from backtest.report.trades import TradeWithLevels, trades_with_levels
from backtest.rules import Rules
from broker.simulator.settings import PaperSettings
from market.bars import Bars
from market.instrument import Instrument
from ml.features.risk import RISK_FEATURES, utc_hour
from ml.training.models import TrainingError
from ml.training.oof import OofForecasts
from ml.training.risk_labels import RiskTrades, joined
from ml.training.table import TrainingTable
from trading.advice import ArrayModel, BesideModels
from trading.decision.management_settings import ActiveManagement
from trading.decision.prop_rules import PropSettings
from trading.decision.records import InstrumentView
from trading.decision.settings import DecisionSettings
from trading.forecasts import ForecastColumns, columns_of

_OF_MARKET = RISK_FEATURES[4:6]
_RISK_PERCENT = 0.25
_BALANCE = 1e6
_STRATEGY = 7719


@dataclass(frozen=True, slots=True, eq=False)
class StopSpan:
    """Bars that open in [from, to) and the SL/TP model that sets their stops; None: static ones."""

    from_ms: int
    to_ms: int
    model: ArrayModel | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RiskMarket:
    """What the backtests run over: bars up to the cutoff, their features and forecasts.

    `spans`: parts of the forecasts' time, one backtest each; none: all of it with static stops.
    """

    bars: Bars
    instrument: Instrument
    table: TrainingTable
    oof: OofForecasts
    paper: PaperSettings
    spans: tuple[StopSpan, ...] = ()


def gate_trades(
    market: RiskMarket, decision: DecisionSettings, factors: tuple[float, ...]
) -> list[RiskTrades]:
    """One list of trades for each gate: the top share of `decision` times each factor."""
    return [_gate(market, label_settings(decision, factor)) for factor in factors]


def label_settings(decision: DecisionSettings, factor: float) -> DecisionSettings:
    """The trading settings with another gate, and nothing that looks at the account.

    The quantile gate is used whatever gate trades: its share says how many trades there are.
    """
    quantile = decision.prediction.quantile
    share = min(quantile.top_share * factor, 0.99)
    gate = decision.prediction.model_copy(
        update={"gate": "quantile", "quantile": quantile.model_copy(update={"top_share": share})}
    )
    off = {"enabled": False}
    return decision.model_copy(
        update={
            "risk_percent": _RISK_PERCENT,
            "max_lot": _BALANCE,
            "max_open_positions": 1,
            "max_daily_loss_pct": 0.0,
            "max_weekly_drawdown_pct": 0.0,
            "max_trades_per_day": 0,
            "news_block_minutes": 0,
            "circuit_breaker": decision.circuit_breaker.model_copy(update=off),
            "equity_curve_filter": decision.equity_curve_filter.model_copy(update=off),
            "risk_model": decision.risk_model.model_copy(update=off),
            "dynamic_sltp": decision.dynamic_sltp.model_copy(update={"max_risk_pct": 100.0}),
            "ml_active_management": ActiveManagement(enabled=False),
            "prop": PropSettings(),
            "prop_rules": None,
            "prediction": gate,
        }
    )


def oof_columns(bars: Bars, table: TrainingTable, oof: OofForecasts) -> ForecastColumns:
    """The out-of-fold forecasts as the backtest reads them: one for each bar from the first on.

    Bars without one count as bars with a missing feature.
    """
    first = int(np.searchsorted(bars.open_ms, oof.open_ms[0]))
    open_ms = bars.open_ms[first:]
    place = np.searchsorted(open_ms, oof.open_ms)
    probabilities = np.full((len(open_ms), 3), np.nan)
    votes = np.zeros((len(open_ms), oof.votes.shape[1]), dtype=np.int8)
    missing = np.zeros(len(open_ms), dtype=np.int16)
    features = np.full((len(open_ms), table.rows.shape[1]), np.nan)
    probabilities[place], votes[place], missing[place] = oof.probabilities, oof.votes, -1
    features[place] = table.rows[np.searchsorted(table.open_ms, oof.open_ms)]
    return columns_of(open_ms, probabilities, votes, missing, table.feature_names, features)


def _gate(market: RiskMarket, decision: DecisionSettings) -> RiskTrades:
    """The trades of one gate over all spans."""
    oof, quantile = market.oof, decision.prediction.quantile
    columns = oof_columns(market.bars, market.table, oof)
    filled_ms, end_ms = int(oof.open_ms[0]) + quantile.lookback_ms, int(oof.open_ms[-1])
    if filled_ms >= end_ms:
        days = (end_ms - int(oof.open_ms[0])) / 86_400_000
        raise TrainingError(
            f"risk trades: the out-of-fold forecasts span {days:.0f} days, more than the gate's "
            f"look-back of {quantile.lookback_days} are needed: use a longer history"
        )
    found = []
    for span in market.spans or (StopSpan(filled_ms, end_ms),):
        from_ms = max(span.from_ms, filled_ms)
        if from_ms < span.to_ms:
            decided = decided_bars(
                market.bars, columns, quantile, from_ms=from_ms, to_ms=span.to_ms
            )
            found.append(_trades(market, _run(market, decision, decided, span.model)))
    return joined(found)


def _run(
    market: RiskMarket, decision: DecisionSettings, decided: DecidedBars, model: ArrayModel | None
) -> BacktestRun:
    stops = decision.dynamic_sltp.model_copy(update={"use_model": model is not None})
    rules = Rules(
        market.instrument,
        decision.model_copy(update={"dynamic_sltp": stops}),
        market.paper.model_copy(update={"balance": _BALANCE, "m1_inside_bars": False}),
        _STRATEGY,
        models=BesideModels(sltp=model),
    )
    return run_backtest(decided, rules)


def _trades(market: RiskMarket, run: BacktestRun) -> RiskTrades:
    """The finished trades in the order of their ends, with R and the decided bar's features."""
    rows = list(_rows(market, run.terms, trades_with_levels(run)))
    columns = np.array(rows, dtype=np.float64).reshape(-1, 6)
    return RiskTrades(
        r=columns[:, 0],
        market=columns[:, 1:4],
        opened_ms=columns[:, 4].astype(np.int64),
        closed_ms=columns[:, 5].astype(np.int64),
    )


def _rows(
    market: RiskMarket, terms: InstrumentView, trades: Iterable[TradeWithLevels]
) -> Iterator[list[float]]:
    """[R, volatility_20, atr_14, hour, opened, closed] of each trade."""
    table, bar_ms = market.table, market.bars.timeframe.ms
    places = [table.feature_names.index(name) for name in _OF_MARKET]
    value = terms.tick_value / terms.tick_size
    for each in trades:
        trade = each.trade
        risk = abs(trade.price_open - each.sl) * value * trade.volume_lots
        row = int(np.searchsorted(table.open_ms, trade.opened_ms - bar_ms))
        features = [float(table.rows[row, place]) for place in places]
        yield [
            trade.net_profit / risk, *features, float(utc_hour(trade.opened_ms)),
            float(trade.opened_ms), float(trade.closed_ms),
        ]  # fmt: skip
