"""Partial closes, moved stops and decided exits in the books: volumes, cash, why a trade ended."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from broker.contract.constants import DealEntry, DealReason, DealType, OrderType
from broker.contract.messages import Deal
from tests.builders import make_deal, make_input
from tests.execution.venue import Orders, entry
from tests.reconcile.test_bookkeeper import START_MS, Pages, closing, make_books, shown
from tests.reconcile.test_reconcile import make_position
from tests.trading.test_journal import OPEN_MS, make_bar
from trading.bookkeeper import Bookkeeper
from trading.canonical import decision_line
from trading.close_reasons import close_reason
from trading.decision.records import Close, Decision, OpenTrade, Partial, Side
from trading.execution.plan import legs, requests_of
from trading.trade_book import TradeBook

OUT: dict[str, Any] = {"type": DealType.SELL, "entry": DealEntry.OUT}


def part_sold(ticket: int, volume: float, profit: float, **fields: Any) -> Deal:
    words = {**OUT, "volume": volume, "profit": profit, "magic": 7719 << 32 | ticket} | fields
    return make_deal(ticket, START_MS + ticket, **words)


def test_volume_before_any_partial_close_is_remembered() -> None:
    book = TradeBook(7719)
    book.add([make_deal(1, START_MS, volume=0.3)])
    book.add([part_sold(2, 0.1, 5.0)])
    assert book.entry_volume(1) == 0.3
    assert list(book.held) == [1]
    assert book.closed == []
    with pytest.raises(KeyError):
        book.entry_volume(2)


def test_partly_closed_trade_is_one_trade_with_its_whole_volume_and_cash() -> None:
    book = TradeBook(7719)
    book.add([
        make_deal(1, START_MS, volume=0.3, commission=-3.0),
        part_sold(2, 0.1, 50.0, commission=-1.0, price=100_500.0),
        part_sold(3, 0.2, -40.0, commission=-2.0, price=99_800.0),
    ])  # fmt: skip
    (trade,) = book.closed
    assert (trade.volume_lots, trade.net_profit) == (0.3, 4.0)
    assert trade.price_close == pytest.approx(100_033.33333333)
    assert book.opened == [START_MS]
    assert [cash for _, cash in book.cash] == [-3.0, 49.0, -42.0]


SL: dict[str, Any] = {"reason": DealReason.SL, "magic": 0}
TP: dict[str, Any] = {"reason": DealReason.TP, "magic": 0}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (part_sold(3, 0.2, 40.0, **SL), "SL_TRAIL"),
        (part_sold(3, 0.2, -40.0, **SL), "SL_HIT"),
        (part_sold(3, 0.2, 1.5, **SL), "SL_HIT"),
        (part_sold(3, 0.2, 90.0, **TP), "TP_HIT"),
        (part_sold(3, 0.2, -1.0), "ML_EXIT"),
        (part_sold(3, 0.2, 5.0, magic=1), "EXTERNAL_BOT"),
        (part_sold(3, 0.2, 5.0, magic=0, reason=DealReason.CLIENT), "MANUAL"),
        (part_sold(3, 0.2, -900.0, magic=0, reason=DealReason.SO), "STOP_OUT"),
    ],
    ids=["stop in profit", "stop at a loss", "stop that does not cover its costs", "target",
         "our close", "another program", "by hand", "stop out"],
)  # fmt: skip
def test_last_deal_says_how_a_partly_closed_trade_ended(last: Deal, expected: str) -> None:
    """After a part that won 500: a stop is judged by what it closed itself, entry costs included
    (3.00 for 0.3 lots)."""
    book = TradeBook(7719)
    book.add([make_deal(1, START_MS, volume=0.3, commission=-3.0), part_sold(2, 0.1, 500.0), last])
    assert [trade.close_type for trade in book.closed] == [expected]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("position_exit", "ML_EXIT"), ("prop_flatten", "PROP_FLATTEN"), ("", "ML_EXIT")],
)
def test_guard_that_decided_a_close_names_it(reason: str, expected: str) -> None:
    book = TradeBook(7719, reason_of={7719 << 32 | 2: reason}.get)  # type: ignore[arg-type]
    book.add([make_deal(1, START_MS), part_sold(2, 0.1, 5.0)])
    assert book.closed[0].close_type == expected


def test_reason_never_speaks_for_the_venues_own_exits() -> None:
    book = TradeBook(7719, reason_of=lambda magic: "prop_flatten")
    book.add([make_deal(1, START_MS), part_sold(2, 0.1, -5.0, **SL)])
    assert book.closed[0].close_type == "SL_HIT"


# the journal


def decided(desk: Orders, *intents: Close | Partial) -> None:
    """A bar whose decision line and requests say to leave position 1000 of 0.1 lots."""
    venue = desk.venue
    held = OpenTrade(1000, Side.BUY, 0.1, 1e5, 99_500.0, 100_700.0, OPEN_MS, 0.0, 0.0)
    now = make_input(open_trades=(held,))
    decision = Decision("BTCUSD", OPEN_MS + 900_000, intents, ())
    planned = legs(
        decision, now.quote, venue.spec, strategy_id=7719, valid_for_ms=10**12, open_trades=(held,)
    )
    desk.requests = list(requests_of(planned))  # type: ignore[arg-type]
    desk.journal.decided(
        make_bar(decision.bar_open_ms, line=decision_line(now, decision), features=np.zeros(1)),
        desk.requests,
    )
    venue.sent.clear()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Orders]:
    made = Orders(tmp_path / "journal.sqlite", entry("A"))
    made.send()
    yield made
    made.journal.close()


def reason(desk: Orders) -> str:
    return close_reason(desk.journal, desk.venue.sent[-1].magic)


def test_reason_of_a_close_is_that_of_its_decision(desk: Orders) -> None:
    decided(desk, Close(1000, "prop_flatten"))
    desk.send()
    assert reason(desk) == "prop_flatten"


def test_close_asked_again_keeps_its_reason(desk: Orders) -> None:
    decided(desk, Close(1000, "daily_loss"))
    desk.venue.answers = [10006, 10006]
    desk.send()
    desk.beats(3)
    assert len(desk.venue.sent) == 3
    assert {close_reason(desk.journal, each.magic) for each in desk.venue.sent} == {"daily_loss"}


def test_reason_of_a_part_is_that_of_its_decision(desk: Orders) -> None:
    decided(desk, Partial(1000, 0.04, "partial_close"))
    desk.venue.answers = [10004]
    desk.send()
    assert desk.venue.sent[-1].client_id.endswith("-PART-0r1")
    assert reason(desk) == "partial_close"


def test_emergency_and_close_all_have_reasons_of_their_own(desk: Orders, tmp_path: Path) -> None:
    desk.dispatcher.close_all("BTCUSD", "close_all", desk.venue.now_ms, ours=lambda magic: True)
    assert reason(desk) == "close_all"
    naked = Orders(tmp_path / "other.sqlite", entry("A"))
    naked.venue.drops_stops, naked.venue.levels_answers = True, [10016] * 3
    naked.send()
    assert reason(naked) == "emergency_close"
    naked.journal.close()


def test_unknown_magic_has_no_reason(desk: Orders) -> None:
    assert close_reason(desk.journal, 5) == ""
    assert close_reason(desk.journal, desk.venue.sent[0].magic) == "", "an entry is no close"


def test_close_type_is_the_same_after_a_restart(desk: Orders) -> None:
    decided(desk, Close(1000, "prop_flatten"))
    desk.send()
    for _ in range(2):
        books = Bookkeeper(desk.journal, Pages(), strategy_id=7719, symbol="BTCUSD")
        books.restore(from_ms=OPEN_MS, handled_ms=None)
        books.take_in(shown(), desk.venue.history, desk.venue.now_ms, healthy=True)
        assert [trade.close_type for trade in books.book.closed] == ["PROP_FLATTEN"]


# reconciliation


def test_partly_closed_position_is_settled_in_the_books(tmp_path: Path) -> None:
    books = make_books(tmp_path)
    opened = make_deal(1, START_MS, volume=0.3)
    books.take_in(shown(make_position(1, volume=0.3)), [opened], START_MS, healthy=True)
    left = make_position(1, volume=0.2)
    books.take_in(
        shown(left), [opened, part_sold(2, 0.1, 5.0)], START_MS + 5, healthy=True
    )  # fmt: skip
    assert books.book.entry_volume(1) == 0.3
    assert not books.doubtful
    assert books.take_in(shown(left), [], START_MS + 6, healthy=True) == ()
    books.take_in(shown(), [closing(3, volume=0.2)], START_MS + 9, healthy=True)
    assert [trade.close_type for trade in books.book.closed] == ["TP_HIT"]


def test_partly_closed_position_with_a_moved_stop_is_nobodys_correction(tmp_path: Path) -> None:
    asked: list[int] = []
    books = make_books(
        tmp_path, reprotect=lambda position, now_ms: asked.append(position.identifier) or True
    )
    position = make_position(1, volume=0.06, sl=100_050.0)
    books.take_in(shown(position), [make_deal(1, START_MS)], START_MS, healthy=True)
    assert asked == []


def test_guard_that_flattens_closes_every_own_trade_whatever_one_of_them_answers(
    tmp_path: Path,
) -> None:
    desk = Orders(tmp_path / "flat.sqlite", *(entry(name) for name in "ABC"))
    desk.send()
    desk.requests = [
        entry(f"x{position}", type=OrderType.SELL, position=position, sl=None, tp=None, price=None)
        for position in (1002, 1000, 1001)
    ] + [entry("y")]
    desk.journal.decided(make_bar(OPEN_MS + 900_000), desk.requests)
    desk.venue.sent.clear()
    desk.venue.answers = [10018]
    desk.send()
    assert [each.position for each in desk.venue.sent] == [1002, 1000, 1001]
    assert str(desk.state("y")) == "not_sent"
    desk.beat(60_000)
    assert desk.venue.held == {}
    desk.journal.close()
