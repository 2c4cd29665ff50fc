"""What a source raises when it cannot give bars."""


class SourceError(ValueError):
    """A file or service that cannot be read. Says what was allowed, what came, what to do."""


class BinanceError(SourceError):
    """Binance refused the request, or kept silent."""
