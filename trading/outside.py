"""What is known beside bars and broker: the economic calendar, and what is published of a coin."""

from dataclasses import dataclass

from market.onchain import OnChain
from ml.features.sources import FeatureSources
from trading.releases import NO_CALENDAR, CalendarSource, GivenCalendar


@dataclass(frozen=True, slots=True, eq=False)
class Outside:
    """`news`: the calendar that the rules look at. `calendar` and `onchain`: what the features
    read; the model has learned from the like."""

    news: CalendarSource = NO_CALENDAR
    calendar: CalendarSource = NO_CALENDAR
    onchain: OnChain | None = None

    @staticmethod
    def of(features: FeatureSources, news: CalendarSource) -> "Outside":
        return Outside(news, GivenCalendar(features.calendar), features.onchain)


NOTHING_OUTSIDE = Outside()
