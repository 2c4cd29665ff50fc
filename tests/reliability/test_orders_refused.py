"""D11, D13-D16, D29, D40, D41, D45: orders and stops that the trade server will not take."""

from itertools import pairwise
from typing import Any

import httpx
import pytest

from broker.contract.constants import DealEntry, Filling
from broker.contract.retcodes import INVALID_FILL
from tests.chaos.field import Field
from tests.chaos.stand import TRADE
from tests.reliability.checks import DIALECTS, check_sound, max_positions
from tests.reliability.conftest import MakeField
from tests.reliability.orders import close_of, order
from trading.execution.dispatch import Dispatcher
from trading.execution.intents import IntentState
from trading.execution.resolve import Resolver
from trading.execution.settings import OrderSettings

both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


def entry_states(venue: Field) -> list[IntentState]:
    return [state for request, state in venue.requests() if request.position is None]


def closes(venue: Field) -> list[Any]:
    """Every close that the journal holds for the positions that were opened."""
    found = []
    for deal in venue.entries:
        found += venue.journal.closes_of(deal.position_id)
    return found


@both_dialects
@pytest.mark.parametrize(("mode", "filling"), [(1, Filling.FOK), (2, Filling.IOC)])
def test_d11_symbol_with_one_filling_only_can_be_opened_and_closed(
    field: MakeField, dialect: str, mode: int, filling: Filling
) -> None:
    venue = field(dialect=dialect)
    venue.fault("spec_change", filling_mode=mode)
    venue.fault("drop_sl_on_fill", count=1)
    venue.fault("reject_modify")
    venue.run(bars=4)
    assert entry_states(venue)[0] is IntentState.EMERGENCY_CLOSED
    assert {request.type_filling for request, _ in venue.requests()} == {filling}
    check_sound(venue)


def test_d11_public_bridge_cannot_close_a_fok_only_symbol_by_delete_and_the_client_does_not_try(
    field: MakeField,
) -> None:
    venue = field(dialect="mt5-httpapi")
    venue.fault("spec_change", filling_mode=1)
    opened = venue.broker.send(order())
    ticket = venue.terminal.positions()[0].ticket
    refused = httpx.delete(f"{venue.url}/positions/{ticket}", trust_env=False)
    assert refused.status_code == 500
    assert len(venue.terminal.positions()) == 1
    wrong = venue.broker.send(close_of(ticket, client_id="c-1", type_filling=Filling.IOC))
    assert wrong.retcode == INVALID_FILL
    right = venue.broker.send(close_of(ticket, client_id="c-2"))
    assert (opened.outcome, right.outcome) == ("filled", "filled")
    assert venue.terminal.positions() == ()


@both_dialects
@pytest.mark.parametrize("level", [300, 15_000])
def test_d13_stops_are_on_the_grid_and_no_nearer_than_the_level_allows(
    field: MakeField, dialect: str, level: int
) -> None:
    venue = field(dialect=dialect)
    venue.fault("spec_change", trade_stops_level=level)
    venue.run(bars=12)
    for deal in venue.entries:
        request = venue.journal.intent_of_magic(deal.magic).request
        assert round(request.sl * 100) == pytest.approx(request.sl * 100, abs=1e-6)
        assert deal.price - request.sl >= level * 0.01 - 1.0  # and a slip of 0.50 either way
    assert not any("10016" in words.get("note", "") for words in venue.events("order_rejected"))
    check_sound(venue)


