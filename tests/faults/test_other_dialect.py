"""The same faults on a bridge that speaks mt5-httpapi, under a path prefix."""

from collections.abc import Iterator

import httpx
import pytest

from broker.client.fault_control import FaultControl
from broker.contract.errors import BrokerError, BrokerUnavailable, OutcomeUnknown
from broker.contract.paper import FaultMatch, FaultWhen
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.faults.terminal import FaultyTerminal
from broker.simulator.native import NativeTerminal
from mt5api.faults import PaperVenue, with_faults
from tests.broker.paper_bridge import (
    httpapi_app,
    httpapi_client_of,
    make_terminal,
    running,
)
from tests.faults.venues import ONCE, HttpVenue, order
from tests.patience import PATIENCE_S

PREFIX = "/broker/4711"


@pytest.fixture
def other() -> Iterator[HttpVenue]:
    terminal, plan = make_terminal(), FaultPlan(7)
    mt5 = FaultyTerminal(NativeTerminal(terminal), plan)
    app = with_faults(
        httpapi_app(terminal, mt5, path_prefix=PREFIX), PaperVenue(terminal, plan),
        dialect="mt5-httpapi", path_prefix=PREFIX,
    )  # fmt: skip
    with running(app) as url, httpapi_client_of(url + PREFIX) as client:
        yield HttpVenue(client, terminal, plan, url + PREFIX)


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("http_503", 503, "application/json"),
        ("http_504", 504, "application/json"),
        ("queue_full", 503, "application/json"),
        ("unauthorized", 401, "text/html"),
        ("html_500", 500, "text/html"),
    ],
)
def test_bridge_speaks_in_its_own_words(
    other: HttpVenue, name: str, status: int, kind: str
) -> None:
    other.fault(name, match=FaultMatch(path="/account"))
    answer = other.get("/account")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith(kind)
    if kind == "application/json":
        assert set(answer.json()) == {"error"}
    assert answer.headers["x-paper-fault"] == name
    assert int(answer.headers["x-paper-now"]) == other.terminal.now_ms
    assert other.get("/terminal").status_code == 200


@pytest.mark.parametrize("code", [10004, 10006, 10013, 10016, 10027])
def test_rejection_with_status_200(other: HttpVenue, code: int) -> None:
    other.fault("http200_retcode", retcode=code)
    body = {"symbol": "BTCUSD", "type": "BUY", "volume": 0.1}
    answer = httpx.post(other.url + "/orders", json=body, trust_env=False, timeout=PATIENCE_S)
    assert (answer.status_code, answer.json()["retcode"]) == (200, code)
    assert other.broker.send(order()).retcode == code
    assert other.entries() == []


def test_failed_read_of_positions_is_an_empty_list(other: HttpVenue) -> None:
    other.broker.send(order())
    other.fault("sdk_error", match=FaultMatch(path="positions_get"))
    answer = other.get("/positions")
    assert (answer.status_code, answer.json()) == (200, [])


@pytest.mark.parametrize(
    ("name", "executed"),
    [
        ("post_fill_then_timeout", True),
        ("conn_reset_after_send", True),
        ("conn_reset_before_send", False),
        ("truncated_json", True),
        ("html_500", True),
        ("http_504", False),
        ("null_result", False),
        ("bridge_down", False),
    ],
)
def test_unanswered_order(other: HttpVenue, name: str, executed: bool) -> None:
    other.fault(name, match=FaultMatch(method="POST"), when=ONCE)
    with pytest.raises(OutcomeUnknown):
        other.broker.send(order())
    assert len(other.entries()) == int(executed)


def test_late_fill(other: HttpVenue) -> None:
    other.fault("late_fill", when=ONCE)
    with pytest.raises(OutcomeUnknown):
        other.broker.send(order())
    other.clock.wait_until(other.terminal.now_ms + 110_000)
    assert len(other.entries()) == 1


def test_own_paths_lie_under_the_prefix_and_never_fail(other: HttpVenue) -> None:
    control = FaultControl(other.broker.connection)
    control.add("bridge_down")
    with pytest.raises(BrokerError):
        other.broker.account()
    assert control.snapshot().now_msc == other.terminal.now_ms
    control.clear()
    other.broker.account()


def test_bridge_is_down_for_its_window_alone(other: HttpVenue) -> None:
    now_ms = other.terminal.now_ms
    other.fault("bridge_down", when=FaultWhen(to_msc=now_ms + 180_000))
    with pytest.raises(BrokerUnavailable):
        other.broker.account()
    other.clock.wait_until(now_ms + 180_000)
    assert other.broker.account().balance == 10_000.0
