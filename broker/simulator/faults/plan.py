"""Which faults act when. Nothing here is random twice: draws are keyed by fault and call number."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from broker.contract.paper import ActiveFault, FaultMatch, FaultOrder, FaultWhen
from broker.simulator.draws import draw_between
from broker.simulator.faults.calls import REQUEST, Call
from broker.simulator.faults.catalogue import CATALOGUE, checked

_FINEST = 1 << 32


@dataclass(slots=True)
class Fault:
    """A fault of the plan. `until_ms`: how long its last hit goes on, where it has a length."""

    id: int
    order: FaultOrder
    added_ms: int
    calls: int = 0
    hits: int = 0
    until_ms: int = 0

    @property
    def name(self) -> str:
        return self.order.name

    @property
    def begins_ms(self) -> int:
        """When it began: added, or its window opened."""
        return max(self.added_ms, self.order.when.from_msc)

    @property
    def waits_for_time(self) -> bool:
        """Whether nothing but the clock sets it off."""
        return self.order.match == FaultMatch(symbol=self.order.match.symbol) and (
            self.order.when.after_calls == 0
        )

    def is_open(self, now_ms: int) -> bool:
        """Whether its window holds an instant."""
        when = self.order.when
        return when.from_msc <= now_ms and (when.to_msc == 0 or now_ms < when.to_msc)

    def int_of(self, name: str) -> int:
        return int(self.order.params[name])

    def float_of(self, name: str) -> float:
        return float(self.order.params[name])

    def text_of(self, name: str) -> str:
        return str(self.order.params[name])

    def is_set(self, name: str) -> bool:
        return bool(self.order.params[name])


class FaultPlan:
    """The faults of one paper venue. Give it to `SimulatedTerminal` and `FaultyTerminal`.

    The venue's clock is bound by the terminal. `on_change` is called after faults were added or
    cleared.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.faults: list[Fault] = []
        self.names: frozenset[str] = frozenset()
        self.on_change: list[Callable[[], None]] = []
        self._last_id = 0
        self._now_ms: Callable[[], int] = lambda: 0

    def bind(self, now_ms: Callable[[], int]) -> None:
        """Sets the clock by which windows are judged."""
        self._now_ms = now_ms

    @property
    def now_ms(self) -> int:
        return self._now_ms()

    def add(self, order: FaultOrder) -> int:
        """Adds a fault and returns its id; `FaultError` where it cannot be as asked."""
        whole = checked(order)
        self._last_id += 1
        self.faults.append(Fault(self._last_id, whole, self.now_ms))
        self._changed()
        return self._last_id

    def clear(self) -> None:
        """Ends all faults. What they did stays done."""
        self.faults.clear()
        self._changed()

    @contextmanager
    def asleep(self) -> Iterator[None]:
        """While it lasts no fault acts on calls, and none is counted."""
        names, self.names = self.names, frozenset()
        try:
            yield
        finally:
            self.names = names

    def active(self) -> tuple[ActiveFault, ...]:
        """All faults with their counts."""
        return tuple(
            ActiveFault(f.id, f.name, f.order.match, f.order.when, f.order.params, f.added_ms,
                        f.calls, f.hits)
            for f in self.faults
        )  # fmt: skip

    def acting(self, name: str, call: Call) -> Fault | None:
        """Counts a call, and gives the fault of this name that acts on it, if one does."""
        if name not in self.names:
            return None
        found, now_ms = None, self.now_ms
        for fault in self.faults:
            if fault.name != name or not self._concerns(fault, call, now_ms):
                continue
            fault.calls += 1
            if found is None and self._hits(fault):
                found = fault
        if found is not None:
            self.note(found, call)
        return found

    def standing(self, name: str, call: Call | None = None) -> Fault | None:
        """The fault of this name whose window is open, without counting or drawing."""
        if name not in self.names:
            return None
        for fault in self.faults:
            if fault.name != name or not fault.is_open(self.now_ms):
                continue
            if call is None or call.is_meant_by(fault.order.match):
                return fault
        return None

    def shows(self, name: str, call: Call) -> Fault | None:
        """`standing`, counted once per request: for what lasts, whoever looks."""
        fault = self.standing(name, call)
        if fault is not None and name not in call.acted:
            self.note(fault, call)
        return fault

    def happens(self, fault: Fault) -> bool:
        """Counts the one call of a fault that waits for time, and whether it acts at all."""
        fault.calls += 1
        if not self._hits(fault):
            return False
        self.note(fault)
        return True

    def note(self, fault: Fault, call: Call | None = None) -> None:
        """Counts a hit."""
        fault.hits += 1
        call = call or REQUEST.get()
        if call is not None and fault.name not in call.acted:
            call.acted.append(fault.name)

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs, for JSON."""
        return {"last_id": self._last_id, "faults": [asdict(fault) for fault in self.faults]}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on where `state` was taken."""
        self._last_id = state["last_id"]
        self.faults[:] = [_fault_of(each) for each in state["faults"]]
        self.names = frozenset(fault.name for fault in self.faults)

    def draw(self, lowest: int, highest: int, *key: object) -> int:
        """A whole number in [lowest, highest] by key."""
        return draw_between(lowest, highest, self.seed, "fault", *key)

    def _concerns(self, fault: Fault, call: Call, now_ms: int) -> bool:
        kind = CATALOGUE[fault.name]
        if kind.methods and call.method not in kind.methods:
            return False
        if kind.once and fault.waits_for_time:
            return False
        return fault.is_open(now_ms) and call.is_meant_by(fault.order.match)

    def _hits(self, fault: Fault) -> bool:
        when = fault.order.when
        if fault.calls <= when.after_calls or (when.count and fault.hits >= when.count):
            return False
        return self.draw(0, _FINEST - 1, fault.id, fault.calls) < when.prob * _FINEST

    def _changed(self) -> None:
        self.names = frozenset(fault.name for fault in self.faults)
        for told in self.on_change:
            told()


def _fault_of(state: dict[str, Any]) -> Fault:
    order = state["order"]
    whole = FaultOrder(
        order["name"], FaultMatch(**order["match"]), FaultWhen(**order["when"]), order["params"]
    )
    return Fault(**{**state, "order": whole})
