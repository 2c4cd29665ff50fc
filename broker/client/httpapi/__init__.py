"""The client for bridges that speak the public `mt5-httpapi` dialect, and what it does not believe.

`terminal` is the MetaTrader5 package's functions over that HTTP API, with every answer doubted;
`sends` its trade requests; `checks` what can be said of an order without asking; `broker` the
`Broker` port on top of them.

May import: `market`, `broker.contract`, `broker.native`, `broker.client`.
"""

from broker.client.httpapi.broker import HttpApiBroker

__all__ = ["HttpApiBroker"]
