"""Sends what the journal already holds, and asks before anything could be sent twice.

An intent is PENDING in the journal before it gets here. Every answer, and every missing answer,
becomes its next state. A trade request is never repeated on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.contract.errors import BrokerError, BrokerRefused, BrokerUnavailable, OutcomeUnknown
from broker.contract.messages import OrderRequest, TradeResult
from broker.contract.port import Broker
from trading.execution.intents import IntentLog, IntentState
from trading.execution.settle import settle


@dataclass(frozen=True, slots=True)
class Sent:
    """One request, what became of it, and the broker's word on it where there is one."""

    request: OrderRequest
    state: IntentState
    result: TradeResult | None
    note: str


class Dispatcher:
    """Sends requests in their order: exits come before entries in every plan.

    `dry`: nothing is sent; the intents are journalled as DRY.
    """

    def __init__(self, broker: Broker, journal: IntentLog, *, dry: bool = False) -> None:
        self._broker = broker
        self._journal = journal
        self.first_state = IntentState.DRY if dry else IntentState.PENDING

    def send_all(self, requests: Sequence[OrderRequest], now_ms: int) -> tuple[Sent, ...]:
        """What became of each request. After an unknown outcome the rest is not sent."""
        sent: list[Sent] = []
        for request in requests:
            if any(each.state is IntentState.UNKNOWN for each in sent):
                answer = Sent(request, IntentState.NOT_SENT, None, "the outcome before is unknown")
            else:
                answer = self.ask(request)
            if answer.state is not self.first_state:
                self.note(answer, now_ms)
            sent.append(answer)
        return tuple(sent)

    def note(self, answer: Sent, now_ms: int) -> None:
        """Journals what became of a request."""
        self._journal.set_state(
            answer.request.client_id, answer.state, now_ms, note=answer.note,
            **({} if answer.result is None else _facts(answer.result)),
        )  # fmt: skip

    def ask(self, request: OrderRequest) -> Sent:
        """Sends one request, once, and reads the answer. A dry run answers by itself."""
        if self.first_state is IntentState.DRY:
            return Sent(request, IntentState.DRY, None, "dry run: not sent")
        try:
            result = self._broker.send(request)
        except BrokerUnavailable as error:
            return Sent(request, IntentState.NOT_SENT, None, str(error))
        except BrokerRefused as error:
            return Sent(request, IntentState.REJECTED, None, str(error))
        except OutcomeUnknown as error:
            return Sent(request, IntentState.UNKNOWN, None, str(error))
        except BrokerError as error:
            # An answer came that nobody can read: the request may have been executed.
            return Sent(request, IntentState.UNKNOWN, None, f"unreadable answer: {error}")
        return answered(request, result)


def answered(request: OrderRequest, result: TradeResult) -> Sent:
    """What a trade server's answer makes of a request."""
    settlement = settle(request, result)
    note = f"{settlement.retcode} {settlement.retcode_name}"
    return Sent(request, IntentState(settlement.state), result, note)


def _facts(result: TradeResult) -> dict[str, object]:
    return {
        "retcode": result.retcode, "retcode_name": result.retcode_name, "order": result.order,
        "deal": result.deal, "position": result.position, "volume": result.volume,
        "price": result.price, "broker_comment": result.comment,
    }  # fmt: skip
