"""The section `supabase` of `config.json`, and the two secrets that go with it."""

from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field

from trading.errors import DaemonError

URL_VARIABLE = "NOVOSKY_SUPABASE_URL"
KEY_VARIABLE = "NOVOSKY_SUPABASE_KEY"
_UUID = r"^([0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})?$"


class SupabaseSettings(BaseModel):
    """Key `supabase`. URL and key are no settings: they come from the environment or `.env`.

    `paper`: whether paper runs are sent, too; each is an account of its own. `owner`: the user who
    may read what is sent; empty leaves the table's own word. Up to `batch_rows` rows of the outbox
    go out together, looked for every `interval_s`. A database that is away is asked again after
    `retry_first_s`, twice as long each time, `retry_most_s` at most; after `page_after_s` a person
    is called. At the end of a run what is waiting gets `flush_s`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    paper: bool = False
    owner: str = Field(default="", pattern=_UUID)
    batch_rows: int = Field(default=200, ge=1, le=1000)
    interval_s: float = Field(default=5.0, ge=0.1, le=3600.0)
    timeout_s: float = Field(default=10.0, gt=0.0, le=60.0)
    retry_first_s: float = Field(default=2.0, gt=0.0, le=60.0)
    retry_most_s: float = Field(default=300.0, ge=1.0, le=3600.0)
    page_after_s: float = Field(default=900.0, ge=0.0)
    flush_s: float = Field(default=5.0, ge=0.0, le=120.0)


@dataclass(frozen=True, slots=True)
class SupabaseSecrets:
    """`url`: of the project. `key`: its secret (service role) key; it passes row-level security."""

    url: str = field(repr=False)
    key: str = field(repr=False)


def supabase_secrets(url: str, key: str) -> SupabaseSecrets:
    """Raises `DaemonError` that says which of the two is missing or wrong, never their values."""
    if not url.startswith(("https://", "http://")):
        came = "something else" if url else "nothing"
        raise DaemonError(
            f"{URL_VARIABLE}: the project's URL (https://…) is needed while supabase.enabled is "
            f"true, {came} came; put it into .env"
        )
    if not key:
        raise DaemonError(
            f"{KEY_VARIABLE}: the project's secret key (service_role) is needed while "
            "supabase.enabled is true, nothing came; put it into .env"
        )
    return SupabaseSecrets(url, key)
