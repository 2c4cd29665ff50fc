"""D4, D19, D31, D33, D39, D43, D44: what is open, what is over, and how it ended."""

import pytest

from broker.contract.constants import DealEntry
from tests.chaos.field import Field
from tests.chaos.stand import TRADE
from tests.reliability.checks import DIALECTS, check_sound, entries_between
from tests.reliability.conftest import MakeField
from tests.reliability.orders import order
from trading.assemble import Trade
from trading.decision.settings import CircuitBreaker
from trading.execution.intents import IntentState

both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


def closed_ms(venue: Field, number: int) -> int:
    """When the venue closed our `number`-th position."""
    name = venue.entries[number].position_id
    return next(
        deal.time_msc for deal in venue.deals
        if deal.position_id == name and deal.entry is DealEntry.OUT
    )  # fmt: skip


def event_times(venue: Field, kind: str) -> list[int]:
    return [at_ms for _, at_ms, _ in venue.journal.events(kind)]


@both_dialects
def test_d04_empty_list_that_is_a_failure_closes_nothing_and_opens_nothing(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.when_open(lambda: venue.fault("empty_positions", count=12))
    venue.run(bars=12)
    assert venue.hits()["empty_positions"] == 12
    ended_ms = closed_ms(venue, 0)
    assert min(event_times(venue, "close_confirmed")) >= ended_ms
    assert all(at_ms >= ended_ms for at_ms in event_times(venue, "close_pending"))
    assert entries_between(venue, 2.5, (ended_ms - venue.at(0)) / 900_000) == 0
    check_sound(venue)


@both_dialects
def test_d19_close_is_pending_until_its_deal_is_in_the_history(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("history_lag", lag_ms=900_000)
    venue.run(bars=20)
    words = [
        (kind, payload["close_type"])
        for kind, _, payload in venue.journal.events()
        if kind in ("close_pending", "close_confirmed")
        and payload["position_id"] == venue.entries[0].position_id
    ]
    assert words in (
        [("close_pending", "PENDING"), ("close_confirmed", "TP_HIT")],
        [("close_confirmed", "TP_HIT")],
    )
    check_sound(venue)


def test_d31_run_of_losses_since_midnight_outlives_restarts(field: MakeField) -> None:
    breaker = CircuitBreaker(enabled=True, max_consecutive_losses=1)
    decision = TRADE.decision.model_copy(update={"circuit_breaker": breaker})
    trade = Trade(TRADE.instrument, decision, TRADE.daemon, TRADE.groups)
    steady, broken = field(trade=trade), field(trade=trade)
    steady.run(bars=60)
    for bars in (8, 9, 20, 40, 60):  # before and after a loss, and over a midnight
        broken.run(bars=bars)
    assert any("circuit_breaker" in line for line in steady.lines)
    assert broken.lines == steady.lines
    check_sound(broken)


@both_dialects
def test_d33_stops_work_while_the_bridge_reboots_and_all_is_known_after(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    reboots = range(3, 20, 2)  # 180 s every half hour, over each second close
    for bar in reboots:
        venue.fault("bridge_down", from_bar=bar - 0.1, bars=0.2)
    venue.run(bars=20)
    downtimes = [(venue.at(bar - 0.1), venue.at(bar + 0.1)) for bar in reboots]
    inside = [
        deal for deal in venue.deals
        if deal.entry is DealEntry.OUT
        and any(from_ms <= deal.time_msc < to_ms for from_ms, to_ms in downtimes)
    ]  # fmt: skip
    assert inside, "no stop worked while the bridge was down"
    assert venue.events("bridge_away")
    assert "PENDING" not in venue.close_types.values()
    check_sound(venue)


@both_dialects
def test_d33_restarted_bridge_is_noticed_and_asked_about_everything(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.when_open(lambda: venue.fault("bridge_restart", count=1, down_s=30))
    venue.run(bars=12)
    assert venue.hits()["bridge_restart"] >= 1
    assert venue.events("bridge_away")
    if dialect == "native":  # the other dialect has no boot id
        assert venue.events("bridge_rebooted")
    check_sound(venue)


@both_dialects
def test_d39_lost_comment_is_no_lost_trade(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.fault("blank_comment")
    venue.fault("post_fill_then_timeout", method="POST", path="/orders", count=1)
    venue.run(bars=6)
    assert venue.hits()["blank_comment"] > 0
    assert venue.requests()[0][1] in (IntentState.PROTECTED, IntentState.CLOSED)
    check_sound(venue)


@both_dialects
def test_d43_own_position_is_adopted_without_a_journal_and_a_foreign_one_never_touched(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    tick = venue.terminal.tick("BTCUSD")
    assert tick is not None
    venue.broker.send(order(sl=tick.bid - 900.0, tp=tick.bid + 900.0))
    venue.fault("foreign_position", count=1, sl_points=500_000, tp_points=500_000, lots=0.07)
    venue.run(bars=6)
    own, foreign = venue.terminal.positions()
    assert own.magic >> 32 == TRADE.daemon.strategy_id
    assert len(venue.events("foreign_position")) == 1
    assert all(deal.entry is DealEntry.IN for deal in venue.deals)
    assert len(venue.entries) == 1, "one of ours is open already"
    venue.run(bars=12)
    assert len(venue.events("foreign_position")) == 1, "told once"
    assert [each.magic for each in venue.terminal.positions()].count(foreign.magic) == 1


@both_dialects
@pytest.mark.parametrize(("fault", "word"), [("stop_out", "STOP_OUT"), ("manual_close", "MANUAL")])
def test_d44_end_by_another_hand_has_its_own_type(
    field: MakeField, dialect: str, fault: str, word: str
) -> None:
    venue = field(dialect=dialect)
    venue.when_open(lambda: venue.fault(fault, from_bar=2.5, bars=1))
    venue.run(bars=6)
    assert venue.close_types[venue.entries[0].position_id] == word
    check_sound(venue)


@both_dialects
def test_d44_deposit_is_no_profit(field: MakeField, dialect: str) -> None:
    plain, richer = field(dialect=dialect), field(dialect=dialect)
    richer.fault("deposit", from_bar=0.5, bars=1, amount=1000.0)
    for venue in (plain, richer):
        venue.run(bars=8)
    postings = [words["amount"] for words in richer.events("balance_operation")]
    assert postings == [10_000.0, 1_000.0]
    net = [sum(deal.profit for deal in venue.deals) for venue in (plain, richer)]
    assert net[0] == net[1]
    assert richer.terminal.balance == plain.terminal.balance + 1_000.0
    assert '"recent_losses":1' not in richer.lines[3]
    check_sound(richer)
