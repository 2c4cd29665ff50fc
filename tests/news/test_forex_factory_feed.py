"""The weekly feed, JSON and XML: what is read, what is named, what is refused as a whole."""

from pathlib import Path

import pytest

from market.calendar import Impact
from market.sources.errors import SourceError
from market.sources.forex_factory import ScheduledEvent, parse_feed
from tests.news.feeds import WEEK_FROM_MS, body, ms, reading, row

XML = """<?xml version="1.0" encoding="windows-1252"?>
<weeklyevents><event><title>{title}</title><country>{country}</country>
<date><![CDATA[{date}]]></date><time><![CDATA[{time}]]></time>
<impact><![CDATA[{impact}]]></impact><forecast /><previous><![CDATA[0.2%]]></previous>
<url><![CDATA[https://x]]></url></event></weeklyevents>"""


def xml(**words: str) -> bytes:
    usual = {"title": "CPI m/m", "country": "USD", "date": "08-17-2026", "time": "12:30pm",
             "impact": "High"}  # fmt: skip
    return XML.format(**(usual | words)).encode("windows-1252")


@pytest.mark.parametrize(
    ("name", "count", "high", "week"),
    [
        ("ff_calendar_thisweek_sample.json", 100, 8, ("2026-08-16T04:00", "2026-08-23T04:00")),
        ("ff_calendar_thisweek_sample.xml", 71, 9, ("2025-06-08T04:00", "2025-06-15T04:00")),
    ],
    ids=["json", "xml"],
)
def test_both_samples_as_served_are_read_whole(
    shared_data: Path, name: str, count: int, high: int, week: tuple[str, str]
) -> None:
    feed = parse_feed((shared_data / name).read_bytes())
    assert len(feed.events) == count
    assert sum(each.impact is Impact.HIGH for each in feed.events) == high
    assert (feed.from_ms, feed.to_ms) == (ms(week[0]), ms(week[1]))
    assert (feed.bad_rows, feed.untimed) == ((), ())
    assert all(feed.from_ms <= each.time_ms < feed.to_ms for each in feed.events)


def test_us_cpi_of_the_xml_sample_falls_at_its_known_time(shared_data: Path) -> None:
    feed = parse_feed((shared_data / "ff_calendar_thisweek_sample.xml").read_bytes())
    cpi = next(e for e in feed.events if e.title == "CPI m/m" and e.currency == "USD")
    assert cpi.time_ms == ms("2025-06-11T12:30")  # 08:30 in New York, summer time


def test_the_same_event_is_the_same_in_either_format() -> None:
    from_json = reading(row("2026-08-17T08:30:00-04:00"))
    assert parse_feed(xml()) == from_json
    assert from_json.events == (
        ScheduledEvent(ms("2026-08-17T12:30"), "USD", Impact.HIGH, "CPI m/m", "", "0.2%"),
    )


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-03-07T08:30:00-05:00", "2026-03-07T13:30"),
        ("2026-03-09T08:30:00-04:00", "2026-03-09T12:30"),
        ("2026-10-31T08:30:00-04:00", "2026-10-31T12:30"),
        ("2026-11-02T08:30:00-05:00", "2026-11-02T13:30"),
        ("2026-11-01T01:30:00-04:00", "2026-11-01T05:30"),
        ("2026-11-01T01:30:00-05:00", "2026-11-01T06:30"),
        ("2026-08-17T21:15:00+05:45", "2026-08-17T15:30"),
        ("2026-08-17T00:30:00+02:00", "2026-08-16T22:30"),
        ("2026-08-17T12:30:00Z", "2026-08-17T12:30"),
    ],
)
def test_each_date_is_read_by_its_own_offset(written: str, utc: str) -> None:
    assert reading(row(written)).events[0].time_ms == ms(utc)


@pytest.mark.parametrize(
    ("date", "time", "utc"),
    [
        ("08-17-2026", "12:30pm", "2026-08-17T12:30"),
        ("08-17-2026", "12:05am", "2026-08-17T00:05"),
        ("08-17-2026", "9:00pm", "2026-08-17T21:00"),
        ("01-05-2026", "1:30pm", "2026-01-05T13:30"),
    ],
)
def test_xml_times_are_utc_in_summer_and_winter(date: str, time: str, utc: str) -> None:
    assert parse_feed(xml(date=date, time=time)).events[0].time_ms == ms(utc)


