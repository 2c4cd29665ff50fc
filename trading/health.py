"""Whether the bridge, the terminal and the account may be traded on: one pure judgement.

Entries need every rule; exits need the connection, the rights and the right account
(docs/bridge.md, A.3). A rule names its reason in words that do not change while it holds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from broker.contract.constants import AccountTradeMode, MarginMode
from broker.contract.messages import Account, Health, SymbolSpec, Tick
from market.instrument import CalcMode, TradeMode

_SLOT_MS = 900_000
_FRESH_MS = 5_000
TICK_VALUE_TOLERANCE = 0.05


@dataclass(frozen=True, slots=True)
class Pins:
    """What a person confirmed: the account, and the symbol's terms."""

    login: int
    server: str
    trade_mode: int
    spec_hash: str


@dataclass(frozen=True, slots=True)
class HealthLimits:
    """`tick_age_ms`: oldest quote of an open session. `skew_ms`: of the bridge's clock to ours."""

    tick_age_ms: int = 120_000
    skew_ms: int = 1_500


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the venue. `tick` is None between closes, when its age is not judged.

    `clock_ms`: our clock when the bridge told its own. `offset_error_ms`: what fresh quotes say
    the time-zone rule is wrong by. `frozen_ms`: for how long the very same quote was seen.
    `foreign_here`: somebody else's position is open in the symbol.
    """

    now_ms: int
    clock_ms: int
    health: Health
    account: Account
    spec: SymbolSpec
    tick: Tick | None
    session_open: bool
    offset_error_ms: int = 0
    frozen_ms: int = 0
    foreign_here: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule that is not met: its name, and what a person reads."""

    rule: str
    text: str
    stops_exits: bool = False


@dataclass(frozen=True, slots=True)
class HealthVerdict:
    problems: tuple[Problem, ...] = ()

    @property
    def entries_ok(self) -> bool:
        return not self.problems

    @property
    def exits_ok(self) -> bool:
        return not any(each.stops_exits for each in self.problems)

    @property
    def reasons(self) -> tuple[str, ...]:
        """For `DecisionInput.halts`."""
        return tuple(f"{each.rule}: {each.text}" for each in self.problems)

    def breaks(self, rule: str) -> bool:
        return any(each.rule == rule for each in self.problems)


def judge_health(look: Look, pins: Pins, limits: HealthLimits) -> HealthVerdict:
    """Every rule that is not met, in fixed order."""
    found = [rule(look, pins, limits) for rule in _RULES]
    return HealthVerdict(tuple(each for each in found if each is not None))


def offset_error_ms(tick_ms: int, now_ms: int) -> int | None:
    """By how many whole quarter hours a quote's instant is off; 0: the zone rule agrees.

    None where the quote is older than 5 s at every offset: it proves nothing. A quote that is
    just a quarter of an hour old looks like an error, so ask for two different ones.
    """
    slots = round((tick_ms - now_ms) / _SLOT_MS)
    rest_ms = tick_ms - now_ms - slots * _SLOT_MS
    return slots * _SLOT_MS if abs(rest_ms) <= _FRESH_MS else None


def expected_tick_value(spec: SymbolSpec, account: Account) -> float | None:
    """Deposit currency per tick and lot, where that needs no exchange rate; else None."""
    if spec.trade_calc_mode == CalcMode.FUTURES or spec.currency_profit != account.base_currency:
        return None
    return spec.trade_contract_size * spec.trade_tick_size / account.unit_to_base


def describe_account(login: int, server: str, trade_mode: int) -> str:
    known = trade_mode in list(AccountTradeMode)
    kind = AccountTradeMode(trade_mode).name.lower() if known else f"trade mode {trade_mode}"
    return f"{login} on {server} ({kind})"


def _connected(look: Look, _: Pins, __: HealthLimits) -> Problem | None:
    if look.health.terminal.connected:
        return None
    return Problem("not_connected", "the terminal has no connection to the broker", True)


def _rights(look: Look, _: Pins, __: HealthLimits) -> Problem | None:
    health, terminal = look.health, look.health.terminal
    missing = [
        words
        for allowed, words in (
            (terminal.trade_allowed, "switch Algo Trading on in the terminal"),
            (
                not terminal.tradeapi_disabled,
                "allow the Python interface in the terminal's options",
            ),
            (health.account_trade_allowed, "the account may not trade: ask the broker"),
            (health.account_trade_expert, "the account refuses automated trading: ask the broker"),
        )
        if not allowed
    ]
    return Problem("trade_rights", "; ".join(missing), True) if missing else None


