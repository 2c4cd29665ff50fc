"""Faults of a paper venue: what goes wrong in the field, to be had on demand and repeatably.

`catalogue` names them; `plan` says which act when, by seed and call number; `terminal` puts them
in front of the MetaTrader5 package's functions, `market` into the simulated market, and
`mt5api.faults` into HTTP. An empty plan changes nothing.

May import: `market`, `broker.contract`, `broker.simulator`.
"""
