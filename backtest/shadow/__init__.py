"""The shadow: the daemon's own loop over live bars, with virtual fills and no way to send an order.

`challenger` is the candidate that decides. `market` reads bars and quotes, `venue` is the simulated
terminal whose market grows with them, `clock` waits for closes, `run` puts them together. What its
journal shows is read by `record`, and judged by `standing`. May import: what `backtest` may.
"""
