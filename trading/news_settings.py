"""The section `news` of `config.json`."""

from pydantic import BaseModel, ConfigDict, Field

FOREX_FACTORY = "https://nfs.faireconomy.media/ff_calendar_thisweek.json"


class NewsSettings(BaseModel):
    """Key `news`: the weekly feed that the news rules look at.

    `url`: the feed as JSON or XML. It is read every `refresh_minutes`; its provider asks for no
    more than a few readings an hour. A calendar whose last reading is older than `max_age_hours`
    is unknown: `news_filter.when_unknown` says what that means. Runs over an archive count the age
    the same way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    url: str = Field(default=FOREX_FACTORY, pattern=r"^https?://.+")
    refresh_minutes: float = Field(default=60.0, ge=15.0, le=720.0)
    max_age_hours: float = Field(default=24.0, ge=1.0, le=168.0)

    @property
    def max_age_ms(self) -> int:
        return round(self.max_age_hours * 3_600_000)
