"""How many trade requests may be sent: venues and prop firms count them. Pure.

Every request counts, also a refused one (10024). Exits are never held back; entries are, so that
what is left is theirs.
"""

from dataclasses import dataclass, replace

from trading.execution.settings import OrderSettings

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class RequestBudget:
    """`sent_ms`: when requests were sent in the last day, oldest first."""

    per_hour: int
    per_day: int
    reserved: int
    sent_ms: tuple[int, ...] = ()

    def spent(self, now_ms: int) -> "RequestBudget":
        """After one more request."""
        kept = tuple(at_ms for at_ms in self.sent_ms if at_ms > now_ms - DAY_MS)
        return replace(self, sent_ms=(*kept, now_ms))

    def refuses_entry(self, now_ms: int) -> str:
        """Why no entry may be sent now; empty if one may."""
        for name, span_ms, most in (
            ("hour", HOUR_MS, self.per_hour), ("day", DAY_MS, self.per_day),
        ):  # fmt: skip
            used = sum(at_ms > now_ms - span_ms for at_ms in self.sent_ms)
            left = most - used
            if left <= min(self.reserved, most - 1):
                return f"{used} trade requests in the last {name}; {most} are allowed"
        return ""


def request_budget(settings: OrderSettings, sent_ms: tuple[int, ...] = ()) -> RequestBudget:
    return RequestBudget(
        settings.requests_per_hour, settings.requests_per_day, settings.reserved_for_exits, sent_ms
    )
