"""Clocks: the bridge's, the trade server's zone rule, and the age of the quote."""

from trading.doctor.bedside import Bedside
from trading.doctor.check import Finding, good, judged, note
from trading.health import offset_error_ms

_RULE = "bridge.server_timezone here, or --server-timezone of a live bridge"


def clock(look: Bedside) -> Finding:
    """The bridge's clock against this machine's."""
    if look.is_paper:
        return note("a paper bridge has its own time")
    asked = look.asked_health()
    skew_ms = max((asked.health.utc_msc - asked.at_ms, asked.health.clock_skew_ms), key=abs)
    return judged(
        abs(skew_ms) - asked.within_ms <= look.patient.limits.skew_ms,
        f"{skew_ms:+d} ms to this machine, told within {asked.within_ms} ms",
        "set the time of the bridge's machine (NTP), then look at this machine's",
    )  # fmt: skip


def server_time(look: Bedside) -> Finding:
    """The server's offset from UTC against a fresh quote."""
    health = look.health()
    error_ms = offset_error_ms(look.tick().time_msc, look.at_ms)
    offset = f"{health.utc_offset_s / 3600:+g} h ({health.offset_source})"
    if error_ms is None:
        return note(f"{offset}; no quote of the last 5 s to check it by")
    return judged(
        error_ms == 0,
        offset if error_ms == 0 else f"{offset}, a quote is {error_ms / 60_000:+g} min off",
        f"correct the trade server's time zone rule ({_RULE}); or the quote is just that old: "
        "look again in a minute",
    )  # fmt: skip


def quote_age(look: Bedside) -> Finding:
    """How old the quote is, corrected by a wrong zone rule, which is another check's matter."""
    patient, at_ms, tick = look.patient, look.at_ms, look.tick()
    age_ms = at_ms - tick.time_msc
    error_ms = offset_error_ms(tick.time_msc, at_ms)
    if error_ms is not None:
        age_ms += error_ms
    text = f"{max(age_ms, 0) / 1000:.0f} s"
    if not patient.instrument.sessions.is_open(at_ms):
        return note(f"{text}; the market is closed")
    limit_ms = patient.limits.tick_age_ms
    if age_ms <= limit_ms:
        return good(text)
    return judged(
        False, f"{text}, at most {limit_ms / 1000:g} s is allowed (daemon.max_tick_age_s)",
        "quotes stand still: look at the terminal's link to the broker and at Market Watch; if it "
        "is a holiday, wait for the opening",
    )  # fmt: skip
