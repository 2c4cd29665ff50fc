"""`config.json` → `bridge`: where the bridge is and how long to wait for it."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class BridgeSettings(BaseModel):
    """`api_base_url` may carry a path prefix (`http://host:8888/roboforex/123`).

    A trade request waits longer than a read: the bridge may queue it behind others, and giving up
    early would leave its outcome unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_base_url: str = "http://127.0.0.1:6542"
    read_timeout_s: float = Field(default=10.0, gt=0, le=120)
    trade_timeout_s: float = Field(default=100.0, gt=0, le=600)

    @field_validator("api_base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ValueError(f"http://host:port[/prefix] is allowed, {url!r} came")
        return url.rstrip("/")
