"""The names of all symbols of a bridge's terminal, in either dialect."""

from broker.client.connection import Connection
from broker.client.httpapi.terminal import HttpApiTerminal
from broker.client.settings import BridgeSettings


def symbol_names(connection: Connection, settings: BridgeSettings) -> tuple[str, ...]:
    """The broker's own names, whatever `bridge.symbol_map` says. Raises `BrokerError`."""
    if settings.dialect == "native":
        return connection.read(tuple[str, ...], "/symbols")
    return tuple(each.name for each in HttpApiTerminal(connection).symbols_get())
