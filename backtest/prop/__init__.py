"""The prop report: what a prop firm's challenge would make of an account's own days.

`record` reads the trades, `days` cuts them by a firm's clock, `paths` draws those days again and
again and plays the firm's phases, `evaluation` puts the figures together, `words` says them. The
door is `python -m backtest.prop_report`. May import: what `backtest` may.
"""
