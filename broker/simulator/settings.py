"""What the paper account is: `config.json` → `paper`, and the terms it opens the account with."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from broker.contract.constants import AccountTradeMode, MarginMode
from market.server_clock import ServerClock

# How many account units one unit of the base currency is: a cent account has 100 USC per USD.
CURRENCIES: dict[str, tuple[str, int]] = {"USD": ("USD", 1), "USC": ("USD", 100)}


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """What a broker and a trader agreed on. Money is in units of `currency`.

    `units_per_base`: account units per unit of the instruments' profit currency (USC: 100).
    `margin_call_pct`, `stop_out_pct`: margin levels in percent. `max_positions`, `max_orders`:
    0 is no limit.
    """

    balance: float
    currency: str = "USD"
    base_currency: str = "USD"
    units_per_base: int = 1
    currency_digits: int = 2
    leverage: int = 100
    margin_mode: MarginMode = MarginMode.HEDGING
    margin_call_pct: float = 70.0
    stop_out_pct: float = 20.0
    trade_mode: AccountTradeMode = AccountTradeMode.DEMO
    trade_allowed: bool = True
    trade_expert: bool = True
    max_positions: int = 0
    max_orders: int = 0
    login: int = 1_000_001
    name: str = "Paper"
    server: str = "NOVOSKY-Paper"
    company: str = "NOVOSKY simulated terminal"

    def __post_init__(self) -> None:
        if self.balance <= 0:
            raise ValueError(f"balance: above 0 is allowed, {self.balance} came")
        if self.leverage < 1:
            raise ValueError(f"leverage: 1 or more is allowed, {self.leverage} came")
        if self.margin_mode is MarginMode.EXCHANGE:
            raise ValueError(
                "margin_mode: netting (0) or hedging (2) is allowed, exchange (1) came, which the "
                "simulated terminal does not keep"
            )


class PaperSettings(BaseModel):
    """`config.json` → `paper`. `balance` is in units of `currency` (USC on a cent account).

    `account_mode`: each order its own position (hedging), or one per symbol (netting).
    `m1_inside_bars`: M1 bars say which of stop and target a bar touched first (`inside`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    balance: float = Field(default=10_000.0, gt=0)
    currency: str = "USD"
    leverage: int = Field(default=100, ge=1, le=5000)
    account_mode: Literal["hedging", "netting"] = "hedging"
    server_timezone: str = "UTC"
    slippage_points: int = Field(default=50, ge=0)
    seed: int = Field(default=7, ge=0)
    m1_inside_bars: bool = False

    @field_validator("currency")
    @classmethod
    def _known_currency(cls, value: str) -> str:
        if value not in CURRENCIES:
            raise ValueError(f"one of {', '.join(CURRENCIES)} is allowed, {value} came")
        return value

    @field_validator("server_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        ServerClock(value)
        return value

    def account_terms(self) -> AccountTerms:
        """The terms of the account these settings open."""
        base, units = CURRENCIES[self.currency]
        return AccountTerms(
            balance=self.balance,
            currency=self.currency,
            base_currency=base,
            units_per_base=units,
            leverage=self.leverage,
            margin_mode=MarginMode[self.account_mode.upper()],
        )
