"""`/_paper/faults`, `ticks`, `reset` and `snapshot`."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from broker.client.fault_control import FaultControl
from broker.contract.errors import BrokerRefused, BrokerUnavailable, OutcomeUnknown
from broker.contract.paper import FaultMatch, FaultWhen
from mt5api.app import create_app
from mt5api.paper import open_paper, read_spec
from mt5api.paper_app import paper_app
from mt5api.paper_clock import PaperClock
from tests.broker.paper_bridge import client_of, make_terminal, native_broker, running, talking_to
from tests.faults.venues import STEP_MS, HttpVenue, order
from tests.patience import PATIENCE_S

START_MS = 1_767_225_600_000


def write_spec(folder: Path, **changes: Any) -> Path:
    path = folder / "spec.json"
    spec = {
        "market": {
            "kind": "generated", "seed": 3, "from_ms": START_MS - 200 * STEP_MS,
            "to_ms": START_MS + 200 * STEP_MS,
        },
        "symbol": "BTCUSD", "start_ms": START_MS, "state_dir": str(folder / "state"),
    }  # fmt: skip
    path.write_text(json.dumps(spec | changes))
    return path


def test_fault_comes_as_the_contract_writes_it(venue: HttpVenue) -> None:
    body = {
        "name": "post_fill_then_timeout",
        "match": {"method": "POST", "path": "/orders", "symbol": "BTCUSD"},
        "when": {"after_calls": 3, "count": 1, "prob": 1.0, "from_msc": 0, "to_msc": 0},
        "params": {},
    }
    added = httpx.post(venue.url + "/_paper/faults", json=body, trust_env=False, timeout=PATIENCE_S)
    assert (added.status_code, added.json()) == (200, {"id": 1})
    (fault,) = venue.control.active()
    assert (fault.name, fault.match, fault.when) == (
        "post_fill_then_timeout",
        FaultMatch("POST", "/orders", "BTCUSD"),
        FaultWhen(after_calls=3, count=1),
    )
    assert (fault.calls, fault.hits, fault.added_msc) == (0, 0, venue.terminal.now_ms)


def test_fourth_order_is_the_one_that_times_out(venue: HttpVenue) -> None:
    venue.control.add(
        "post_fill_then_timeout", match=FaultMatch("POST", "/orders", "BTCUSD"),
        when=FaultWhen(after_calls=3, count=1),
    )  # fmt: skip
    for number in range(3):
        assert venue.buy(f"n{number}").outcome == "filled"
    with pytest.raises(OutcomeUnknown):
        venue.buy("n3")
    assert venue.buy("n4").outcome == "filled"
    assert len(venue.entries()) == 5


def test_symbol_of_a_position_is_known(venue: HttpVenue) -> None:
    entry = venue.buy()
    venue.control.add("http_504", match=FaultMatch("PUT", symbol="EURUSD"))
    assert venue.broker.modify(entry.position, sl=50_000.0, tp=0.0, client_id="a").retcode == 10009
    venue.control.add("http_504", match=FaultMatch("PUT", symbol="BTCUSD"))
    with pytest.raises(OutcomeUnknown):
        venue.broker.modify(entry.position, sl=51_000.0, tp=0.0, client_id="b")


@pytest.mark.parametrize("name", ["http_503", "sdk_error", "retcode"])
def test_kind_of_a_trade_request_tells_closes_from_entries(venue: HttpVenue, name: str) -> None:
    params = {"code": -10004} if name == "sdk_error" else {}
    venue.control.add(name, match=FaultMatch(kind="close"), **params)
    entry = venue.buy()
    levels = venue.broker.modify(entry.position, sl=50_000.0, tp=0.0, client_id="levels")
    assert (entry.outcome, levels.outcome) == ("filled", "filled")
    venue.control.clear()
    venue.control.add(name, match=FaultMatch(kind="entry"), **params)
    assert venue.buy("close", type=1, position=entry.position).outcome == "filled"
    assert venue.terminal.positions() == ()
    before = len(venue.entries())
    with suppress(BrokerUnavailable):
        assert venue.buy("two").outcome == "rejected"
    assert len(venue.entries()) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", '{"name": "nonsense"}'),
        ("faults", '{"name": "retcode", "params": {"code": 1}}'),
        ("faults", '{"name": "retcode", "extra": 1}'),
        ("faults", "[]"),
        ("ticks", '{"symbol": "EURUSD", "bid": 1.0, "ask": 1.1}'),
        ("ticks", '{"symbol": "BTCUSD"}'),
    ],
)
def test_what_cannot_be_is_400_with_a_reason(venue: HttpVenue, path: str, body: str) -> None:
    answer = httpx.post(
        f"{venue.url}/_paper/{path}", content=body, trust_env=False, timeout=PATIENCE_S
    )
    assert answer.status_code == 400
    assert len(answer.json()["error"]["message"]) > 10
    assert venue.control.active() == ()


def test_client_says_why_a_fault_was_refused(venue: HttpVenue) -> None:
    with pytest.raises(BrokerRefused, match="nonsense"):
        venue.control.add("nonsense")


def test_snapshot_is_the_truth_under_any_fault(venue: HttpVenue) -> None:
    venue.buy()
    venue.control.add("empty_positions")
    venue.control.add("history_lag", lag_ms=10**9)
    there = venue.control.snapshot()
    assert [position.magic for position in there.positions] == [order().magic]
    assert len(there.deals) == 2
    assert there.ledger_sha256 == venue.terminal.ledger.sha256()


def test_bridge_without_faults_has_none_of_these_paths() -> None:
    terminal = make_terminal()
    app = create_app(native_broker(terminal), paper_clock=PaperClock(terminal, "max"))
    with talking_to(app) as http:
        for method, path in (("GET", "faults"), ("POST", "ticks"), ("GET", "snapshot")):
            assert http.request(method, f"/_paper/{path}").status_code == 404


def test_paths_need_the_token(tmp_path: Path) -> None:
    bridge = open_paper(read_spec(write_spec(tmp_path)))
    with running(paper_app(bridge, token="secret")) as url:
        answer = httpx.post(f"{url}/_paper/reset", trust_env=False, timeout=PATIENCE_S)
        assert answer.status_code == 401
        with client_of(url, "secret") as client:
            FaultControl(client.connection).reset()
    bridge.terminal.close()


def test_plan_and_what_it_did_outlive_the_bridge(tmp_path: Path) -> None:
    spec = read_spec(write_spec(tmp_path))
    first = open_paper(spec)
    with running(paper_app(first, token="")) as url, client_of(url) as client:
        control = FaultControl(client.connection)
        control.add("post_fill_then_timeout", when=FaultWhen(after_calls=1, count=1))
        control.add("gap", points=-10_000)
        client.send(order("one", volume=0.01))
        told = control.active()
    first.terminal.close()
    first.keys.close()
    second = open_paper(spec)
    with running(paper_app(second, token="")) as url, client_of(url) as client:
        assert FaultControl(client.connection).active() == told
        with pytest.raises(OutcomeUnknown):
            client.send(order("two", volume=0.01))
    second.terminal.close()
    second.keys.close()


def test_killed_bridge_starts_again_in_the_middle_of_an_outage(tmp_path: Path) -> None:
    spec = read_spec(write_spec(tmp_path))
    first = open_paper(spec)
    with running(paper_app(first, token="")) as url, client_of(url) as client:
        FaultControl(client.connection).add("terminal_restart")
    first.terminal.close()
    first.keys.close()
    second = open_paper(spec)
    assert second.broker.health().status == "down"
    second.terminal.close()
    second.keys.close()


def test_reset_forgets_intents(tmp_path: Path) -> None:
    bridge = open_paper(read_spec(write_spec(tmp_path)))
    with running(paper_app(bridge, token="")) as url, client_of(url) as client:
        start = FaultControl(client.connection).snapshot()
        first = client.send(order("one", volume=0.01))
        FaultControl(client.connection).reset()
        assert FaultControl(client.connection).snapshot() == start
        again = client.send(order("one", volume=0.01))
        assert (again.deal, again.outcome) == (first.deal, "filled")
        assert len(FaultControl(client.connection).snapshot().deals) == 2
    bridge.terminal.close()
    bridge.keys.close()
