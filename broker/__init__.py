"""Speaking MT5: the venue's words (`contract`), a simulated terminal (`simulator`), and the REST
client (`client`).

Inside: `contract` imports only `market`; `simulator` and `client` import `market` and `contract`
and never each other. Must not import `mt5api`, `ml`, `trading` or anything after them.
"""
