"""A prop firm's rules as data, and the arithmetic of its loss limits. Pure.

The profiles are in `config/prop_rules.json`, dated, with their sources. Firms change their rules:
a profile is what was read on that day.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from trading.decision.records import PropState
from trading.decision.section import Section, Share, Zone

Phase = Literal["challenge", "verification", "funded"]


class PropSettings(Section):
    """`prop`: the firm's profile and how near to its limits we go; an empty profile is off.

    Shares are of the day's allowance, measured from the highest floor in force: no entry once
    `soft_stop_share` is used, all trades closed at `flatten_share`. A new trade must leave
    `buffer_share` even if all stops fill `gap_factor` times as far away.
    """

    profile: str = ""
    initial_balance: float = Field(default=0.0, ge=0)
    phase: Phase = "challenge"
    soft_stop_share: Share = 0.6
    flatten_share: Share = 0.8
    buffer_share: Share = 0.2
    gap_factor: float = Field(default=1.5, ge=1, le=10)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.profile and not self.initial_balance:
            raise ValueError(
                f"prop.initial_balance above 0 is needed for the profile {self.profile!r}, "
                f"{self.initial_balance} came: limits are shares of the account's initial balance"
            )
        if self.soft_stop_share > self.flatten_share:
            raise ValueError(
                f"soft_stop_share up to flatten_share ({self.flatten_share}) is allowed, "
                f"{self.soft_stop_share} came"
            )
        return self


class DailyLoss(Section):
    """Floor of the day = reference − `pct` of `of`, both frozen at the firm's midnight."""

    pct: float = Field(gt=0, le=100)
    of: Literal["initial", "reference"]
    reference: Literal["initial", "balance", "higher_of_balance_and_equity"]


class TotalLoss(Section):
    """Floor of the account: `static`, or rising with the highest balance at a midnight."""

    pct: float = Field(gt=0, le=100)
    trailing: Literal["static", "end_of_day"]


class NewsRule(Section):
    """No opening and no closing `minutes` before and after a high-impact release."""

    minutes: int = Field(ge=1, le=1440)


class BreakRule(Section):
    """Flat `flat_minutes` before a close of two hours or more, no entry `no_entry_minutes`."""

    flat_minutes: int = Field(default=30, ge=15, le=1440)
    no_entry_minutes: int = Field(default=120, ge=15, le=1440)

    @model_validator(mode="after")
    def _entries_end_first(self) -> Self:
        if self.no_entry_minutes < self.flat_minutes:
            raise ValueError(
                f"no_entry_minutes from flat_minutes ({self.flat_minutes}) on is allowed, "
                f"{self.no_entry_minutes} came: a trade would be opened only to be closed"
            )
        return self


class PhaseRules(Section):
    """What holds in one phase. None: the firm has no such rule in it.

    `best_day_pct`: the best day's share of the total profit that still passes.
    """

    target_pct: float | None = None
    min_days: int = 0
    best_day_pct: float | None = None
    news: NewsRule | None = None
    weekend: BreakRule | None = None


class PropProfile(Section):
    """One product of one firm. `zone`: the clock its days follow."""

    firm: str
    product: str
    zone: Zone
    daily: DailyLoss
    total: TotalLoss
    phases: dict[Phase, PhaseRules]
    sources: tuple[str, ...] = Field(min_length=1)
    notes: tuple[str, ...] = ()

    def phase(self, name: Phase) -> PhaseRules:
        """`ValueError` where this product has no such phase."""
        if name not in self.phases:
            raise ValueError(
                f"prop.phase {' or '.join(self.phases)} is allowed for {self.product}, "
                f"{name!r} came"
            )
        return self.phases[name]

    def news_of(self, name: Phase) -> NewsRule | None:
        return self.phase(name).news


class PropRules(Section):
    """`config/prop_rules.json`. `as_of`: when its sources were read, YYYY-MM-DD."""

    as_of: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    profiles: dict[str, PropProfile]


def daily_allowance(rule: DailyLoss, state: PropState) -> float:
    """What the day may lose, deposit currency."""
    base = state.initial_balance if rule.of == "initial" else daily_reference(rule, state)
    return rule.pct / 100 * base


def daily_reference(rule: DailyLoss, state: PropState) -> float:
    """What the day's loss is counted from."""
    match rule.reference:
        case "initial":
            return state.initial_balance
        case "balance":
            return state.day.start_balance
        case _:
            return max(state.day.start_balance, state.day.start_equity)


def daily_floor(rule: DailyLoss, state: PropState) -> float:
    """Equity below which the day's limit is broken."""
    return daily_reference(rule, state) - daily_allowance(rule, state)


def total_floor(rule: TotalLoss, state: PropState) -> float:
    """Equity below which the account's limit is broken."""
    loss = rule.pct / 100 * state.initial_balance
    if rule.trailing == "static":
        return state.initial_balance - loss
    return max(state.initial_balance, state.highest_midnight_balance) - loss


def highest_floor(profile: PropProfile, state: PropState) -> tuple[str, float]:
    """(its name, equity) of the limit that is broken first."""
    daily, total = daily_floor(profile.daily, state), total_floor(profile.total, state)
    return ("daily", daily) if daily >= total else ("total", total)
