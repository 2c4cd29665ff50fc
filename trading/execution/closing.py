"""Closes positions and does not give up: drives `ladder` over the broker and the journal.

A ladder's next request is PENDING in the journal as soon as the last one was answered, so that a
restart goes on with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from broker.contract.errors import BrokerError
from broker.contract.messages import OrderRequest, Position, SymbolSpec, Tick
from broker.contract.port import Broker
from trading.execution.evidence import Looks, deals_around, is_closed, is_healthy
from trading.execution.intents import IntentLog, IntentState, JournalledIntent, Kind
from trading.execution.ladder import Rung, close_order, losers_first, next_rung
from trading.execution.retry import renamed
from trading.execution.sending import Answer, Pager, Sender

_GONE_AFTER_LOOKS = 2
_BETWEEN_LOOKS_MS = 5_000


@dataclass(frozen=True, slots=True)
class _Gone:
    """The position needs no close any more."""

    why: str


class Closer:
    """Ladders of closes, one for each position at most."""

    def __init__(self, broker: Broker, journal: IntentLog, sender: Sender, pager: Pager) -> None:
        self._broker = broker
        self._journal = journal
        self._sender = sender
        self._pager = pager
        self._due_ms: dict[str, int] = {}
        self._looks: dict[int, Looks] = {}

    def works_on(self, position: int) -> bool:
        """Whether a close of this position is under way."""
        return any(each.request.position == position for each in self._open())

    def begin(self, position: Position, parent: str, now_ms: int) -> None:
        """Starts closing a position on behalf of an intent; nothing if that is under way."""
        if self.works_on(position.identifier):
            return
        spec, quote = self._broker.symbol(position.symbol), self._broker.tick(position.symbol)
        number = len(self._journal.closes_of(position.identifier))
        request = close_order(
            position, spec, name=(parent, number), deviation=_deviation(quote, spec)
        )
        self._journal.begin(request, now_ms, parent=parent)
        self.climb(request, parent, now_ms)

    def climb(self, request: OrderRequest, parent: str, now_ms: int) -> None:
        """Sends a PENDING close, and again at once as far as the ladder says so."""
        answer = self._sender.order(request, now_ms)
        following = self._note(request, parent, answer, now_ms)
        if following is None or self._due_ms[following.client_id] > now_ms:
            return
        try:
            self._go_on(following, parent, now_ms, since_ms=now_ms)
        except BrokerError as error:
            self._journal.record("close_waits", now_ms, client_id=following.client_id,
                                 text=str(error))  # fmt: skip

    def beat(self, now_ms: int) -> None:
        """Goes on with every ladder whose pause is over."""
        for intent in self._open():
            if intent.state is not IntentState.PENDING:
                continue
            if now_ms >= self._due_ms.get(intent.request.client_id, 0):
                self._go_on(intent.request, intent.parent, now_ms, since_ms=intent.changed_ms)

    def close_all(self, positions: Sequence[Position], parent: str, now_ms: int) -> None:
        """Starts closing these positions, losers first."""
        for position in losers_first(positions):
            self.begin(position, f"{parent}-{position.identifier}", now_ms)

    def settle_unknown(self, intent: JournalledIntent, answer: Answer, now_ms: int) -> None:
        """What an unanswered close turned out to be; the ladder goes on with what is left."""
        self._note(intent.request, intent.parent, answer, now_ms)

    def _go_on(self, request: OrderRequest, parent: str, now_ms: int, *, since_ms: int) -> None:
        """Looks at the position before a close is sent again."""
        held = self._held(request, since_ms, now_ms)
        if held is None:
            return
        if isinstance(held, _Gone):
            answer = Answer(IntentState.NOT_EXECUTED, None, held.why)
            self._sender.note(request.client_id, answer, now_ms)
            self._forget(request)
            return
        if held.volume != request.volume:
            request = self._resized(request, parent, held, now_ms)
        self.climb(request, parent, now_ms)

    def _resized(self, old: OrderRequest, parent: str, held: Position, now_ms: int) -> OrderRequest:
        """The close of what is left, in place of one whose volume is no longer true (10038)."""
        number = len(self._journal.closes_of(held.identifier))
        new = replace(renamed(old, parent, number, "c"), volume=held.volume)
        changed = Answer(IntentState.NOT_EXECUTED, None, f"{held.volume:g} lots are left")
        self._sender.note(old.client_id, changed, now_ms, then=new)
        return new

    def _note(
        self, request: OrderRequest, parent: str, answer: Answer, now_ms: int
    ) -> OrderRequest | None:
        """Journals an answer, and begins the next close where one is needed."""
        if answer.state in (IntentState.FILLED, IntentState.UNKNOWN):
            self._sender.note(request.client_id, answer, now_ms)
            if answer.state is not IntentState.UNKNOWN:
                self._forget(request)
            return None
        following, rung = self._following(request, parent, answer)
        self._sender.note(request.client_id, answer, now_ms, then=following)
        self._schedule(following, rung, now_ms)
        if rung.page:
            self._pager.page(
                f"{request.symbol}: position {request.position} cannot be closed: {answer.note}; "
                "trying on, close it by hand if you can",
                key=f"close {request.position}",
            )
        return following

    def _following(
        self, request: OrderRequest, parent: str, answer: Answer | None
    ) -> tuple[OrderRequest, Rung]:
        """The next close by the ladder, for the volume that the last one asked for or left."""
        assert request.position is not None
        number = len(self._journal.closes_of(request.position))
        code = answer.code if answer else None
        bits = self._filling_bits(request.symbol)
        rung = next_rung(number - 1, code, request.type_filling, bits)
        following = renamed(request, parent, number, "c")
        return _with(following, rung, answer), rung

    def _schedule(self, request: OrderRequest, rung: Rung, now_ms: int) -> None:
        self._due_ms[request.client_id] = now_ms + rung.pause_ms

    def _filling_bits(self, symbol: str) -> int:
        try:
            return self._broker.symbol(symbol).filling_mode
        except BrokerError:
            return 0b11  # not to be read now: both are worth trying

    def _held(self, request: OrderRequest, since_ms: int, now_ms: int) -> Position | _Gone | None:
        """The position as it stands; gone, once that may be believed; None: look again."""
        assert request.position is not None
        snapshot = self._broker.snapshot(request.symbol)
        for each in snapshot.positions:
            if each.identifier == request.position:
                self._looks.pop(request.position, None)
                return each
        if is_closed(request.position, deals_around(self._broker, since_ms)):
            return _Gone("its closing deal is there")
        looks = self._looks.setdefault(request.position, Looks())
        if not is_healthy(self._broker, snapshot):
            looks.unhealthy()
            return None
        looks.silent(now_ms, apart_ms=_BETWEEN_LOOKS_MS)
        return _Gone("two healthy looks") if looks.count >= _GONE_AFTER_LOOKS else None

    def _open(self) -> list[JournalledIntent]:
        return [each for each in self._journal.open_intents() if each.kind is Kind.CLOSE]

    def _forget(self, request: OrderRequest) -> None:
        self._due_ms.pop(request.client_id, None)
        self._looks.pop(request.position or 0, None)


def _with(request: OrderRequest, rung: Rung, answer: Answer | None) -> OrderRequest:
    done = 0.0
    if answer and answer.result and answer.state is IntentState.PARTIAL:
        done = answer.result.volume
    left = round(request.volume - done, 8)  # drops what float subtraction left
    return replace(request, type_filling=rung.filling, volume=left, valid_until_msc=None)


def _deviation(quote: Tick, spec: SymbolSpec) -> int:
    return max(1, round((quote.ask - quote.bid) / spec.point))
