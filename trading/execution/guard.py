"""Sees to it that every filled entry bears its stops: drives `protect` over broker and journal."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from broker.contract.constants import DealEntry
from broker.contract.errors import BrokerError
from broker.contract.messages import Deal, OrderRequest, Position
from broker.contract.port import Broker
from broker.contract.retcodes import RetcodeClass
from trading.execution.closing import Closer
from trading.execution.evidence import Looks, deals_around, is_closed, is_healthy
from trading.execution.intents import (
    UNRESOLVED,
    IntentLog,
    IntentState,
    JournalledIntent,
    LevelsRequest,
)
from trading.execution.protect import (
    MOST_MODIFIES,
    CloseNow,
    Protected,
    Step,
    guard_step,
    stand_as_asked,
)
from trading.execution.sending import Answer, Pager, Sender

_LOST_MS = 120_000
_BETWEEN_LOOKS_MS = 10_000


@dataclass(slots=True)
class _Watch:
    """One entry's position without stops. `naked_ms` counts while the bridge answers."""

    last_ms: int
    naked_ms: int = 0
    was_naked: bool = False
    looks: Looks = field(default_factory=Looks)

    def count(self, position: Position, now_ms: int) -> None:
        if position.sl == 0:
            self.was_naked = True
            self.naked_ms += now_ms - self.last_ms
        self.last_ms = now_ms


