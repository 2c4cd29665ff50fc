"""Which filling policy an order may ask for, from the symbol's bitmask. For opens and closes alike.

The bitmask (FOK = 1, IOC = 2) is not the order's number (FOK = 0, IOC = 1, RETURN = 2): passing
one for the other is what retcode 10030 usually means.
"""

from broker.contract.constants import Filling
from market.instrument import FILL_FOK_BIT, FILL_IOC_BIT

# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_FOK = Filling.FOK


def allowed_fillings(filling_bits: int) -> tuple[Filling, ...]:
    """Those the symbol takes, the best first: all or nothing, then what there is, then RETURN."""
    bits = ((FILL_FOK_BIT, Filling.FOK), (FILL_IOC_BIT, Filling.IOC))
    allowed = tuple([policy for bit, policy in bits if filling_bits & bit])
    return allowed or (Filling.RETURN,)


def filling_of(filling_bits: int) -> Filling:
    """The one to ask for first."""
    if filling_bits & FILL_FOK_BIT:
        return _FOK
    return Filling.IOC if filling_bits & FILL_IOC_BIT else Filling.RETURN


def next_filling(filling_bits: int, refused: Filling) -> Filling | None:
    """Another one that the symbol takes, after one was refused (10030); None if there is none."""
    others = [each for each in allowed_fillings(filling_bits) if each is not refused]
    return others[0] if others else None
