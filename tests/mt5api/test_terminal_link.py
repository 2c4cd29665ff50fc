"""Connected, on the right account, and able to send: judged by state, never by words (D7, D32)."""

from types import SimpleNamespace

import pytest

from broker.contract.errors import BrokerUnavailable, OutcomeUnknown, WrongAccount
from broker.contract.messages import Expect
from mt5api.errors import TooSlow
from mt5api.live.bridge import WriteProbe
from tests.broker.orders import make_order
from tests.broker.stand_in import ACCOUNT, TERMINAL
from tests.mt5api.live_terminal import Linked


@pytest.fixture
def there() -> Linked:
    return Linked()


def test_attached_terminal_is_not_initialized_again(there: Linked) -> None:
    there.link.require()
    assert "initialize" not in there.process.calls


def test_initialize_that_reports_a_time_out_but_connected_is_connected(there: Linked) -> None:
    there.mt5.terminal = None

    def connects_and_complains() -> bool:
        there.mt5.terminal, there.mt5.error = TERMINAL, (-10005, "IPC timeout")
        return False

    there.process.initialize = connects_and_complains
    there.link.require()
    assert there.process.logins == [{"login": 7, "server": "Demo"}]


def test_initialize_that_reports_success_without_a_terminal_is_not_connected(there: Linked) -> None:
    there.mt5.terminal = None
    with pytest.raises(BrokerUnavailable, match="initialize left no terminal"):
        there.link.require()


def test_attempts_to_connect_grow_apart(there: Linked) -> None:
    there.mt5.terminal = None
    for _ in range(60):
        with pytest.raises(BrokerUnavailable):
            there.link.require()
        there.wall_s += 1.0
    assert there.process.calls.count("initialize") == 6


def test_none_makes_the_next_request_look_again(there: Linked) -> None:
    there.link.require()
    there.mt5.positions = None
    assert there.link.positions_get() is None
    there.mt5.terminal = None
    with pytest.raises(BrokerUnavailable):
        there.link.require()


def test_other_account_is_refused_for_reads_and_trades(there: Linked) -> None:
    there.link.require()
    there.mt5.account = SimpleNamespace(**{**vars(ACCOUNT), "login": 8})
    with pytest.raises(WrongAccount, match="8 at Demo"):
        there.link.order_send({})
    with pytest.raises(WrongAccount):
        there.link.require()
    assert there.mt5.sent == []


def test_expected_account_of_a_request_is_compared(there: Linked) -> None:
    with pytest.raises(WrongAccount):
        there.broker.send(make_order(expect=Expect(7, "Real")))
    assert there.broker.send(make_order(expect=Expect(7, "Demo"))).outcome == "filled"


def test_nothing_is_sent_while_the_terminal_is_offline(there: Linked) -> None:
    there.mt5.terminal = SimpleNamespace(**{**vars(TERMINAL), "connected": False})
    with pytest.raises(BrokerUnavailable, match="offline"):
        there.broker.send(make_order())
    assert there.mt5.sent == []
    assert not there.broker.was_sent("a-1")


def test_order_that_hangs_is_of_unknown_outcome_and_stays_open(there: Linked) -> None:
    there.process.hanging = {"order_send"}
    with pytest.raises(OutcomeUnknown, match="no answer within"):
        there.broker.send(make_order())
    assert there.broker.was_sent("a-1")


def test_read_that_hangs_before_an_order_leaves_it_unsent(there: Linked) -> None:
    there.process.hanging = {"symbol_info_tick"}
    with pytest.raises(TooSlow):
        there.broker.send(make_order())
    assert not there.broker.was_sent("a-1")


def test_operator_disconnects_and_connects_again(there: Linked) -> None:
    assert there.link.disconnect()
    assert there.process.stops == 1
    with pytest.raises(BrokerUnavailable, match="/terminal/init"):
        there.link.require()
    assert there.link.connect()
    there.link.require()


def test_write_probe_passes_once_and_sends_nothing(there: Linked) -> None:
    probe = WriteProbe(there.broker, there.link, ("BTCUSD",))
    with pytest.raises(BrokerUnavailable, match="write probe"):
        there.broker.send(make_order())
    probe.run()
    probe.run()
    assert there.process.calls.count("order_check") == 1
    assert there.mt5.sent == []
    assert there.broker.send(make_order()).outcome == "filled"


def test_wheel_that_reads_but_cannot_send_is_found_by_the_probe(there: Linked) -> None:
    there.mt5.order_check = lambda _: None
    there.mt5.error = (-2, "Unnamed arguments not allowed")
    WriteProbe(there.broker, there.link, ("BTCUSD",)).run()
    assert "Unnamed arguments" in there.link.refusal
    with pytest.raises(BrokerUnavailable, match="write probe"):
        there.broker.send(make_order())
