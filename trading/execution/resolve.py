"""What became of an intent whose outcome is not known: ask the broker, never send blindly.

At start-up every PENDING or UNKNOWN intent of the journal is resolved before any new decision;
while the daemon runs, the same function resolves unknown outcomes. The rules are those of
docs/bridge.md A.8.
"""

from dataclasses import dataclass

from broker.contract.messages import IntentReport, OrderRequest
from broker.contract.port import Broker
from trading.execution.dispatch import Dispatcher, Sent
from trading.execution.intents import IntentLog, IntentState, JournalledIntent

_SILENT_MS = 120_000
_BETWEEN_LOOKS_MS = 10_000
_LOOKBACK_MS = 3_600_000
_LOOKAHEAD_MS = 86_400_000

_REPORTED = {
    "filled": IntentState.FILLED,
    "partial": IntentState.PARTIAL,
    "placed": IntentState.PLACED,
    "rejected": IntentState.REJECTED,
}


@dataclass(slots=True)
class _Looks:
    """How often, and when last, a healthy broker knew nothing of an intent."""

    count: int
    last_ms: int


class Resolver:
    """Settles open intents one by one; `unsettled` names those that are still open."""

    def __init__(self, broker: Broker, journal: IntentLog, dispatcher: Dispatcher) -> None:
        self._broker = broker
        self._journal = journal
        self._dispatcher = dispatcher
        self._looks: dict[str, _Looks] = {}

    def resolve(self, now_ms: int) -> tuple[str, ...]:
        """Asks about every open intent; the client ids that remain unsettled.

        A PENDING intent that the broker has never heard of was not sent: it goes out now if its
        time has not run out, and otherwise it is NOT_EXECUTED. An UNKNOWN one may still be under
        way: it is NOT_EXECUTED only after 120 s and two healthy looks 10 s apart.
        """
        for intent in self._journal.open_intents():
            answer = self._answer(intent, now_ms)
            if answer is not None:
                self._dispatcher.note(answer, now_ms)
                self._looks.pop(intent.request.client_id, None)
        return tuple(each.request.client_id for each in self._journal.open_intents())

    def _answer(self, intent: JournalledIntent, now_ms: int) -> Sent | None:
        """What became of one intent; None while that is not known."""
        report = self._broker.intent(intent.request.client_id)
        if report.state in _REPORTED:
            state = _REPORTED[report.state]
            return Sent(intent.request, state, report.result, "the broker was asked")
        if report.state == "in_flight":
            return None
        if self._left_a_trace(intent, report):
            return Sent(intent.request, IntentState.FILLED, report.result, "found by its magic")
        if intent.state is IntentState.PENDING:
            return self._send_or_drop(intent.request, now_ms)
        if self._is_silent(intent, now_ms):
            note = "two healthy looks found nothing"
            return Sent(intent.request, IntentState.NOT_EXECUTED, None, note)
        return None

    def _left_a_trace(self, intent: JournalledIntent, report: IntentReport) -> bool:
        """Whether a position or a deal bears the magic number of this intent."""
        request = intent.request
        if report.deals or report.position:
            return True
        if any(each.magic == request.magic for each in self._broker.positions(request.symbol)):
            return True
        deals = self._broker.deals(
            from_ms=intent.changed_ms - _LOOKBACK_MS, to_ms=intent.changed_ms + _LOOKAHEAD_MS
        )
        return any(each.magic == request.magic for each in deals)

    def _send_or_drop(self, request: OrderRequest, now_ms: int) -> Sent:
        if request.valid_until_msc is not None and now_ms > request.valid_until_msc:
            return Sent(request, IntentState.NOT_EXECUTED, None, "never sent, and now too late")
        return self._dispatcher.ask(request)

    def _is_silent(self, intent: JournalledIntent, now_ms: int) -> bool:
        looks = self._looks.setdefault(intent.request.client_id, _Looks(0, 0))
        if self._broker.health().status != "ok":
            return False
        if looks.count == 0 or now_ms - looks.last_ms >= _BETWEEN_LOOKS_MS:
            looks.count, looks.last_ms = looks.count + 1, now_ms
        return looks.count >= 2 and now_ms - intent.changed_ms >= _SILENT_MS
