"""The charts of the page: equity, drawdown and trades on the candles; excursions; groups."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backtest.report.breakdown import Group
from backtest.report.excursions import Excursions
from backtest.report.trades import TradeWithLevels
from market.bars import Bars
from market.resample import resample
from market.timeframe import Timeframe
from trading.decision.records import Side
from trading.equity import EquityCurve

_MOST_CANDLES = 20_000
_UP, _DOWN, _LINE = "#2a9d8f", "#d1495b", "#5b82b5"
_CLEAR, _GRID = "rgba(0,0,0,0)", "rgba(128,128,128,.25)"
_NARROW = {"l": 60, "r": 20, "t": 60, "b": 60}
_ABOVE = {"orientation": "h", "yanchor": "bottom", "y": 1.03, "x": 0}


def run_chart(
    bars: Bars, curve: EquityCurve, trades: Sequence[TradeWithLevels], *, currency: str
) -> go.Figure:
    """Equity, drawdown and candles with every trade, on one axis of time that zooms."""
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.03, row_heights=[0.25, 0.15, 0.6],
        subplot_titles=(
            f"Equity at each close ({currency})", "Drawdown, worst inside the bar (%)",
            f"Trades ({bars.symbol}, UTC)",
        ),
    )  # fmt: skip
    times = _times(curve.time_ms)
    figure.add_trace(_line(times, curve.close, "equity", _LINE), row=1, col=1)
    drawdown = _line(times, -100 * curve.drawdown, "drawdown", _DOWN)
    figure.add_trace(drawdown.update(fill="tozeroy"), row=2, col=1)
    figure.add_trace(_candles(bars), row=3, col=1)
    for trace in _trade_traces(trades):
        figure.add_trace(trace, row=3, col=1)
    figure.update_annotations(font_size=14)
    return _dressed(
        figure, height=1150, xaxis3_rangeslider_visible=False, hovermode="x", legend=_ABOVE,
        margin={**_NARROW, "t": 160},
    )  # fmt: skip


def excursion_chart(trades: Sequence[TradeWithLevels], found: Excursions) -> go.Figure:
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
    return _dressed(
        figure, height=460, xaxis_title="worst against it (MAE, R)", legend=_ABOVE,
        yaxis_title="best in its favour (MFE, R)", title="Excursions before the exit",
        margin={**_NARROW, "t": 110},
    )  # fmt: skip


def group_chart(name: str, groups: Sequence[Group]) -> go.Figure:
    """Mean R of each group with its limits."""
    means = np.array([group.mean_r for group in groups])
    error = {
        "type": "data", "symmetric": False, "thickness": 1, "color": "#888",
        "array": np.array([group.mean_r_high for group in groups]) - means,
        "arrayminus": means - np.array([group.mean_r_low for group in groups]),
    }  # fmt: skip
    bars = go.Bar(
        x=[group.name for group in groups], y=means, error_y=error,
        marker_color=[_UP if mean > 0 else _DOWN for mean in means],
        text=[f"{group.trades:,} trades" for group in groups], textposition="none",
    )  # fmt: skip
    figure = go.Figure(bars)
    figure.update_xaxes(type="category")
    return _dressed(figure, height=300, title=name, yaxis_title="mean R", margin=_NARROW)


def _dressed(figure: go.Figure, **layout: Any) -> go.Figure:
    """Without a background, so that it is read on a light page and on a dark one."""
    return figure.update_layout(
        template="plotly_white", paper_bgcolor=_CLEAR, plot_bgcolor=_CLEAR,
        modebar={"bgcolor": _CLEAR, "color": "#888"}, **layout
    ).update_xaxes(gridcolor=_GRID, zerolinecolor=_GRID).update_yaxes(
        gridcolor=_GRID, zerolinecolor=_GRID
    )  # fmt: skip


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


def _trade_traces(trades: Sequence[TradeWithLevels]) -> Iterable[go.Scatter]:
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


def _entries(trades: Sequence[TradeWithLevels], side: Side, symbol: str) -> go.Scatter:
    return go.Scatter(
        x=_times([each.trade.opened_ms for each in trades]),
        y=[each.trade.price_open for each in trades],
        mode="markers", name=f"{side.name.lower()} entry", marker_symbol=symbol, marker_size=9,
        marker_color=_LINE, text=[_words(each) for each in trades],
    )  # fmt: skip


def _words(each: TradeWithLevels) -> str:
    trade = each.trade
    return f"{trade.volume_lots:g} lots, {trade.close_type}, {trade.net_profit:+,.2f}"


def _segments(
    trades: Sequence[TradeWithLevels],
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
