"""The bridge's HTTP face: paths, tokens, idempotency, errors."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from broker.contract.errors import OutcomeUnknown
from broker.contract.messages import TradeResult
from broker.contract.wire import ErrorBody, decode, encode
from broker.native import NativeBroker
from broker.simulator.terminal import SimulatedTerminal
from market.server_clock import ServerClock
from mt5api.app import create_app
from mt5api.paper_clock import PaperClock
from tests.broker.orders import make_order
from tests.broker.paper_bridge import START_MS, STEP_MS, make_terminal, native_broker, talking_to
from tests.broker.stand_in import NOW_MS, StandIn


@pytest.fixture
def terminal() -> SimulatedTerminal:
    return make_terminal()


@pytest.fixture
def saves() -> list[int]:
    return []


@pytest.fixture
def app(terminal: SimulatedTerminal, saves: list[int]) -> FastAPI:
    return create_app(
        native_broker(terminal),
        paper_clock=PaperClock(terminal, "max"),
        save=lambda: saves.append(terminal.now_ms),
    )


@pytest.fixture
def http(app: FastAPI) -> Iterator[httpx.Client]:
    with talking_to(app) as client:
        yield client


def live_over(mt5: StandIn) -> NativeBroker:
    return NativeBroker(mt5, ServerClock("UTC"), now_ms=lambda: NOW_MS, mode="live")


def order_json(http: httpx.Client, **changes: Any) -> Any:
    return http.post("/orders", content=encode(make_order(**changes)))


def test_symbols_sessions_and_last_error_are_told(http: httpx.Client) -> None:
    assert http.get("/symbols").json() == ["BTCUSD"]
    assert http.get("/symbols/BTCUSD/sessions").json()["zone"] == "UTC"
    assert http.get("/error").json() == {"code": 1, "message": "Success"}


def test_rates_are_columns(http: httpx.Client) -> None:
    page = http.get(
        "/symbols/BTCUSD/rates",
        params={"timeframe": "M15", "from": START_MS - 2 * STEP_MS, "to": START_MS + STEP_MS},
    ).json()
    assert page["time"] == [START_MS - 2 * STEP_MS, START_MS - STEP_MS]
    assert len(page["close"]) == len(page["spread"]) == 2
    assert page["complete"] is True


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/nowhere", 404, "Not Found"),
        ("/symbols/NOSUCH", 404, "NOSUCH"),
        ("/positions/12", 404, "not open"),
        ("/positions/abc", 400, "ticket"),
        ("/symbols/BTCUSD/rates?timeframe=M7&from=0&to=1", 400, "M7"),
        ("/symbols/BTCUSD/rates?timeframe=M15&from=x&to=1", 400, "from"),
        ("/symbols/BTCUSD/rates?timeframe=M15&from=1", 400, "to"),
        ("/history/deals", 400, "from"),
    ],
)
def test_every_error_is_the_contracts_json(
    http: httpx.Client, path: str, status: int, says: str
) -> None:
    answer = http.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert says in decode(ErrorBody, answer.content).error.message


def test_wrong_method_is_json_too(http: httpx.Client) -> None:
    answer = http.patch("/orders")
    assert (answer.status_code, decode(ErrorBody, answer.content).error.type) == (405, "HttpError")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "EOF"),
        (b"volume=1", "JSON"),
        (b"{}", "symbol: Field required"),
        (encode(make_order()).replace(b'"volume"', b'"lots"'), "lots"),
        (encode(make_order()).replace(b"0.02", b'"0.02"'), "volume"),
    ],
)
def test_order_that_cannot_be_read_is_not_sent(
    http: httpx.Client, terminal: SimulatedTerminal, body: bytes, says: str
) -> None:
    answer = http.post("/orders", content=body)
    error = decode(ErrorBody, answer.content).error
    assert (answer.status_code, error.outcome) == (400, "not_sent")
    assert says in error.message
    assert terminal.positions() == ()


def test_filled_order_is_201_and_a_rejected_one_422_with_its_result(http: httpx.Client) -> None:
    assert order_json(http).status_code == 201
    answer = order_json(http, client_id="a-2", volume=0.015)
    body = decode(ErrorBody, answer.content)
    assert (answer.status_code, body.error.outcome) == (422, "rejected")
    assert body.error.retcode_name == "INVALID_VOLUME"
    assert body.result is not None
    assert body.result.retcode == 10014


def test_order_sent_again_is_replayed_and_says_so(http: httpx.Client) -> None:
    first, second = order_json(http), order_json(http)
    assert first.content == second.content
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"


def test_key_used_for_another_order_is_422(http: httpx.Client) -> None:
    order_json(http)
    answer = order_json(http, volume=0.05)
    assert (answer.status_code, decode(ErrorBody, answer.content).result) == (422, None)


def test_key_that_differs_from_the_body_is_400(http: httpx.Client) -> None:
    answer = http.post(
        "/orders", content=encode(make_order()), headers={"Idempotency-Key": "other"}
    )
    assert answer.status_code == 400


def test_order_of_unknown_outcome_is_504_and_then_409() -> None:
    mt5 = StandIn()
    mt5.answer_order, mt5.error = lambda _: None, (-10005, "IPC timeout")
    with talking_to(create_app(live_over(mt5), token="t"), "t") as http:
        first, second = order_json(http), order_json(http)
    assert (first.status_code, decode(ErrorBody, first.content).error.outcome) == (504, "unknown")
    assert (second.status_code, second.headers["retry-after"]) == (409, "1")
    assert len(mt5.sent) == 1


def test_failed_read_is_502_with_the_terminals_error() -> None:
    mt5 = StandIn()
    mt5.positions, mt5.error = None, (-10005, "IPC timeout")
    with talking_to(create_app(live_over(mt5), token="t"), "t") as http:
        answer = http.get("/positions")
    error = decode(ErrorBody, answer.content).error
    assert (answer.status_code, error.last_error) == (502, (-10005, "IPC timeout"))


def test_fault_of_the_bridge_itself_is_json_and_leaves_an_order_unknown() -> None:
    mt5 = StandIn()

    def breaks(_: dict[str, Any]) -> Any:
        raise RuntimeError("bug")

    mt5.answer_order = breaks
    broker = live_over(mt5)
    with talking_to(create_app(broker, token="t"), "t") as http:
        answer = order_json(http)
    assert answer.status_code == 500
    assert decode(ErrorBody, answer.content).error.outcome == "unknown"
    with pytest.raises(OutcomeUnknown):
        broker.send(make_order())


def test_levels_left_out_stay(http: httpx.Client) -> None:
    position = order_json(http, sl=50_000.0, tp=70_000.0).json()["position"]
    answer = http.put(f"/positions/{position}", json={"sl": 51_000.0})
    assert decode(TradeResult, answer.content).outcome == "filled"
    there = http.get(f"/positions/{position}").json()
    assert (there["sl"], there["tp"]) == (51_000.0, 70_000.0)


def test_position_is_closed_in_parts_and_whole(http: httpx.Client) -> None:
    position = order_json(http).json()["position"]
    part = http.request("DELETE", f"/positions/{position}", json={"volume": 0.01})
    assert (part.status_code, part.json()["volume"]) == (201, 0.01)
    assert http.delete(f"/positions/{position}").json()["volume"] == 0.01
    assert http.get("/positions").json()["items"] == []
    gone = http.delete(f"/positions/{position}")
    assert (gone.status_code, gone.json()["error"]["retcode_name"]) == (422, "POSITION_CLOSED")


def test_finished_orders_are_told(http: httpx.Client) -> None:
    order_json(http)
    page = http.get("/history/orders", params={"from": START_MS, "to": START_MS + 1}).json()
    assert [each["volume_initial"] for each in page["items"]] == [0.02]


def test_only_executed_requests_are_saved(http: httpx.Client, saves: list[int]) -> None:
    order_json(http, volume=0.015, client_id="a-1")
    http.get("/positions")
    assert saves == []
    order_json(http, client_id="a-2")
    assert len(saves) == 1
    order_json(http, client_id="a-2")
    assert len(saves) == 1


def test_state_is_saved_at_shutdown(app: FastAPI, saves: list[int]) -> None:
    with talking_to(app):
        assert saves == []
    assert saves == [START_MS]


def test_requests_never_move_the_clock(http: httpx.Client, terminal: SimulatedTerminal) -> None:
    order_json(http)
    http.get("/snapshot/BTCUSD")
    assert terminal.now_ms == START_MS
    wanted = START_MS + STEP_MS
    answer = http.post("/_paper/clock", json={"wait_until_msc": wanted})
    assert answer.json() == {"now_msc": wanted, "end_msc": terminal.end_ms}
    assert http.get("/_paper/clock").json()["now_msc"] == wanted


def test_live_bridge_has_no_paper_paths() -> None:
    with talking_to(create_app(live_over(StandIn()), token="t"), "t") as http:
        assert http.get("/account").status_code == 200
        assert http.get("/_paper/clock").status_code == 404


def test_live_bridge_without_a_token_does_not_start() -> None:
    with pytest.raises(ValueError, match="token"):
        create_app(live_over(StandIn()), token="")


@pytest.fixture(scope="module")
def guarded() -> Iterator[httpx.Client]:
    with talking_to(create_app(native_broker(make_terminal()), token="secret")) as client:
        yield client


@pytest.mark.parametrize("given", ["", "Bearer wrong", "Bearer", "secret", "Bearer séc"])
@pytest.mark.parametrize("path", ["/account", "/health", "/nowhere"])
def test_wrong_token_is_401_everywhere(guarded: httpx.Client, given: str, path: str) -> None:
    answer = guarded.get(path, headers={b"Authorization": given.encode()})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert decode(ErrorBody, answer.content).error.type == "Unauthorized"


def test_right_token_is_let_in(guarded: httpx.Client) -> None:
    answer = guarded.get("/account", headers={"Authorization": "Bearer secret"})
    assert answer.status_code == 200


def test_every_path_stands_in_the_bridges_page() -> None:
    root = Path(__file__).resolve().parents[2]
    page = (root / "docs" / "bridge.md").read_text(encoding="utf-8")
    code = "".join(each.read_text(encoding="utf-8") for each in (root / "mt5api").glob("*.py"))
    paths = re.findall(r'"(/[a-z_][a-z_/{}:]*)"', code)
    assert len(paths) > 15
    assert [path for path in paths if path.replace(":path", "") not in page] == []
