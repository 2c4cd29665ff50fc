"""The symbol: its name, its terms, its values."""

import json
import re
from difflib import get_close_matches

from broker.contract.errors import BrokerRefused
from broker.contract.filling import allowed_fillings
from market.instrument import FILL_FOK_BIT, FILL_IOC_BIT, Execution, TradeMode
from trading.doctor.bedside import Bedside
from trading.doctor.check import Finding, bad, judged, note
from trading.health import TICK_VALUE_TOLERANCE, expected_tick_value

_MOST_NAMES = 3


def symbol(look: Bedside) -> Finding:
    """Whether the broker has it under that name, and means the same by it."""
    mine = look.patient.instrument
    try:
        spec = look.spec()
    except BrokerRefused as error:
        return _unknown(look, str(error))
    theirs = (spec.currency_base, spec.currency_profit)
    return judged(
        theirs == (mine.currency_base, mine.currency_profit),
        f"{spec.description}, {spec.digits} digits, {'/'.join(theirs)}",
        f"this is not {mine.currency_base}/{mine.currency_profit}: name the right symbol of the "
        "broker in bridge.symbol_map",
    )


def like(symbol: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """The broker's names that may mean our symbol, the likeliest first: `BTCUSD!`, `mBTCUSD.r`."""
    wanted = _letters(symbol)
    inside = [name for name in names if wanted in _letters(name) and name != symbol]
    inside.sort(key=lambda name: (not _letters(name).startswith(wanted), len(name), name))
    return tuple(inside) or tuple(get_close_matches(symbol, names, _MOST_NAMES, 0.7))


def terms(look: Bedside) -> Finding:
    """Digits, ticks, volumes, levels, filling and currencies, as they were confirmed."""
    pinned, spec = look.patient.known.spec_hash, look.spec()
    if pinned is None:
        return note("they are pinned at the first start")
    return judged(
        pinned == spec.spec_hash, "as confirmed" if pinned == spec.spec_hash else "changed",
        "look at them (scripts/check_broker_limits.py), then start with --accept-spec",
    )  # fmt: skip


def trade_mode(look: Bedside) -> Finding:
    mode = look.spec().trade_mode
    known = TradeMode(mode).name.lower().replace("_", " ") if mode in list(TradeMode) else str(mode)
    return judged(
        mode == TradeMode.FULL, known,
        "the broker does not let it be opened freely now: ask when it is full again, or trade "
        "another symbol; entries are halted meanwhile",
    )  # fmt: skip


def filling(look: Bedside) -> Finding:
    """A symbol of market execution must take FOK or IOC: RETURN is for exchanges."""
    spec = look.spec()
    names = ", ".join(each.name for each in allowed_fillings(spec.filling_mode))
    fills = bool(spec.filling_mode & (FILL_FOK_BIT | FILL_IOC_BIT))
    return judged(
        fills or spec.trade_exemode != Execution.MARKET,
        names if fills else f"{names} only: neither FOK nor IOC",
        "no market order would fill: ask the broker for FOK or IOC on this symbol, or trade its "
        "twin of another account type",
    )


def tick_value(look: Bedside) -> Finding:
    """Whether a tick is worth what follows from the contract; else every volume is wrong."""
    spec, account = look.spec(), look.account()
    expected, came = expected_tick_value(spec, account), spec.trade_tick_value
    text = f"{came:g} {account.currency} a tick and lot"
    if expected is None:
        return note(f"{text}; it needs a rate to be checked")
    is_right = abs(came - expected) <= TICK_VALUE_TOLERANCE * expected
    return judged(
        is_right, text if is_right else f"{text}; {expected:g} follow from the contract size",
        "every volume would be wrong: restart the terminal, look at the symbol's specification "
        "there, and ask the broker if it says the same",
    )  # fmt: skip


def lots(look: Bedside) -> Finding:
    """Smallest, largest and step: they must fit each other and `max_lot`."""
    spec, most = look.spec(), look.patient.decision.max_lot
    text = f"{spec.volume_min:g} to {spec.volume_max:g} by {spec.volume_step:g}"
    if not 0 < spec.volume_min <= spec.volume_max or not spec.volume_step > 0:
        return bad(text, "these volumes cannot be: restart the terminal, then ask the broker")
    return judged(
        most >= spec.volume_min, f"{text}; max_lot {most:g}",
        f"raise max_lot to {spec.volume_min:g} or more, or trade an account with smaller lots",
    )  # fmt: skip


def _unknown(look: Bedside, said: str) -> Finding:
    mine, mapped = look.symbol, look.patient.bridge.symbol_map.get(look.symbol)
    named = f"{mapped} (bridge.symbol_map)" if mapped else mine
    names = like(mine, look.names())
    if not names:
        return bad(
            f"{named}: {said}",
            f"the broker has nothing like {mine}: show the symbol in Market Watch, or trade "
            "another account type",
        )
    proposed = json.dumps({mine: names[0]})
    others = f" (or {', '.join(names[1:_MOST_NAMES])})" if len(names) > 1 else ""
    return bad(
        f"{named}: {said}",
        f"the broker calls it otherwise: set bridge.symbol_map to {proposed}{others}",
    )


def _letters(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", name.upper())
