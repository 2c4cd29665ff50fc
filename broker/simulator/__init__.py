"""The simulated MT5 terminal: matching, costs, sessions, ledger.

Deterministic under a seed and an injected clock; every random draw is a hash of its own key. Its
native face (`native`) has the MetaTrader5 package's functions and named tuples; `broker.native`
makes a `Broker` port of it, as of the real package.

`terminal` is the whole; `feed` says what bars mean, `events` what time does, `trading_desk` and
`validation` what requests do, `book` and `ledger` what the account holds, `units` what it is worth,
`rollover` and `stopout` what it costs, `persistence` how it survives.

May import: `market`, `broker.contract`.
"""
