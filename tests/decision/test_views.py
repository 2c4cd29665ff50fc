"""The venue's words become the core's: whose trade, how it ended, what is missing."""

import pytest

from broker.contract.constants import DealEntry, DealReason, DealType, PositionType
from broker.contract.messages import Deal, Position, Tick
from market.instrument import CalcMode
from tests.builders import MONDAY_MS, make_deal, make_spec
from trading import trade_book, views
from trading.decision.records import OpenTrade, Side

OURS = 7719 << 32 | 5


def closing(ticket: int, time_msc: int, **fields: object) -> Deal:
    """The venue's own closing deal: no magic (bridge semantics)."""
    words = {
        "type": DealType.SELL, "entry": DealEntry.OUT, "magic": 0, "reason": DealReason.SL,
        "price": 99_000.0, "profit": -100.0,
    }  # fmt: skip
    return make_deal(ticket, time_msc, **(words | fields))


def position(identifier: int, magic: int = OURS, time_msc: int = 0) -> Position:
    return Position(
        identifier + 1000, identifier, time_msc, time_msc, PositionType.SELL, magic, 3, 0.1, 1e5,
        101_000.0, 99_000.0, 1e5, -0.5, 3.0, "BTCUSD", "",
    )  # fmt: skip


def held(position_id: int, opened_ms: int = 0) -> OpenTrade:
    return OpenTrade(position_id, Side.BUY, 0.1, 1e5, 0.0, 0.0, opened_ms, 0.0, 0.0)


def test_closing_deal_without_magic_belongs_to_its_position() -> None:
    deals = [make_deal(1, 10, commission=-1.0), closing(2, 20, commission=-1.0, swap=-0.5)]
    (trade,) = trade_book.closed_trades(deals, 7719)
    assert (trade.side, trade.opened_ms, trade.closed_ms) == (Side.BUY, 10, 20)
    assert (trade.price_open, trade.price_close) == (100_000.0, 99_000.0)
    assert trade.net_profit == -102.5


def test_price_of_a_trade_of_one_deal_is_that_deals_price() -> None:
    fields = {"volume": 0.57, "price": 59_851.89}
    deals = [make_deal(1, 10, **fields), closing(2, 20, **fields)]
    (trade,) = trade_book.closed_trades(deals, 7719)
    assert (trade.price_open, trade.price_close) == (59_851.89, 59_851.89)


def test_foreign_positions_and_balance_operations_are_not_ours() -> None:
    deals = [
        make_deal(1, 5, type=DealType.BALANCE, position_id=0, profit=500.0),
        make_deal(2, 10, magic=7720 << 32), closing(3, 20),
    ]  # fmt: skip
    assert trade_book.closed_trades(deals, 7719) == ()


def test_partial_closes_are_one_trade_when_the_last_lot_is_gone() -> None:
    book = trade_book.TradeBook(7719)
    book.add(
        [make_deal(1, 10, volume=0.3), closing(2, 20, volume=0.1, price=101_000.0, profit=100.0)]
    )
    assert book.closed == []
    book.add([closing(3, 30, volume=0.2, price=99_000.0, profit=-200.0)])
    (trade,) = book.closed
    assert (trade.volume_lots, trade.net_profit, trade.closed_ms) == (0.3, -100.0, 30)
    assert trade.price_close == pytest.approx((101_000.0 + 2 * 99_000.0) / 3)


def test_deals_seen_twice_count_once() -> None:
    deals = [make_deal(1, 10), closing(2, 20)]
    book = trade_book.TradeBook(7719)
    book.add(deals)
    book.add(deals)
    assert len(book.closed) == 1


def test_swap_by_reopening_continues_the_trade() -> None:
    deals = [
        make_deal(1, 10),
        closing(2, 20, reason=DealReason.ROLLOVER, profit=50.0, price=100_500.0),
        make_deal(3, 20, magic=0, reason=DealReason.ROLLOVER, price=100_520.0),
        closing(4, 30, profit=-150.0),
    ]
    (trade,) = trade_book.closed_trades(deals, 7719)
    assert (trade.opened_ms, trade.closed_ms, trade.net_profit) == (10, 30, -100.0)


