"""The daemon's own section of `config.json`."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from broker.contract.marks import LARGEST_SHORT_STRATEGY
from trading.execution.settings import OrderSettings
from trading.health import HealthLimits
from trading.heartbeat import HeartbeatSettings


class DaemonSettings(BaseModel):
    """Key `daemon`.

    `beat_s`: how often the daemon looks at the broker between closes. `strategy_id`: the upper
    half of every order's magic number. `act_within_s`: how long after its close a bar may still
    be decided, and its orders sent; both in the broker's time. Entries halt while the last quote of
    an open session is older than `max_tick_age_s`, or the bridge's clock off by more than
    `max_clock_skew_ms`. `orders`: how requests are counted and marked. `on_stop`: what SIGTERM and
    Ctrl-C mean for open positions: leave them to their stops at the broker, or wait, without new
    entries, until none is open (a second signal ends at once). `heartbeat`: how a URL is called.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    beat_s: float = Field(default=60.0, gt=0.0, le=900.0)
    strategy_id: int = Field(default=7719, ge=1, le=65535)
    act_within_s: float = Field(default=300.0, gt=0.0, le=900.0)
    max_tick_age_s: float = Field(default=120.0, gt=0.0, le=3600.0)
    max_clock_skew_ms: int = Field(default=1500, gt=0, le=60_000)
    on_stop: Literal["leave", "wait"] = "leave"
    orders: OrderSettings = OrderSettings()
    heartbeat: HeartbeatSettings = HeartbeatSettings()

    @model_validator(mode="after")
    def _strategy_fits_the_magic(self) -> Self:
        if self.orders.magic_bits == 31 and self.strategy_id > LARGEST_SHORT_STRATEGY:
            raise ValueError(
                f"strategy_id: with orders.magic_bits 31, at most {LARGEST_SHORT_STRATEGY} is "
                f"allowed, {self.strategy_id} came"
            )
        return self

    @property
    def beat_ms(self) -> int:
        return round(self.beat_s * 1000)

    @property
    def health_limits(self) -> HealthLimits:
        return HealthLimits(round(self.max_tick_age_s * 1000), self.max_clock_skew_ms)

    @property
    def act_within_ms(self) -> int:
        return round(self.act_within_s * 1000)
