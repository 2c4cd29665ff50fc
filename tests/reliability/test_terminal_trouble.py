"""D5, D7, D12, D17, D32, D34-D38: terminal, account or machine are not what they seem."""

from typing import Any

import pytest

from broker.contract.errors import BrokerUnavailable
from broker.contract.paper import FaultOrder
from broker.native import NativeBroker
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.faults.terminal import FaultyTerminal
from broker.simulator.native import NativeTerminal
from market.server_clock import ServerClock
from mt5api.live.bridge import WriteProbe
from mt5api.live.calls import QueuedCalls
from mt5api.live.link import Login, TerminalLink
from mt5api.live.sidecar import Sidecar
from mt5api.live.watch import HealthWatch
from tests.broker.paper_bridge import make_terminal
from tests.mt5api.live_terminal import InProcess
from tests.reliability.checks import DIALECTS, check_sound, entries_between
from tests.reliability.conftest import MakeField
from trading.errors import JournalError

both_dialects = pytest.mark.parametrize("dialect", DIALECTS)


class Machine:
    """A live bridge's parts over a terminal with faults, without a process of its own."""

    def __init__(self) -> None:
        self.plan = FaultPlan(7)
        terminal = make_terminal()
        self.process: Any = InProcess(FaultyTerminal(NativeTerminal(terminal), self.plan))
        account = terminal.account()
        self.wall_s = 1000.0
        login = Login(account.login, account.server)
        self.link = TerminalLink(self.process, login, wall_s=lambda: self.wall_s)
        self.broker = NativeBroker(
            self.link, ServerClock("Europe/Athens"), now_ms=lambda: terminal.now_ms, mode="live"
        )
        probe = WriteProbe(self.broker, self.link, ("BTCUSD",))
        self.watch = HealthWatch(
            self.broker, self.link, QueuedCalls(self.link.require), Sidecar(None, "UTC"),
            probe=probe.run, wall_s=lambda: self.wall_s,
        )  # fmt: skip

    def fault(self, name: str, **params: Any) -> None:
        self.plan.add(FaultOrder(name, params=params))


