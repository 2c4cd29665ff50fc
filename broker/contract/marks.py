"""How an intent is recognised at the venue: in `magic` and in `comment`.

Brokers leave magic alone and may rewrite comments, so matching goes by magic.
"""

import hashlib
import zlib

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
# Two digits, the lower first, of every number below 36².
_PAIRS = tuple(low + high for high in _BASE36 for low in _BASE36)
_LOW_32 = 0xFFFFFFFF
_LOW_16 = 0xFFFF
# Set in every short magic, so that no small number that other programs use is taken for ours.
_SHORT = 1 << 30
LARGEST_SHORT_STRATEGY = (1 << 14) - 1


def magic_of(strategy_id: int, client_id: str, bits: int = 48) -> int:
    """48 bits: the strategy above, the intent's CRC-32 below.

    31 bits, for a venue that cuts the longer ones: a one, 14 bits of strategy, the CRC's lower 16.
    """
    if bits == 31:
        return _SHORT | strategy_id << 16 | mark(client_id) & _LOW_16
    return strategy_id << 32 | mark(client_id)


def magic_like(magic: int, client_id: str) -> int:
    """The magic of another intent of the same strategy, as long as this one. A magic that is not
    ours stays as it is."""
    strategy_id = strategy_of(magic)
    if strategy_id is None:
        return magic
    return magic_of(strategy_id, client_id, 48 if magic > _LOW_32 else 31)


def strategy_of(magic: int) -> int | None:
    """The strategy in a magic of ours; None where it holds none."""
    if magic > _LOW_32:
        return magic >> 32
    return (magic & ~_SHORT) >> 16 if _SHORT <= magic < 2 * _SHORT else None


def mark(client_id: str) -> int:
    """The intent's CRC-32, the lower half of its magic."""
    return zlib.crc32(client_id.encode())


def comment_of(client_id: str) -> str:
    """`NS1:` and ten base-36 digits of the intent's SHA-256 (14 characters, MT5 allows 31)."""
    number = int.from_bytes(hashlib.sha256(client_id.encode()).digest()[:8])
    number, a = divmod(number, 1296)
    number, b = divmod(number, 1296)
    number, c = divmod(number, 1296)
    number, d = divmod(number, 1296)
    pairs = _PAIRS
    return f"NS1:{pairs[a]}{pairs[b]}{pairs[c]}{pairs[d]}{pairs[number % 1296]}"


def mark_of(magic: int) -> int | None:
    """What a magic of ours says of its intent, one of its `marks_of`; None for any other magic."""
    if magic > _LOW_32:
        return magic & _LOW_32
    return _LOW_32 + 1 + (magic & _LOW_16) if strategy_of(magic) is not None else None


def marks_of(client_id: str) -> frozenset[int]:
    """The mark in a long magic of this intent, and that in a short one."""
    crc = mark(client_id)
    return frozenset((crc, _LOW_32 + 1 + (crc & _LOW_16)))


def bears_mark(magic: int, client_id: str) -> bool:
    """Whether an order's, deal's or position's magic is that of this intent."""
    return mark_of(magic) in marks_of(client_id)
