"""The books over restarts: what was adopted, noted and confirmed is not done again."""

from pathlib import Path
from typing import Any

import pytest

from broker.contract.constants import DealEntry, DealReason, DealType
from broker.contract.messages import Account, Deal, Position, Snapshot, Tick
from tests.builders import make_deal
from tests.reconcile.test_reconcile import make_position
from trading.bookkeeper import Bookkeeper
from trading.journal import Journal
from trading.pager import NoPager

DAY_MS = 86_400_000
MINUTE_MS = 60_000
START_MS = 100 * DAY_MS


class Pages(NoPager):
    def __init__(self) -> None:
        self.keys: list[str] = []

    def page(self, text: str, *, key: str) -> None:
        self.keys.append(key)


def make_books(folder: Path, pages: Pages | None = None, **fields: Any) -> Bookkeeper:
    """Books over the folder's journal, as at a start."""
    books = Bookkeeper(
        Journal(folder / "journal.sqlite"), pages or Pages(), strategy_id=7719, symbol="BTCUSD",
        **fields,
    )  # fmt: skip
    books.restore(from_ms=START_MS, handled_ms=None)
    return books


def shown(*positions: Position, margin: float | None = None) -> Snapshot:
    bound = (10.0 if positions else 0.0) if margin is None else margin
    account = Account(
        5, "Demo", "", "", "USD", 2, 1e4, 0.0, 0.0, 1e4, bound, 1e4, 0.0, 2, 0, 70.0, 20.0, 0, 100,
        0, True, True, "USD", 1.0,
    )  # fmt: skip
    return Snapshot(START_MS, account, positions, Tick(START_MS, 1e5, 1e5, 0.0, 0, 0))


def closing(ticket: int, position_id: int = 1, **fields: Any) -> Deal:
    words: dict[str, Any] = {
        "type": DealType.SELL, "entry": DealEntry.OUT, "magic": 0, "reason": DealReason.TP,
        "profit": 5.0, "position_id": position_id,
    }  # fmt: skip
    return make_deal(ticket, START_MS + ticket, **(words | fields))


def noted(books: Bookkeeper, kind: str) -> int:
    return sum(1 for _ in books._journal.events(kind))


def test_adopted_position_that_was_closed_stays_closed_over_restarts(tmp_path: Path) -> None:
    books = make_books(tmp_path)
    books.take_in(shown(make_position()), (), START_MS, healthy=True)
    books.take_in(shown(), (closing(9),), START_MS + MINUTE_MS, healthy=True)
    assert [trade.close_type for trade in books.book.closed] == ["TP_HIT"]
    again = make_books(tmp_path)
    assert again.book.held == {}
    again.take_in(shown(), (closing(9),), START_MS + 2 * MINUTE_MS, healthy=True)
    assert (noted(again, "close_confirmed"), noted(again, "position_missing")) == (1, 0)
    assert not again.doubtful


def test_adopted_position_that_vanished_while_we_were_away_is_missed(tmp_path: Path) -> None:
    make_books(tmp_path).take_in(shown(make_position()), (), START_MS, healthy=True)
    again = make_books(tmp_path)
    again.take_in(shown(), (), START_MS + MINUTE_MS, healthy=True)
    assert again.doubtful
    again.take_in(shown(), (), START_MS + MINUTE_MS + 3_000, healthy=True)
    assert again.doubtful
    again.take_in(shown(), (), START_MS + MINUTE_MS + 6_000, healthy=True)
    assert not again.doubtful
    assert noted(again, "close_pending") == 1


def test_close_that_waits_for_its_deal_is_asked_about_from_its_opening_on(tmp_path: Path) -> None:
    books = make_books(tmp_path)
    opened = make_deal(1, START_MS - 3 * DAY_MS)
    books.take_in(shown(make_position()), (opened,), START_MS, healthy=True)
    assert books.deals_from_ms(START_MS, wide=False) == START_MS - 3_600_000
    books.take_in(shown(), (), START_MS + MINUTE_MS, healthy=True)
    asked_ms = books.deals_from_ms(START_MS + MINUTE_MS, wide=False)
    assert asked_ms == START_MS - 3 * DAY_MS - 3_600_000
    assert books.deals_from_ms(START_MS, wide=True) == START_MS - 30 * DAY_MS


def test_close_whose_deal_never_comes_calls_a_person(tmp_path: Path) -> None:
    pages = Pages()
    books = make_books(tmp_path, pages)
    books.take_in(shown(make_position()), (make_deal(1, START_MS),), START_MS, healthy=True)
    for minute in range(1, 20):
        books.take_in(shown(), (), START_MS + minute * MINUTE_MS, healthy=True)
    assert set(pages.keys) == {"close 1"}


@pytest.mark.parametrize(("helps", "keys"), [(True, []), (False, ["naked 1"])])
def test_position_without_stop_goes_to_the_guard_or_else_to_a_person(
    tmp_path: Path, helps: bool, keys: list[str]
) -> None:
    pages, heard = Pages(), []

    def reprotect(position: Position, now_ms: int) -> bool:
        heard.append(position.identifier)
        return helps

    books = make_books(tmp_path, pages, reprotect=reprotect)
    books.take_in(shown(make_position(sl=0.0)), (), START_MS, healthy=True)
    books.take_in(shown(make_position(sl=0.0)), (), START_MS + 3_000, healthy=True)
    assert heard == [1, 1]
    assert list(dict.fromkeys(pages.keys)) == keys


def test_deals_are_kept_and_told_once(tmp_path: Path) -> None:
    books = make_books(tmp_path)
    deal = make_deal(1, START_MS)
    books.take_in(shown(make_position()), (deal,), START_MS, healthy=True)
    books.take_in(shown(make_position()), (deal,), START_MS + MINUTE_MS, healthy=True)
    assert books.new_deals() == (deal,)
    assert books.new_deals() == ()
    assert make_books(tmp_path)._journal.deals() == (deal,)


def test_deals_of_another_symbol_are_not_this_daemons(tmp_path: Path) -> None:
    books = make_books(tmp_path)
    books.take_in(shown(), (make_deal(1, START_MS, symbol="EURUSD"),), START_MS, healthy=True)
    assert books.book.held == {}


def test_close_whose_deal_came_is_waited_for_no_longer(tmp_path: Path) -> None:
    pages = Pages()
    books = make_books(tmp_path, pages)
    books.take_in(shown(make_position()), (make_deal(1, START_MS),), START_MS, healthy=True)
    for minute in (1, 2):
        books.take_in(shown(), (), START_MS + minute * MINUTE_MS, healthy=True)
    for minute in (3, 60):
        books.take_in(shown(), (closing(9),), START_MS + minute * MINUTE_MS, healthy=True)
    assert pages.keys == []
    assert (noted(books, "close_pending"), noted(books, "close_confirmed")) == (1, 1)


def test_what_was_noted_is_not_noted_again_after_a_restart(tmp_path: Path) -> None:
    manual = make_position(9, magic=0)
    deposit = make_deal(5, START_MS, type=DealType.BALANCE, magic=0, position_id=0, symbol="")
    for _ in range(2):
        books = make_books(tmp_path)
        books.take_in(shown(manual), (deposit,), START_MS, healthy=True)
    assert (noted(books, "foreign_position"), noted(books, "balance_operation")) == (1, 1)
