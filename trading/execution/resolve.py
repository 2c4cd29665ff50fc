"""What became of a request whose outcome is not known: ask the broker, never send blindly.

At start-up every open intent of the journal is resolved before any new decision; while the daemon
runs, the same function resolves unknown outcomes. The rules are those of docs/bridge.md A.8.
"""

from broker.contract import retcodes
from broker.contract.messages import IntentReport, OrderRequest
from broker.contract.port import Broker
from trading.execution.dispatch import Dispatcher
from trading.execution.evidence import Looks, Trace, is_healthy, look_for
from trading.execution.intents import (
    UNRESOLVED,
    IntentLog,
    IntentState,
    JournalledIntent,
    Kind,
    LevelsIntent,
)
from trading.execution.retry import gate
from trading.execution.sending import Answer

_SILENT_MS = 120_000
_BETWEEN_LOOKS_MS = 10_000
_IN_FLIGHT_MS = 600_000
_CLOSE_AGAIN_MS = 3_000
_LEAST_VOLUME = 1e-9

_NOT_ANSWERED = (IntentState.PENDING, IntentState.SENT)
_ONCE = "native"  # the dialect whose bridges act once per client id

_REPORTED = {
    "filled": IntentState.FILLED,
    "partial": IntentState.PARTIAL,
    "rejected": IntentState.REJECTED,
}


