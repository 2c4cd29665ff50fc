"""`config.json` → `bridge`: where the bridge is and how long to wait for it."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from market.server_clock import ServerClock

Dialect = Literal["native", "mt5-httpapi"]


class BridgeSettings(BaseModel):
    """`api_base_url` may carry a path prefix (`http://host:8888/roboforex/123`).

    `dialect`: what the bridge speaks. `server_timezone`: the trade server's clock as a rule
    (`Europe/Athens`), needed where the bridge tells server times, as `mt5-httpapi` does.
    `login`, `server` and `account_kind`: which account must be logged in; None: whichever is, and
    the journal pins it at the first start. `symbol_map`: our names of symbols → the broker's,
    where they differ (`{"BTCUSD": "BTCUSD!"}`).

    A trade request waits longer than a read: the bridge may queue it behind others, and giving up
    early would leave its outcome unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_base_url: str = "http://127.0.0.1:6542"
    dialect: Dialect = "native"
    server_timezone: str | None = None
    login: int | None = Field(default=None, ge=1)
    server: str | None = Field(default=None, min_length=1)
    account_kind: Literal["demo", "real"] | None = None
    symbol_map: dict[str, str] = {}
    read_timeout_s: float = Field(default=10.0, gt=0, le=120)
    trade_timeout_s: float = Field(default=100.0, gt=0, le=600)

    @field_validator("api_base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError(f"http://host:port[/prefix] is allowed, {url!r} came")
        return url.rstrip("/")

    @field_validator("symbol_map")
    @classmethod
    def _one_to_one(cls, names: dict[str, str]) -> dict[str, str]:
        if len(set(names.values())) < len(names) or "" in (*names, *names.values()):
            raise ValueError(f"one name of the broker for each of ours is allowed, {names} came")
        return names

    @field_validator("server_timezone")
    @classmethod
    def _known_zone(cls, rule: str | None) -> str | None:
        if rule is not None:
            ServerClock(rule)
        return rule
