"""Compares what the broker did with what the journal knows. Pure: ledgers in, figures out."""

from collections.abc import Iterable

from broker.contract.constants import DealEntry, DealReason
from broker.contract.messages import Deal


def duplicates(deals: Iterable[Deal]) -> int:
    """Entries too many: opening deals of different orders that bear the same magic.

    A magic holds the intent's mark, so a second order under it is an intent that acted twice.
    A partly filled order has several deals, but one order.
    """
    orders: dict[int, set[int]] = {}
    for deal in deals:
        if deal.entry is DealEntry.IN and deal.reason is DealReason.EXPERT and deal.magic:
            orders.setdefault(deal.magic, set()).add(deal.order)
    return sum(len(each) - 1 for each in orders.values())
