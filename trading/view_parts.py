"""The pieces of the terminal view: lines of text and tables of one bar, a run's summary."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from broker.contract.constants import DealEntry, DealType, PositionType
from broker.contract.messages import Deal, Position, Snapshot
from trading.decision.records import Denial, Forecast
from trading.execution.dispatch import Sent
from trading.execution.intents import IntentState, Kind, LevelsRequest, TradeRequest, kind_of
from trading.report import BarReport

_SUMMARY_ROWS = (
    "bars", "decisions", "orders", "deals", "trades", "win_rate", "profit_factor", "net_profit",
    "max_drawdown_pct", "final_equity", "decision_ms_p50", "decision_ms_p99",
)  # fmt: skip


def bar_line(report: BarReport) -> str:
    """`2025-06-01 00:15  104638.10  buy 0.41 … votes ▲▲▼  margin 0.120 …  denied: margin`."""
    market, forecast = report.input.market, report.input.forecast
    when = datetime.fromtimestamp(market.close_ms / 1000, UTC)
    did = ", ".join(sent_text(each) for each in report.sent)
    denied = "denied: " + ", ".join(each.rule for each in report.decision.denials)
    return (
        f"{when:%Y-%m-%d %H:%M}  {market.close:.{report.input.instrument.digits}f}  "
        f"{forecast_text(forecast)}  margin {report.margin:.3f} floor {market.margin_floor:.3f}  "
        f"equity {report.input.account.equity:.2f}  {did or denied}"
    )


def forecast_text(forecast: Forecast | None) -> str:
    if forecast is None:
        return "no forecast"
    votes = "".join("▲" if vote > 0 else "▼" if vote < 0 else "·" for vote in forecast.votes)
    return (
        f"buy {forecast.p_buy:.2f} sell {forecast.p_sell:.2f} hold {forecast.p_hold:.2f} "
        f"votes {votes}"
    )


def sent_text(sent: Sent) -> str:
    price = f" at {sent.result.price:.10g}" if sent.result and sent.result.price else ""
    state = "filled" if sent.state is IntentState.PROTECTED else sent.state
    return f"{request_text(sent.request)}: {state}{price} ({sent.note})"


def request_text(request: TradeRequest) -> str:
    """What is asked for, in few words."""
    if isinstance(request, LevelsRequest):
        levels = f"stop {request.sl:.10g}, target {request.tp:.10g}"
        return f"levels of {request.symbol}: {levels}"
    words = {Kind.CLOSE: "close", Kind.PART: "close part of"}
    what = words.get(kind_of(request)) or request.type.name.lower()
    return f"{what} {request.volume:g} {request.symbol}"


def deal_text(deal: Deal) -> str:
    when = datetime.fromtimestamp(deal.time_msc / 1000, UTC)
    end = "in" if deal.entry is DealEntry.IN else f"out by {deal.reason.name}"
    money = "" if deal.entry is DealEntry.IN else f"  {deal.profit + deal.swap:+.2f}"
    side = "buy" if deal.type == DealType.BUY else "sell"
    return f"{when:%m-%d %H:%M} deal: {side} {deal.volume:g} at {deal.price:.10g}, {end}{money}"


def summary_table(summary: Mapping[str, Any]) -> Table:
    table = Table(show_header=False, title="Summary", title_justify="left")
    for key in _SUMMARY_ROWS:
        if key in summary:
            table.add_row(key.replace("_", " "), _figure(summary[key]))
    denials = sorted(summary.get("denials", {}).items(), key=lambda item: -item[1])
    table.add_row("denials", ", ".join(f"{rule} {count}" for rule, count in denials[:6]))
    for alarm in summary.get("alarms", ()):
        table.add_row("note", alarm)
    return table


def market_table(report: BarReport) -> Table:
    market = report.input.market
    digits = report.input.instrument.digits
    quote = report.input.quote
    reached = report.margin >= market.margin_floor
    table = Table.grid(padding=(0, 2))
    prices = "  ".join(
        f"{name} {value:.{digits}f}"
        for name, value in zip(
            "OHLC", (market.open, market.high, market.low, market.close), strict=True
        )
    )
    table.add_row("bar", f"{_hhmm(market.open_ms)}  {prices}  ATR {market.atr:.{digits}f}")
    spread = round((quote.ask - quote.bid) / report.input.instrument.point)
    table.add_row(
        "quote", f"{quote.bid:.{digits}f} / {quote.ask:.{digits}f}  spread {spread} points"
    )
    table.add_row("forecast", forecast_text(report.input.forecast))
    table.add_row(
        "margin",
        Text(
            f"{report.margin:.4f} {'reaches' if reached else 'is below'} the floor "
            f"{market.margin_floor:.4f}",
            style="green" if reached else "yellow",
        ),
    )
    table.add_row("decision", _decision_text(report))
    return table


def _decision_text(report: BarReport) -> Text:
    if report.decision.intents:
        return Text("; ".join(sent_text(each) for each in report.sent), style="bold green")
    return Text("no entry: " + ", ".join(each.rule for each in report.decision.denials))


def account_line(report: BarReport, snapshot: Snapshot | None) -> Text:
    account = snapshot.account if snapshot else report.input.account
    day = report.day_profit
    return Text.assemble(
        f"balance {account.balance:.2f}   equity {account.equity:.2f}   day ",
        (f"{day:+.2f}", "green" if day >= 0 else "red"),
        f"   losses in a row {report.input.recent_losses}   decided in {report.decision_ms:.1f} ms",
    )


def refusal_table(refused: tuple[int, tuple[Denial, ...]] | None) -> Table:
    when = f" at {_hhmm(refused[0])} UTC" if refused else ""
    table = Table(title=f"last refusal{when}", title_justify="left", box=None, padding=(0, 2))
    for column in ("rule", "observed", "limit"):
        table.add_column(column)
    for denial in refused[1] if refused else ():
        table.add_row(denial.rule, _figure(denial.observed), _figure(denial.limit))
    return table


def positions_table(report: BarReport, snapshot: Snapshot | None) -> Table:
    table = Table(title="open positions", title_justify="left", box=None, padding=(0, 2))
    for column in ("side", "lots", "open", "stop", "target", "profit"):
        table.add_column(column, justify="right")
    digits = report.input.instrument.digits
    for row in _held(report, snapshot):
        side, lots, *prices, profit = row
        table.add_row(
            side, f"{lots:g}", *(f"{price:.{digits}f}" for price in prices), f"{profit:+.2f}"
        )
    return table


def _held(report: BarReport, snapshot: Snapshot | None) -> list[tuple[Any, ...]]:
    if snapshot:
        return [_position_row(each) for each in snapshot.positions]
    return [
        (each.side.name.lower(), each.volume_lots, each.price_open, each.sl, each.tp, each.profit)
        for each in report.input.open_trades
    ]


def _position_row(position: Position) -> tuple[Any, ...]:
    side = "buy" if position.type == PositionType.BUY else "sell"
    return (
        side, position.volume, position.price_open, position.sl, position.tp, position.profit
    )  # fmt: skip


def is_trade(deal: Deal) -> bool:
    return deal.type in (DealType.BUY, DealType.SELL)


def healthy() -> Text:
    return Text("bridge: ok", style="green")


def _hhmm(instant_ms: int) -> str:
    return f"{datetime.fromtimestamp(instant_ms / 1000, UTC):%m-%d %H:%M}"


def _figure(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.2f}"
    return str(value)
