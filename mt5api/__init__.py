"""The bridge: an HTTP server over a terminal's native face (the MetaTrader5 package's functions).

On Windows that face is the real package, elsewhere the simulated terminal.

May import: `market`, `broker`.
"""