@both_dialects
def test_d14_stop_that_was_dropped_at_the_fill_is_set_at_once(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("drop_sl_on_fill", count=1)
    venue.when_open(lambda: stops.append(venue.terminal.positions()[0].sl))
    stops: list[float] = []
    venue.run(bars=4)
    assert venue.hits()["drop_sl_on_fill"] == 1
    assert stops == [venue.requests()[0][0].sl]
    assert entry_states(venue)[0] in (IntentState.PROTECTED, IntentState.CLOSED)
    check_sound(venue)


@both_dialects
def test_d14_position_that_cannot_get_its_stop_is_closed_after_three_tries(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("drop_sl_on_fill", count=1)
    venue.fault("reject_modify")
    venue.run(bars=4)
    assert venue.hits()["reject_modify"] == 3
    assert entry_states(venue)[0] is IntentState.EMERGENCY_CLOSED
    assert venue.pages, "a person must know"
    check_sound(venue)


@both_dialects
def test_d14_position_that_can_get_no_stop_and_no_close_is_naked_no_longer_than_it_must(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("drop_sl_on_fill", count=1)
    venue.fault("reject_modify")
    venue.fault("reject_close", count=3)
    venue.run(bars=4)
    assert venue.hits()["reject_close"] == 3
    assert entry_states(venue)[0] is IntentState.EMERGENCY_CLOSED
    check_sound(venue)


@both_dialects
def test_d15_position_closed_while_its_stop_is_being_set_is_let_go(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("drop_sl_on_fill", count=1)
    venue.fault("manual_close", method="PUT", count=1)
    venue.run(bars=4)
    assert venue.hits()["manual_close"] == 1
    first = venue.requests()[0][0]
    assert len(venue.journal.levels_of(first.client_id)) <= 3
    assert entry_states(venue)[0] is IntentState.CLOSED
    assert venue.close_types[venue.entries[0].position_id] == "MANUAL"
    check_sound(venue)


@both_dialects
def test_d16_close_names_its_position_and_never_opens_another(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("drop_sl_on_fill", count=1)
    venue.fault("reject_modify", bars=3)
    venue.run(bars=4)
    asked = closes(venue)
    assert asked
    assert all(each.request.position == venue.entries[0].position_id for each in asked)
    ended = [deal for deal in venue.deals if deal.position_id == venue.entries[0].position_id]
    assert [deal.entry for deal in ended] == [DealEntry.IN, DealEntry.OUT]
    check_sound(venue)


@both_dialects
def test_d29_smallest_lot_above_the_risk_budget_is_skipped_and_told(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.run(bars=4)
    before = len(venue.entries)
    venue.fault("volume_min", lots=50.0)
    venue.run(bars=20)
    assert len(venue.entries) == before == 1
    refused = venue.journal.denial_counts("BTCUSD")
    assert refused.get("risk_too_small", 0) + refused.get("halted", 0) > 0


@both_dialects
def test_d40_closing_everything_goes_on_until_nothing_is_left_losers_first(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    for number in range(3):
        venue.broker.send(order(f"t-{number}", magic=7719 << 32 | number))
    venue.fault("reject_close", count=4)
    dispatcher = Dispatcher(venue.broker, venue.journal)
    resolver = Resolver(venue.broker, venue.journal, dispatcher)
    now_ms = venue.terminal.now_ms
    dispatcher.close_all("BTCUSD", "test", now_ms, lambda magic: magic >> 32 == 7719)
    for _ in range(60):
        if not dispatcher.open_work:
            break
        now_ms += 3_000
        venue.terminal.advance(now_ms)
        resolver.resolve(now_ms)
        dispatcher.beat(now_ms)
    assert venue.terminal.positions() == ()
    assert venue.hits()["reject_close"] == 4
    assert [deal.entry for deal in venue.deals].count(DealEntry.OUT) == 3
    assert venue.events("all_closed")


@both_dialects
def test_d41_part_of_the_volume_is_adopted_as_the_trade(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.fault("partial_fill", count=1, share=0.6)
    venue.run(bars=12)
    request, state = venue.requests()[0]
    first = venue.entries[0]
    assert first.volume == pytest.approx(0.6 * request.volume)
    assert state in (IntentState.PROTECTED, IntentState.CLOSED)
    assert sum(deal.magic == request.magic for deal in venue.entries) == 1
    assert venue.events("order_partial")
    check_sound(venue)


@both_dialects
def test_d45_server_that_was_asked_too_often_is_left_alone_for_a_while(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("retcode", count=2, retcode=10024)
    venue.run(bars=4)
    sent_ms = [at_ms for _, at_ms, _ in venue.journal.events("order_sent")]
    pauses_ms = [later - sooner for sooner, later in pairwise(sent_ms)]
    assert venue.hits()["retcode"] == 2
    assert pauses_ms[0] >= 5_000
    assert pauses_ms[1] >= 10_000
    check_sound(venue)


def test_d45_entries_end_where_the_request_budget_does(field: MakeField) -> None:
    settings = OrderSettings(requests_per_day=4, reserved_for_exits=2)
    trade_settings = TRADE.daemon.model_copy(update={"orders": settings})
    venue = field(trade=TRADE.__class__(
        TRADE.instrument, TRADE.decision, trade_settings, TRADE.groups
    ))  # fmt: skip
    venue.run(bars=40)
    assert len(venue.entries) == 2
    assert max_positions(venue) == 1
