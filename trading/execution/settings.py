"""How orders are sent and guarded: key `orders` of the daemon's section."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class OrderSettings(BaseModel):
    """`requests_per_hour`, `requests_per_day`: trade requests of any kind. Entries stop
    `reserved_for_exits` before either; closes and stops are sent even above it.

    `magic_bits`: 48, or 31 for a venue that cuts magic numbers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests_per_hour: int = Field(default=30, ge=1)
    requests_per_day: int = Field(default=1500, ge=1)
    reserved_for_exits: int = Field(default=6, ge=0)
    magic_bits: Literal[31, 48] = 48
