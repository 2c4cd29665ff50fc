"""What is known beside bars and broker: the economic calendar, and what is published of a coin."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from market.instrument import Instrument
from market.onchain import OnChain
from market.sources.calendar_csv import read_calendar
from ml.features.settings import FeatureSettings
from ml.features.sources import read_sources
from ml.predictors.settings import PROJECT_ROOT
from trading.releases import NO_CALENDAR, CalendarSource, GivenCalendar


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """`news`: the calendar that the rules look at. `calendar` and `onchain`: what the features
    read; the model has learned from the like. `files`: what was read, by name, and its SHA-256.
    `warnings`: what a person should know before the run."""

    news: CalendarSource = NO_CALENDAR
    calendar: CalendarSource = NO_CALENDAR
    onchain: OnChain | None = None
    files: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


NOTHING_OUTSIDE = Outside()


def read_outside(
    features: FeatureSettings,
    instrument: Instrument,
    *,
    calendar: Path | None = None,
    learned_calendar: bool = False,
) -> Outside:
    """The files of the settings; `calendar` (CSV) instead of `features.calendar`.

    The rules look at the calendar in any case, the features only where the model has learned from
    one (`learned_calendar`). Raises `SourceError` where a file cannot be read, or where the group
    onchain is on and its folder is not named.
    """
    if calendar is None and features.calendar is not None:
        calendar = PROJECT_ROOT / features.calendar
    seen = calendar.resolve() if calendar is not None and learned_calendar else None
    sources = read_sources(features.model_copy(update={"calendar": seen}), instrument, PROJECT_ROOT)
    files, known = dict(sources.files), GivenCalendar(sources.calendar)
    warnings = (_NO_CALENDAR,) if learned_calendar and calendar is None else ()
    if calendar is None:
        return Outside(NO_CALENDAR, known, sources.onchain, files, warnings)
    events = GivenCalendar(read_calendar(calendar))
    files[calendar.name] = hashlib.sha256(calendar.read_bytes()).hexdigest()
    return Outside(events, known, sources.onchain, files, warnings)


_NO_CALENDAR = (
    "the model has learned from an economic calendar and none is given: its news features are "
    "neutral; name one in features.calendar"
)
