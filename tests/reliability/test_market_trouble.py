"""D18, D20-D28, D30: time, bars, prices and terms that are not what they should be."""

from datetime import UTC, datetime

import numpy as np
import pytest

from broker.contract.constants import DealEntry, DealReason, OrderType
from broker.contract.errors import BrokerRefused
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms, PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.instruments import instrument
from market.server_clock import ServerClock
from market.timeframe import Timeframe
from tests.broker.paper_bridge import (
    client_of,
    httpapi_app,
    httpapi_client_of,
    running,
    served,
)
from tests.builders import make_bars
from tests.chaos.field import STEP_MS
from tests.chaos.stand import TRADE
from tests.reliability.checks import DIALECTS, check_sound, entries_between
from tests.reliability.conftest import MakeField
from tests.reliability.orders import order
from trading.assemble import Trade, known_instrument
from trading.canonical import parse_decision
from trading.errors import DaemonError
from trading.pins import Accepted

both_dialects = pytest.mark.parametrize("dialect", DIALECTS)
DAYLIGHT_CHANGES = ("2025-10-26", "2025-11-02", "2026-03-08", "2026-03-29")
HOUR_MS = 3_600_000


def day_ms(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)


@both_dialects
def test_d18_symbol_that_the_broker_names_otherwise_is_refused_by_name(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    with pytest.raises(BrokerRefused, match="BTCUSD!"):
        venue.broker.symbol("BTCUSD!")
    with pytest.raises(BrokerRefused, match="BTCUSD!"):
        venue.broker.send(order(symbol="BTCUSD!"))
    with pytest.raises(DaemonError, match="BTCUSD"):
        known_instrument("BTCUSD!")


@both_dialects
def test_d20_deals_of_a_server_whose_clock_is_hours_ahead_are_found(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.when_open(lambda: venue.fault("wrong_offset", s=10_800))
    venue.run(to_ms=venue.at(12))
    ended = [deal for deal in venue.deals if deal.entry is DealEntry.OUT]
    assert ended
    assert {deal.ticket for deal in ended} <= {deal.ticket for deal in venue.journal.deals()}
    assert venue.close_types[ended[0].position_id] in ("SL_HIT", "TP_HIT")
    check_sound(venue)


@pytest.mark.parametrize("day", DAYLIGHT_CHANGES)
@pytest.mark.parametrize("zone", ["Europe/Athens", "America/New_York"])
@both_dialects
def test_d21_bars_keep_their_order_and_their_hour_over_daylight_changes(
    dialect: str, zone: str, day: str
) -> None:
    start_ms = day_ms(day) - 12 * HOUR_MS
    bars = make_bars([(100.0, 101.0, 99.0, 100.0)] * 200, start_ms=start_ms)
    terminal = SimulatedTerminal(
        bars={"BTCUSD": bars}, instruments={"BTCUSD": instrument("BTCUSD")},
        account=AccountTerms(balance=10_000.0), start_ms=start_ms + 190 * STEP_MS, seed=7,
        server_zone=zone,
    )  # fmt: skip
    span = {"from_ms": start_ms, "to_ms": terminal.now_ms}
    if dialect == "native":
        broker = NativeBroker(
            NativeTerminal(terminal),
            ServerClock(zone),
            now_ms=lambda: terminal.now_ms,
            mode="paper",
        )
        with served(broker) as url, client_of(url) as client:
            found = client.rates("BTCUSD", Timeframe.M15, **span)
    else:
        with (
            running(httpapi_app(terminal)) as url,
            httpapi_client_of(url, server_timezone=zone) as client,
        ):
            found = client.rates("BTCUSD", Timeframe.M15, **span)
    assert np.array_equal(found.open_ms, bars.open_ms[:190])


@both_dialects
def test_d22_forming_bar_is_never_served_as_a_closed_one(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    for part_ms in (0, 1, 450_000, 899_999, 900_000):
        now_ms = venue.at(1) + part_ms
        venue.terminal.advance(now_ms)
        found = venue.broker.rates(
            "BTCUSD", Timeframe.M15, from_ms=venue.at(-3), to_ms=now_ms + STEP_MS
        )
        assert int(found.close_ms[-1]) <= now_ms
        assert int(found.close_ms[-1]) == now_ms - now_ms % STEP_MS


@pytest.mark.parametrize(
    ("dialect", "params"),
    [
        ("native", {"missing": 1}),
        ("native", {"rows": 3, "missing": 0}),
        ("native", {"rows": 0}),
        ("mt5-httpapi", {"missing": 1}),
    ],
)
def test_d23_short_history_is_asked_again_and_decides_nothing_else(
    field: MakeField, dialect: str, params: dict[str, int]
) -> None:
    plain, shaken = field(dialect=dialect), field(dialect=dialect)
    plain.run(bars=12)
    shaken.fault("short_rates", from_bar=0.5, count=2, **params)
    shaken.run(bars=12)
    assert shaken.hits()["short_rates"] == 2
    told = {words["bar_open_ms"] for words in shaken.events("bar_missed")}
    decided = {parse_decision(line).bar_open_ms: line for line in shaken.lines}
    expected = {parse_decision(line).bar_open_ms: line for line in plain.lines}
    assert decided.keys() | told >= expected.keys()
    same = [decided[bar] == expected[bar] for bar in decided.keys() & expected.keys()]
    assert sum(same) >= 2
    check_sound(shaken)


@both_dialects
def test_d24_gap_over_the_stop_is_told_as_it_was(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.when_open(lambda: venue.fault("gap", points=-60_000, bars=1))
    venue.run(bars=6)
    first = venue.entries[0]
    loss = next(deal for deal in venue.deals if deal.position_id == first.position_id
                and deal.ticket != first.ticket)  # fmt: skip
    assert venue.close_types[first.position_id] == "SL_HIT"
    planned = first.price - venue.requests()[0][0].sl
    assert first.price - loss.price > 1.5 * planned
    check_sound(venue)


@both_dialects
def test_d25_wide_spread_keeps_entries_away(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.fault("spread_times", from_bar=0.5, bars=8, times=10.0)
    venue.run(bars=20)
    assert entries_between(venue, 0, 8) == 0
    assert venue.journal.denial_counts("BTCUSD")["spread_atr"] >= 1
    check_sound(venue)


def test_d25_short_that_the_ask_stopped_is_a_stop_though_the_chart_never_touched_it(
    field: MakeField,
) -> None:
    venue = field()
    highest = float(venue.plan.bars.between(venue.at(0), venue.at(3)).high.max())
    stop = round(highest + 50.0, 2)
    venue.broker.send(order(type=OrderType.SELL, sl=stop, tp=round(stop - 9000.0, 2)))
    venue.fault("spread_times", times=40.0)
    venue.run(bars=3)
    ended = venue.deals[1]
    assert (ended.reason, ended.price >= stop) == (DealReason.SL, True)
    assert venue.close_types[ended.position_id] == "SL_HIT"


@both_dialects
@pytest.mark.parametrize(
    ("fault", "params"), [("trade_mode", {"mode": 3}), ("spec_change", {"trade_stops_level": 900})]
)
def test_d26_terms_are_read_anew_for_each_entry(
    field: MakeField, dialect: str, fault: str, params: dict[str, int]
) -> None:
    venue = field(dialect=dialect)
    venue.fault(fault, from_bar=0.5, bars=8, **params)
    venue.run(bars=20)
    assert entries_between(venue, 0, 8) == 0
    assert venue.journal.denial_counts("BTCUSD")["halted"] >= 1
    check_sound(venue)


@both_dialects
def test_d27_cent_account_risks_the_same_share_as_a_dollar_account(
    field: MakeField, dialect: str
) -> None:
    decision = TRADE.decision.model_copy(update={"max_lot": 100.0, "risk_percent": 0.5})
    trade = Trade(TRADE.instrument, decision, TRADE.daemon, TRADE.groups)
    dollars = field(dialect=dialect, trade=trade)
    cents = field(
        dialect=dialect, trade=trade, paper=PaperSettings(currency="USC", balance=1_000_000.0)
    )
    for venue in (dollars, cents):
        venue.run(bars=12)
    assert dollars.entries[0].volume < 1.0, "sized by risk, not by a cap"
    assert [d.volume for d in cents.deals] == [d.volume for d in dollars.deals]
    assert [d.price for d in cents.deals] == [d.price for d in dollars.deals]
    assert [d.profit for d in cents.deals] == pytest.approx(
        [100 * d.profit for d in dollars.deals], abs=0.51
    )
    check_sound(cents)


@both_dialects
def test_d28_tick_value_that_the_contract_contradicts_halts_entries(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("tick_value_times", from_bar=0.5, bars=8, times=10.0)
    venue.run(bars=20)
    assert entries_between(venue, 0, 8) == 0
    assert "health tick_value" in venue.pages
    check_sound(venue)


@both_dialects
def test_d30_changed_contract_halts_until_a_person_confirms_it(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.run(bars=1)
    venue.fault("spec_change", trade_freeze_level=5)
    venue.run(bars=8)
    assert venue.entries == ()
    assert "health spec_changed" in venue.pages
    venue.run(bars=20, accepted=Accepted(spec=True))
    check_sound(venue)