def _account(look: Look, pins: Pins, _: HealthLimits) -> Problem | None:
    here = (look.account.login, look.account.server, look.account.trade_mode)
    pinned = (pins.login, pins.server, pins.trade_mode)
    also_here = (look.health.login, look.health.server)
    known = also_here == (0, "") or also_here == pinned[:2]
    if here == pinned and known:
        return None
    seen = describe_account(*here) if here != pinned else f"{also_here[0]} on {also_here[1]}"
    text = f"{seen} is logged in, {describe_account(*pinned)} is pinned"
    return Problem("account", text, True)


def _tick_age(look: Look, _: Pins, limits: HealthLimits) -> Problem | None:
    if look.tick is None or not look.session_open:
        return None
    if look.now_ms - look.tick.time_msc <= limits.tick_age_ms:
        return None
    allowed_s = limits.tick_age_ms / 1000
    return Problem("tick_age", f"the last quote of an open session is older than {allowed_s:g} s")


def _quote_frozen(look: Look, _: Pins, limits: HealthLimits) -> Problem | None:
    if look.tick is None or not look.session_open or look.frozen_ms <= limits.tick_age_ms:
        return None
    return Problem("quote_frozen", "the quote has not changed while the session is open")


def _clock_skew(look: Look, _: Pins, limits: HealthLimits) -> Problem | None:
    told_ms = look.health.clock_skew_ms
    seen_ms = look.health.utc_msc - look.clock_ms
    if max(abs(told_ms), abs(seen_ms)) <= limits.skew_ms:
        return None
    return Problem(
        "clock_skew",
        f"the bridge's clock is off by more than {limits.skew_ms} ms; set the time of its machine",
    )


def _clock_offset(look: Look, _: Pins, __: HealthLimits) -> Problem | None:
    if look.offset_error_ms == 0:
        return None
    return Problem(
        "clock_offset",
        f"fresh quotes are {look.offset_error_ms / 60_000:+g} min off; correct the server's time "
        "zone rule",
    )


def _spec(look: Look, pins: Pins, _: HealthLimits) -> Problem | None:
    if look.spec.spec_hash == pins.spec_hash:
        return None
    return Problem(
        "spec_changed",
        f"{look.spec.symbol}'s terms are not those that were confirmed; look at them, then start "
        "with --accept-spec",
    )


def _trade_mode(look: Look, _: Pins, __: HealthLimits) -> Problem | None:
    if look.spec.trade_mode == TradeMode.FULL:
        return None
    known = look.spec.trade_mode in list(TradeMode)
    mode = TradeMode(look.spec.trade_mode).name.lower() if known else look.spec.trade_mode
    return Problem("trade_mode", f"{look.spec.symbol} does not trade freely: {mode}")


def _tick_value(look: Look, _: Pins, __: HealthLimits) -> Problem | None:
    """A wrong tick value makes every volume wrong (D28)."""
    spec = look.spec
    expected = expected_tick_value(spec, look.account)
    if expected is None or abs(spec.trade_tick_value - expected) <= (
        TICK_VALUE_TOLERANCE * expected
    ):
        return None
    return Problem(
        "tick_value",
        f"{spec.symbol}: {expected:g} {look.account.currency} a tick and lot follow from the "
        f"contract size, {spec.trade_tick_value:g} came",
    )


def _netting(look: Look, _: Pins, __: HealthLimits) -> Problem | None:
    """Where positions net, any order changes the symbol's one position, whoever opened it."""
    if look.account.margin_mode == MarginMode.HEDGING or not look.foreign_here:
        return None
    return Problem("netting", f"somebody else holds {look.spec.symbol} on this netting account")


_Rule = Callable[[Look, Pins, HealthLimits], Problem | None]
_RULES: tuple[_Rule, ...] = (
    _connected, _rights, _account, _tick_age, _quote_frozen, _clock_skew, _clock_offset, _spec,
    _trade_mode, _tick_value, _netting,
)  # fmt: skip