@both_dialects
def test_d05_offline_terminal_with_old_data_opens_nothing_and_pages(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("disconnected", from_bar=0.5, bars=8)
    venue.run(bars=12)
    assert entries_between(venue, 0, 8) == 0
    told = [words["text"] for words in venue.events("page")]
    assert any("not connected" in text or "no connection" in text for text in told)
    check_sound(venue)


@both_dialects
def test_d05_frozen_quote_of_an_open_session_opens_nothing(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.fault("freeze_ticks", from_bar=0.5, bars=8)
    venue.run(bars=12)
    assert entries_between(venue, 0, 8) == 0
    assert any("tick_age" in page or "frozen" in page for page in venue.pages) or any(
        "stale_quote" in line for line in venue.lines
    )
    check_sound(venue)


def test_d05_quiet_market_out_of_session_is_no_alarm(field: MakeField) -> None:
    venue = field()
    venue.run(bars=6)
    assert venue.pages == []


def test_d07_login_that_reports_a_timeout_and_succeeded_is_connected() -> None:
    machine = Machine()
    machine.fault("init_timeout_but_ok")
    machine.link.require()
    assert machine.process.calls.count("initialize") <= 1
    assert machine.broker.account().login == machine.link._login.login


@both_dialects
def test_d12_algo_trading_off_with_a_position_open_halts_pages_and_resumes(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.when_open(lambda: venue.fault("algo_off", bars=14))
    venue.run(bars=20)
    assert len(venue.entries) >= 2
    assert entries_between(venue, 2.5, 16) == 0
    assert venue.pages.count("health trade_rights") == 1
    assert any("Algo Trading" in words["text"] for words in venue.events("page"))
    assert venue.close_types, "its stop worked while nothing could be sent"
    check_sound(venue)


@both_dialects
def test_d17_symbol_without_a_first_quote_is_not_traded(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.fault("cold_symbol", from_bar=0.5, bars=8)
    venue.run(bars=12)
    assert venue.hits()["cold_symbol"] > 0
    assert entries_between(venue, 0, 8) == 0
    assert all(deal.price > 0 for deal in venue.deals)
    check_sound(venue)


@both_dialects
def test_d32_other_account_halts_everything_and_touches_nothing(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.when_open(lambda: venue.fault("switch_login", from_bar=2.5, bars=10))
    venue.run(bars=20)
    assert entries_between(venue, 2.5, 12) == 0
    assert "health account" in venue.pages
    assert set(venue.close_types.values()) <= {"SL_HIT", "TP_HIT"}
    check_sound(venue)


@both_dialects
def test_d32_daemon_does_not_start_on_another_account(field: MakeField, dialect: str) -> None:
    venue = field(dialect=dialect)
    venue.run(bars=4)
    venue.fault("switch_login")
    with pytest.raises(JournalError, match="logged in to"):
        venue.run(bars=6)


@both_dialects
def test_d34_clock_of_the_bridges_machine_an_hour_off_halts_entries_and_moves_no_bar(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("clock_skew", from_bar=0.5, bars=8, ms=3_600_000)
    venue.run(bars=20)
    opened = [open_ms for open_ms, _ in venue.journal.features("BTCUSD")]
    assert opened == [venue.at(bar) for bar in range(20)]
    if dialect == "native":  # the other dialect tells no clock of its own
        assert entries_between(venue, 0, 8) == 0
        assert "health clock_skew" in venue.pages
    check_sound(venue)


def test_d35_terminal_that_reads_and_cannot_send_is_found_before_the_first_order() -> None:
    machine = Machine()
    machine.plan.add(FaultOrder("sdk_error", params={"code": -2}))
    machine.plan.clear()
    order_check = machine.process.mt5.order_check
    machine.process.mt5.order_check = lambda request: None
    machine.watch.look()
    assert machine.watch.told().status == "degraded"
    assert "write probe" in machine.link.refusal
    with pytest.raises(BrokerUnavailable, match="write probe"):
        machine.link.order_send({"action": 1})
    machine.process.mt5.order_check = order_check
    machine.watch.look()
    assert machine.watch.told().status == "ok"


@both_dialects
def test_d36_restarting_terminal_is_waited_out_and_pauses_entries(
    field: MakeField, dialect: str
) -> None:
    venue = field(dialect=dialect)
    venue.fault("terminal_restart", from_bar=0.9, bars=300 / 900)
    venue.run(bars=6)
    assert venue.events("entries_paused")
    assert venue.events("entries_resumed")
    assert "cycles" in venue.pages
    check_sound(venue)


def test_d37_health_is_red_while_the_terminal_is_dead_and_green_only_on_a_fresh_look() -> None:
    machine = Machine()
    assert machine.watch.told().status == "down"
    machine.watch.look()
    assert machine.watch.told().status == "ok"
    machine.wall_s += 2.5
    assert machine.watch.told().status == "down", "an old look proves nothing"
    machine.fault("terminal_restart")
    machine.watch.look()
    assert machine.watch.told().status == "down"
    machine.plan.clear()
    machine.wall_s += 60
    machine.watch.look()
    assert machine.watch.told().status == "ok"


@both_dialects
def test_d38_deep_history_is_read_in_pieces_and_a_slow_piece_is_asked_again(
    field: MakeField, dialect: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    venue = field(dialect=dialect, store=None)
    asked: list[int] = []
    rates = venue.broker.rates

    def counting(*given: Any, from_ms: int, to_ms: int) -> Any:
        asked.append((to_ms - from_ms) // 900_000)
        return rates(*given, from_ms=from_ms, to_ms=to_ms)

    monkeypatch.setattr(venue.broker, "rates", counting)
    venue.fault("http_504", path="*/rates", after=2, count=2)
    venue.run(bars=1)
    assert max(asked) <= 5000
    assert sum(asked) > 15_000
    assert venue.hits()["http_504"] == 2
