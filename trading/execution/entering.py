"""Sends entries: at most twice again, only on a fresh quote that the entry's own gates pass."""

from collections.abc import Callable
from dataclasses import dataclass

from broker.contract.errors import BrokerError
from broker.contract.messages import OrderRequest
from broker.contract.port import Broker
from broker.contract.retcodes import RetcodeClass
from trading.execution.halts import Halts
from trading.execution.intents import IntentLog, IntentState
from trading.execution.levels import Drop
from trading.execution.retry import after_answer, asked_again
from trading.execution.sending import Answer, Sender

_SIGNAL_MS = 30_000


@dataclass(frozen=True, slots=True)
class Entered:
    """The last request of an entry, and what became of it."""

    request: OrderRequest
    answer: Answer


@dataclass(slots=True)
class _Asking:
    """An entry that was refused and may be asked again."""

    first: OrderRequest
    last: OrderRequest
    started_ms: int
    asked: int = 0
    code: int = 0
    due_ms: int = 0


class Entries:
    """`waiting`: an entry that is asked again later, at a beat; it is not kept over a restart."""

    def __init__(
        self, broker: Broker, journal: IntentLog, sender: Sender, halts: Halts,
        clock_ms: Callable[[], int] | None,
    ) -> None:  # fmt: skip
        self._broker = broker
        self._journal = journal
        self._sender = sender
        self._halts = halts
        self._clock_ms = clock_ms
        self._waiting: _Asking | None = None

    @property
    def waiting(self) -> bool:
        return self._waiting is not None

    def enter(self, request: OrderRequest, now_ms: int) -> Entered:
        """Sends a PENDING entry. An older one that still waits is given up."""
        self._waiting = None
        refused = self._refusal(request, now_ms)
        if refused:
            answer = Answer(IntentState.NOT_SENT, None, refused)
            self._sender.note(request.client_id, answer, now_ms)
            return Entered(request, answer)
        return self._ask(_Asking(request, request, now_ms), now_ms)

    def beat(self, now_ms: int) -> Entered | None:
        """Asks a waiting entry again once its pause is over; what became of it, if it was asked."""
        asking = self._waiting
        if asking is None or now_ms < asking.due_ms:
            return None
        self._waiting = None
        if now_ms - asking.started_ms > _SIGNAL_MS or self._refusal(asking.first, now_ms):
            return None
        following = self._fresh(asking)
        if isinstance(following, Drop):
            self._journal.record(
                "entry_dropped", now_ms, client_id=asking.first.client_id, why=following.why
            )
            return None
        self._journal.begin(following, now_ms, parent=asking.first.client_id)
        asking.last = following
        return self._ask(asking, now_ms)

    def _ask(self, asking: _Asking, now_ms: int) -> Entered:
        while True:
            request = asking.last
            answer = self._sender.order(request, now_ms)
            asking.asked += 1
            following, note = self._following(asking, answer, now_ms)
            told = Answer(answer.state, answer.result, note, answer.code)
            self._sender.note(request.client_id, told, now_ms, then=following)
            if following is None:
                return Entered(request, told)
            asking.last = following

    def _following(
        self, asking: _Asking, answer: Answer, now_ms: int
    ) -> tuple[OrderRequest | None, str]:
        """The request to send now in place of a refused one, if any; and what to note."""
        if answer.state not in (IntentState.REJECTED, IntentState.NOT_SENT) or not answer.code:
            return None, answer.note
        if answer.code.class_ is RetcodeClass.HALT:
            self._halts.add(answer.code, asking.first.symbol, now_ms)
        spent_ms = self._at(now_ms) - asking.started_ms
        step = after_answer(answer.code, asking.asked, spent_ms)
        if isinstance(step, Drop):
            return None, f"{answer.note}: {step.why}"
        asking.code = answer.code.code
        if step.wait_ms:
            asking.due_ms, self._waiting = now_ms + step.wait_ms, asking
            return None, f"{answer.note}: asked again in {step.wait_ms / 1000:g} s"
        following = self._fresh(asking)
        if isinstance(following, Drop):
            return None, f"{answer.note}: dropped, {following.why}"
        return following, answer.note

    def _fresh(self, asking: _Asking) -> OrderRequest | Drop:
        symbol = asking.first.symbol
        try:
            quote, spec = self._broker.tick(symbol), self._broker.symbol(symbol)
        except BrokerError as error:
            return Drop(f"no fresh quote: {error}")
        return asked_again(asking.first, asking.last, asking.code, asking.asked, quote, spec)

    def _at(self, now_ms: int) -> int:
        """The broker's time after an answer: a live bridge may have taken long over it."""
        return now_ms if self._clock_ms is None else max(now_ms, self._clock_ms())

    def _refusal(self, request: OrderRequest, now_ms: int) -> str:
        halted = self._halts.of(request.symbol)
        return halted[0] if halted else self._sender.refuses_entry(now_ms)
