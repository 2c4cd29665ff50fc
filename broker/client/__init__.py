"""Clients of a bridge, one for each dialect: a `Broker` over HTTP. `connect` returns the right one.

They retry reads, never trade requests.

May import: `market`, `broker.contract`, `broker.native`.
"""
