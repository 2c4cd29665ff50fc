"""The pure core: gate, filters, guards, sizing, management. Values in, values out.

No clock, file or socket. Forecasts arrive as its own records, ATR and EMA in its `MarketView`. Bot,
backtest and replay call `decide` alike.

May import: `market`.
"""
