"""The charts of the page: equity, drawdown and trades on the candles; excursions; groups."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backtest.report.breakdown import Group
from backtest.report.excursions import Excursions
from backtest.report.trades import ChartTrade
from market.bars import Bars
from market.resample import resample
from market.timeframe import Timeframe
from trading.decision.records import Side
from trading.equity import EquityCurve

_MOST_CANDLES = 20_000
_UP, _DOWN, _LINE = "#2a9d8f", "#d1495b", "#3d5a80"


def run_chart(bars: Bars, curve: EquityCurve, trades: Sequence[ChartTrade]) -> go.Figure:
    """Equity, drawdown and candles with every trade, on one axis of time that zooms."""
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.03, row_heights=[0.25, 0.15, 0.6],
        subplot_titles=("Equity at each close", "Drawdown, worst inside the bar (%)", "Trades"),
    )  # fmt: skip
    times = _times(curve.time_ms)
    figure.add_trace(_line(times, curve.close, "equity", _LINE), row=1, col=1)
    drawdown = _line(times, -100 * curve.drawdown, "drawdown", _DOWN)
    figure.add_trace(drawdown.update(fill="tozeroy"), row=2, col=1)
    figure.add_trace(_candles(bars), row=3, col=1)
    for trace in _trade_traces(trades):
        figure.add_trace(trace, row=3, col=1)
    figure.update_layout(
        height=1100, template="plotly_white", xaxis3_rangeslider_visible=False, hovermode="x"
    )
    return figure


def excursion_chart(trades: Sequence[ChartTrade], found: Excursions) -> go.Figure:
    """How far each trade went against its side (across) and for it (up), in R of its first stop."""
    figure = go.Figure()
    won = np.array([each.trade.net_profit > 0 for each in trades], dtype=np.bool_)
    for name, mine, colour in (("winner", won, _UP), ("loser", ~won, _DOWN)):
        rows = np.flatnonzero(mine)
        texts = [_words(trades[row]) for row in rows.tolist()]
        figure.add_trace(
            go.Scatter(
                x=found.against_r[rows], y=found.favour_r[rows], mode="markers", name=name,
                marker={"color": colour, "size": 6, "opacity": 0.6}, text=texts,
            )
        )  # fmt: skip
    figure.update_layout(
        height=460, template="plotly_white", xaxis_title="worst against it (MAE, R)",
        yaxis_title="best in its favour (MFE, R)", title="Excursions before the exit",
    )  # fmt: skip
    return figure


def group_charts(groups: Mapping[str, Sequence[Group]]) -> go.Figure:
    """Mean R of each group with its limits, one panel for each grouping."""
    rows = (len(groups) + 2) // 3
    figure = make_subplots(rows=max(rows, 1), cols=3, subplot_titles=tuple(groups))
    for place, each in enumerate(groups.values()):
        means = np.array([group.mean_r for group in each])
        error = {
            "type": "data", "symmetric": False, "thickness": 1,
            "array": np.array([group.mean_r_high for group in each]) - means,
            "arrayminus": means - np.array([group.mean_r_low for group in each]),
        }  # fmt: skip
        colours = [_UP if mean > 0 else _DOWN for mean in means]
        bars = go.Bar(
            x=[group.name for group in each], y=means, error_y=error, marker_color=colours,
            text=[f"{group.trades:,} trades" for group in each], textposition="none",
        )  # fmt: skip
        figure.add_trace(bars, row=place // 3 + 1, col=place % 3 + 1)
    figure.update_xaxes(type="category")
    figure.update_layout(height=300 * max(rows, 1), template="plotly_white", showlegend=False)
    return figure


def _candles(bars: Bars) -> go.Candlestick:
    shown = bars
    for timeframe in (Timeframe.H1, Timeframe.H4, Timeframe.D1):
        if len(shown) > _MOST_CANDLES:
            shown = resample(bars, timeframe)
    return go.Candlestick(
        x=_times(shown.open_ms), open=shown.open, high=shown.high, low=shown.low, close=shown.close,
        name=f"{bars.symbol} {shown.timeframe.name}",
        increasing_line_color=_UP, decreasing_line_color=_DOWN, line_width=1,
    )  # fmt: skip


def _trade_traces(trades: Sequence[ChartTrade]) -> Iterable[go.Scatter]:
    """Entries, exits, and the way between with stop and target."""
    won = [each for each in trades if each.trade.net_profit > 0]
    lost = [each for each in trades if each.trade.net_profit <= 0]
    for side, symbol in ((Side.BUY, "triangle-up"), (Side.SELL, "triangle-down")):
        yield _entries([each for each in trades if each.trade.side is side], side, symbol)
    for name, group, colour in (("winner", won, _UP), ("loser", lost, _DOWN)):
        ends = [(each.trade.price_open, each.trade.price_close) for each in group]
        yield _segments(group, ends, name, colour, "solid")
    yield _segments(trades, [(each.sl, each.sl) for each in trades], "stop", _DOWN, "dot")
    yield _segments(trades, [(each.tp, each.tp) for each in trades], "target", _UP, "dot")


def _entries(trades: Sequence[ChartTrade], side: Side, symbol: str) -> go.Scatter:
    return go.Scatter(
        x=_times([each.trade.opened_ms for each in trades]),
        y=[each.trade.price_open for each in trades],
        mode="markers", name=f"{side.name.lower()} entry", marker_symbol=symbol, marker_size=9,
        marker_color=_LINE, text=[_words(each) for each in trades],
    )  # fmt: skip


def _words(each: ChartTrade) -> str:
    trade = each.trade
    return f"{trade.volume_lots:g} lots, {trade.close_type}, {trade.net_profit:+,.2f}"


def _segments(
    trades: Sequence[ChartTrade],
    prices: Sequence[tuple[float, float]],
    name: str,
    colour: str,
    dash: str,
) -> go.Scatter:
    """One trace of many lines, from each trade's opening to its close."""
    x, y = [], []
    for each, (first, last) in zip(trades, prices, strict=True):
        if first > 0:
            x += [*_times([each.trade.opened_ms, each.trade.closed_ms]), None]
            y += [first, last, None]
    return go.Scatter(x=x, y=y, mode="lines", name=name, line={"color": colour, "dash": dash})


def _line(x: Any, y: Any, name: str, colour: str) -> go.Scatter:
    return go.Scatter(x=x, y=y, mode="lines", name=name, line={"color": colour, "width": 1})


def _times(instants_ms: Any) -> Any:
    return np.asarray(instants_ms, dtype=np.int64).astype("datetime64[ms]")
