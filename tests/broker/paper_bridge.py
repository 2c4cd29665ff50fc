"""A simulated terminal with a short market, in process or behind real HTTP on a free port."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI
from tenacity import wait_none

from broker.client.httpapi import HttpApiBroker
from broker.client.rest import RestBroker
from broker.client.settings import BridgeSettings
from broker.contract.constants import AccountTradeMode
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instruments import instrument
from market.server_clock import ServerClock
from mt5api.app import create_app
from mt5api.httpapi import create_httpapi_app
from mt5api.paper_clock import PaperClock, Speed
from mt5api.serve import Bridge, listen
from tests.builders import MONDAY_MS, make_bars
from tests.patience import PATIENCE_S

STEP_MS = 900_000
START_MS = MONDAY_MS + 50 * STEP_MS
ZONE = "Europe/Athens"


def walk(count: int = 200) -> Bars:
    """Bars of a seeded walk around 60,000 with a spread of 10.00."""
    random = np.random.default_rng(5)
    closes = np.round(60_000 + np.cumsum(random.normal(0, 40, count)), 2)
    opens = np.r_[60_000.0, closes[:-1]]
    high = np.round(np.maximum(opens, closes) + random.uniform(0, 30, count), 2)
    low = np.round(np.minimum(opens, closes) - random.uniform(0, 30, count), 2)
    rows = list(zip(opens, high, low, closes, strict=True))
    return make_bars(rows, spread_points=1000)


def make_terminal(bars: Bars | None = None, *, start_ms: int = START_MS) -> SimulatedTerminal:
    return SimulatedTerminal(
        bars={"BTCUSD": bars or walk()},
        instruments={"BTCUSD": instrument("BTCUSD")},
        account=AccountTerms(balance=10_000.0),
        start_ms=start_ms,
        seed=7,
        slippage_points=50,
        server_zone=ZONE,
    )


def native_broker(terminal: SimulatedTerminal) -> NativeBroker:
    return NativeBroker(
        NativeTerminal(terminal), ServerClock(ZONE), now_ms=lambda: terminal.now_ms, mode="paper"
    )


@contextmanager
def served(
    broker: NativeBroker, *, terminal: SimulatedTerminal | None = None, token: str = "",
    speed: Speed = "max",
) -> Iterator[str]:  # fmt: skip
    """The base URL of a bridge that runs in a thread until the block ends."""
    clock = PaperClock(terminal, speed) if terminal else None
    with running(create_app(broker, token=token, paper_clock=clock)) as url:
        yield url


@contextmanager
def served_in_real_time(
    bars: Bars, *, start_ms: int, trade_mode: AccountTradeMode = AccountTradeMode.DEMO
) -> Iterator[str]:
    """The base URL of a bridge over an account whose market of `bars` follows the wall clock: it is
    `start_ms` at the first question."""
    terminal = SimulatedTerminal(
        bars={"BTCUSD": bars}, instruments={"BTCUSD": instrument("BTCUSD")}, start_ms=start_ms,
        account=AccountTerms(balance=10_000.0, trade_mode=trade_mode), seed=7,
    )  # fmt: skip
    asked_s: list[float] = []

    def now_ms() -> int:
        asked_s.append(time.monotonic())
        terminal.advance(start_ms + int((asked_s[-1] - asked_s[0]) * 1000))
        return terminal.now_ms

    broker = NativeBroker(NativeTerminal(terminal), ServerClock("UTC"), now_ms=now_ms, mode="paper")
    with served(broker) as url:
        yield url


def httpapi_app(terminal: SimulatedTerminal, mt5: Any = None, **given: Any) -> FastAPI:
    """The other dialect over the same terminal, or over a face of it that a test bends."""
    clock = PaperClock(terminal, "max")
    return create_httpapi_app(mt5 or NativeTerminal(terminal), paper_clock=clock, **given)


class _Brisk(Bridge):
    """A server that stops when it is told. uvicorn's own looks every 0.1 s whether it shall, and
    leaves its connections 0.1 s more, in each of hundreds of tests."""

    async def main_loop(self) -> None:
        await self.on_tick(0)
        while not self.should_exit:
            await asyncio.sleep(0.02)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.server_state.tasks:
            await super().shutdown(sockets)
            return
        for each in (*self.servers, *(sockets or ())):
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)
        await self.lifespan.shutdown()


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The base URL of an application that is served in a thread until the block ends."""
    server = _Brisk(app, listen("127.0.0.1", 0), ready_file=None)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [server.listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


@contextmanager
def talking_to(app: FastAPI, token: str = "") -> Iterator[httpx.Client]:
    """A plain HTTP client of a served application. It reads no certificates: that takes 16 ms."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with (
        running(app) as url,
        httpx.Client(
            base_url=url, headers=headers, trust_env=False, verify=False, timeout=PATIENCE_S
        ) as client,
    ):
        yield client


def client_of(url: str, token: str = "", *, timeout_s: float = PATIENCE_S) -> RestBroker:
    """A client that does not wait between attempts."""
    settings = BridgeSettings(api_base_url=url, read_timeout_s=timeout_s, trade_timeout_s=timeout_s)
    return RestBroker(settings, token, back_off=wait_none())


def httpapi_client_of(
    url: str, token: str = "", *, timeout_s: float = PATIENCE_S, server_timezone: str = ZONE
) -> HttpApiBroker:
    """A client of the other dialect that does not wait between attempts."""
    settings = BridgeSettings(
        api_base_url=url, read_timeout_s=timeout_s, trade_timeout_s=timeout_s,
        dialect="mt5-httpapi", server_timezone=server_timezone,
    )  # fmt: skip
    return HttpApiBroker(settings, token, back_off=wait_none())
