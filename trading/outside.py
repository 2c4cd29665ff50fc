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
    read; the model has learned from the like. `files`: what was read, by name, and its SHA-256."""

    news: CalendarSource = NO_CALENDAR
    calendar: CalendarSource = NO_CALENDAR
    onchain: OnChain | None = None
    files: dict[str, str] = field(default_factory=dict)


NOTHING_OUTSIDE = Outside()


def read_outside(
    features: FeatureSettings, instrument: Instrument, calendar: Path | None = None
) -> Outside:
    """What the settings name for the features, and the rules' own `calendar` (CSV), or else the
    features' one.

    Raises `SourceError` where a file cannot be read, or where the group onchain is on and its
    folder is not named.
    """
    sources = read_sources(features, instrument, PROJECT_ROOT)
    files = dict(sources.files)
    news = calendar
    if news is None and features.calendar is not None:
        news = PROJECT_ROOT / features.calendar
    if news is None:
        return Outside(NO_CALENDAR, GivenCalendar(sources.calendar), sources.onchain, files)
    events = GivenCalendar(read_calendar(news))
    files[news.name] = hashlib.sha256(news.read_bytes()).hexdigest()
    return Outside(events, GivenCalendar(sources.calendar), sources.onchain, files)
