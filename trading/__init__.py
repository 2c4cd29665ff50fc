"""The daemon: the loop (`bot`), the pure core (`decision`), orders (`execution`), the journal.

May import: `market`, `broker`, `mt5api`, `ml.features`, `ml.predictors`. `trading.decision`
imports `market` alone.
"""
