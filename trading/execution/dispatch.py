"""Sends what the journal already holds, guards what was filled, and closes what must be closed.

An intent is PENDING in the journal before it gets here. `beat` goes on with everything that is
open; what is open is read from the journal, so a restart goes on where the last process ended.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.contract.errors import BrokerError
from broker.contract.messages import OrderRequest, Position, TradeResult
from broker.contract.port import Broker
from trading.execution.closing import Closer
from trading.execution.entering import Entered, Entries
from trading.execution.guard import Guard
from trading.execution.halts import Halts, may_lift
from trading.execution.intents import (
    UNRESOLVED,
    IntentLog,
    IntentState,
    JournalledIntent,
    Kind,
    LevelsRequest,
    TradeRequest,
    is_open,
    kind_of,
)
from trading.execution.modifying import Modifier
from trading.execution.parting import Parts
from trading.execution.sending import Answer, NoPager, Pager, Sender
from trading.execution.settings import OrderSettings

_TO_GUARD = (IntentState.FILLED, IntentState.PARTIAL)
_LONG_UNKNOWN_MS = 660_000  # longer than the resolver needs where the venue answers


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, what became of it, and the broker's word on it where there is one."""

    request: TradeRequest
    state: IntentState
    result: TradeResult | None
    note: str


class Dispatcher:
    """Sends requests in their order: exits and changes of levels come before entries in every
    plan.

    `dry`: nothing is sent; the intents are journalled as DRY. `clock_ms`: the broker's time, for
    answers that take long; None where time stands still while requests are made.
    """

    def __init__(
        self,
        broker: Broker,
        journal: IntentLog,
        *,
        dry: bool = False,
        settings: OrderSettings | None = None,
        pager: Pager | None = None,
        clock_ms: Callable[[], int] | None = None,
    ) -> None:
        self._broker = broker
        self._journal = journal
        pager = pager or NoPager()
        self._halts = Halts(pager)
        self._sender = Sender(broker, journal, settings or OrderSettings())
        self._entries = Entries(broker, journal, self._sender, self._halts, clock_ms)
        self.closer = Closer(broker, journal, self._sender, pager)
        self.parts = Parts(broker, journal, self._sender)
        self.modifier = Modifier(broker, journal, self._sender)
        self._guard = Guard(broker, journal, self._sender, self.closer, pager)
        self._flatten: tuple[str, str] | None = None
        self.first_state = IntentState.DRY if dry else IntentState.PENDING

    @property
    def dry(self) -> bool:
        return self.first_state is IntentState.DRY

    @property
    def open_work(self) -> bool:
        """Whether anything is sent and unanswered, filled and not yet protected, or closing."""
        waits = self._entries.waiting or self._flatten is not None
        return waits or self._journal.has_open_intents()

    def only_long_unknown(self, now_ms: int) -> bool:
        """Whether every open work is an order, not a whole close, whose outcome has been unknown
        for more than eleven minutes: the venue answers nothing that may be believed, and beats
        will do. A look for an order costs some twenty requests in a dialect without intents."""
        if self._entries.waiting or self._flatten is not None or self._journal.open_changes():
            return False
        return all(_is_long_unknown(each, now_ms) for each in self._journal.open_intents())

    @property
    def halts(self) -> tuple[str, ...]:
        """Why the venue allows no entries, in words; empty while it does."""
        return self._halts.texts

    def send_all(self, requests: Sequence[TradeRequest], now_ms: int) -> tuple[Sent, ...]:
        """What became of each request. While one is open for want of an answer, or an exit or a
        change of levels has not come off, no entry is sent; the rest is."""
        sent: list[Sent] = []
        for request in requests:
            if self.dry:
                sent.append(Sent(request, IntentState.DRY, None, "dry run: not sent"))
            elif kind_of(request) is Kind.ENTRY and any(_holds_up(each) for each in sent):
                sent.append(self._not_sent(request, "what comes before is not done", now_ms))
            else:
                sent.append(self.start(request, now_ms))
        return tuple(sent)

    def start(self, request: TradeRequest, now_ms: int) -> Sent:
        """Sends one PENDING request as its kind demands, and reads back entries and levels."""
        if isinstance(request, LevelsRequest):
            return self._change(request, now_ms)
        if kind_of(request) is Kind.PART:
            return self._part(request, now_ms)
        if request.position is not None:
            return self._close(request, request.position, now_ms)
        return self._guarded(self._entries.enter(request, now_ms), now_ms)

    def note(self, client_id: str, answer: Answer, now_ms: int) -> None:
        """Journals what was found out about a request."""
        self._sender.note(client_id, answer, now_ms)

    def beat(self, now_ms: int) -> None:
        """Goes on with everything open: waiting entries, stops to be read back, closes, halts.

        Cheap where nothing is. What the bridge does not answer now is tried at the next beat.
        """
        if self.dry:
            return
        entered = self._entries.beat(now_ms)
        if entered is not None:
            self._guarded(entered, now_ms)
        self._go_on_closing(now_ms)
        for intent in self._journal.open_intents():
            if intent.kind is Kind.ENTRY and intent.state in _TO_GUARD:
                self._try("entry_waits", intent, self._guard.look, now_ms)
        self._review_halts(now_ms)

    def close_all(self, symbol: str, reason: str, now_ms: int, ours: Callable[[int], bool]) -> None:
        """Closes every position of a symbol whose magic is ours, losers first, until none is left.

        Beats go on with it.
        """
        self._journal.record("close_all", now_ms, symbol=symbol, reason=reason)
        self._flatten, self._ours = (symbol, reason), ours
        self._go_on_closing(now_ms)

    @property
    def flattening(self) -> bool:
        """Whether `close_all` is not over yet."""
        return self._flatten is not None

    def close_one(self, position: Position, reason: str, now_ms: int) -> bool:
        """Closes a position, unless that is under way; whether the close is written down. Beats go
        on with it."""
        name = position.identifier
        if self.closer.works_on(name):
            return True
        before = len(self._journal.closes_of(name))
        try:
            self.closer.close_all([position], f"flat-{reason}", now_ms)
        except BrokerError as error:
            self._journal.record("close_waits", now_ms, text=str(error))
        return len(self._journal.closes_of(name)) > before

    def reprotect(self, position: Position, now_ms: int) -> bool:
        """A protected position has lost its stops: its entry is guarded anew from the next beat.

        False where no entry of the journal is known for it.
        """
        intent = self._journal.intent_of_magic(position.magic)
        if intent is None:
            return False
        if intent.state is IntentState.PROTECTED:
            answer = Answer(IntentState.FILLED, None, "its stops are gone")
            self._sender.note(intent.request.client_id, answer, now_ms)
        return is_open(intent.kind, intent.state) or intent.state is IntentState.PROTECTED

    def _close(self, request: OrderRequest, position: int, now_ms: int) -> Sent:
        others = [
            each for each in self._journal.closes_of(position)
            if each.request.client_id != request.client_id and is_open(each.kind, each.state)
        ]  # fmt: skip
        if others:
            return self._not_sent(request, "a close of this position is under way", now_ms)
        self.closer.climb(request, request.client_id, now_ms)
        last = self._journal.closes_of(position)[-1]
        return Sent(last.request, last.state, None, "close")

    def _part(self, request: OrderRequest, now_ms: int) -> Sent:
        if self.closer.works_on(request.position or 0):
            return self._not_sent(request, "a close of this position is under way", now_ms)
        if self.parts.works_on(request):
            why = "another partial close of this position has no outcome yet"
            return self._not_sent(request, why, now_ms)
        last, answer = self.parts.part(request, now_ms)
        return Sent(last, answer.state, answer.result, answer.note)

    def _change(self, request: LevelsRequest, now_ms: int) -> Sent:
        if self.closer.works_on(request.position):
            return self._not_sent(request, "a close of this position is under way", now_ms)
        if self.modifier.works_on(request):
            why = "another change of this position's levels has no outcome yet"
            return self._not_sent(request, why, now_ms)
        answer = self.modifier.change(request, now_ms)
        return Sent(request, answer.state, answer.result, answer.note)

    def _guarded(self, entered: Entered, now_ms: int) -> Sent:
        request, answer = entered.request, entered.answer
        state = answer.state
        if state in _TO_GUARD:
            intent = self._journal.find_intent(request.client_id)
            assert intent is not None
            self._try("entry_waits", intent, self._guard.look, now_ms)
            known = self._journal.find_intent(request.client_id)
            state = state if known is None else known.state
        return Sent(request, state, answer.result, answer.note)

    def _not_sent(self, request: TradeRequest, why: str, now_ms: int) -> Sent:
        answer = Answer(IntentState.NOT_SENT, None, why)
        self._sender.note(request.client_id, answer, now_ms)
        return Sent(request, answer.state, None, why)

    def _try(
        self,
        event: str,
        intent: JournalledIntent,
        act: Callable[[JournalledIntent, int], None],
        now_ms: int,
    ) -> None:
        try:
            act(intent, now_ms)
        except BrokerError as error:
            self._journal.record(event, now_ms, client_id=intent.request.client_id, text=str(error))

    def _go_on_closing(self, now_ms: int) -> None:
        try:
            self.closer.beat(now_ms)
            if self._flatten is not None:
                self._flatten_on(*self._flatten, now_ms)
        except BrokerError as error:
            self._journal.record("close_waits", now_ms, text=str(error))

    def _flatten_on(self, symbol: str, reason: str, now_ms: int) -> None:
        held = [each for each in self._broker.positions(symbol) if self._ours(each.magic)]
        if held:
            self.closer.close_all(held, f"flat-{reason}", now_ms)
        elif not self._journal.has_open_intents():
            self._flatten = None
            self._journal.record("all_closed", now_ms, symbol=symbol, reason=reason)

    def _review_halts(self, now_ms: int) -> None:
        for halt in self._halts.to_review(now_ms):
            spec = self._broker.symbol(halt.symbol) if halt.symbol else None
            if may_lift(halt, self._broker.health(), spec):
                self._halts.lift(halt)
                self._journal.record("halt_lifted", now_ms, text=halt.text)


def _is_long_unknown(intent: JournalledIntent, now_ms: int) -> bool:
    is_unknown = intent.state is IntentState.UNKNOWN and intent.kind is not Kind.CLOSE
    return is_unknown and now_ms - intent.changed_ms > _LONG_UNKNOWN_MS


def _holds_up(sent: Sent) -> bool:
    """Whether no entry may follow: its outcome is open, or what makes room has not come off."""
    if kind_of(sent.request) is Kind.ENTRY:
        return sent.state in UNRESOLVED
    return sent.state is not IntentState.FILLED
