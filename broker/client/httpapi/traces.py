"""What became of an intent, from what it left at the venue: the bridge keeps none.

Deals answer first, then an open position (its deal may reach the history late), then orders.
Magic is looked at before the comment, which brokers rewrite.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from broker.contract.marks import bears_mark, comment_of
from broker.contract.messages import IntentReport, Order, Position, TradeResult
from broker.contract.retcodes import DONE, outcome, retcode
from broker.native import NativeBroker

Record = TypeVar("Record", Order, Position)

_DAY_MS = 86_400_000
_CANCELLED, _REJECTED, _EXPIRED = 2, 5, 6
_DEAD = (_CANCELLED, _REJECTED, _EXPIRED)


def report_of_traces(broker: NativeBroker, client_id: str) -> IntentReport:
    """The native report; where deals and memory tell nothing, positions and orders are asked."""
    report = broker.intent_by_deals(client_id)
    if report.state not in ("unknown", "in_flight"):
        return report
    opened = _with_mark(broker.positions(), client_id)
    if opened:
        first = opened[0]
        result = report.result or _result_from_position(first, client_id)
        return replace(report, state="filled", result=result, position=first.identifier)
    if _with_mark(broker.orders(), client_id):
        return replace(report, state="in_flight")
    now_ms = broker.now_ms()
    since_ms = broker.searched_from_ms(client_id)
    finished = _with_mark(
        broker.history_orders(from_ms=since_ms, to_ms=now_ms + _DAY_MS), client_id
    )
    if not finished:
        return report
    return replace(report, state="rejected" if finished[-1].state in _DEAD else "in_flight")


def _with_mark(records: Iterable[Record], client_id: str) -> list[Record]:
    comment = comment_of(client_id)
    return [
        each
        for each in records
        if bears_mark(each.magic, client_id) or each.comment == comment
    ]  # fmt: skip


def _result_from_position(position: Position, client_id: str) -> TradeResult:
    """The answer that was lost, as far as the position tells it."""
    return TradeResult(
        retcode=DONE, retcode_name=retcode(DONE).name, outcome=outcome(DONE),
        order=position.ticket, deal=0, position=position.identifier, volume=position.volume,
        price=position.price_open, bid=0.0, ask=0.0, comment=position.comment,
        client_id=client_id, request_id=0, sent_msc=position.time_msc, done_msc=position.time_msc,
    )  # fmt: skip
