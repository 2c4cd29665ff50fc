"""What is known beside bars and broker: the economic calendar, and what is published of a coin."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from market.instrument import Instrument
from market.onchain import OnChain
from market.sources.calendar_files import read_calendar_file
from ml.features.settings import FeatureSettings
from ml.features.sources import read_sources
from ml.predictors.settings import PROJECT_ROOT
from trading.decision.settings import DecisionSettings
from trading.news import LiveNews, OfCurrencies, meaning_of, news_line
from trading.news_settings import NewsSettings
from trading.releases import NO_CALENDAR, ArchivedReleases, CalendarSource, GivenCalendar


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """`news`: the calendar that the rules look at. `calendar` and `onchain`: what the features
    read; the model has learned from the like. `files`: what was read, by name, and its SHA-256.
    `warnings`: what a person should know before the run. `live`: the feed that is read meanwhile,
    None where there is none."""

    news: CalendarSource = NO_CALENDAR
    calendar: CalendarSource = NO_CALENDAR
    onchain: OnChain | None = None
    files: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    live: LiveNews | None = None


NOTHING_OUTSIDE = Outside()


def read_outside(
    features: FeatureSettings,
    instrument: Instrument,
    *,
    calendar: Path | None = None,
    learned_calendar: bool = False,
    news: NewsSettings | None = None,
) -> Outside:
    """The files of the settings; `calendar` (CSV, or an archive of the feed) instead of
    `features.calendar`. `news`: how old an archive's last reading may be.

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
    read = read_calendar_file(calendar)
    files[calendar.name] = read.sha256
    if read.refreshes is None:
        return Outside(GivenCalendar(read.events), known, sources.onchain, files, warnings)
    max_age_ms = (news or NewsSettings()).max_age_ms
    releases = ArchivedReleases(read.events, read.refreshes, max_age_ms)
    return Outside(releases, known, sources.onchain, files, warnings)


def with_feed(
    outside: Outside, live: LiveNews, instrument: Instrument, *, learned_calendar: bool
) -> Outside:
    """The feed's calendar instead of a file's: for the rules, and for the features where the model
    has learned from one."""
    seen: CalendarSource = outside.calendar
    if learned_calendar:
        seen = OfCurrencies(live.source, instrument.currencies)
    warnings = tuple(each for each in outside.warnings if each != _NO_CALENDAR)
    return replace(outside, news=live.source, calendar=seen, warnings=warnings, live=live)


def news_lines(
    outside: Outside, settings: NewsSettings, decision: DecisionSettings, now_ms: int
) -> tuple[str, ...]:
    """What a person reads at start of the calendar that the rules look at; nothing where a file
    was named or no rule looks."""
    meaning = meaning_of(decision)
    if outside.live is not None:
        return (news_line(settings, outside.live.source, meaning, now_ms),)
    if outside.news is NO_CALENDAR and decision.news_window_minutes:
        return (f"news: no calendar is given (features.calendar, news.enabled): {meaning}",)
    return ()


_NO_CALENDAR = (
    "the model has learned from an economic calendar and none is given: its news features are "
    "neutral; name one in features.calendar"
)
