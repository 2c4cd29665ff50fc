"""The venue's words and wire messages: accounts, symbols, quotes, orders, deals, positions.

Field names are the MetaTrader5 package's; instants are epoch milliseconds in UTC (`*_msc`);
volumes are lots; money is in the deposit currency. `Broker` is the port that the simulator and
the REST client both fill.

May import: `market`.
"""
