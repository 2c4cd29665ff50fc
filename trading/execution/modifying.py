"""Changes decided levels: once, read back, and asked again only where the position shows that they
were not made.

A change is FILLED when the position was read with its levels. Asking for the same levels again does
no harm (docs/bridge.md A.8), so a lost one is repeated under a new name; a refused one is not: the
next bar decides anew, on the levels that it sees.
"""

import math
from dataclasses import replace

from broker.contract.constants import PositionType
from broker.contract.errors import BrokerError
from broker.contract.messages import Position
from broker.contract.port import Broker
from trading.execution.evidence import Looks, deals_around, is_closed, is_healthy
from trading.execution.intents import (
    IntentLog,
    IntentState,
    LevelsIntent,
    LevelsRequest,
)
from trading.execution.protect import MOST_MODIFIES
from trading.execution.sending import Answer, Sender

_AGAIN_MS = 3_000
_LATE_MS = 300_000
_BETWEEN_LOOKS_MS = 5_000


class Modifier:
    """Decided changes of levels. While one of a position has no outcome, no other is sent."""

    def __init__(self, broker: Broker, journal: IntentLog, sender: Sender) -> None:
        self._broker = broker
        self._journal = journal
        self._sender = sender
        self._looks: dict[int, Looks] = {}

    def works_on(self, request: LevelsRequest) -> bool:
        """Whether another change of this position has no outcome yet."""
        return any(
            each.request.position == request.position
            and each.request.client_id != request.client_id
            for each in self._journal.open_changes()
        )

    def change(self, request: LevelsRequest, now_ms: int) -> Answer:
        """Sends a PENDING change and reads the position back."""
        answer = self._sender.change(request, now_ms)
        if answer.state is IntentState.FILLED:
            answer = self._read_back(request, answer)
        self._sender.note(request.client_id, answer, now_ms)
        return answer

    def settle(self, intent: LevelsIntent, now_ms: int) -> None:
        """Goes on with a change without an outcome. Raises `BrokerError`."""
        request = intent.request
        position = self._find(request)
        if intent.state is IntentState.SENT:
            self._note(intent, IntentState.UNKNOWN, "no answer was kept", now_ms)
        if position is None:
            self._not_there(intent, now_ms)
            return
        self._looks.pop(request.position, None)
        if intent.state is IntentState.PENDING:
            self._resume(intent, position, now_ms)
        elif _stands(request, position):
            self._note(intent, IntentState.FILLED, "the position was read", now_ms)
        elif now_ms - intent.changed_ms >= _AGAIN_MS:
            self._again(intent, position, now_ms)

    def _resume(self, intent: LevelsIntent, position: Position, now_ms: int) -> None:
        """A change of an earlier process that was never sent."""
        why = _not_worth_it(intent.request, position)
        if not why and now_ms - intent.changed_ms > _LATE_MS:
            why = "never sent, and now too late"
        if why:
            self._note(intent, IntentState.NOT_EXECUTED, why, now_ms)
        else:
            self.change(intent.request, now_ms)

    def _again(self, intent: LevelsIntent, position: Position, now_ms: int) -> None:
        """The position shows that the change was not made: the same once more, three in all."""
        asked = [
            each for each in self._journal.changes_of(intent.request.position)
            if each.parent == intent.parent
        ]  # fmt: skip
        why = _not_worth_it(intent.request, position)
        if not why and len(asked) >= MOST_MODIFIES:
            why = f"not made after {len(asked)} requests"
        if why:
            self._note(intent, IntentState.NOT_EXECUTED, why, now_ms)
            return
        following = replace(intent.request, client_id=f"{intent.parent}r{len(asked)}")
        answer = Answer(IntentState.NOT_EXECUTED, None, "the position was read without it")
        self._sender.note(intent.request.client_id, answer, now_ms, then=following)
        self.change(following, now_ms)

    def _read_back(self, request: LevelsRequest, answer: Answer) -> Answer:
        try:
            position = self._find(request)
        except BrokerError as error:
            return replace(answer, state=IntentState.UNKNOWN, note=f"not read back: {error}")
        if position is None or _stands(request, position):
            return answer
        note = f"{answer.note}, but the position shows {position.sl:g} and {position.tp:g}"
        return replace(answer, state=IntentState.UNKNOWN, note=note)

    def _not_there(self, intent: LevelsIntent, now_ms: int) -> None:
        """Its position is gone, or a read lies."""
        name = intent.request.position
        closed = is_closed(name, deals_around(self._broker, intent.changed_ms))
        looks = self._looks.setdefault(name, Looks())
        if not closed and not is_healthy(
            self._broker, self._broker.snapshot(intent.request.symbol)
        ):
            looks.unhealthy()
            return
        looks.silent(now_ms, apart_ms=_BETWEEN_LOOKS_MS)
        if closed or looks.count >= 2:
            self._looks.pop(name, None)
            self._note(intent, IntentState.NOT_EXECUTED, "its position is gone", now_ms)

    def _find(self, request: LevelsRequest) -> Position | None:
        held = self._broker.positions(request.symbol)
        return next((each for each in held if each.identifier == request.position), None)

    def _note(self, intent: LevelsIntent, state: IntentState, note: str, now_ms: int) -> None:
        self._sender.note(intent.request.client_id, Answer(state, None, note), now_ms)


def _stands(request: LevelsRequest, position: Position) -> bool:
    return math.isclose(request.sl, position.sl, rel_tol=1e-9) and math.isclose(
        request.tp, position.tp, rel_tol=1e-9
    )


def _not_worth_it(request: LevelsRequest, position: Position) -> str:
    """Why a change is not asked for again; empty if it is."""
    if _stands(request, position):
        return "its levels stand already"
    side = 1 if position.type is PositionType.BUY else -1
    looser = not request.sl or side * (request.sl - position.sl) < 0
    return "the stop stands nearer to the market" if position.sl and looser else ""
