"""Key `hub` of `ml_config.json`: where releases of models are kept. Secrets are never in it."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

StoreName = Literal["local", "s3", "huggingface"]


class HubSettings(BaseModel):
    """`store` is what the daemon pulls from; each door of `ml/` names its own.

    `folder`: the local store, relative to the project's folder. `bucket`, `endpoint_url` and
    `prefix`: an S3 store; for Cloudflare R2 the endpoint is
    https://ACCOUNT.r2.cloudflarestorage.com. `repo`: `owner/name` on Hugging Face, and
    `huggingface_url` its address. Requests give up after `timeout_s`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    store: StoreName = "local"
    folder: Path = Path("models/releases")
    bucket: str = ""
    endpoint_url: str = ""
    region: str = "auto"
    prefix: str = Field(default="", pattern=r"^([A-Za-z0-9._-]+/)*$")
    repo: str = Field(default="", pattern=r"^([A-Za-z0-9._-]+/[A-Za-z0-9._-]+)?$")
    huggingface_url: str = "https://huggingface.co"
    timeout_s: float = Field(default=30.0, gt=0, le=600)
