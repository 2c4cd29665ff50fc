"""How an intent is recognised at the venue: in `magic` and in `comment`.

Brokers leave magic alone and may rewrite comments, so matching goes by magic.
"""

import hashlib
import zlib

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_LOW_32 = 0xFFFFFFFF


def magic_of(strategy_id: int, client_id: str) -> int:
    """48 bits: the strategy above, the intent's CRC-32 below."""
    return strategy_id << 32 | mark(client_id)


def mark(client_id: str) -> int:
    """The intent's CRC-32, the lower half of its magic."""
    return zlib.crc32(client_id.encode())


def comment_of(client_id: str) -> str:
    """`NS1:` and ten base-36 digits of the intent's SHA-256 (14 characters, MT5 allows 31)."""
    number = int.from_bytes(hashlib.sha256(client_id.encode()).digest()[:8])
    digits = []
    for _ in range(10):
        number, digit = divmod(number, 36)
        digits.append(_BASE36[digit])
    return "NS1:" + "".join(digits)


def mark_of(magic: int) -> int | None:
    """The intent's CRC-32 in a magic of ours; None where the magic holds no strategy."""
    return magic & _LOW_32 if magic > _LOW_32 else None


def bears_mark(magic: int, client_id: str) -> bool:
    """Whether an order's, deal's or position's magic is that of this intent."""
    return mark_of(magic) == mark(client_id)
