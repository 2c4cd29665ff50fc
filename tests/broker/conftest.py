"""One venue, three times: in process, and behind HTTP in each dialect."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from broker.client.rest import RestBroker
from broker.contract.port import Broker
from broker.simulator.terminal import SimulatedTerminal
from tests.broker.paper_bridge import (
    client_of,
    httpapi_app,
    httpapi_client_of,
    make_terminal,
    native_broker,
    running,
    served,
)


@dataclass(frozen=True)
class Venue:
    """A broker and the terminal behind it, whose clock the test moves."""

    broker: Broker
    terminal: SimulatedTerminal
    dialect: str = "native"


def _in_process() -> Iterator[Venue]:
    terminal = make_terminal()
    yield Venue(native_broker(terminal), terminal)


def _over_http() -> Iterator[Venue]:
    terminal = make_terminal()
    with served(native_broker(terminal), terminal=terminal) as url, client_of(url) as client:
        yield Venue(client, terminal)


def _over_httpapi() -> Iterator[Venue]:
    terminal = make_terminal()
    with running(httpapi_app(terminal)) as url, httpapi_client_of(url) as client:
        yield Venue(client, terminal, "mt5-httpapi")


_VENUES = {
    "in process": _in_process, "over HTTP": _over_http, "over mt5-httpapi": _over_httpapi,
}  # fmt: skip


@pytest.fixture
def in_process() -> Iterator[Venue]:
    yield from _in_process()


@pytest.fixture
def over_http() -> Iterator[Venue]:
    yield from _over_http()


@pytest.fixture
def over_httpapi() -> Iterator[Venue]:
    yield from _over_httpapi()


@pytest.fixture(params=list(_VENUES))
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    yield from _VENUES[request.param]()


@pytest.fixture
def connect() -> Iterator[Callable[..., RestBroker]]:
    """Clients of a URL that are closed when the test ends."""
    with ExitStack() as stack:

        def client(url: str, token: str = "", **given: float) -> RestBroker:
            return stack.enter_context(client_of(url, token, **given))

        yield client
