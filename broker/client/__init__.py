"""The REST client: a `Broker` over HTTP. Retries reads, never trade requests.

May import: `market`, `broker.contract`.
"""
