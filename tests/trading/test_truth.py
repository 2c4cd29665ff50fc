"""The loop against a venue that lies: nothing is believed too early, nobody else's is touched."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from broker.contract.constants import DealReason, DealType
from broker.contract.errors import BrokerRefused
from broker.contract.paper import FaultOrder, FaultWhen
from broker.simulator.faults.plan import FaultPlan
from market.timeframe import Timeframe
from tests.trading.doubles import AWAY, BAR_MS, FROM_MS, Desk, StepClock, make_terminal
from trading.canonical import parse_decision, parse_input
from trading.errors import JournalError
from trading.pins import Accepted

MakeDesk = Callable[..., Desk]
MINUTE_MS = 60_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[MakeDesk]:
    """Desks of the native dialect alone: what a venue lies about is the same in both."""
    made: list[Desk] = []

    def make(**fields: Any) -> Desk:
        for each in made:
            each.close()
        made.append(Desk(tmp_path, **fields))
        return made[-1]

    yield make
    made[-1].close()


def at(row: float) -> int:
    return FROM_MS + round(row * BAR_MS)


def faulty(desk: MakeDesk, *orders: FaultOrder, **fields: Any) -> Desk:
    """A desk over a terminal with these faults, between closes looked at once a minute."""
    plan, terminal = FaultPlan(), make_terminal()
    clock = StepClock(terminal)
    clock.beats = True
    made = desk(faults=plan, terminal=terminal, clock=clock, **({"bars": 20} | fields))
    for order in orders:
        plan.add(order)
    return made


def between(first: float, last: float, **fields: Any) -> FaultWhen:
    return FaultWhen(from_msc=at(first), to_msc=at(last), **fields)


def halts(desk: Desk, row: int) -> tuple[str, ...]:
    """Rules that halted the decision at the close of a row."""
    found = next(each for each in map(parse_input, desk.lines) if each.market.open_ms == at(row))
    return tuple(each.split(":")[0] for each in found.halts)


def kinds(desk: Desk, kind: str) -> list[dict[str, Any]]:
    return [words for _, _, words in desk.journal.events(kind)]


@pytest.mark.parametrize(
    ("order", "rule"),
    [
        (FaultOrder("algo_off", when=between(3.5, 8.5)), "trade_rights"),
        (FaultOrder("switch_login", when=between(3.5, 8.5)), "account"),
        (FaultOrder("clock_skew", when=between(3.5, 8.5), params={"ms": 2_000}), "clock_skew"),
        (FaultOrder("trade_mode", when=between(3.5, 8.5)), "trade_mode"),
        (FaultOrder("tick_value_times", when=between(3.5, 8.5)), "tick_value"),
        (
            FaultOrder("spec_change", when=between(3.5, 8.5), params={"volume_step": 0.02}),
            "spec_changed",
        ),
    ],
    ids=lambda value: value.name if isinstance(value, FaultOrder) else "",
)
def test_unhealthy_venue_halts_entries_pages_once_and_resumes(
    desk: MakeDesk, order: FaultOrder, rule: str
) -> None:
    done = faulty(desk, order).run()
    for row in range(5, 8):
        assert rule in halts(done, row)
        assert not parse_decision(done.lines[row]).intents
    assert halts(done, 2) == halts(done, 12) == ()
    keys = [words["key"] for words in kinds(done, "page")]
    assert keys.count(f"health {rule}") == 1
    assert f"health {rule}" in [words["key"] for words in kinds(done, "page_over")]
    assert any(parse_decision(line).intents for line in done.lines[10:])


@pytest.mark.parametrize(
    ("name", "rule"), [("disconnected", "not_connected"), ("freeze_ticks", "tick_age")]
)
def test_venue_that_shows_old_data_pages_and_its_bars_are_missed_with_a_reason(
    desk: MakeDesk, name: str, rule: str
) -> None:
    done = faulty(desk, FaultOrder(name, when=between(3.5, 8.5)), bars=15).run()
    assert f"health {rule}" in [words["key"] for words in kinds(done, "page")]
    assert f"health {rule}" in [words["key"] for words in kinds(done, "page_over")]
    decided = {parse_input(line).market.open_ms for line in done.lines}
    missed = {words["bar_open_ms"]: words["why"] for words in kinds(done, "bar_missed")}
    assert {at(row) for row in range(15)} <= decided | missed.keys()
    assert decided.isdisjoint(missed)
    assert all("came too late" in why for why in missed.values())


def test_other_account_is_not_taken_in(desk: MakeDesk) -> None:
    held_row = _first_held_row(desk)
    other = FaultOrder("switch_login", when=between(held_row + 0.1, held_row + 0.9))
    done = faulty(desk, other).run()
    assert "health account" in [words["key"] for words in kinds(done, "page")]
    assert kinds(done, "position_missing") == []
    whole = {deal.ticket for deal in done.terminal.deals() if deal.time_msc < at(20)}
    assert {deal.ticket for deal in done.journal.deals()} == whole


def test_wrong_server_time_takes_no_bars_and_goes_on_afterwards(desk: MakeDesk) -> None:
    shifted = FaultOrder("wrong_offset", when=between(3.5, 8.5), params={"s": 3600})
    done = faulty(desk, shifted).run()
    missed = [words["bar_open_ms"] for words in kinds(done, "bar_missed")]
    assert missed == [at(row) for row in range(3, 8)]
    stored = done.store.load("BTCUSD", Timeframe.M15, from_ms=at(0), to_ms=at(15))
    truth = done.native.rates("BTCUSD", Timeframe.M15, from_ms=at(0), to_ms=at(15))
    assert stored.sha256() == truth.sha256()
    assert "health clock_offset" in [words["key"] for words in kinds(done, "page")]


def test_positions_shown_empty_close_nothing(desk: MakeDesk) -> None:
    held_row = _first_held_row(desk)
    empty = FaultOrder("empty_positions", when=between(held_row + 0.1, held_row + 0.9))
    done = faulty(desk, empty)
    assert _close_types(done.run()) == _close_types_of_deals(done)
    assert kinds(done, "close_pending") == []
    assert len(kinds(done, "position_reappeared")) == len(kinds(done, "position_missing")) == 1


def test_closing_deal_that_comes_late_is_pending_and_then_final(desk: MakeDesk) -> None:
    lag = FaultOrder("history_lag", params={"lag_ms": 20 * MINUTE_MS})
    done = faulty(desk, lag, bars=40).run()
    pending = kinds(done, "close_pending")
    assert pending
    assert {words["close_type"] for words in pending} == {"PENDING"}
    for words in pending:
        final = [
            w for w in kinds(done, "close_confirmed") if w["position_id"] == words["position_id"]
        ]
        assert [w["close_type"] for w in final] in (["SL_HIT"], ["TP_HIT"], [])
    assert kinds(done, "close_confirmed")
    refused = [d.rule for line in done.lines for d in parse_decision(line).denials]
    assert "close_unconfirmed" in refused


def test_fault_free_run_has_no_close_in_doubt(desk: MakeDesk) -> None:
    done = desk(bars=60).run()
    assert kinds(done, "close_confirmed")
    for doubt in ("position_missing", "close_pending", "position_adopted", "health", "page"):
        assert kinds(done, doubt) == []


def test_foreign_position_is_noted_once_and_left_alone(desk: MakeDesk) -> None:
    order = FaultOrder("foreign_position", when=FaultWhen(from_msc=at(3.5)))
    done = faulty(desk, order).run()
    (noted,) = kinds(done, "foreign_position")
    assert noted["magic"] == 777
    (manual,) = [each for each in done.terminal.positions("BTCUSD") if each.magic == 777]
    assert noted["position_id"] == manual.identifier
    assert all(each.identifier != manual.identifier for each in done.own_positions())


def test_lost_journal_adopts_own_positions_and_leaves_others(desk: MakeDesk) -> None:
    held_row = _first_held_row(desk)
    order = FaultOrder("foreign_position", when=FaultWhen(from_msc=at(held_row - 0.5)))
    first = faulty(desk, order, bars=held_row).run()
    (mine,) = first.own_positions()
    first.journal.close()
    (first.folder / "journal.sqlite").unlink()
    again = desk(bars=5, terminal=first.terminal, faults=first.faults)
    again.run()
    assert mine.identifier in again.books.book.held or again.books.book.has_closed(mine.identifier)
    assert len(kinds(again, "foreign_position")) == 1


def test_deposit_is_noted_and_is_no_trading_profit(desk: MakeDesk) -> None:
    order = FaultOrder("deposit", when=FaultWhen(from_msc=at(3.5)), params={"amount": 500.0})
    done = faulty(desk, order).run()
    amounts = [words["amount"] for words in kinds(done, "balance_operation")]
    assert 500.0 in amounts
    traded = sum(
        deal.profit + deal.swap + deal.commission for deal in done.terminal.deals()
        if deal.type in (DealType.BUY, DealType.SELL)
    )  # fmt: skip
    assert sum(trade.net_profit for trade in done.books.book.closed) == pytest.approx(traded)


def test_three_failed_cycles_pause_entries_and_recovery_resumes(desk: MakeDesk) -> None:
    shaken = desk(bars=12)
    shaken.reporter.on_bar = lambda count: count == 4 and shaken.broker.fail("deals", AWAY, times=3)
    shaken.run()
    assert [words["failures"] for words in kinds(shaken, "entries_paused")] == [3]
    assert len(kinds(shaken, "entries_resumed")) == 1
    said = [page for page in shaken.reporter.pages if "entries" in page]
    assert "entries are paused" in said[0]
    assert "entries are resumed" in said[1]


def test_two_failed_cycles_call_nobody(desk: MakeDesk) -> None:
    shaken = desk(bars=12)
    shaken.reporter.on_bar = lambda count: count == 4 and shaken.broker.fail("deals", AWAY, times=2)
    shaken.run()
    assert shaken.reporter.pages == []


def test_refused_token_pages_at_once(desk: MakeDesk) -> None:
    shaken = desk(bars=12)
    refused = BrokerRefused("401: this token is not known")
    shaken.reporter.on_bar = lambda count: count == 4 and shaken.broker.fail("snapshot", refused)
    shaken.run()
    assert "401" in shaken.reporter.pages[0]


def test_open_risk_while_the_bridge_is_away_for_long_pages(desk: MakeDesk) -> None:
    held_row = _first_held_row(desk)
    down = FaultOrder("terminal_restart", when=between(held_row + 0.1, held_row + 0.7))
    done = faulty(desk, down).run()
    assert "open risk" in [words["key"] for words in kinds(done, "page")]


def test_restarted_bridge_is_read_widely_again(desk: MakeDesk) -> None:
    done = desk(bars=12)
    asked: list[int] = []
    read = done.native.deals

    def deals(*, from_ms: int, to_ms: int) -> Any:
        asked.append(done.terminal.now_ms - from_ms)
        return read(from_ms=from_ms, to_ms=to_ms)

    done.native.deals = deals  # type: ignore[method-assign]
    done.reporter.on_bar = lambda count: count == 6 and setattr(done.native, "boot_id", "other")
    done.run()
    assert [words["boot_id"] for words in kinds(done, "bridge_rebooted")] == ["other"]
    assert max(asked[2:]) >= 30 * 86_400_000


def test_changed_terms_halt_until_a_person_accepts_them(desk: MakeDesk) -> None:
    first = desk(bars=3)
    first.run()
    first.journal.set_meta(**{"spec BTCUSD": "what was confirmed once"})
    halted = desk(bars=6, terminal=first.terminal).run()
    assert halts(halted, 4) == ("spec_changed",)
    accepted = desk(bars=9, terminal=first.terminal, accepted=Accepted(spec=True)).run()
    assert halts(accepted, 8) == ()
    assert kinds(accepted, "spec_pinned")[-1]["before"] == "what was confirmed once"


def test_other_account_needs_a_persons_word(desk: MakeDesk) -> None:
    desk(bars=2).run()
    other = desk(bars=4)
    other.journal.set_meta(account="5 on Elsewhere", account_trade_mode="2")
    with pytest.raises(JournalError, match="--accept-account"):
        other.run()
    desk(bars=4, terminal=other.terminal, accepted=Accepted(account=True)).run()


def test_demo_that_became_real_is_another_account(desk: MakeDesk) -> None:
    desk(bars=2).run()
    other = desk(bars=4)
    other.journal.set_meta(account_trade_mode="2")
    with pytest.raises(JournalError, match="trade mode 2"):
        other.run()


def _first_held_row(desk: MakeDesk) -> int:
    """The first row at whose close an entry is sent, in a run without faults."""
    done = desk(bars=12).run()
    row = next(row for row, line in enumerate(done.lines) if parse_decision(line).intents)
    done.journal.close()
    (done.folder / "journal.sqlite").unlink()
    return row + 1


def _close_types(desk: Desk) -> list[str]:
    return [words["close_type"] for words in kinds(desk, "close_confirmed")]


def _close_types_of_deals(desk: Desk) -> list[str]:
    words = {DealReason.SL: "SL_HIT", DealReason.TP: "TP_HIT"}
    closed = [deal for deal in desk.terminal.deals() if deal.reason in words]
    return [words[deal.reason] for deal in closed if deal.time_msc < at(20)]
