"""Chance by key: every draw is a hash of what it is for, never the next number of a stream.

So reads, retries and restarts shift no draw, and the same request on the same bar draws the same.
"""

from hashlib import blake2b


def draw_between(lowest: int, highest: int, *key: object) -> int:
    """A whole number in [lowest, highest], uniform over keys, always the same for one key."""
    text = "|".join(map(str, key)).encode()
    number = int.from_bytes(blake2b(text, digest_size=8).digest(), "big")
    return lowest + number % (highest - lowest + 1)
