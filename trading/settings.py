"""The daemon's own section of `config.json`."""

from pydantic import BaseModel, ConfigDict, Field


class DaemonSettings(BaseModel):
    """Key `daemon`.

    `beat_s`: how often the daemon looks at the broker between closes. `strategy_id`: the upper
    half of every order's magic number. `act_within_s`: how long after its close a bar may still
    be decided, and its orders sent; both in the broker's time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    beat_s: float = Field(default=60.0, gt=0.0, le=900.0)
    strategy_id: int = Field(default=7719, ge=1, le=65535)
    act_within_s: float = Field(default=300.0, gt=0.0, le=900.0)

    @property
    def beat_ms(self) -> int:
        return round(self.beat_s * 1000)

    @property
    def act_within_ms(self) -> int:
        return round(self.act_within_s * 1000)
