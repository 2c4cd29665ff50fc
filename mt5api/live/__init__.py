"""The bridge over the real MetaTrader5 package, which runs in a process of its own.

The package keeps Python's interpreter lock while it waits for the terminal (its binary imports no
function that would release it), so a call that hangs would stop the whole bridge. Hence:
`process` runs the package in a child and gives up on a call after its time; `link` sees to it that
the child is connected and logged in to the right account, by state and never by an error's text;
`calls` has one request at a time there; `watch` keeps the health that is told.

May import: `market`, `broker`, `mt5api`.
"""
