"""A paper venue with a plan of faults: over HTTP in either dialect, or in process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from broker.client.fault_control import FaultControl
from broker.client.httpapi import HttpApiBroker
from broker.client.paper_control import PaperControl
from broker.client.rest import RestBroker
from broker.contract.constants import DealEntry, Filling, OrderType
from broker.contract.marks import comment_of, magic_of
from broker.contract.messages import Deal, OrderRequest, TradeResult
from broker.contract.paper import FaultMatch, FaultOrder, FaultWhen, ParamValue
from broker.contract.port import Broker
from broker.native import NativeBroker
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.faults.terminal import FaultyTerminal, bridge_clock
from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from market.server_clock import ServerClock
from mt5api.app import create_app
from mt5api.faults import PaperVenue, with_faults
from mt5api.paper_clock import PaperClock
from tests.broker.paper_bridge import ZONE, client_of, make_terminal, running
from tests.patience import PATIENCE_S

STEP_MS = 900_000
ALWAYS, ANY = FaultWhen(), FaultMatch()
ONCE = FaultWhen(count=1)


@dataclass
class Venue:
    """A broker, the terminal behind it and the plan between them."""

    broker: Broker
    terminal: SimulatedTerminal
    plan: FaultPlan
    url: str = ""

    def fault(
        self, name: str, *, when: FaultWhen = ALWAYS, match: FaultMatch = ANY,
        **params: ParamValue,
    ) -> int:  # fmt: skip
        return self.plan.add(FaultOrder(name, match, when, params))

    def buy(self, client_id: str = "one", **given: Any) -> TradeResult:
        return self.broker.send(order(client_id, **given))

    def later(self, ms: int) -> None:
        self.terminal.advance(self.terminal.now_ms + ms)

    def entries(self) -> list[Deal]:
        """What really was opened, whatever is shown."""
        return [deal for deal in self.terminal.deals() if deal.entry is DealEntry.IN and deal.order]

    def hits(self) -> list[int]:
        return [each.hits for each in self.plan.active()]


class HttpVenue(Venue):
    """`Venue` over HTTP: the broker is a client."""

    broker: RestBroker | HttpApiBroker

    @property
    def control(self) -> FaultControl:
        return FaultControl(self.broker.connection)

    @property
    def clock(self) -> PaperControl:
        return PaperControl(self.broker.connection)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, trust_env=False, timeout=PATIENCE_S)


def order(client_id: str = "one", **given: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "symbol": "BTCUSD", "type": OrderType.BUY, "volume": 0.1, "client_id": client_id,
        "magic": magic_of(7, client_id), "comment": comment_of(client_id),
        "type_filling": Filling.IOC,
    }  # fmt: skip
    return OrderRequest(**(fields | given))


def native_broker(terminal: SimulatedTerminal, plan: FaultPlan) -> NativeBroker:
    mt5 = FaultyTerminal(NativeTerminal(terminal), plan)
    return NativeBroker(mt5, ServerClock(ZONE), now_ms=bridge_clock(plan), mode="paper")


def in_process(**given: Any) -> Venue:
    terminal, plan = make_terminal(**given), FaultPlan(7)
    broker = native_broker(terminal, plan)
    broker.symbol("BTCUSD")
    return Venue(broker, terminal, plan)


@contextmanager
def over_http(**given: Any) -> Iterator[HttpVenue]:
    terminal, plan = make_terminal(**given), FaultPlan(7)
    broker = native_broker(terminal, plan)
    broker.symbol("BTCUSD")
    app = with_faults(
        create_app(broker, paper_clock=PaperClock(terminal, "max")),
        PaperVenue(terminal, plan, restart=broker.restarted),
    )
    with running(app) as url, client_of(url) as client:
        yield HttpVenue(client, terminal, plan, url)
