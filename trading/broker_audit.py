"""The broker audit: what a broker's symbol is, beside the instrument that is reckoned with here.

Models, backtest and paper use the instrument's data; where the broker's differ in a way that
matters, results here say less about that account.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Literal

import numpy as np
from rich.markup import escape
from rich.table import Table

from broker.contract.constants import DealEntry, DealType
from broker.contract.filling import allowed_fillings
from broker.contract.messages import Account, Deal, SymbolSpec, Tick
from broker.contract.port import Broker
from market.bars import Bars
from market.instrument import Execution, Instrument, SwapMode, TradeMode
from market.sessions import Sessions
from market.timeframe import Timeframe
from trading.health import TICK_VALUE_TOLERANCE, expected_tick_value
from trading.views import margin_per_lot

Verdict = Literal["same", "differs", "matters", "told"]

_WEEK_MS = 7 * 86_400_000
_HISTORY_MS = 90 * 86_400_000
_SPREAD_TIMES = 2.0
_COMMISSION_SLACK = 1.1
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NUMBERED_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: ours, the broker's, and whether the difference matters. `told`: nothing to
    compare it with."""

    name: str
    reference: str
    here: str
    verdict: Verdict

    def words(self) -> dict[str, str]:
        return {
            "name": self.name, "reference": self.reference, "here": self.here,
            "verdict": self.verdict,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What the bridge told. `deals`: the account's of 90 days. `sessions`: None where the bridge
    does not tell them. `bars`: the last week's."""

    account: Account
    spec: SymbolSpec
    tick: Tick
    bars: Bars
    deals: tuple[Deal, ...]
    sessions: Sessions | None


def look_at(
    broker: Broker, symbol: str, timeframe: Timeframe, sessions: Callable[[], Sessions | None]
) -> Seen:
    """Reads everything once. Raises `BrokerError` where bridge or symbol cannot be read."""
    now_ms = broker.health().utc_msc
    to_ms = now_ms - timeframe.ms + 1
    return Seen(
        broker.account(), broker.symbol(symbol), broker.tick(symbol),
        broker.rates(symbol, timeframe, from_ms=to_ms - _WEEK_MS, to_ms=to_ms),
        broker.deals(from_ms=now_ms - _HISTORY_MS, to_ms=now_ms + 1), sessions(),
    )  # fmt: skip


def audit(seen: Seen, ours: Instrument) -> tuple[Row, ...]:
    """Every figure in a fixed order. `ours` as a dollar account sees it."""
    mine = ours.in_deposit_currency(1 / seen.account.unit_to_base)
    parts = (_spread, _levels, _contract, _values, _lots, _swaps, _orders, _costs, _hours)
    return tuple(row for part in parts for row in part(seen, mine))


def matters(rows: Iterable[Row]) -> bool:
    return any(row.verdict == "matters" for row in rows)


def table_of(rows: Iterable[Row], title: str) -> Table:
    """The audit for a terminal."""
    marks = {
        "same": "[green]same[/]", "differs": "[yellow]differs[/]",
        "matters": "[bold red]MATTERS[/]", "told": "",
    }  # fmt: skip
    table = Table("figure", "reference", "here", "", title=title)
    for row in rows:
        table.add_row(row.name, escape(row.reference), escape(row.here), marks[row.verdict])
    return table


def _spread(seen: Seen, ours: Instrument) -> Iterator[Row]:
    """Points. More than twice the reference matters: costs are then others than in the backtest."""
    most = _SPREAD_TIMES * ours.spread_points
    now = (seen.tick.ask - seen.tick.bid) / seen.spec.point
    yield Row("spread now", f"{ours.spread_points}", f"{now:.0f}", _if(now > most, now, ours))
    if len(seen.bars) == 0:
        yield Row("spread of a week", f"{ours.spread_points}", "no bars", "told")
        return
    middle, wide = np.percentile(seen.bars.spread_points, (50, 95))
    text = f"median {middle:.0f}, 95 % below {wide:.0f}"
    verdict = _if(middle > most, middle, ours)
    yield Row("spread of a week", f"{ours.spread_points}", text, verdict)


def _if(too_much: bool, spread: float, ours: Instrument) -> Verdict:
    if too_much:
        return "matters"
    return "same" if round(spread) == ours.spread_points else "differs"


def _levels(seen: Seen, ours: Instrument) -> Iterator[Row]:
    """Points. A larger level keeps stops farther away than they were decided."""
    spec = seen.spec
    yield _not_above("stops level", ours.stops_level_points, spec.trade_stops_level)
    yield _not_above("freeze level", ours.freeze_level_points, spec.trade_freeze_level)


def _contract(seen: Seen, ours: Instrument) -> Iterator[Row]:
    spec = seen.spec
    yield _equal("currencies", f"{ours.currency_base}/{ours.currency_profit}",
                 f"{spec.currency_base}/{spec.currency_profit}")  # fmt: skip
    yield _equal("contract size", ours.contract_size, spec.trade_contract_size)
    yield _equal("digits", ours.digits, spec.digits)
    yield _equal("tick size", ours.tick_size, spec.trade_tick_size)
    yield _equal("calculation mode", int(ours.calc_mode), spec.trade_calc_mode)


def _values(seen: Seen, ours: Instrument) -> Iterator[Row]:
    """Deposit currency. The tick value is held against what follows from the contract."""
    spec, account = seen.spec, seen.account
    expected = expected_tick_value(spec, account)
    here = f"{spec.trade_tick_value:g} {account.currency}"
    if expected is None:
        yield Row("tick value", f"{ours.tick_value:g}", here, "told")
    else:
        off = abs(spec.trade_tick_value - expected) > TICK_VALUE_TOLERANCE * expected
        yield Row("tick value", f"{expected:g}", here, "matters" if off else "same")
    margin = margin_per_lot(spec, seen.tick.ask, account.leverage)
    text = f"{margin:.2f} {account.currency} at 1:{account.leverage}"
    yield Row("margin of a lot", "", text, "told")


def _lots(seen: Seen, ours: Instrument) -> Iterator[Row]:
    spec = seen.spec
    yield _not_above("smallest lot", ours.volume_min, spec.volume_min)
    yield _not_above("lot step", ours.volume_step, spec.volume_step)
    verdict: Verdict = "same" if spec.volume_max == ours.volume_max else "differs"
    yield Row("largest lot", f"{ours.volume_max:g}", f"{spec.volume_max:g}", verdict)
    verdict = "same" if spec.volume_limit == ours.volume_limit else "differs"
    yield Row("lots of one side", f"{ours.volume_limit:g}", f"{spec.volume_limit:g}", verdict)


def _swaps(seen: Seen, ours: Instrument) -> Iterator[Row]:
    """Costs of a night; another mode makes the figures another kind of number."""
    spec = seen.spec
    mode = _name_of(SwapMode, spec.swap_mode)
    verdict: Verdict = "same" if spec.swap_mode == ours.swap_mode else "differs"
    yield Row("swap mode", ours.swap_mode.name.lower(), mode, verdict)
    for name, mine, here in (
        ("swap long", ours.swap_long, spec.swap_long),
        ("swap short", ours.swap_short, spec.swap_short),
    ):
        verdict = "same" if mine == here and spec.swap_mode == ours.swap_mode else "differs"
        yield Row(name, f"{mine:g}", f"{here:g}", verdict)
    triple = [day for day, nights in zip(_DAYS, ours.swap_days, strict=True) if nights == 3]
    mine_day = triple[0] if triple else "none"
    here_day = _NUMBERED_DAYS[spec.swap_rollover3days % 7]
    yield Row("triple swap", mine_day, here_day, "same" if mine_day == here_day else "differs")


def _orders(seen: Seen, ours: Instrument) -> Iterator[Row]:
    spec = seen.spec
    yield _equal(
        "trade mode", _name_of(TradeMode, ours.trade_mode), _name_of(TradeMode, spec.trade_mode)
    )
    mine = _fillings(ours.filling_bits)
    here = _fillings(spec.filling_mode)
    nothing_fills = not spec.filling_mode and spec.trade_exemode == Execution.MARKET
    verdict: Verdict = "matters" if nothing_fills else "same" if mine == here else "differs"
    yield Row("filling", mine, here, verdict)
    mine, here = ours.execution.name.lower(), _name_of(Execution, spec.trade_exemode)
    yield Row("execution", mine, here, "same" if mine == here else "differs")


def _costs(seen: Seen, ours: Instrument) -> Iterator[Row]:
    """Commission of a lot and side, from the account's own deals in the symbol."""
    reference = f"{ours.commission_per_lot:g}"
    deals = [d for d in seen.deals if d.symbol == seen.spec.symbol and _is_entry(d)]
    lots = sum(deal.volume for deal in deals)
    if not lots:
        yield Row("commission", reference, "no deals of the last 90 days", "told")
        return
    paid = sum(-(deal.commission + deal.fee) for deal in deals) / lots
    too_much = paid > _COMMISSION_SLACK * ours.commission_per_lot + 0.005
    text = f"{paid:.2f} {seen.account.currency} a lot and side, {len(deals)} deals"
    yield Row("commission", reference, text, "matters" if too_much else "same")


def _hours(seen: Seen, ours: Instrument) -> Iterator[Row]:
    mine = _week(ours.sessions)
    if seen.sessions is None:
        yield Row("session hours", mine, "this bridge does not tell them", "told")
        return
    here = _week(seen.sessions)
    yield Row("session hours", mine, here, "same" if mine == here else "matters")


def _is_entry(deal: Deal) -> bool:
    return deal.type in (DealType.BUY, DealType.SELL) and deal.entry == DealEntry.IN


def _equal(name: str, reference: Any, here: Any) -> Row:
    return Row(name, f"{reference}", f"{here}", "same" if reference == here else "matters")


def _not_above(name: str, reference: float, here: float) -> Row:
    """A smaller one is another figure, and no harm."""
    verdict: Verdict = "same" if here == reference else "matters" if here > reference else "differs"
    return Row(name, f"{reference:g}", f"{here:g}", verdict)


def _fillings(bits: int) -> str:
    return ", ".join(each.name for each in allowed_fillings(bits))


def _name_of(kind: type[IntEnum], number: int) -> str:
    return next((each.name.lower() for each in kind if each == number), f"mode {number}")


def _week(sessions: Sessions) -> str:
    """`Mon 00:00-24:00, … (zone)`; `always` where it never closes."""
    minutes = {(day, minute) for day, a, b in sessions.windows for minute in range(a, b)}
    if len(minutes) == 7 * 1440:
        return "always"
    windows = [f"{_DAYS[day]} {_clock(a)}-{_clock(b)}" for day, a, b in sorted(sessions.windows)]
    return f"{', '.join(windows) or 'never'} ({sessions.zone})"


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
