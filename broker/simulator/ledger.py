"""The append-only ledger: orders and deals in whole numbers, and the balance they add up to."""

import hashlib
from bisect import bisect_left

from broker.contract.constants import DealEntry, DealReason, DealType
from broker.simulator.records import DealRow, OrderRow
from market.quick import values


def _deal_ms(deal: DealRow) -> int:
    return deal.time_ms


def _done_ms(order: OrderRow) -> int:
    return order.time_done_ms


class Ledger:
    """Finished orders and deals, in time order. Nothing is ever changed or removed.

    Tickets of orders and of deals are separate sequences; a position takes its order's (B18).
    """

    __slots__ = ("balance", "deals", "last_deal", "last_order", "orders")

    def __init__(self) -> None:
        self.deals: list[DealRow] = []
        self.orders: list[OrderRow] = []
        self.balance = 0
        self.last_order = 0
        self.last_deal = 0

    def next_order(self) -> int:
        """The next order ticket."""
        self.last_order += 1
        return self.last_order

    def next_deal(self) -> int:
        """The next deal ticket."""
        self.last_deal += 1
        return self.last_deal

    def book(self, deal: DealRow) -> None:
        """Appends a deal; its money enters the balance at once."""
        self.deals.append(deal)
        self.balance += deal.commission + deal.swap + deal.profit

    def deposit(self, minor: int, time_ms: int) -> None:
        """A balance operation: no trade, so no trading result (B17)."""
        self.book(
            DealRow(
                self.next_deal(), 0, time_ms, DealType.BALANCE, DealEntry.IN, 0, 0,
                DealReason.CLIENT, 0, 0, 0, 0, minor, "", "deposit", False,
            )
        )  # fmt: skip

    def deals_between(self, from_ms: int, to_ms: int) -> list[DealRow]:
        """Deals with from_ms ≤ time < to_ms."""
        first = bisect_left(self.deals, from_ms, key=_deal_ms)
        return self.deals[first : bisect_left(self.deals, to_ms, key=_deal_ms)]

    def orders_between(self, from_ms: int, to_ms: int) -> list[OrderRow]:
        """Finished orders with from_ms ≤ time done < to_ms."""
        first = bisect_left(self.orders, from_ms, key=_done_ms)
        return self.orders[first : bisect_left(self.orders, to_ms, key=_done_ms)]

    def sha256(self) -> str:
        """Hash of every order and deal, in order: equal runs, equal hash."""
        digest = hashlib.sha256()
        for row in (*self.orders, *self.deals):
            digest.update(repr(values(row)).encode())
        return digest.hexdigest()
