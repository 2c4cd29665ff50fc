"""The shadow: the daemon's own loop over live bars, with virtual fills and no way to send an order.

`market` reads bars and quotes, `venue` is the simulated terminal whose market grows with them,
`clock` waits for closes, `run` puts them together. May import: what `backtest` may.
"""
