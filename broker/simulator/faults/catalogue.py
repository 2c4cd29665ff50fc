"""Every fault by name: its layer, the field failures it imitates (bridge.md D.1), its params."""

from dataclasses import dataclass, field
from enum import StrEnum

from broker.contract.paper import FaultOrder, ParamValue
from broker.simulator.native_words import SymbolInfo


class Layer(StrEnum):
    """Where a fault acts: on the wire, in the bridge, in the terminal, at the trade server."""

    TRANSPORT = "transport"
    BRIDGE = "bridge"
    TERMINAL = "terminal"
    MARKET = "market"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault. `imitates`: modes of bridge.md D.1. `params`: names with their defaults.

    `methods`: HTTP methods it is confined to. `any_params`: its params are fields of symbol_info.
    `once`: happens once, when its window opens, or before a call that it matches.
    `by_time`: a state of the market between two instants, whoever calls.
    """

    name: str
    layer: Layer
    imitates: tuple[str, ...]
    does: str
    params: dict[str, ParamValue] = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    any_params: bool = False
    once: bool = False
    by_time: bool = False


_KINDS = ("", "entry", "close", "levels", "pending")
_TRADES = ("POST", "PUT", "DELETE")
_WIRE, _BRIDGE = Layer.TRANSPORT, Layer.BRIDGE
_TERMINAL, _MARKET = Layer.TERMINAL, Layer.MARKET

_ALL = (
    FaultKind("delay", _WIRE, ("D2", "D42"),
              "The simulated clock moves on by `ms` before the request is handled.", {"ms": 1000}),
    FaultKind("conn_reset_before_send", _WIRE, ("D3",),
              "The connection is reset; the request was not handled."),
    FaultKind("conn_reset_after_send", _WIRE, ("D1", "D3"),
              "The request is handled; the connection is reset instead of an answer."),
    FaultKind("truncated_json", _WIRE, ("D9",),
              "The request is handled; half of the answer's body comes."),
    FaultKind("html_500", _WIRE, ("D9",),
              "An HTML page with status 500; the request is handled unless `executed` is false.",
              {"executed": True}),
    FaultKind("unauthorized", _WIRE, ("D32",),
              "401, as after a changed token; not handled. `html`: as a web server words it.",
              {"html": False}),
    FaultKind("http_503", _BRIDGE, ("D6", "D42"),
              "503: the bridge has no terminal; not handled."),
    FaultKind("http_504", _BRIDGE, ("D2", "D6"),
              "504 at once; the request is handled only if `executed`.", {"executed": False}),
    FaultKind("queue_full", _BRIDGE, ("D42",),
              "503 with Retry-After: too many requests wait; not handled."),
    FaultKind("bridge_down", _BRIDGE, ("D33", "D36"),
              "Every connection is closed without an answer; the market goes on."),
    FaultKind("bridge_restart", _BRIDGE, ("D33", "D43"),
              "The bridge starts anew with another boot id; it is down for `down_s` first.",
              {"down_s": 0}),
    FaultKind("post_fill_then_timeout", _BRIDGE, ("D1",),
              "A trade request is executed and not answered: closed connection, or 504 if "
              "`answer` is 504.", {"answer": "close"}, methods=_TRADES),
    FaultKind("late_fill", _BRIDGE, ("D2",),
              "order_send times out; the order executes `min_s` to `max_s` later.",
              {"min_s": 35, "max_s": 110}),
    FaultKind("null_result", _BRIDGE, ("D9",),
              "order_send gives None; executed if `executed`. `wire`: the body is null instead.",
              {"executed": False, "wire": False}),
    FaultKind("empty_positions", _BRIDGE, ("D4",),
              "positions_get failed, and the bridge says that there are none."),
    FaultKind("http200_retcode", _BRIDGE, ("D10",),
              "order_send is rejected with `retcode`; the answer has status 200.",
              {"retcode": 10015}),
    FaultKind("disconnected", _TERMINAL, ("D5",),
              "No link to the broker: connected is false, data are those of its beginning, "
              "order_send gives 10031."),
    FaultKind("freeze_ticks", _TERMINAL, ("D5",),
              "The quote stays that of the fault's beginning while all looks connected."),
    FaultKind("algo_off", _TERMINAL, ("D12",),
              "Algo Trading is off: trade_allowed is false, order_send gives 10027."),
    FaultKind("switch_login", _TERMINAL, ("D32",),
              "Another account is logged in: its login and server, no positions, no deals; "
              "order_send gives 10027.", {"login": 9_999_999, "server": "Another-Server"}),
    FaultKind("sdk_error", _TERMINAL, ("D6",),
              "A function gives None and last_error is `code`; order_send executes first if "
              "`executed`.", {"code": -10005, "executed": False}),
    FaultKind("init_timeout_but_ok", _TERMINAL, ("D7",),
              "initialize and login say that they failed (-10005), yet they did not."),
    FaultKind("cold_symbol", _TERMINAL, ("D17",),
              "The symbol was just selected: its quote is 0."),
    FaultKind("short_rates", _TERMINAL, ("D23",),
              "Of the bars asked for only the newest `rows` come (-1: all), without `missing` of "
              "the middle.", {"rows": -1, "missing": 1}),
    FaultKind("clock_skew", _TERMINAL, ("D34",),
              "The bridge's own clock is `ms` ahead.", {"ms": 3_600_000}),
    FaultKind("terminal_restart", _TERMINAL, ("D36", "D37"),
              "The terminal is gone: every function fails with -10004."),
    FaultKind("random_none", _TERMINAL, ("D8",),
              "A function gives None, and last_error was overwritten by somebody's success."),
    FaultKind("blank_comment", _TERMINAL, ("D39",),
              "Comments are cut to `keep` characters.", {"keep": 0}),
    FaultKind("wrong_offset", _TERMINAL, ("D20", "D21"),
              "The server's clock is `s` seconds off the zone rule.", {"s": 3600}),
    FaultKind("retcode", _MARKET, ("D11", "D13", "D45"),
              "order_send answers `retcode`; executed if `executed`.",
              {"retcode": 10006, "executed": False}),
    FaultKind("drop_sl_on_fill", _MARKET, ("D14",),
              "An entry fills without its stop, and without its target if `tp`.", {"tp": True}),
    FaultKind("reject_modify", _MARKET, ("D14",),
              "Changes of stops are rejected with `retcode`.", {"retcode": 10016}),
    FaultKind("reject_close", _MARKET, ("D40",),
              "Closes are rejected with `retcode`.", {"retcode": 10006}),
    FaultKind("partial_fill", _MARKET, ("D41",),
              "Only `share` of the volume fills: 10010.", {"share": 0.6}),
    FaultKind("spread_times", _MARKET, ("D25",),
              "The spread is `times` as wide; that of a bar holds until the next bar's first tick.",
              {"times": 10.0}, by_time=True),
    FaultKind("gap", _MARKET, ("D24",),
              "The market opens `points` away at the next bar and stays there.",
              {"points": -30_000}, by_time=True),
    FaultKind("spec_change", _MARKET, ("D13", "D26", "D30"),
              "symbol_info shows other values; the trade server enforces those it can.",
              any_params=True),
    FaultKind("trade_mode", _MARKET, ("D26",),
              "The symbol's trade mode is `mode` (3: close only).", {"mode": 3}),
    FaultKind("session_closed", _MARKET, ("D24", "D26"),
              "The market is closed: 10018, the quote stands still, and there are no bars.",
              by_time=True),
    FaultKind("history_lag", _MARKET, ("D19",),
              "Deals and orders appear in the history `lag_ms` late; `vary`: each up to so much.",
              {"lag_ms": 30_000, "vary": False}),
    FaultKind("fill_visible_lag", _MARKET, ("D3",),
              "New positions and their deals are shown `lag_ms` late.", {"lag_ms": 3000}),
    FaultKind("stop_out", _MARKET, ("D44",),
              "The largest loser is stopped out.", once=True),
    FaultKind("manual_close", _MARKET, ("D15", "D44"),
              "Somebody closes a position by hand: `position`, or the oldest.", {"position": 0},
              once=True),
    FaultKind("foreign_position", _MARKET, ("D43",),
              "Somebody opens a position: `side`, `lots`, `magic`, `comment`, with a stop "
              "`sl_points` and a target `tp_points` away.",
              {"side": 1, "lots": 0.01, "magic": 777, "sl_points": 0, "tp_points": 0,
               "comment": "manual"}, once=True),
    FaultKind("deposit", _MARKET, ("D44",),
              "A balance operation of `amount` (negative: a withdrawal).", {"amount": 1000.0},
              once=True),
    FaultKind("tick_value_times", _MARKET, ("D28",),
              "symbol_info shows `times` the tick value, order_calc_margin `margin_times`.",
              {"times": 10.0, "margin_times": 1.0}),
    FaultKind("volume_min", _MARKET, ("D29",),
              "The smallest volume is `lots`.", {"lots": 0.1}),
)  # fmt: skip

CATALOGUE: dict[str, FaultKind] = {kind.name: kind for kind in _ALL}


def page() -> str:
    """The catalogue as docs/faults.md."""
    lines = [
        "# Faults", "",
        "What a paper bridge can be put into; how is written in [bridge.md](bridge.md), under",
        '"Faults". This page is made from `broker/simulator/faults/catalogue.py`.',
    ]  # fmt: skip
    for layer in Layer:
        lines += ["", f"## {layer.value.capitalize()}", "",
                  "| name | what happens | params | imitates |", "|---|---|---|---|"]  # fmt: skip
        lines += [_row(kind) for kind in _ALL if kind.layer is layer]
    return "\n".join(lines) + "\n"


def _row(kind: FaultKind) -> str:
    params = ", ".join(f"`{name}` {value!r}" for name, value in kind.params.items())
    if kind.any_params:
        params = "fields of `symbol_info`"
    return f"| `{kind.name}` | {kind.does} | {params} | {', '.join(kind.imitates)} |"


class FaultError(ValueError):
    """A fault that cannot be as asked. Says what is allowed."""


def checked(order: FaultOrder) -> FaultOrder:
    """The order with every param of its kind; `FaultError` names what is wrong."""
    kind = CATALOGUE.get(order.name)
    if kind is None:
        raise FaultError(f"name: one of {', '.join(CATALOGUE)} is allowed, {order.name!r} came")
    for name, value in order.params.items():
        _check_param(kind, name, value)
    when = order.when
    if not 0 <= when.prob <= 1:
        raise FaultError(f"when.prob: 0 to 1 is allowed, {when.prob} came")
    if when.to_msc and when.to_msc <= when.from_msc:
        raise FaultError(f"when.to_msc: after {when.from_msc} is allowed, {when.to_msc} came")
    match = order.match
    if match.kind not in _KINDS:
        raise FaultError(f"match.kind: {', '.join(_KINDS[1:])} is allowed, {match.kind!r} came")
    of_calls = match.method or match.path or match.kind or when.after_calls or when.count
    if kind.by_time and of_calls:
        raise FaultError(f"match, when: {kind.name} acts by symbol, prob, from_msc and to_msc only")
    return FaultOrder(order.name, match, when, {**kind.params, **order.params})


def _check_param(kind: FaultKind, name: str, value: ParamValue) -> None:
    if name not in kind.params:
        if kind.any_params:
            _check_symbol_field(name)
            return
        allowed = ", ".join(kind.params) or "none"
        raise FaultError(f"params: {allowed} is allowed for {kind.name}, {name!r} came")
    usual = kind.params[name]
    is_number = isinstance(usual, float) and type(value) in (int, float)
    if not is_number and type(value) is not type(usual):
        raise FaultError(
            f"params.{name}: {type(usual).__name__} is allowed for {kind.name}, {value!r} came"
        )


def _check_symbol_field(name: str) -> None:
    if name not in SymbolInfo._fields:
        raise FaultError(f"params: fields of symbol_info are allowed, {name!r} came")
