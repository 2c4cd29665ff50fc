"""What a row of the outbox becomes in the tables, and how few requests carry it."""

from typing import Any

import pytest

from tests.supabase.day import day, entry, leave, levels, snapshot
from trading.outbox import OutboxRow, Outgoing
from trading.supabase_batch import Numbered, Request, requests_of
from trading.supabase_rows import Change, Clear, Insert, Write, writes_of


def _row(number: int, told: Outgoing) -> OutboxRow:
    return OutboxRow(number, told.kind, told.key, told.payload, told.event_ms)


def _writes(told: Outgoing) -> tuple[Write, ...]:
    return writes_of(_row(1, told), "a")


def _requests(*told: Outgoing) -> list[tuple[str, str, int]]:
    """(what, table, rows) of each request."""
    numbered = [
        Numbered(number, write) for number, each in enumerate(told)
        for write in writes_of(_row(number, each), "a")
    ]  # fmt: skip
    return [_named(request) for request in requests_of(numbered)]


def _named(request: Request) -> tuple[str, str, int]:
    first = request[0].write
    return type(first).__name__, first.table, len(request)


def _inserted(writes: tuple[Write, ...], table: str) -> dict[str, Any]:
    (found,) = [each.row for each in writes if isinstance(each, Insert) and each.table == table]
    return found


def test_entry_is_an_event_and_an_open_position() -> None:
    writes = _writes(entry(0))
    event = _inserted(writes, "position_events")
    assert (event["event"], event["event_key"], event["position_id"]) == ("opened", "entry-1", 1)
    assert event["happened_at"] == "2026-01-05T00:00:00.000+00:00"
    assert event["details"]["forecast"]["p_buy"] == 0.61
    position = _inserted(writes, "open_positions")
    assert (position["price_open"], position["sl"], position["tp"]) == (60_000.25, 59_500.0, None)


def test_entry_without_its_deal_is_an_adopted_position() -> None:
    assert _inserted(_writes(entry(0, deal=0)), "position_events")["event"] == "adopted"


def test_exit_is_a_trade_with_the_confidence_of_its_side_and_takes_the_position_away() -> None:
    writes = _writes(leave(0, 4, side="sell"))
    trade = _inserted(writes, "trades")
    assert (trade["net_profit"], trade["close_type"], trade["confidence"]) == (9.87, "TP_HIT", 0.19)
    assert Clear("open_positions", {"account_id": "a", "position_id": 1}) in writes


def test_exit_of_a_position_that_was_found_has_no_confidence() -> None:
    assert _inserted(_writes(leave(0, 4, forecast=None)), "trades")["confidence"] is None


def test_change_of_levels_changes_the_open_position_and_nothing_else_of_it() -> None:
    (_, change) = _writes(levels(0, 2))
    assert isinstance(change, Change)
    assert set(change.values) == {"sl", "tp", "updated_at"}


def test_snapshot_shows_what_is_open_in_whole_and_the_releases_it_knew() -> None:
    writes = _writes(snapshot(45, held=40))
    clear = next(each for each in writes if isinstance(each, Clear))
    assert (clear.where, clear.keep) == ({"account_id": "a", "symbol": "BTCUSD"}, (41,))
    assert _inserted(writes, "news_events")["title"] == "CPI"
    assert _inserted(writes, "account_snapshots")["open_positions"] == 1


def test_snapshot_with_nameless_positions_leaves_the_open_ones_as_they_are() -> None:
    told = snapshot(0, held=0)
    told.payload["open_trades"][0]["position"] = 0
    assert not [each for each in _writes(told) if each.table == "open_positions"]


def test_kind_without_a_table_writes_nothing() -> None:
    assert _writes(Outgoing("command", "command-1", 0, {"symbol": "BTCUSD"})) == ()


def test_payload_without_its_fields_is_an_error_that_names_one() -> None:
    told = entry(0)
    del told.payload["price"]
    with pytest.raises(KeyError, match="price"):
        _writes(told)


def test_day_goes_out_in_a_dozen_requests_with_every_row_of_history() -> None:
    requests = _requests(*day())
    assert len(requests) <= 16
    assert ("Insert", "account_snapshots", 96) in requests
    assert ("Insert", "trades", 12) in requests
    assert ("Insert", "position_events", 36) in requests


def test_only_the_last_whole_picture_of_what_is_open_is_sent() -> None:
    sent = [each for each in _requests(entry(0), snapshot(0, held=0), leave(0, 1), snapshot(1),
                                       entry(2)) if each[1] == "open_positions"]  # fmt: skip
    assert sent == [("Clear", "open_positions", 1), ("Insert", "open_positions", 1)]


def test_positions_keep_the_order_of_what_happened_to_them() -> None:
    sent = [what for what, table, _ in _requests(entry(0), levels(0, 1), leave(0, 2), entry(3))
            if table == "open_positions"]  # fmt: skip
    assert sent == ["Insert", "Change", "Clear", "Insert"]


def test_rows_with_other_columns_go_out_apart_so_that_none_loses_a_value() -> None:
    page = Outgoing("page", "p", 0, {"symbol": "BTCUSD", "text": "!", "state": "open"})
    sent = [rows for _, table, rows in _requests(snapshot(0), page, snapshot(1), snapshot(2))
            if table == "bot_status"]  # fmt: skip
    assert sent == [1, 1, 1]