@pytest.mark.parametrize(
    ("date", "week"),
    [
        ("2026-08-16T00:00:00-04:00", ("2026-08-16T04:00", "2026-08-23T04:00")),
        ("2026-08-22T23:59:00-04:00", ("2026-08-16T04:00", "2026-08-23T04:00")),
        ("2026-03-11T08:30:00-04:00", ("2026-03-08T05:00", "2026-03-15T04:00")),
        ("2026-11-04T08:30:00-05:00", ("2026-11-01T04:00", "2026-11-08T05:00")),
    ],
    ids=["sunday", "saturday", "clocks_go_on", "clocks_go_back"],
)
def test_week_goes_from_sunday_to_saturday_by_the_feeds_own_clock(
    date: str, week: tuple[str, str]
) -> None:
    feed = reading(row(date))
    assert (feed.from_ms, feed.to_ms) == (ms(week[0]), ms(week[1]))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"impact": "Huge"}, "impact: high, medium, low, holiday, non-economic is allowed, 'Huge'"),
        ({"date": "2026-08-17T08:30:00"}, "2026-08-17T08:30:00"),
        ({"date": "2026-13-45T08:30:00-04:00"}, "month must be in 1..12"),
        ({"date": "9999-12-31T23:59:00-04:00"}, "a year of 2000 to 2100"),
        ({"date": ""}, "'' came"),
        ({"country": "Mars"}, "country: a currency or All is allowed, 'Mars' came"),
        ({"title": " "}, "title: a text is allowed, nothing came"),
    ],
    ids=["impact", "no_offset", "no_such_date", "far_future", "no_date", "country", "title"],
)
def test_bad_row_is_named_and_left_out(fields: dict[str, str], said: str) -> None:
    good = [row("2026-08-17T12:30", f"event {each}") for each in range(3)]
    feed = reading(*good, row("2026-08-18T12:30", "broken") | fields)
    assert len(feed.events) == 3
    assert len(feed.bad_rows) == 1
    assert feed.bad_rows[0].startswith("row 4 (")
    assert said in feed.bad_rows[0]


def test_event_without_a_time_of_day_is_neither_bad_nor_counted() -> None:
    content = xml().replace(
        b"</weeklyevents>",
        xml(time="Tentative", title="OPEC Meetings", country="All").split(b"<weeklyevents>")[1],
    )
    feed = parse_feed(content)
    assert len(feed.events) == 1
    assert feed.bad_rows == ()
    assert feed.untimed == ("All OPEC Meetings (08-17-2026 Tentative)",)


def test_all_currencies_and_holidays_have_their_own_words() -> None:
    feed = reading(row("2026-08-17T12:30", country="All", impact="Holiday"))
    assert (feed.events[0].currency, feed.events[0].impact) == ("ALL", Impact.NONE)


BOMB = b"""<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
<weeklyevents>&b;</weeklyevents>"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the content begins with b''"),
        (b"Too many requests", "the content begins with"),
        (b"<html><body>Just a moment...</body></html>", "<weeklyevents> is allowed, <html> came"),
        (b"<html><p>unclosed", "no valid XML"),
        (b'[{"title": "CPI"', "no valid JSON"),
        (b"[" * 100_000, "no valid JSON"),
        (b'{"error": "maintenance"}', "the content begins with"),
        (b"[]", "more good rows than bad ones are needed, 0 of 0"),
        (b"[1, 2]", "row 1 is 1"),
        (body([{"title": "CPI", "date": "2026-08-17T12:30:00Z"}]), "row 1 is ['date', 'title']"),
        (body([row("2026-08-17T12:30", impact=3)]), "'impact': 3"),
        (body([row("2026-08-17T12:30"), row("soon")]), "1 of 2 are good"),
        (body([row("2026-08-17T12:30"), row("2026-10-17T12:30")]), "within 35 days"),
        (BOMB, "no valid XML"),
        (b"<weeklyevents><event><title>CPI</title></event></weeklyevents>", "row 1 is <event>"),
    ],
    ids=[
        "empty", "words", "html", "broken_html", "cut_off", "deep", "object", "no_rows", "numbers",
        "other_keys", "other_types", "half_bad", "far_apart", "entities", "other_xml",
    ],
)  # fmt: skip
def test_content_of_another_shape_is_refused_as_a_whole(content: bytes, said: str) -> None:
    with pytest.raises(SourceError, match="calendar feed: ") as refused:
        parse_feed(content)
    assert said in str(refused.value)


def test_the_week_of_the_tests_is_the_one_they_say() -> None:
    assert reading(row("2026-08-17T12:30")).from_ms == WEEK_FROM_MS
