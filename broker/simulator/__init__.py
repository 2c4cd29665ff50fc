"""The simulated MT5 terminal: matching, costs, sessions, ledger.

Deterministic under a seed and an injected clock; every random draw is a hash of its own key. Its
native face (`native`) has the MetaTrader5 package's functions and named tuples; `broker` is the
in-process `Broker` port over it.

May import: `market`, `broker.contract`.
"""
