"""D18: a broker that calls BTCUSD something else, e.g. `BTCUSD!`."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from broker.client.connect import connect
from broker.client.renamed import RenamedSymbols
from broker.client.settings import BridgeSettings
from broker.contract.constants import Filling, OrderType
from broker.contract.errors import BrokerRefused
from broker.contract.messages import OrderRequest
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.instruments import instrument
from market.server_clock import ServerClock
from market.sources.generated import generated_bars
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS

DAY_MS = 86_400_000
THEIRS = replace(instrument("BTCUSD"), symbol="BTCUSD!")
OURS = instrument("BTCUSD")
BARS = generated_bars(OURS, seed=1, from_ms=MONDAY_MS, to_ms=MONDAY_MS + 3 * DAY_MS)
NOW_MS = MONDAY_MS + DAY_MS


@pytest.fixture
def broker() -> RenamedSymbols:
    terminal = SimulatedTerminal(
        bars={"BTCUSD!": replace(BARS, symbol="BTCUSD!")}, instruments={"BTCUSD!": THEIRS},
        account=AccountTerms(balance=1e5), start_ms=NOW_MS, seed=7,
    )  # fmt: skip
    native = NativeBroker(
        NativeTerminal(terminal), ServerClock("UTC"), now_ms=lambda: terminal.now_ms, mode="paper"
    )
    with_connection = connect(BridgeSettings())
    return RenamedSymbols(native, with_connection.connection, {"BTCUSD": "BTCUSD!"})


def test_everything_bears_our_name(broker: RenamedSymbols) -> None:
    request = OrderRequest("BTCUSD", OrderType.BUY, 0.1, "one", 7719 << 32, "c", Filling.FOK)
    assert broker.check(request).retcode == 0
    assert broker.send(request).retcode == 10009
    assert broker.symbol("BTCUSD").symbol == "BTCUSD"
    assert broker.tick("BTCUSD").bid > 0
    bars = broker.rates("BTCUSD", Timeframe.M15, from_ms=MONDAY_MS, to_ms=NOW_MS)
    assert (bars.symbol, len(bars)) == ("BTCUSD", 96)
    named = (
        *broker.positions(), *broker.positions("BTCUSD"), *broker.snapshot("BTCUSD").positions,
        *broker.intent("one").deals, *broker.health().market,
        *[deal for deal in broker.deals(from_ms=0, to_ms=NOW_MS + DAY_MS) if deal.symbol],
    )  # fmt: skip
    assert len(named) >= 5
    assert {each.symbol for each in named} == {"BTCUSD"}
    assert broker.orders("BTCUSD") == ()


def test_name_that_is_not_mapped_is_the_brokers_own(broker: RenamedSymbols) -> None:
    with pytest.raises(BrokerRefused, match="EURUSD"):
        broker.tick("EURUSD")


def test_settings_put_the_names_in_front_of_either_dialect() -> None:
    for more in ({}, {"dialect": "mt5-httpapi", "server_timezone": "UTC"}):
        settings = BridgeSettings(symbol_map={"BTCUSD": "BTCUSD!"}, **more)
        client = connect(settings)
        assert isinstance(client, RenamedSymbols)
        client.close()


@pytest.mark.parametrize("names", [{"A": "X", "B": "X"}, {"A": ""}])
def test_ambiguous_names_are_refused(names: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="one name of the broker"):
        BridgeSettings(symbol_map=names)
