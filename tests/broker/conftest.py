"""One venue, twice: in process, and behind HTTP."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from broker.contract.port import Broker
from broker.simulator.terminal import SimulatedTerminal
from tests.broker.paper_bridge import client_of, make_terminal, native_broker, served


@dataclass(frozen=True)
class Venue:
    """A broker and the terminal behind it, whose clock the test moves."""

    broker: Broker
    terminal: SimulatedTerminal


def _in_process() -> Iterator[Venue]:
    terminal = make_terminal()
    yield Venue(native_broker(terminal), terminal)


def _over_http() -> Iterator[Venue]:
    terminal = make_terminal()
    with served(native_broker(terminal), terminal=terminal) as url:
        client = client_of(url)
        yield Venue(client, terminal)
        client.close()


@pytest.fixture
def in_process() -> Iterator[Venue]:
    yield from _in_process()


@pytest.fixture
def over_http() -> Iterator[Venue]:
    yield from _over_http()


@pytest.fixture(params=["in process", "over HTTP"])
def venue(request: pytest.FixtureRequest) -> Iterator[Venue]:
    yield from _in_process() if request.param == "in process" else _over_http()
