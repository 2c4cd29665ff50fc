"""Symbols that are not what they were: shown otherwise, and enforced where the server can."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from broker.simulator.faults.calls import Call
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.terminal import SimulatedTerminal
from market.instrument import Execution, Instrument, TradeMode
from market.sessions import Sessions

# What the trade server judges by, in the package's words and in ours.
_ENFORCED = {
    "trade_stops_level": "stops_level_points", "trade_freeze_level": "freeze_level_points",
    "trade_mode": "trade_mode", "volume_min": "volume_min", "volume_max": "volume_max",
    "volume_limit": "volume_limit", "filling_mode": "filling_bits", "trade_exemode": "execution",
}  # fmt: skip
_KINDS: dict[str, type] = {"trade_mode": TradeMode, "execution": Execution}
_NEVER_OPEN = Sessions("UTC", ())


class SymbolFaults:
    """spec_change, trade_mode, volume_min, tick_value_times and session_closed."""

    def __init__(self, terminal: SimulatedTerminal, plan: FaultPlan) -> None:
        self._terminal, self._plan = terminal, plan

    def shown(self, call: Call, info: Any) -> Any:
        """`symbol_info` as the faults tell it."""
        changes = self._changes(call)
        values = self._plan.acting("tick_value_times", call)
        if values:
            times = values.float_of("times")
            for name in ("trade_tick_value", "trade_tick_value_profit", "trade_tick_value_loss"):
                changes[name] = getattr(info, name) * times
        return info._replace(**changes) if changes else info

    def margin_times(self, call: Call) -> float:
        fault = self._plan.acting("tick_value_times", call)
        return fault.float_of("margin_times") if fault else 1.0

    @contextmanager
    def enforced(self, call: Call) -> Iterator[None]:
        """While it lasts the trade server judges by what the faults say."""
        there = self._terminal.instruments.get(call.symbol)
        changed = self._instrument(call, there) if there else None
        if changed is None or changed == there:
            yield
            return
        with self._terminal.judging_by(changed):
            yield

    def _instrument(self, call: Call, instrument: Instrument) -> Instrument:
        changes: dict[str, Any] = {}
        for name, value in self._changes(call).items():
            ours = _ENFORCED.get(name)
            if ours:
                changes[ours] = _KINDS[ours](value) if ours in _KINDS else value
        if self._plan.shows("session_closed", call):
            changes["sessions"] = _NEVER_OPEN
        return replace(instrument, **changes) if changes else instrument

    def _changes(self, call: Call) -> dict[str, Any]:
        """Changed values in the package's words."""
        changes: dict[str, Any] = {}
        spec = self._plan.acting("spec_change", call)
        if spec:
            changes |= spec.order.params
        mode = self._plan.acting("trade_mode", call)
        if mode:
            changes["trade_mode"] = mode.int_of("mode")
        smallest = self._plan.acting("volume_min", call)
        if smallest:
            changes["volume_min"] = smallest.float_of("lots")
        return changes
