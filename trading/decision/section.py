"""What every section of the decision's settings shares: frozen, no unknown keys, real zones."""

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _is_a_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"an IANA zone such as Asia/Jakarta is allowed, {name!r} came") from error
    return name


Zone = Annotated[str, AfterValidator(_is_a_zone)]
Share = Annotated[float, Field(ge=0, le=1)]
