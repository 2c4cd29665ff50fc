"""The `Broker` port over the MetaTrader5 package's functions, real or simulated.

`face` says which functions are needed and what their failures mean; `records` turns named tuples
into the contract's messages; `trade` builds requests and reads their answers; `intents` remembers
what was sent.

May import: `market`, `broker.contract`.
"""

from broker.native.broker import NativeBroker

__all__ = ["NativeBroker"]
