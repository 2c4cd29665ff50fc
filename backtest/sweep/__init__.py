"""Searching settings: a grid or a random draw, each trial a backtest over the same forecasts.

`grid` says what is tried, `settings` whether it may be, `base` what all trials share, `trial` what
one came to, `runner` and `cluster` where they run, `store` what was done before, `search` puts them
together. May import: what `backtest` may import.
"""
