"""The report as one page that needs nothing else: equity, drawdown, trades on the chart, tables."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from backtest.report import MONTH_HEAD, ChartTrade, Month, denial_rows, figures, month_row
from market.bars import Bars
from market.resample import resample
from market.timeframe import Timeframe
from trading.decision.records import Side
from trading.equity import EquityCurve

_MOST_CANDLES = 20_000
_UP, _DOWN, _LINE = "#2a9d8f", "#d1495b", "#3d5a80"
_STYLE = """
body{font:14px system-ui,sans-serif;margin:2em auto;max-width:1200px;color:#222}
table{border-collapse:collapse;margin:0 2em 2em 0;display:inline-table;vertical-align:top}
td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}
.alarm{background:#fdecea;border-left:4px solid #d1495b;padding:.6em 1em;margin:.4em 0}
"""


def write_report(
    path: Path,
    title: str,
    summary: Mapping[str, Any],
    per_month: Sequence[Month],
    bars: Bars,
    curve: EquityCurve,
    trades: Sequence[ChartTrade],
) -> None:
    """Writes the page, whole or not at all."""
    warnings = (*summary.get("warnings", ()), *summary["alarms"])
    page = "".join(
        (
            f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title>",
            f"<style>{_STYLE}</style><h1>{escape(title)}</h1>",
            *(f"<p class='alarm'>{escape(line)}</p>" for line in warnings),
            _chart(bars, curve, trades).to_html(full_html=False, include_plotlyjs=True),
            _table(("figure", ""), figures(summary)),
            _table(MONTH_HEAD, map(month_row, per_month)),
            _table(("denied by", "bars"), denial_rows(summary)),
            "<p>Positions open at the end stay open and count in the equity alone.</p></html>",
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)


def _chart(bars: Bars, curve: EquityCurve, trades: Sequence[ChartTrade]) -> go.Figure:
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
        marker_color=_LINE,
        text=[f"{t.volume_lots:g} lots, {t.close_type}, {t.net_profit:+,.2f}"
              for t in (each.trade for each in trades)],
    )  # fmt: skip


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


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"
