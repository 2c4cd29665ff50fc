"""What is said of a finished run, and how it is shown.

`analysis` puts it together: `proof` has the statistics, then `months`, `costs`, `trades` with their
levels, `excursions`, `breakdown` by group, the `denial_ledger` of what `review` saw, and `coverage`
of the settings by `coverage_rules`. `rows` makes text of it; `console` and `html`, with its
`charts`, show it. May import: what `backtest` may.
"""
