"""The client of the mt5-httpapi dialect: what it does not believe, and what each answer means."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from pydantic import ValidationError

from broker.client.connect import connect
from broker.client.httpapi import HttpApiBroker
from broker.client.httpapi.windows import WEEK_S, windows
from broker.client.rest import RestBroker
from broker.client.settings import BridgeSettings
from broker.contract.constants import DealEntry, OrderType
from broker.contract.errors import (
    BadAnswer,
    BridgeUnreachable,
    BrokerError,
    BrokerRefused,
    BrokerUnavailable,
    IntentInFlight,
    OutcomeUnknown,
    WrongAccount,
)
from broker.contract.marks import comment_of
from broker.contract.messages import Expect
from broker.contract.port import Broker
from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from market.timeframe import Timeframe
from mt5api.httpapi import create_httpapi_app
from tests.broker.conftest import Venue
from tests.broker.interposed import Instead, Interposed
from tests.broker.orders import make_order
from tests.broker.paper_bridge import (
    START_MS,
    STEP_MS,
    httpapi_app,
    httpapi_client_of,
    make_terminal,
    running,
)
from tests.ports import free_ports

FAR_MS = START_MS + 10_000 * STEP_MS
HTML = b"<!doctype html><h1>Internal Server Error</h1>"


@dataclass
class Bridge:
    """A client, the application it asks, and the face behind that, which a test bends."""

    broker: HttpApiBroker
    between: Interposed
    mt5: Any
    terminal: SimulatedTerminal

    def answer(self, name: str, status: int, body: bytes, **given: Any) -> None:
        self.between.instead[name] = Instead(status, body, **given)


@pytest.fixture
def open_bridge() -> Iterator[Callable[..., Bridge]]:
    with ExitStack() as stack:

        def opened(terminal: SimulatedTerminal | None = None, **given: Any) -> Bridge:
            terminal = terminal or make_terminal()
            mt5 = NativeTerminal(terminal)
            between = Interposed(httpapi_app(terminal, mt5, **given))
            url = stack.enter_context(running(between))
            prefix = given.get("path_prefix", "")
            client = stack.enter_context(httpapi_client_of(url + prefix))
            return Bridge(client, between, mt5, terminal)

        yield opened


@pytest.fixture
def bridge(open_bridge: Callable[..., Bridge]) -> Bridge:
    return open_bridge()


def answers(value: Any) -> Callable[..., Any]:
    return lambda *_, **__: value


def _disconnect(mt5: Any) -> None:
    here = mt5.terminal_info()
    mt5.terminal_info = answers(here._replace(connected=False))


# What is not believed.


def test_no_positions_while_margin_is_held_is_not_believed(bridge: Bridge) -> None:
    bridge.broker.send(make_order())
    bridge.mt5.positions_get = answers(None)
    for ask in (bridge.broker.positions, lambda: bridge.broker.snapshot("BTCUSD")):
        with pytest.raises(BrokerUnavailable, match="margin"):
            ask()


def test_one_lost_list_is_read_again(bridge: Bridge) -> None:
    bridge.broker.send(make_order())
    bridge.answer("GET /positions", 200, b"[]", times=1)
    assert len(bridge.broker.positions()) == 1


def test_margin_of_a_pending_order_does_not_contradict_no_positions(bridge: Bridge) -> None:
    limit = make_order("p-1", type=OrderType.BUY_LIMIT, price=50_000.0)
    bridge.broker.send(limit)
    here = bridge.mt5.account_info()
    bridge.mt5.account_info = answers(here._replace(margin=5.0))
    assert bridge.broker.positions() == ()


@pytest.mark.parametrize(
    "ask",
    [
        lambda b: b.positions(),
        lambda b: b.positions("BTCUSD"),
        lambda b: b.orders(),
        lambda b: b.deals(from_ms=FAR_MS, to_ms=FAR_MS + 1),
        lambda b: b.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=STEP_MS),
        lambda b: b.symbol("NOSUCH"),
    ],
    ids=["positions", "of a symbol", "orders", "deals", "rates", "unknown symbol"],
)
def test_nothing_is_believed_of_a_connected_terminal_only(
    bridge: Bridge, ask: Callable[[Broker], Any]
) -> None:
    bridge.broker.account()
    _disconnect(bridge.mt5)
    with pytest.raises(BrokerUnavailable, match="not connected"):
        ask(bridge.broker)


def test_positions_are_read_whole_whatever_symbol_is_asked_for(bridge: Bridge) -> None:
    bridge.broker.send(make_order())
    bridge.mt5.positions_get = answers(())
    with pytest.raises(BrokerUnavailable, match="margin"):
        bridge.broker.positions("BTCUSD")


@pytest.mark.parametrize(
    ("path", "body", "ask"),
    [
        ("/positions", b'[{"ticket": 1}]', lambda b: b.positions()),
        ("/positions", b'[{"symbol": "X", "ticket": 1.5}]', lambda b: b.positions()),
        ("/positions", b'{"items": []}', lambda b: b.positions()),
        ("/positions", b"null", lambda b: b.positions()),
        ("/positions", b"[", lambda b: b.positions()),
        ("/terminal", b'{"broker_utc_offset_seconds": 0, "build": "x"}', lambda b: b.orders()),
        ("/account", b"{}", lambda b: b.account()),
        ("/account", b'{"margin": 0.0, "currency": "USD"}', lambda b: b.account()),
        ("/account", b'{"margin": 0.0, "currency": []}', lambda b: b.account()),
        ("/account", b'{"margin": null}', lambda b: b.positions()),
        ("/symbols/BTCUSD/tick", b'{"time_msc": "5"}', lambda b: b.tick("BTCUSD")),
        ("/symbols/BTCUSD/tick", b'{"time_msc": 5}', lambda b: b.tick("BTCUSD")),
        ("/history/deals", b'[{"order": 5}]', lambda b: b.deals(from_ms=0, to_ms=1)),
        (
            "/symbols/BTCUSD/rates",
            b'[{"time": 5, "open": null}]',
            lambda b: b.rates("BTCUSD", Timeframe.M15, from_ms=0, to_ms=STEP_MS),
        ),
    ],
)
def test_answer_that_cannot_be_understood_is_a_bad_answer(
    bridge: Bridge, path: str, body: bytes, ask: Callable[[Broker], Any]
) -> None:
    bridge.broker.account()
    bridge.answer(f"GET {path}", 200, body)
    with pytest.raises(BadAnswer):
        ask(bridge.broker)


def test_page_of_html_is_a_bad_answer(bridge: Bridge) -> None:
    bridge.answer("GET /account", 200, HTML, kind="text/html")
    with pytest.raises(BadAnswer, match="text/html"):
        bridge.broker.account()
    bridge.answer("GET /account", 500, HTML, kind="text/html")
    with pytest.raises(BadAnswer, match="HTTP 500"):
        bridge.broker.account()


def test_account_that_is_not_logged_in_may_come_back(bridge: Bridge) -> None:
    bridge.mt5.account_info = answers(None)
    with pytest.raises(BrokerUnavailable, match="not logged in"):
        bridge.broker.account()


def test_bridge_that_shifts_times_itself_is_refused(open_bridge: Callable[..., Bridge]) -> None:
    broker = open_bridge(utc_offset_s=7200).broker
    for ask in (broker.account, broker.health, broker.positions):
        with pytest.raises(BrokerRefused, match='utc_offset: "0"'):
            ask()


def test_offset_that_appears_later_is_refused_too(bridge: Bridge) -> None:
    assert bridge.broker.health().status == "ok"
    bridge.answer("GET /terminal", 200, b'{"connected": true, "broker_utc_offset_seconds": 7200}')
    with pytest.raises(BrokerRefused, match="7200"):
        bridge.broker.health()


def test_snapshot_is_read_again_while_deals_fall_in_between(bridge: Bridge) -> None:
    bridge.broker.tick("BTCUSD")
    here, balances = bridge.mt5.account_info(), iter([1.0, 2.0, 3.0])
    bridge.mt5.account_info = lambda: here._replace(balance=next(balances, 4.0))
    assert bridge.broker.snapshot("BTCUSD").account.balance == 4.0


def test_snapshot_that_never_stands_still_is_unavailable(bridge: Bridge) -> None:
    here, count = bridge.mt5.account_info(), iter(range(10_000))
    bridge.mt5.account_info = lambda: here._replace(balance=float(next(count)))
    with pytest.raises(BrokerUnavailable, match="snapshot"):
        bridge.broker.snapshot("BTCUSD")


@pytest.mark.parametrize(
    ("server_ms", "host_ms", "told"),
    [
        (STEP_MS - 1000, STEP_MS - 1, 0),
        (STEP_MS - 1000, STEP_MS + 1000, 0),
        (STEP_MS, STEP_MS + 1000, 1),
        (STEP_MS - 1000, STEP_MS + 5000, 1),
    ],
    ids=["before its end", "host ahead", "quote from after its end", "long enough ago"],
)
def test_live_bar_is_closed_by_the_clock_and_by_a_quote(
    server_ms: int, host_ms: int, told: int
) -> None:
    terminal = make_terminal()
    terminal.advance(START_MS + server_ms)
    app = create_httpapi_app(NativeTerminal(terminal), token="t")
    with running(app) as url:
        settings = BridgeSettings(
            api_base_url=url, dialect="mt5-httpapi", server_timezone="Europe/Athens"
        )
        with HttpApiBroker(settings, "t", host_now_ms=lambda: START_MS + host_ms) as broker:
            bars = broker.rates("BTCUSD", Timeframe.M15, from_ms=START_MS, to_ms=FAR_MS)
            assert len(bars) == told
            assert broker.health().mode == "live"


# Health, composed.


def test_health_tells_what_terminal_account_and_quotes_tell(bridge: Bridge) -> None:
    bridge.broker.symbol("BTCUSD")
    _disconnect(bridge.mt5)
    health = bridge.broker.health()
    assert (health.status, health.mode, health.dialect) == ("degraded", "paper", "mt5-httpapi")
    assert (health.login, health.market[0].tick_age_ms) == (1_000_001, 0)


def test_health_is_down_where_only_ping_answers(bridge: Bridge) -> None:
    bridge.broker.health()
    bridge.mt5.terminal_info = bridge.mt5.initialize = answers(None)
    assert bridge.broker.health().status == "down"


def test_health_of_a_bridge_that_is_away_is_an_error() -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with httpapi_client_of(url) as broker, pytest.raises(BridgeUnreachable, match="api_base_url"):
        broker.health()


def test_quote_from_our_future_is_a_skewed_clock(open_bridge: Callable[..., Bridge]) -> None:
    """The rule says UTC, the server shows Athens: quotes come two hours early."""
    bridge = open_bridge()
    settings = BridgeSettings(
        api_base_url=str(bridge.broker.connection._url), dialect="mt5-httpapi",
        server_timezone="UTC",
    )  # fmt: skip
    with HttpApiBroker(settings) as broker:
        broker.symbol("BTCUSD")
        assert broker.health().clock_skew_ms == 7_200_000
    bridge.broker.symbol("BTCUSD")
    assert bridge.broker.health().clock_skew_ms == 0


def test_lost_connection_gives_a_new_boot_id(bridge: Bridge, monkeypatch: Any) -> None:
    first = bridge.broker.health().boot_id
    assert bridge.broker.health().boot_id == first

    def away(*_: Any, **__: Any) -> Any:
        raise BridgeUnreachable("away")

    with monkeypatch.context() as gone:
        gone.setattr(bridge.broker.connection, "exchange", away)
        with pytest.raises(BridgeUnreachable):
            bridge.broker.health()
    assert bridge.broker.health().boot_id != first


# Trade requests: each answer and what it means.


@pytest.mark.parametrize(
    ("status", "body", "kind", "error"),
    [
        (500, b'{"error": "order_send failed: (-10005, \'IPC timeout\')"}', "json", OutcomeUnknown),
        (500, b'{"error": "order_send failed: (-1, \'fail\')"}', "json", OutcomeUnknown),
        (500, b'{"error": "order_send failed: (-20, \'x\')"}', "json", OutcomeUnknown),
        (500, b'{"error": "order_send failed: (-2, \'Invalid\')"}', "json", BrokerRefused),
        (500, HTML, "html", OutcomeUnknown),
        (502, HTML, "html", OutcomeUnknown),
        (503, HTML, "html", OutcomeUnknown),
        (503, b'{"error": "queue depth 21 exceeds max 20"}', "json", BrokerUnavailable),
        (504, b'{"error": "mt5 call timed out"}', "json", OutcomeUnknown),
        (408, b"", "html", OutcomeUnknown),
        (429, b"", "html", BrokerUnavailable),
        (400, b'{"error": "\'volume\' is required"}', "json", BrokerRefused),
        (401, HTML, "html", BrokerRefused),
        (404, b'{"error": "Symbol X not found"}', "json", BrokerRefused),
        (201, b"", "json", OutcomeUnknown),
        (201, b"null", "json", OutcomeUnknown),
        (201, b'{"retcode": 10009, ', "json", OutcomeUnknown),
        (201, b'{"order": 5}', "json", OutcomeUnknown),
        (201, b'{"retcode": 10009, "order": "x"}', "json", OutcomeUnknown),
        (200, HTML, "html", OutcomeUnknown),
        (200, b'{"retcode": 10012}', "json", OutcomeUnknown),
        (200, b'{"retcode": 12345}', "json", OutcomeUnknown),
    ],
)
def test_order_is_sent_once_whatever_comes_back(
    bridge: Bridge, status: int, body: bytes, kind: str, error: type[BrokerError]
) -> None:
    mime = "application/json" if kind == "json" else "text/html"
    bridge.answer("POST /orders", status, body, kind=mime)
    with pytest.raises(BrokerError) as caught:
        bridge.broker.send(make_order())
    assert type(caught.value) is error, caught.value
    assert bridge.between.asked["POST /orders"] == 1


@pytest.mark.parametrize(
    ("retcode", "outcome"),
    [(10008, "placed"), (10010, "partial"), (10019, "rejected"), (10027, "rejected")],
)
def test_retcode_decides_and_not_the_status(bridge: Bridge, retcode: int, outcome: str) -> None:
    for status in (200, 201):
        bridge.answer("POST /orders", status, f'{{"retcode": {retcode}}}'.encode())
        result = bridge.broker.send(make_order(f"a-{status}"))
        assert (result.retcode, result.outcome) == (retcode, outcome)


def test_lost_answer_is_never_sent_again_and_the_fill_is_found(bridge: Bridge) -> None:
    bridge.answer("POST /orders", 504, b'{"error": "timed out"}', handled=True)
    with pytest.raises(OutcomeUnknown):
        bridge.broker.send(make_order())
    report = bridge.broker.intent("a-1")
    assert (report.state, len(report.deals)) == ("filled", 1)
    assert bridge.broker.send(make_order()).position == report.position
    assert bridge.between.asked["POST /orders"] == 1


def test_unanswered_order_that_left_nothing_is_in_flight(bridge: Bridge) -> None:
    bridge.answer("POST /orders", 504, b'{"error": "timed out"}')
    with pytest.raises(OutcomeUnknown):
        bridge.broker.send(make_order())
    assert bridge.broker.intent("a-1").state == "in_flight"
    with pytest.raises(IntentInFlight):
        bridge.broker.send(make_order())
    assert bridge.between.asked["POST /orders"] == 1


def test_another_client_finds_the_intent_by_its_magic(
    open_bridge: Callable[..., Bridge], bridge: Bridge
) -> None:
    sent = bridge.broker.send(make_order())
    again = open_bridge(bridge.terminal).broker
    report = again.intent("a-1")
    assert (report.state, report.position) == ("filled", sent.position)
    assert again.send(make_order()).deal == sent.deal
    assert len(again.positions()) == 1


def test_intent_is_found_by_its_comment_where_magic_was_lost(
    open_bridge: Callable[..., Bridge], bridge: Bridge
) -> None:
    bridge.broker.send(make_order(magic=0))
    again = open_bridge(bridge.terminal)
    assert again.broker.positions()[0].comment == comment_of("a-1")
    assert again.broker.intent("a-1").state == "filled"


@pytest.mark.parametrize("kept", [{}, {"magic": 0}], ids=["by magic", "by comment"])
def test_position_answers_while_its_deal_is_late(
    open_bridge: Callable[..., Bridge], bridge: Bridge, kept: dict[str, int]
) -> None:
    sent = bridge.broker.send(make_order(sl=50_000.0, **kept))
    again = open_bridge(bridge.terminal)
    again.mt5.history_deals_get = again.mt5.history_orders_get = answers(())
    report = again.broker.intent("a-1")
    assert (report.state, report.position, report.deals) == ("filled", sent.position, ())
    assert report.result is not None
    assert (report.result.price, report.result.volume) == (sent.price, 0.02)


@pytest.mark.parametrize("kept", [{}, {"magic": 0}], ids=["by magic", "by comment"])
def test_orders_answer_where_there_is_no_deal(
    open_bridge: Callable[..., Bridge], bridge: Bridge, kept: dict[str, int]
) -> None:
    limit = make_order("p-1", type=OrderType.BUY_LIMIT, price=50_000.0, **kept)
    ticket = bridge.broker.send(limit).order
    again = open_bridge(bridge.terminal).broker
    assert again.intent("p-1").state == "in_flight"
    bridge.mt5.order_send({"action": 8, "order": ticket})
    assert again.intent("p-1").state == "rejected"


def test_close_goes_through_orders_with_the_symbols_filling(bridge: Bridge) -> None:
    opened = bridge.broker.send(make_order())
    close = make_order("c-1", type=OrderType.SELL, position=opened.position)
    assert bridge.broker.send(close).outcome == "filled"
    assert not any(name.startswith("DELETE") for name in bridge.between.asked)
    last = bridge.broker.deals(from_ms=START_MS, to_ms=FAR_MS)[-1]
    assert (last.entry, last.magic) == (DealEntry.OUT, close.magic)


def test_request_for_another_account_is_not_sent(bridge: Bridge) -> None:
    elsewhere = Expect(5, "Elsewhere")
    with pytest.raises(WrongAccount, match="1000001"):
        bridge.broker.send(make_order(expect=elsewhere))
    assert bridge.between.asked["POST /orders"] == 0


# Levels: a 500 is read back.


@pytest.fixture
def held(bridge: Bridge) -> int:
    return bridge.broker.send(make_order(sl=50_000.0, tp=70_000.0)).position


def test_levels_refused_by_the_server_are_a_rejection(bridge: Bridge, held: int) -> None:
    result = bridge.broker.modify(held, sl=90_000.0, tp=95_000.0, client_id="m-1")
    assert (result.outcome, result.retcode_name) == ("rejected", "REJECT")
    assert "Failed to update position" in result.comment


def test_levels_that_stand_as_asked_after_a_500_are_no_changes(bridge: Bridge, held: int) -> None:
    path = f"PUT /positions/{held}"
    bridge.answer(path, 500, HTML, kind="text/html", handled=True)
    result = bridge.broker.modify(held, sl=51_000.0, tp=0.0, client_id="m-1")
    assert (result.outcome, result.retcode_name) == ("placed", "NO_CHANGES")
    assert bridge.broker.positions()[0].sl == 51_000.0


@pytest.mark.parametrize(
    ("body", "kind"),
    [(HTML, "text/html"),
     (b'{"error": "Failed to update position: (-10005, \'IPC timeout\')"}', "application/json")],
)  # fmt: skip
def test_levels_that_may_still_change_are_unknown(
    bridge: Bridge, held: int, body: bytes, kind: str
) -> None:
    bridge.answer(f"PUT /positions/{held}", 500, body, kind=kind)
    with pytest.raises(OutcomeUnknown):
        bridge.broker.modify(held, sl=51_000.0, tp=0.0, client_id="m-1")


def test_levels_of_a_position_that_is_only_said_to_be_gone_were_not_sent(
    bridge: Bridge, held: int
) -> None:
    bridge.answer(f"PUT /positions/{held}", 404, b'{"error": "Position not found"}')
    with pytest.raises(BrokerUnavailable, match="though the position is open"):
        bridge.broker.modify(held, sl=51_000.0, tp=0.0, client_id="m-1")


def test_levels_of_a_position_that_closes_meanwhile_are_rejected(bridge: Bridge, held: int) -> None:
    real = bridge.mt5.positions_get

    def told_once_more(**given: Any) -> Any:
        found = real(**given)
        bridge.mt5.positions_get = real
        sold = {"action": 1, "symbol": "BTCUSD", "volume": 0.02, "type": 1, "position": held,
                "type_filling": 0, "price": 0.0}  # fmt: skip
        assert bridge.mt5.order_send(sold).retcode == 10009
        return found

    bridge.mt5.positions_get = told_once_more
    result = bridge.broker.modify(held, sl=51_000.0, tp=0.0, client_id="m-1")
    assert (result.outcome, result.retcode_name) == ("rejected", "POSITION_CLOSED")
    assert bridge.between.asked[f"PUT /positions/{held}"] == 1


def test_levels_that_cannot_be_read_back_are_unknown(bridge: Bridge, held: int) -> None:
    bridge.answer(f"PUT /positions/{held}", 500, HTML, kind="text/html")
    bridge.broker.positions()
    asked = bridge.mt5.positions_get
    looks = iter([True])
    bridge.mt5.positions_get = lambda **given: asked(**given) if next(looks, False) else None
    with pytest.raises(OutcomeUnknown, match="margin"):
        bridge.broker.modify(held, sl=51_000.0, tp=0.0, client_id="m-1")


# Checks without the server.


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "CHECK_PASSED"),
        ({"volume": 0.001}, "INVALID_VOLUME"),
        ({"volume": 0.015}, "INVALID_VOLUME"),
        ({"type_filling": 2}, "INVALID_FILL"),
        ({"sl": 90_000.0}, "INVALID_STOPS"),
        ({"type": OrderType.SELL, "tp": 90_000.0}, "INVALID_STOPS"),
        ({"sl": 50_000.0, "tp": 90_000.0}, "CHECK_PASSED"),
    ],
)
def test_check_goes_by_the_specification(
    bridge: Bridge, changes: dict[str, Any], name: str
) -> None:
    assert bridge.broker.check(make_order(**changes)).retcode_name == name
    assert bridge.between.asked["POST /orders"] == 0


@pytest.mark.parametrize(
    ("mode", "buy", "sell", "close"),
    [(0, 10017, 10017, 10017), (1, 0, 10042, 0), (2, 10043, 0, 0), (3, 10044, 10044, 0)],
)
def test_check_knows_the_trade_mode(
    bridge: Bridge, mode: int, buy: int, sell: int, close: int
) -> None:
    held = bridge.broker.send(make_order()).position
    spec = bridge.mt5.symbol_info("BTCUSD")
    bridge.mt5.symbol_info = answers(spec._replace(trade_mode=mode))
    sells = {"type": OrderType.SELL}
    given = ({}, sells, sells | {"position": held})
    codes = [bridge.broker.check(make_order("x", **each)).retcode for each in given]
    assert codes == [buy, sell, close]


# Ranges.


def test_windows_join_without_gap_or_overlap_and_end_on_thursdays() -> None:
    pieces = list(windows(1_700_000_000, 1_710_000_000, WEEK_S))
    assert (pieces[0][0], pieces[-1][1]) == (1_700_000_000, 1_710_000_000)
    for (_, end_s), (next_s, _) in pairwise(pieces):
        assert next_s == end_s + 1
        assert datetime.fromtimestamp(next_s, UTC).strftime("%a %H:%M") == "Thu 00:00"
    assert all(last_s - first_s < WEEK_S for first_s, last_s in pieces)
    assert list(windows(5, 4, WEEK_S)) == []


def test_history_is_asked_in_weeks_until_tomorrow_and_each_deal_told_once(bridge: Bridge) -> None:
    bridge.broker.send(make_order())
    bridge.terminal.advance(START_MS + 30 * STEP_MS)
    bridge.broker.account()  # its answer tells the simulated instant
    spans: list[tuple[int, int]] = []
    real = bridge.mt5.history_deals_get
    bridge.mt5.history_deals_get = lambda a, b: spans.append((a, b)) or real(a, b) * 2
    deals = bridge.broker.deals(from_ms=START_MS - 20 * 86_400_000, to_ms=FAR_MS)
    assert [deal.ticket for deal in deals] == sorted({deal.ticket for deal in deals})
    assert len(deals) == 2
    assert len(spans) in (4, 5)
    assert max(last - first for first, last in spans) < WEEK_S
    now_s = bridge.terminal.now_ms // 1000 + 7200
    assert spans[-1][1] == now_s + 86_400


def test_prefix_of_the_address_is_kept(open_bridge: Callable[..., Bridge]) -> None:
    broker = open_bridge(path_prefix="/roboforex/main").broker
    assert broker.account().balance == 10_000.0
    assert broker.health().utc_msc == START_MS


def test_page_of_a_proxy_that_knows_no_such_bridge_is_refused(
    open_bridge: Callable[..., Bridge],
) -> None:
    url = str(open_bridge(path_prefix="/roboforex/main").broker.connection._url)
    with httpapi_client_of(url.replace("main", "other")) as broker:
        for ask in (broker.health, broker.account, lambda: broker.symbol("BTCUSD")):
            with pytest.raises(BrokerRefused, match="HTTP 404"):
                ask()


# One way in.


def test_connect_gives_the_client_of_the_dialect() -> None:
    native = connect(BridgeSettings())
    other = connect(BridgeSettings(dialect="mt5-httpapi", server_timezone="Europe/Athens"))
    assert (type(native), type(other)) == (RestBroker, HttpApiBroker)
    for each in (native, other):
        each.close()


def test_dialect_without_a_time_zone_rule_is_refused() -> None:
    with pytest.raises(BrokerRefused, match=r"bridge\.server_timezone"):
        connect(BridgeSettings(dialect="mt5-httpapi"))


@pytest.mark.parametrize("given", [{"dialect": "mt4"}, {"server_timezone": "Mars/Base"}])
def test_setting_that_means_nothing_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BridgeSettings(**given)


# Both dialects tell the same.


SCRIPT: tuple[Callable[[Broker], Any], ...] = (
    lambda b: b.symbol("BTCUSD"),
    lambda b: replace(b.health(), dialect=""),
    lambda b: b.send(make_order("e-1", sl=50_000.0)),
    lambda b: b.send(make_order("e-1", sl=50_000.0)),
    lambda b: b.send(make_order("e-2", type=OrderType.SELL, tp=61_000.0)),
    lambda b: b.send(make_order("e-3", volume=99.0)),
    lambda b: b.snapshot("BTCUSD"),
    lambda b: b.modify(b.positions()[0].identifier, sl=52_000.0, tp=0.0, client_id="m-1"),
    lambda b: b.positions("BTCUSD"),
    lambda b: b.intent("e-1"),
    lambda b: b.send(make_order("c-1", type=OrderType.SELL, position=b.positions()[0].identifier)),
    lambda b: b.deals(from_ms=0, to_ms=FAR_MS),
    lambda b: b.account(),
)


def test_both_dialects_tell_the_same(in_process: Venue, over_httpapi: Venue) -> None:
    for number, call in enumerate(SCRIPT):
        here, there = call(in_process.broker), call(over_httpapi.broker)
        if hasattr(here, "boot_id"):
            here, there = (replace(each, boot_id="", uptime_s=0.0) for each in (here, there))
        assert here == there, f"call {number}: {fields(type(here)) if here else ''}"
        for venue in (in_process, over_httpapi):
            venue.terminal.advance(venue.terminal.now_ms + STEP_MS)
