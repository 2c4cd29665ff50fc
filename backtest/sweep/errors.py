"""Why a sweep cannot be made."""


class SweepError(Exception):
    """A person must act first. The text names the key, what is allowed, what came, what to do."""