class Guard:
    """Reads filled entries back until they are PROTECTED, or their positions are gone."""

    def __init__(
        self, broker: Broker, journal: IntentLog, sender: Sender, closer: Closer, pager: Pager
    ) -> None:
        self._broker = broker
        self._journal = journal
        self._sender = sender
        self._closer = closer
        self._pager = pager
        self._watches: dict[str, _Watch] = {}

    def look(self, intent: JournalledIntent, now_ms: int) -> None:
        """Reads one filled entry back and does what is due. Raises `BrokerError`."""
        watch = self._watches.setdefault(intent.request.client_id, _Watch(intent.changed_ms))
        try:
            self._look(intent, watch, now_ms)
        except BrokerError:
            watch.last_ms = now_ms  # this interval had no answer
            raise

    def _look(self, intent: JournalledIntent, watch: _Watch, now_ms: int) -> None:
        for _ in range(MOST_MODIFIES + 2):
            position = self._find(intent)
            if position is None:
                self._not_there(intent, watch, now_ms)
                return
            watch.count(position, now_ms)
            if not self._act(intent, position, watch, now_ms):
                return

    def _act(
        self, intent: JournalledIntent, position: Position, watch: _Watch, now_ms: int
    ) -> bool:
        """Does the next step; whether to look again at once."""
        if self._closer.works_on(position.identifier):
            return False
        step = self._step(intent, position, watch, now_ms)
        if isinstance(step, Protected):
            self._end(intent, IntentState.PROTECTED, "read back", watch, now_ms)
            return False
        if isinstance(step, CloseNow):
            self._close(intent.request, position, step.why, now_ms)
            return True
        return self._set_levels(intent.request, position, step.sl, step.tp, now_ms)

    def _step(
        self, intent: JournalledIntent, position: Position, watch: _Watch, now_ms: int
    ) -> Step:
        request, wanted = intent.request, self._wanted(intent, position)
        if stand_as_asked(request, position, wanted):
            return Protected()
        self._resolve_levels(intent, position, now_ms)
        spec, quote = self._broker.symbol(request.symbol), self._broker.tick(request.symbol)
        return guard_step(
            request, position, quote, spec, modifies=len(self._levels(intent)),
            naked_ms=watch.naked_ms, wanted=wanted,
        )  # fmt: skip

    def _wanted(
        self, intent: JournalledIntent, position: Position
    ) -> tuple[float, float] | None:  # fmt: skip
        """The newest levels that were decided and made since the entry; None where none were."""
        changes = self._journal.changes_of(position.identifier, after=intent.request.client_id)
        made = [each.request for each in changes if each.state is IntentState.FILLED]
        return (made[-1].sl, made[-1].tp) if made else None

    def _levels(self, intent: JournalledIntent) -> list[LevelsRequest]:
        """Changes asked for since the entry was filled, or lost its stops again."""
        return [
            each.request for each in self._journal.levels_of(intent.request.client_id)
            if each.changed_ms >= intent.changed_ms
        ]  # fmt: skip

    def _resolve_levels(self, intent: JournalledIntent, position: Position, now_ms: int) -> None:
        """A change without an answer: the position itself tells whether it was made."""
        for each in self._journal.levels_of(intent.request.client_id):
            if each.state in UNRESOLVED:
                made = (position.sl, position.tp) == (each.request.sl, each.request.tp)
                if each.state is IntentState.SENT:
                    self._note(each.request.client_id, IntentState.UNKNOWN, "no answer", now_ms)
                state = IntentState.FILLED if made else IntentState.NOT_EXECUTED
                self._note(each.request.client_id, state, "the position was read", now_ms)

    def _set_levels(
        self, entry: OrderRequest, position: Position, sl: float, tp: float, now_ms: int
    ) -> bool:
        """Asks for the levels; whether to look again at once rather than at the next beat."""
        number = len(self._journal.levels_of(entry.client_id)) + 1
        request = LevelsRequest(
            entry.symbol, position.identifier, sl, tp, f"{entry.client_id}s{number}"
        )
        answer = self._sender.levels(request, entry.client_id, now_ms)
        waits = answer.code is not None and answer.code.class_ is RetcodeClass.WAIT
        return answer.code is not None and not waits

    def _close(self, entry: OrderRequest, position: Position, why: str, now_ms: int) -> None:
        self._journal.record(
            "emergency_close", now_ms, client_id=entry.client_id, position=position.identifier,
            why=why,
        )  # fmt: skip
        self._pager.page(
            f"{entry.symbol}: position {position.identifier} is closed at once: {why}",
            key=f"emergency {position.identifier}",
        )
        self._closer.begin(position, entry.client_id, now_ms)

    def _not_there(self, intent: JournalledIntent, watch: _Watch, now_ms: int) -> None:
        """No position: closed already, closed by us, not visible yet, or a read that lies."""
        deals = deals_around(self._broker, intent.changed_ms)
        position_id = _opened_by(intent.request, deals)
        ours = self._closed_by_us(intent.request)
        if position_id and is_closed(position_id, deals):
            state = IntentState.EMERGENCY_CLOSED if ours else IntentState.CLOSED
            self._end(intent, state, "its closing deal is there", watch, now_ms)
            return
        if not is_healthy(self._broker, self._broker.snapshot(intent.request.symbol)):
            watch.looks.unhealthy()
            return
        watch.looks.silent(now_ms, apart_ms=_BETWEEN_LOOKS_MS)
        if watch.looks.count >= 2 and (ours or now_ms - intent.changed_ms >= _LOST_MS):
            state = IntentState.EMERGENCY_CLOSED if ours else IntentState.CLOSED
            self._end(intent, state, "two healthy looks: no position", watch, now_ms)
            if not ours:
                self._pager.page(
                    f"{intent.request.symbol}: {intent.request.client_id} was filled, and its "
                    "position is not to be seen",
                    key=f"lost {intent.request.client_id}",
                )

    def _closed_by_us(self, entry: OrderRequest) -> bool:
        done = (IntentState.FILLED, IntentState.NOT_EXECUTED)
        closes = self._journal.children_of(entry.client_id)
        return any(each.state in done for each in closes)

    def _end(
        self, intent: JournalledIntent, state: IntentState, note: str, watch: _Watch, now_ms: int
    ) -> None:
        client_id = intent.request.client_id
        if watch.was_naked:
            watch.naked_ms += now_ms - watch.last_ms
            self._journal.record("naked", now_ms, client_id=client_id, naked_ms=watch.naked_ms)
        self._note(client_id, state, note, now_ms)
        self._watches.pop(client_id, None)

    def _note(self, client_id: str, state: IntentState, note: str, now_ms: int) -> None:
        self._sender.note(client_id, Answer(state, None, note), now_ms)

    def _find(self, intent: JournalledIntent) -> Position | None:
        """The entry's position: by its magic, else (netting) by the deal that bears it."""
        request = intent.request
        positions = self._broker.positions(request.symbol)
        for each in positions:
            if each.magic == request.magic:
                return each
        if not positions:
            return None
        opened = _opened_by(request, deals_around(self._broker, intent.changed_ms))
        return next((each for each in positions if each.identifier == opened), None)


def _opened_by(request: OrderRequest, deals: Sequence[Deal]) -> int:
    """The position that this entry's deal opened; 0 where no deal bears its magic."""
    for deal in deals:
        if deal.magic == request.magic and deal.entry in (DealEntry.IN, DealEntry.INOUT):
            return deal.position_id
    return 0
