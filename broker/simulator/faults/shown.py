"""What the terminal shows that is old, late, shifted or cut."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker.simulator.faults.calls import Call
from broker.simulator.faults.feed import Alteration
from broker.simulator.faults.plan import Fault, FaultPlan
from broker.simulator.native_words import Tick
from broker.simulator.terminal import SimulatedTerminal

Records = tuple[Any, ...]
_FLAGS = 2 | 4


class Shown:
    """Filters of a terminal's answers."""

    def __init__(self, terminal: SimulatedTerminal, plan: FaultPlan) -> None:
        self._terminal, self._plan = terminal, plan

    def frozen_ms(self, call: Call) -> int | None:
        """Since when the quote stands still, if it does."""
        since = [
            fault.begins_ms
            for fault in (
                self._plan.acting("freeze_ticks", call), self._plan.acting("disconnected", call),
                self._plan.shows("session_closed", call),
            )
            if fault is not None
        ]  # fmt: skip
        return min(since, default=None)

    def tick(self, call: Call, tick: Any) -> Any:
        """`symbol_info_tick`."""
        frozen_ms = self.frozen_ms(call)
        if frozen_ms is not None:
            tick = self.quote_at(call.symbol, frozen_ms)
        if self._plan.acting("cold_symbol", call):
            return Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)
        return self.shifted(call, tick)

    def quote_at(self, symbol: str, instant_ms: int) -> Tick:
        """The quote that was in force, in the package's words."""
        quote = self._terminal.book.feeds[symbol].quote(instant_ms)
        if quote is None:
            return Tick(0, 0.0, 0.0, 0.0, 0, 0, 0, 0.0)
        units = self._terminal.units[symbol]
        msc = self.server_msc(quote.time_ms)
        return Tick(
            msc // 1000, units.price(quote.bid), units.price(quote.ask), 0.0, 0, msc, _FLAGS, 0.0
        )

    def rates(self, call: Call, rows: NDArray[np.void], closed: list[Alteration]) -> Any:
        """`copy_rates_*`: without what did not happen, was not loaded or is missing."""
        frozen_ms = self.frozen_ms(call)
        if frozen_ms is not None:
            rows = rows[rows["time"] <= self.server_msc(frozen_ms) // 1000]
        for stretch in closed:
            first_s = self.server_msc(stretch.from_ms) // 1000
            last_s = self.server_msc(min(stretch.ends_ms(), self._terminal.now_ms + 1)) // 1000
            rows = rows[(rows["time"] <= first_s) | (rows["time"] >= last_s)]
        short = self._plan.acting("short_rates", call)
        if short:
            rows = _short(rows, short)
        offset_s = self.offset_s(call)
        if offset_s:
            rows = rows.copy()
            rows["time"] += offset_s
        return rows

    def positions(self, call: Call, records: Records) -> Records:
        """`positions_get`."""
        if self._plan.acting("empty_positions", call) or self._plan.acting("switch_login", call):
            return ()
        lag = self._plan.acting("fill_visible_lag", call)
        if lag:
            seen_msc = self.server_msc(self._terminal.now_ms - lag.int_of("lag_ms"))
            records = tuple(each for each in records if each.time_msc <= seen_msc)
        return self.worded(call, records)

    def orders(self, call: Call, records: Records) -> Records:
        """`orders_get`."""
        if self._plan.acting("switch_login", call):
            return ()
        return self.worded(call, records)

    def history(self, call: Call, records: Records, time_field: str) -> Records:
        """`history_deals_get`, `history_orders_get`."""
        if self._plan.acting("switch_login", call):
            return ()
        for name in ("history_lag", "fill_visible_lag"):
            lag = self._plan.acting(name, call)
            if lag:
                records = tuple(e for e in records if self._is_due(lag, e, time_field))
        return self.worded(call, records)

    def worded(self, call: Call, records: Records) -> Records:
        """Comments cut, times shifted."""
        cut = self._plan.acting("blank_comment", call)
        if cut:
            keep = cut.int_of("keep")
            records = tuple(each._replace(comment=each.comment[:keep]) for each in records)
        return tuple(self.shifted(call, each) for each in records)

    def shifted(self, call: Call, record: Any) -> Any:
        """A record with the instants of a server whose clock is off the rule."""
        offset_s = self.offset_s(call)
        if not offset_s:
            return record
        changes = {
            name: value + offset_s * (1000 if name.endswith("_msc") else 1)
            for name, value in zip(record._fields, record, strict=True)
            if name.startswith("time") and value
        }  # fmt: skip
        return record._replace(**changes)

    def offset_s(self, call: Call) -> int:
        fault = self._plan.shows("wrong_offset", call)
        return fault.int_of("s") if fault else 0

    def server_msc(self, utc_ms: int) -> int:
        clock = self._terminal.server_clock
        return clock.to_server_s(utc_ms) * 1000 + utc_ms % 1000

    def _is_due(self, lag: Fault, record: Any, time_field: str) -> bool:
        lag_ms = lag.int_of("lag_ms")
        if lag.order.params.get("vary"):
            lag_ms = self._plan.draw(0, lag_ms, lag.id, "lag", record.ticket)
        shown_msc: int = getattr(record, time_field) + lag_ms
        return shown_msc <= self.server_msc(self._terminal.now_ms)


def _short(rows: NDArray[np.void], fault: Fault) -> NDArray[np.void]:
    count, missing = fault.int_of("rows"), fault.int_of("missing")
    if count >= 0:
        return rows[max(0, len(rows) - count) :]
    middle = max(0, (len(rows) - missing) // 2)
    return np.delete(rows, np.s_[middle : middle + missing])
