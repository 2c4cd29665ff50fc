"""The one way to a bridge: the client of the dialect that the settings name."""

from typing import Protocol

from tenacity.wait import wait_base

from broker.client.connection import Connection
from broker.client.httpapi import HttpApiBroker
from broker.client.renamed import RenamedSymbols
from broker.client.rest import RestBroker
from broker.client.settings import BridgeSettings
from broker.contract.errors import BrokerRefused
from broker.contract.port import Broker


class BridgeClient(Broker, Protocol):
    """A `Broker` over HTTP. `connection` is shared with `PaperControl`."""

    connection: Connection

    def close(self) -> None: ...


def connect(
    settings: BridgeSettings, token: str = "", *, back_off: wait_base | None = None
) -> BridgeClient:
    """A client of the bridge; nothing is asked yet. Raises `BrokerRefused` where a setting that
    the dialect needs is missing."""
    client = _client(settings, token, back_off)
    if not settings.symbol_map:
        return client
    return RenamedSymbols(client, client.connection, settings.symbol_map)


def _client(settings: BridgeSettings, token: str, back_off: wait_base | None) -> BridgeClient:
    if settings.dialect == "native":
        return RestBroker(settings, token, back_off=back_off)
    if settings.server_timezone is None:
        raise BrokerRefused(
            "bridge.server_timezone: needed with bridge.dialect mt5-httpapi, whose times are the "
            "trade server's; name its rule, e.g. Europe/Athens or America/New_York+7h"
        )
    return HttpApiBroker(settings, token, back_off=back_off)
