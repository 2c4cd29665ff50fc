"""The `Broker` port over the MetaTrader5 package's functions, real or simulated.

`face` says which functions are needed and what their failures mean; `records` turns named tuples
into the contract's messages; `reading` asks; `sending` sends; `trade` builds requests and reads
their answers; `intents` sees to it that nothing is done twice.

May import: `market`, `broker.contract`.
"""

from broker.native.broker import NativeBroker

__all__ = ["NativeBroker"]