@pytest.mark.parametrize(
    ("reason", "magic", "profit", "expected"),
    [
        (DealReason.SL, 0, -1.0, "SL_HIT"),
        (DealReason.SL, 0, 1.0, "SL_TRAIL"),
        (DealReason.TP, 0, 1.0, "TP_HIT"),
        (DealReason.TP, 0, -1.0, "TP_HIT"),
        (DealReason.SO, 0, -1.0, "STOP_OUT"),
        (DealReason.EXPERT, OURS, 1.0, "ML_EXIT"),
        (DealReason.EXPERT, 0, 1.0, "EXTERNAL_BOT"),
        (DealReason.CLIENT, 0, 1.0, "MANUAL"),
        (DealReason.MOBILE, 0, 1.0, "MANUAL"),
        (DealReason.WEB, 0, 1.0, "MANUAL"),
        (DealReason.VMARGIN, 0, 1.0, "SERVER"),
    ],
)
def test_close_type_comes_from_the_deals_reason(
    reason: DealReason, magic: int, profit: float, expected: str
) -> None:
    deal = closing(2, 20, reason=reason, magic=magic, profit=profit)
    (trade,) = trade_book.closed_trades([make_deal(1, 10), deal], 7719)
    assert trade.close_type == expected


def test_open_trades_are_ours_alone_and_oldest_first() -> None:
    trades = views.open_trades(
        [position(9, time_msc=5), position(8, time_msc=9), position(7, magic=0)], 7719
    )
    assert [(trade.position_id, trade.side) for trade in trades] == [(9, Side.SELL), (8, Side.SELL)]


def test_vanished_position_without_its_deal_is_unsettled() -> None:
    book = trade_book.TradeBook(7719)
    book.add([make_deal(1, MONDAY_MS)])
    assert book.unsettled([held(1)]) == ()
    assert book.unsettled([]) == ("no closing deal of the position opened 2024-12-30 00:00",)
    assert book.unsettled([held(1), held(2, MONDAY_MS)]) == (
        "no opening deal of the position of 2024-12-30 00:00",
    )


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(CalcMode.CFD_LEVERAGE, 1000.0), (CalcMode.FOREX, 1000.0), (CalcMode.CFD, 100_000.0),
     (CalcMode.FUTURES, 77.0)],
)  # fmt: skip
def test_margin_per_lot_follows_the_calculation_mode(mode: CalcMode, expected: float) -> None:
    spec = make_spec(trade_calc_mode=mode, margin_initial=77.0)
    view = views.instrument_view(spec, Tick(0, 99_990.0, 100_000.0, 0.0, 0, 0), 100)
    assert view.margin_per_lot == pytest.approx(expected)


def test_adopted_position_counts_its_opening_deal_once_when_it_comes() -> None:
    book = trade_book.TradeBook(7719)
    book.adopt(held(1, 10))
    book.adopt(held(1, 10))
    assert book.unsettled([held(1, 10)]) == ()
    book.add([make_deal(1, 10, volume=0.3, commission=-1.0)])
    book.add([closing(2, 20, volume=0.3, profit=50.0)])
    (trade,) = book.closed
    assert (trade.volume_lots, trade.net_profit) == (0.3, 49.0)


def test_opening_deal_that_comes_after_the_end_of_an_adopted_trade_amends_it() -> None:
    book = trade_book.TradeBook(7719)
    book.adopt(held(1, 10))
    book.add([closing(2, 20, volume=held(1).volume_lots, profit=50.0)])
    book.add([make_deal(1, 10, commission=-1.0)])
    assert [trade.net_profit for trade in book.closed] == [49.0]
    assert book.held == {}


def test_position_shown_after_its_closing_deal_is_unsettled_and_not_adopted() -> None:
    book = trade_book.TradeBook(7719)
    book.add([make_deal(1, 10), closing(2, 20)])
    book.adopt(held(1, 10))
    (words,) = book.unsettled([held(1, 10)])
    assert "still shown after its closing deal" in words


def test_reversal_on_a_netting_account_ends_one_trade_and_begins_another() -> None:
    book = trade_book.TradeBook(7719)
    turn = make_deal(
        2, 20, type=DealType.SELL, entry=DealEntry.INOUT, volume=0.3, price=101_000.0, profit=100.0
    )
    book.add([make_deal(1, 10, volume=0.1), turn])
    (first,) = book.closed
    assert (first.volume_lots, first.net_profit, first.price_close) == (0.1, 100.0, 101_000.0)
    assert book.held == {1: 20}
    book.add([make_deal(3, 30, entry=DealEntry.OUT, volume=0.2, profit=-7.0)])
    assert (book.closed[1].side, book.closed[1].volume_lots) == (Side.SELL, pytest.approx(0.2))
