"""What the market is, without knowing who trades it.

Bars and timeframes, instruments with their units, sessions and the broker's clock, indicators,
the one stop/target rule (`fills.first_exit`), the durable bar store, and the sources bars come from
(files, Binance, a bridge, the generated market).

May import: the standard library, numpy, numba, pyarrow (files only), httpx
and tenacity (downloads only).
Must not import any other room of this house.
"""
