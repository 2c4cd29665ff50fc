"""Sends one trade request, once, and reads what came back. Written down before and after.

The only place that calls the broker's trading methods.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from broker.contract import retcodes
from broker.contract.errors import BrokerError, BrokerRefused, BrokerUnavailable, OutcomeUnknown
from broker.contract.messages import OrderRequest, TradeResult
from broker.contract.port import Broker
from broker.contract.retcodes import Retcode
from trading.execution.budget import DAY_MS, RequestBudget, request_budget
from trading.execution.intents import (
    IntentLog,
    IntentState,
    Kind,
    LevelsRequest,
    TradeRequest,
    kind_of,
)
from trading.execution.settings import OrderSettings
from trading.execution.settle import settle


class Pager(Protocol):
    """Calls a person; `key` names the matter, so that it is not told again and again."""

    def page(self, text: str, *, key: str) -> None: ...

    def over(self, text: str, *, key: str) -> None:
        """The matter is settled."""
        ...


class NoPager:
    def page(self, text: str, *, key: str) -> None: ...

    def over(self, text: str, *, key: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request. `code` is None where no trade server answered."""

    state: IntentState
    result: TradeResult | None
    note: str
    code: Retcode | None = None


class Sender:
    """One account's trade requests: write ahead, count, send, journal."""

    def __init__(self, broker: Broker, journal: IntentLog, settings: OrderSettings) -> None:
        self._broker = broker
        self._journal = journal
        self._settings = settings
        self._budget: RequestBudget | None = None

    def refuses_entry(self, now_ms: int) -> str:
        """Why the request budget lets no entry through; empty if it does."""
        return self._counted(now_ms).refuses_entry(now_ms)

    def order(self, request: OrderRequest, now_ms: int) -> Answer:
        """Sends a PENDING order. Its next state is the caller's to journal."""
        return self._send(request, lambda: self._broker.send(request), now_ms)

    def levels(self, request: LevelsRequest, entry: str, now_ms: int) -> Answer:
        """Changes the levels of an entry's position; journals before and after."""
        self._journal.begin(request, now_ms, parent=entry)
        answer = self.change(request, now_ms)
        self.note(request.client_id, answer, now_ms)
        return answer

    def change(self, request: LevelsRequest, now_ms: int) -> Answer:
        """Sends a PENDING change of levels. Its next state is the caller's to journal."""
        return self._send(
            request,
            lambda: self._broker.modify(
                request.position, sl=request.sl, tp=request.tp, client_id=request.client_id
            ),
            now_ms,
        )

    def note(
        self, client_id: str, answer: Answer, now_ms: int, *, then: TradeRequest | None = None
    ) -> None:
        """Journals what became of a request, and what follows it."""
        self._journal.set_state(
            client_id, answer.state, now_ms, then=then, note=answer.note, **facts(answer.result)
        )

    def _send(self, request: TradeRequest, act: Callable[[], TradeResult], now_ms: int) -> Answer:
        budget = self._counted(now_ms)
        self._journal.set_state(request.client_id, IntentState.SENT, now_ms)
        self._budget = budget.spent(now_ms)
        try:
            result = act()
        except BrokerUnavailable as error:
            return Answer(IntentState.NOT_SENT, None, str(error))
        except BrokerRefused as error:
            return Answer(IntentState.REJECTED, None, str(error))
        except OutcomeUnknown as error:
            return Answer(IntentState.UNKNOWN, None, str(error))
        except BrokerError as error:
            # An answer came that nobody can read: the request may have been executed.
            return Answer(IntentState.UNKNOWN, None, f"unreadable answer: {error}")
        return answered(request, result)

    def _counted(self, now_ms: int) -> RequestBudget:
        if self._budget is None:
            sent_ms = self._journal.sent_since(now_ms - DAY_MS)
            self._budget = request_budget(self._settings, sent_ms)
        return self._budget


def answered(request: TradeRequest, result: TradeResult) -> Answer:
    """What a trade server's answer makes of a request. Class OK with no deal yet is unknown."""
    code = retcodes.retcode(result.retcode)
    note = f"{result.retcode} {code.name}"
    if result.outcome == "not_sent":
        return Answer(IntentState.NOT_SENT, result, f"{note}: {result.comment}", code)
    if code.code == retcodes.LOCKED and kind_of(request) in (Kind.ENTRY, Kind.PART):
        return Answer(IntentState.UNKNOWN, result, note, code)
    return Answer(IntentState(settle(request, result).state), result, note, code)


def facts(result: TradeResult | None) -> dict[str, Any]:
    """What the journal keeps of an answer."""
    if result is None:
        return {}
    return {
        "retcode": result.retcode, "retcode_name": result.retcode_name, "order": result.order,
        "deal": result.deal, "position": result.position, "volume": result.volume,
        "price": result.price, "broker_comment": result.comment,
    }  # fmt: skip
