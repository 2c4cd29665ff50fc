"""Where bars come from: files, Binance, a bridge, the generated market.

What others publish about a coin comes from here too: funding, open interest, fear & greed.

Each source normalises once: prices on the instrument's grid, volume and spread as int64, instants
as epoch ms UTC. What cannot be true is refused, never repaired.

    SourceError          a file or a service that cannot give what was asked
      BinanceError       Binance refused, or did not answer
"""
