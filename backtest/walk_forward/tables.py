"""A walk-forward report as tables of text, for a terminal or a page."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from backtest.gates import gate_rows
from backtest.gates.table import HEAD as GATE_HEAD
from backtest.walk_forward.report import WalkReport
from trading.implausible import LEAST_TRADES

Row = tuple[str, ...]
_FRAME = 3  # a column's line and the spaces beside it, in characters
_PERCENT = {"win_rate", "gain", "max_drawdown"}
_NAMES = {
    "trades": "trades", "win_rate": "win %", "profit_factor": "PF", "sharpe": "Sharpe",
    "gain": "return %", "max_drawdown": "drawdown %",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shown:
    """A table as a person reads it. `wraps`: its words may break into lines; figures may not."""

    title: str
    head: Row
    rows: tuple[Row, ...]
    wraps: bool = False

    def fitting(self, width: int) -> "Shown":
        """Its first columns that a terminal of `width` characters shows whole."""
        if self.wraps:
            return self
        widest = [max(map(len, column)) for column in zip(self.head, *self.rows, strict=True)]
        ends = accumulate((each + _FRAME for each in widest), initial=1)
        fits = sum(end <= width for end in ends) - 1
        left = len(self.head) - fits
        if left <= 0:
            return self
        title = f"{self.title}; {left} more columns in the file"
        return Shown(title, self.head[:fits], tuple(row[:fits] for row in self.rows))


def tables(report: WalkReport) -> tuple[Shown, ...]:
    """Blocks, pool and windows."""
    told = report.told
    return (
        Shown(f"Blocks, {told['symbol']}", _BLOCK_HEAD, tuple(map(_block_row, told["blocks"]))),
        Shown("Pooled", ("", "value", "limits or error"), tuple(_pool_rows(told["pool"])), True),
        *(_window_table(name, told[key]) for key, name in (
            ("windows", "All windows"), ("twins", "The same of random twins")) if told[key]),
        *([_twin_table(told["twins"])] if told["twins"] else ()),
        *_reached_tables(told),
        *(Shown(f"{each.gate}: {'passed' if each.passed else 'not passed'}", GATE_HEAD,
                tuple(gate_rows(each)), True) for each in report.gates),
    )  # fmt: skip


_BLOCK_HEAD = (
    "cutoff", "trades", "win % (95 %)", "PF", "PF₅", "R a trade", "Sharpe ± error", "return %",
    "drawdown %", "costs", "confidence, 99 % below", "most",
)  # fmt: skip


def _block_row(block: Mapping[str, Any]) -> Row:
    paid = sum(block["costs"][name] or 0 for name in ("spread", "commission", "swap"))
    return (
        block["cutoff"], str(block["trades"]), _won(block["win_rate"]),
        _text(block["profit_factor"]["value"]), _text(block["profit_factor_p5"]),
        _text(block["r_mean"]["value"], "{:+.3f}"), _with_error(block["sharpe"]),
        _text(block["return"], "{:+.1f}", 100), _text(block["max_drawdown"], "{:.1f}", 100),
        f"{paid:,.0f}", *(_text((block["confidence"] or {}).get(name), "{:.3f}")
                          for name in ("p99", "most")),
    )  # fmt: skip


def _pool_rows(pool: Mapping[str, Any]) -> Iterable[Row]:
    costs = pool["costs"]
    yield "trades", str(pool["trades"]), f"{pool['open_at_a_block_s_end']} open at a block's end"
    yield "win rate %", _text(pool["win_rate"]["value"], "{:.1f}", 100), _limits(pool["win_rate"])
    yield "break-even win rate %", _text(pool["break_even_win_rate"], "{:.1f}", 100), ""
    yield "profit factor", _text(pool["profit_factor"]["value"]), _range(pool["profit_factor"])
    yield "PF₅", _text(pool["profit_factor_p5"]), ""
    yield "R a trade", _text(pool["r_mean"]["value"], "{:+.3f}"), _range(pool["r_mean"], "{:+.3f}")
    sharpe = pool["sharpe"]
    yield "Sharpe", _text(sharpe["value"]), f"± {_text(sharpe['standard_error'])}"
    yield "deflated Sharpe", _text(pool["deflated_sharpe"]), f"{pool['trials']} trials"
    yield "return %", _text(pool["return"], "{:+.1f}", 100), f"{pool['days']} days"
    yield "max drawdown %", _text(pool["max_drawdown"], "{:.1f}", 100), ""
    yield "score", _text(pool["score"], "{:+.1f}"), pool["score_why_not"]
    kinds = ", ".join(f"{name} {costs[name]:,.0f}"
                      for name in ("spread", "commission", "swap", "slippage"))  # fmt: skip
    yield "costs, share of gross profit %", _text(costs["share_of_gross"], "{:.1f}", 100), kinds
    yield "R a trade paid in costs", _text(costs["r_paid"], "{:.3f}"), ""
    yield "profit factor before costs", _text(costs["profit_factor_before"]), "slippage paid"
    yield "exits that touched stop and target", str(pool["ambiguous_exits"]), "taken as stops"


def _window_table(name: str, told: Mapping[str, Any]) -> Shown:
    shares = told["quantiles"]["shares"]
    head = ("quantile", *(_share(share) for share in shares))
    rows = tuple(
        (_NAMES[key], *(_cell(key, value) for value in told["quantiles"][key])) for key in _NAMES
    )
    title = (
        f"{name} of {told['days']} days: {told['count']}, of which {told['disjoint']} fit side by "
        "side"
    )
    return Shown(title, head, rows)


def _twin_table(told: Mapping[str, Any]) -> Shown:
    rows = []
    for name, form, times in (("trades", "{:.0f}", 1), ("win_rate", "{:.1f}", 100),
                              ("profit_factor", "{:.2f}", 1), ("r_mean", "{:+.3f}", 1),
                              ("sharpe", "{:.2f}", 1)):  # fmt: skip
        known = sorted(row[name] for row in told["each"] if isinstance(row[name], float))
        middle = [known[0], known[len(known) // 2], known[-1]] if known else [None] * 3
        cells = (_text(each, form, times) for each in (told["own"][name], *middle))
        rows.append(({"r_mean": "R a trade"}.get(name, _NAMES.get(name, name)), *cells,
                     str(told["at_least"][name]), _text(told["p_value"][name])))  # fmt: skip
    head = ("pooled", "this system", "least twin", "median", "most", "at least as much", "p")
    return Shown(f"This system beside {told['seeds']} random twins", head, tuple(rows))


def _share(share: float) -> str:
    return {0.0: "least", 0.5: "median", 1.0: "most"}.get(share, f"{share:.0%}")


def _cell(key: str, value: float | str | None) -> str:
    if key == "trades" and isinstance(value, float):
        return f"{value:.0f}"
    return _text(value, "{:.1f}" if key in _PERCENT else "{:.2f}", 100 if key in _PERCENT else 1)


def _reached_tables(told: Mapping[str, Any]) -> Iterable[Shown]:
    headline = told["windows"].get("headline")
    if headline is None:
        return
    rows = [("this system", *_reached_row(told["windows"]))]
    if told["twins"]:
        rows.append((f"{told['twins']['seeds']} random twins", *_reached_row(told["twins"])))
    of = f"win rate {headline['win_rate']:.1%}, profit factor {headline['profit_factor']:g}"
    head = (
        "", "windows", "win rate", "PF", "both", f"with {LEAST_TRADES} trades", "both of these",
        "alarms", "chance, its win rate", "chance, break-even",
    )  # fmt: skip
    yield Shown(f"Windows that reach {of}", head, tuple(rows))


def _reached_row(told: Mapping[str, Any]) -> Row:
    found, odds = told["reached"], told["chance"]
    names = ("windows", "win_rate", "profit_factor", "both", "judged", "proper", "alarmed")
    return (
        *(str(found[name]) for name in names),
        *(_text(odds[name], "{:.2g}") for name in ("as_measured", "break_even")),
    )


def markdown(report: WalkReport) -> str:
    """The report as a page."""
    told = report.told
    lines = [
        f"# Walk-forward, {told['symbol']}, {told['from']} to {told['to']} UTC", "",
        f"Models {', '.join(told['kinds'])} ({told['profile']}), trained anew every "
        f"{told['every_weeks']} weeks on {told['data']}; each block begins with "
        f"{told['initial_balance']:,.0f} {told['currency']}. Trades pay the costs "
        f"of {told['costs'] or 'the instrument'}.", "",
    ]  # fmt: skip
    for key, name in (("overrides", "for trading"), ("train_overrides", "for training, too")):
        lines += [f"Settings {name}: {', '.join(told[key])}.", ""] * bool(told[key])
    for table in tables(report):
        lines += [f"## {table.title}", "", *_page_table(table), ""]
    words = [*told["pool"]["alarms"], *report.notes]
    lines += [*(f"- {line}" for line in words), ""] if words else []
    return "\n".join(lines)


def _page_table(table: Shown) -> list[str]:
    rows = [table.head, ("---",) + ("---:",) * (len(table.head) - 1), *table.rows]
    return [f"| {' | '.join(row)} |" for row in rows]


def _text(value: float | str | None, form: str = "{:.2f}", times: float = 1) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return value if isinstance(value, str) else form.format(value * times)


def _won(interval: Mapping[str, Any]) -> str:
    return f"{_text(interval['value'], '{:.1f}', 100)} ({_limits(interval)})"


def _limits(interval: Mapping[str, Any]) -> str:
    return _range(interval, "{:.1f}", 100)


def _range(interval: Mapping[str, Any], form: str = "{:.2f}", times: float = 1) -> str:
    return f"{_text(interval['low'], form, times)} to {_text(interval['high'], form, times)}"


def _with_error(sharpe: Mapping[str, Any]) -> str:
    return f"{_text(sharpe['value'])} ± {_text(sharpe['standard_error'])}"
