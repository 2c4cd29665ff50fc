"""From intents to orders: `plan` and `settle` are pure; `dispatch` writes ahead and sends.

May import: `market`, `broker.contract`, `trading.decision`.
"""
