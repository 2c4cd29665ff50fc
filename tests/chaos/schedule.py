"""What goes wrong how often in the field, and a seeded schedule of it, many times as often.

The rates are assumptions; where each comes from is written beside it, and in docs/bridge.md.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from broker.contract.paper import FaultMatch, FaultOrder, FaultWhen, ParamValue
from broker.contract.retcodes import RETCODES
from broker.simulator.faults.catalogue import CATALOGUE

DAY_MS = 86_400_000
TIMES_FIELD_RATE = 20.0
_BAR_MS = 900_000

# Answers of the trade server that an entry, a close or a change of levels may get.
_REJECTIONS = tuple(code for code in RETCODES if code not in (0, 10008, 10009, 10010, 10025))
_ANY_CALL = FaultMatch()


@dataclass(frozen=True, slots=True)
class FieldRate:
    """How often a fault comes per day of real time, and for how long, or for how many calls.

    `lasts_s` 0: no window; the next `calls` calls that match are hit, whenever they come.
    """

    name: str
    per_day: float
    source: str
    lasts_s: int = 0
    calls: int = 1
    params: dict[str, ParamValue] = field(default_factory=dict)
    match: FaultMatch = _ANY_CALL


_LOADED = "slow tail of a loaded guest"
_WIFI = "a link that drops now and then"
_ISSUE = "issue reports, bridge.md D.1"
_TRADES = FaultMatch(method="POST")

FIELD_RATES: tuple[FieldRate, ...] = (
    FieldRate("delay", 2, _LOADED, params={"ms": 2000}),
    FieldRate("conn_reset_before_send", 0.2, _WIFI),
    FieldRate("conn_reset_after_send", 0.1, _WIFI),
    FieldRate("truncated_json", 0.05, _WIFI),
    FieldRate("html_500", 0.1, "uncaught errors of a Flask bridge, D9"),
    FieldRate("unauthorized", 0.02, "a token changed by hand", lasts_s=60),
    FieldRate("http_503", 0.5, "terminal not initialised, D6", calls=3),
    FieldRate("http_504", 0.2, "SDK call above its limit, D2", calls=2),
    FieldRate("queue_full", 0.1, "lock wait, D42", calls=3),
    FieldRate("bridge_down", 1, "one planned reboot a day, D33", lasts_s=180),
    FieldRate("bridge_restart", 0.2, "crash of the bridge process, D33"),
    FieldRate("post_fill_then_timeout", 0.05, "D1", match=_TRADES),
    FieldRate("late_fill", 0.05, "D2", params={"min_s": 35, "max_s": 110}),
    FieldRate("null_result", 0.05, "D9"),
    FieldRate("empty_positions", 0.1, "D4", calls=3),
    FieldRate("http200_retcode", 0.1, "D10", params={"retcode": 10015}),
    FieldRate("disconnected", 0.5, "the broker's line, D5", lasts_s=60),
    FieldRate("freeze_ticks", 0.1, "D5", lasts_s=600),
    FieldRate("algo_off", 0.02, "the button, D12", lasts_s=900),
    FieldRate("switch_login", 0.01, "D32", lasts_s=300),
    FieldRate("sdk_error", 0.2, "IPC time-outs, D6", calls=2),
    FieldRate("init_timeout_but_ok", 0.05, "D7"),
    FieldRate("cold_symbol", 0.1, "after a terminal's start, D17", calls=2),
    FieldRate("short_rates", 0.1, "after a terminal's start, D23"),
    FieldRate("clock_skew", 0.02, "D34", lasts_s=300),
    FieldRate("terminal_restart", 0.05, "LiveUpdate, D36", lasts_s=300),
    FieldRate("random_none", 0.1, "D8"),
    FieldRate("blank_comment", 0.2, "D39", calls=3),
    FieldRate("wrong_offset", 0.01, "twice a year, for days until noticed, D21", lasts_s=600),
    FieldRate("retcode", 0.3, "one order in twenty is refused"),
    FieldRate("drop_sl_on_fill", 0.03, "D14", match=_TRADES),
    FieldRate("reject_modify", 0.05, "D14", calls=2),
    FieldRate("reject_close", 0.05, "D40", calls=2),
    FieldRate("partial_fill", 0.1, "D41"),
    FieldRate("spread_times", 1, "rollover, each day, D25", lasts_s=600),
    FieldRate("gap", 0.02, "weekly openings and news, D24", lasts_s=900),
    FieldRate("spec_change", 0.02, "margins and levels before news, D26", lasts_s=900,
              params={"trade_stops_level": 300}),
    FieldRate("trade_mode", 0.03, "close-only at rollover, D26", lasts_s=600),
    FieldRate("session_closed", 0.05, "maintenance of crypto symbols, B28", lasts_s=1800),
    FieldRate("history_lag", 0.2, "D19", lasts_s=3600, params={"lag_ms": 900_000, "vary": True}),
    FieldRate("fill_visible_lag", 0.3, "D3", lasts_s=1800, params={"lag_ms": 3000}),
    FieldRate("stop_out", 0.005, "D44", lasts_s=900),
    FieldRate("manual_close", 0.02, "D44", lasts_s=900),
    FieldRate("foreign_position", 0.01, "D43", lasts_s=900,
              params={"sl_points": 40_000, "tp_points": 40_000}),
    FieldRate("deposit", 0.02, "D44", lasts_s=900),
    FieldRate("tick_value_times", 0.01, _ISSUE, lasts_s=900),
    FieldRate("volume_min", 0.01, _ISSUE, lasts_s=900),
)  # fmt: skip


def fault_schedule(
    *, seed: int, from_ms: int, days: int, times: float = TIMES_FIELD_RATE
) -> list[FaultOrder]:
    """A Poisson process for each fault, in the order of beginning. Equal seeds, equal schedules."""
    orders = [
        order
        for rate in FIELD_RATES
        for order in _of_one(rate, random.Random(f"{seed} {rate.name}"), from_ms, days, times)
    ]
    return sorted(orders, key=lambda order: (order.when.from_msc, order.name))


def _of_one(
    rate: FieldRate, chance: random.Random, from_ms: int, days: int, times: float
) -> Iterator[FaultOrder]:
    """One that would overlap itself waits: twice ten times the spread would be a hundred times."""
    at_ms, end_ms, free_ms = float(from_ms), from_ms + days * DAY_MS, 0
    while True:
        at_ms += chance.expovariate(rate.per_day * times) * DAY_MS
        if at_ms >= end_ms:
            return
        order = _order(rate, chance, max(int(at_ms), free_ms))
        if order.when.to_msc:
            free_ms = order.when.to_msc + _BAR_MS
        yield order


def _order(rate: FieldRate, chance: random.Random, at_ms: int) -> FaultOrder:
    params = dict(rate.params)
    if rate.name == "retcode":
        params["retcode"] = chance.choice(_REJECTIONS)
    if rate.name == "gap":
        params["points"] = chance.choice((-1, 1)) * chance.randint(10_000, 60_000)
    if 0 < rate.lasts_s * 1000 < _BAR_MS:
        at_ms = _over_a_close(at_ms, round(chance.random() * rate.lasts_s * 1000))
    to_ms = at_ms + rate.lasts_s * 1000 if rate.lasts_s else 0
    calls = 0 if rate.lasts_s else rate.calls
    return FaultOrder(rate.name, rate.match, FaultWhen(count=calls, from_msc=at_ms, to_msc=to_ms),
                      params)  # fmt: skip


def _over_a_close(at_ms: int, before_ms: int) -> int:
    """Some time before the next close: in lock-step the daemon would sleep through it."""
    return -(-at_ms // _BAR_MS) * _BAR_MS - before_ms


def rates_table() -> str:
    """The rates as the rows of docs/bridge.md."""
    return "\n".join(
        f"| {rate.name} | {rate.per_day:g} | {_length(rate)} | {rate.source} |"
        for rate in FIELD_RATES
    )


def _length(rate: FieldRate) -> str:
    if rate.lasts_s:
        return f"{rate.lasts_s} s"
    return "1 call" if rate.calls == 1 else f"{rate.calls} calls"


def unrated() -> set[str]:
    """Faults of the catalogue without a field rate."""
    return set(CATALOGUE) - {rate.name for rate in FIELD_RATES}


if __name__ == "__main__":
    print(rates_table())