class Resolver:
    """Settles open intents one by one."""

    def __init__(self, broker: Broker, journal: IntentLog, dispatcher: Dispatcher) -> None:
        self._broker = broker
        self._journal = journal
        self._dispatcher = dispatcher
        self._looks: dict[str, Looks] = {}

    def resolve(self, now_ms: int) -> tuple[str, ...]:
        """Asks about every request without an outcome; the client ids of what is still open.

        An entry or a partial close of an earlier process that was not sent goes out now if the
        broker does not know it and its time has not run out. An UNKNOWN one may still be under
        way: it is NOT_EXECUTED only after 120 s and two healthy looks 10 s apart that show nothing.
        A whole close of unknown outcome is asked again, under a new name, once its position is
        seen unchanged; a partial one never is. Of a change of levels the position tells
        (`Modifier`). Then everything else that is open goes on (`Dispatcher.beat`).
        Raises `BrokerError`.
        """
        if self._dispatcher.dry:
            return ()
        for intent in self._journal.open_intents():
            if intent.kind is not Kind.CLOSE and intent.state in _NOT_ANSWERED:
                self._resume(intent, now_ms)
            elif intent.state in UNRESOLVED:
                self._resolve(self._unknown(intent, now_ms), now_ms)
        for change in self._journal.open_changes():
            self._dispatcher.modifier.settle(change, now_ms)
        self._dispatcher.beat(now_ms)
        left: list[JournalledIntent | LevelsIntent] = [*self._journal.open_intents()]
        left += self._journal.open_changes()
        return tuple(each.request.client_id for each in left)

    def _resume(self, intent: JournalledIntent, now_ms: int) -> None:
        """An order of an earlier process: not sent, or marked as sent and perhaps never received.

        What is marked as sent goes out again only to a bridge that acts once per client id and has
        never heard of it; another bridge might still have it under way.
        """
        request, was_sent = intent.request, intent.state is IntentState.SENT
        if self._is_known(intent) or (was_sent and self._broker.health().dialect != _ONCE):
            self._resolve(self._unknown(intent, now_ms), now_ms)
            return
        if was_sent:
            self._note(request.client_id, IntentState.PENDING, "the bridge never had it", now_ms)
        why_not = self._too_late(intent, now_ms)
        if why_not:
            self._note(request.client_id, IntentState.NOT_EXECUTED, why_not, now_ms)
        elif self._is_frozen(request):
            why = "another request of this symbol has no outcome yet"
            self._note(request.client_id, IntentState.NOT_SENT, why, now_ms)
        else:
            self._dispatcher.start(request, now_ms)

    def _is_known(self, intent: JournalledIntent) -> bool:
        request = intent.request
        if self._broker.intent(request.client_id).state != "unknown":
            return True
        return look_for(request, self._broker, intent.changed_ms) is not None

    def _too_late(self, intent: JournalledIntent, now_ms: int) -> str:
        """Why an old signal is not sent any more; empty if it is still worth it."""
        request = intent.request
        expired = request.valid_until_msc is not None and now_ms > request.valid_until_msc
        if expired or intent.parent != request.client_id:
            return "never sent, and now too late"
        if request.price is None:
            return ""
        quote, spec = self._broker.tick(request.symbol), self._broker.symbol(request.symbol)
        return gate(request, quote, spec)

    def _unknown(self, intent: JournalledIntent, now_ms: int) -> JournalledIntent:
        """What may have been sent when a process ended is of unknown outcome."""
        client_id = intent.request.client_id
        if intent.state is IntentState.PENDING:
            self._note(client_id, IntentState.SENT, "the broker knows it", now_ms)
        if intent.state is not IntentState.UNKNOWN:
            self._note(client_id, IntentState.UNKNOWN, "no answer was kept", now_ms)
        found = self._journal.find_intent(client_id)
        assert found is not None
        return found

    def _resolve(self, intent: JournalledIntent, now_ms: int) -> None:
        report = self._broker.intent(intent.request.client_id)
        answer = self._reported(report) or self._traced(intent)
        if answer is None:
            under_way = report.state == "in_flight" and self._age(intent, now_ms) < _IN_FLIGHT_MS
            answer = None if under_way else self._absent(intent, now_ms)
        if answer is not None:
            self._settle(intent, answer, now_ms)

    def _reported(self, report: IntentReport) -> Answer | None:
        """The bridge's own record of the answer. Locked (10028) is no answer."""
        if report.state not in _REPORTED:
            return None
        if report.result is not None and report.result.retcode == retcodes.LOCKED:
            return None
        code = retcodes.retcode(report.result.retcode) if report.result else None
        return Answer(_REPORTED[report.state], report.result, "the broker was asked", code)

    def _traced(self, intent: JournalledIntent) -> Answer | None:
        trace = look_for(intent.request, self._broker, intent.changed_ms)
        if trace is None or trace.working:
            return None
        return Answer(_filled(intent.request, trace), None, "found by its magic")

    def _absent(self, intent: JournalledIntent, now_ms: int) -> Answer | None:
        """NOT_EXECUTED, once an absence may be believed."""
        looks = self._looks.setdefault(intent.request.client_id, Looks())
        snapshot = self._broker.snapshot(intent.request.symbol)
        if not is_healthy(self._broker, snapshot):
            looks.unhealthy()
            return None
        looks.silent(now_ms, apart_ms=_BETWEEN_LOOKS_MS)
        age_ms = self._age(intent, now_ms)
        if intent.kind is Kind.CLOSE:
            held = [p for p in snapshot.positions if p.identifier == intent.request.position]
            if held and age_ms >= _CLOSE_AGAIN_MS:
                return Answer(IntentState.NOT_EXECUTED, None, "the position is still there")
            if not held and looks.count >= 2:
                return Answer(IntentState.FILLED, None, "two healthy looks: no position")
            return None
        if intent.kind is Kind.PART and self._dispatcher.parts.executed(intent):
            return Answer(IntentState.FILLED, None, "the position is smaller by it")
        if looks.count >= 2 and age_ms >= _SILENT_MS:
            return Answer(IntentState.NOT_EXECUTED, None, "two healthy looks found nothing")
        return None

    def _settle(self, intent: JournalledIntent, answer: Answer, now_ms: int) -> None:
        self._looks.pop(intent.request.client_id, None)
        goes_on = intent.kind is Kind.CLOSE and answer.state is not IntentState.FILLED
        if goes_on:
            self._dispatcher.closer.settle_unknown(intent, answer, now_ms)
        else:
            self._dispatcher.note(intent.request.client_id, answer, now_ms)

    def _note(self, client_id: str, state: IntentState, note: str, now_ms: int) -> None:
        self._dispatcher.note(client_id, Answer(state, None, note), now_ms)

    def _is_frozen(self, request: OrderRequest) -> bool:
        return any(
            each.request.symbol == request.symbol and each.state in UNRESOLVED
            for each in self._journal.open_intents()
        )

    def _age(self, intent: JournalledIntent, now_ms: int) -> int:
        return now_ms - intent.changed_ms


def _filled(request: OrderRequest, trace: Trace) -> IntentState:
    whole = trace.volume_lots >= request.volume - _LEAST_VOLUME
    return IntentState.FILLED if whole else IntentState.PARTIAL
