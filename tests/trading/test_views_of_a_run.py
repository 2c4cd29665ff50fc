"""What a person sees: the page, the lines, the reasons, the log."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.trading.doubles import BAR_MS, FROM_MS, Desk
from trading.errors import DaemonError
from trading.live_view import LineView, LiveView
from trading.log_reporter import LogReporter
from trading.logger import file_log
from trading.report import BarReport, Silent
from trading.why import explain

SUMMARY = {"bars": 6, "decisions": 6, "win_rate": None, "denials": {"votes": 4}, "alarms": ["few"]}


@pytest.fixture
def reports(desk: Callable[..., Desk]) -> list[BarReport]:
    return desk(bars=8).run().reporter.bars


def make_console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=120, height=50, force_terminal=terminal)


def text_of(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def show(view: Any, reports: list[BarReport]) -> None:
    view.started("paper on a test market")
    for report in reports:
        view.bar(report)
    view.closed()
    view.finished("the run is over", SUMMARY)


def test_line_view_says_one_line_a_bar(reports: list[BarReport]) -> None:
    console = make_console(terminal=False)
    show(LineView(console), reports)
    lines = text_of(console).splitlines()
    assert len([line for line in lines if "margin" in line]) == len(reports)
    assert sum("filled at" in line for line in lines) == sum(len(each.sent) for each in reports)
    assert any("denied: votes" in line for line in lines)


def test_quiet_view_says_only_start_and_end(reports: list[BarReport]) -> None:
    console = make_console(terminal=False)
    show(LineView(console, quiet=True), reports)
    said = text_of(console)
    assert "margin 0" not in said
    assert "paper on a test market" in said
    assert "the run is over" in said


def test_trouble_is_told_once_and_so_is_its_end(reports: list[BarReport]) -> None:
    console = make_console(terminal=False)
    view = LineView(console)
    for text in ("bridge: away", "bridge: away", ""):
        view.trouble(text)
    assert text_of(console).splitlines() == ["bridge: away", "the bridge answers again"]


def test_live_page_shows_clock_forecast_reasons_positions_and_account(
    reports: list[BarReport],
) -> None:
    console = make_console(terminal=True)
    view = LiveView(console, day_zone="Asia/Jakarta", speed="300 x")
    show(view, reports)
    said = text_of(console)
    for part in (
        "UTC", "Asia/Jakarta", "300 x", "bars 8", "quote", "forecast", "floor", "last refusal",
        "votes", "observed", "open positions", "balance", "equity", "day", "bridge: ok", "Summary",
    ):  # fmt: skip
        assert part in said, part


def test_live_page_shows_trouble_instead_of_health(reports: list[BarReport]) -> None:
    console = make_console(terminal=True)
    view = LiveView(console, day_zone="UTC", speed="max")
    view.started("x")
    view.trouble("bridge: nobody answers")
    view.closed()
    assert "nobody answers" in text_of(console)


def test_log_has_one_line_a_bar_and_one_an_order(reports: list[BarReport], tmp_path: Path) -> None:
    log = file_log(tmp_path / "logs", "live-test")
    show(LogReporter(log, Silent()), reports)
    written = (tmp_path / "logs" / "live-test.jsonl").read_text()
    lines = [json.loads(each) for each in written.splitlines()]
    bars = [each for each in lines if each["event"] == "bar"]
    orders = [each for each in lines if each["event"] == "order"]
    assert [each["symbol"] for each in bars] == ["BTCUSD"] * len(reports)
    assert len(orders) == sum(len(each.sent) for each in reports)
    assert all(each["client_id"].startswith("7719-BTCUSD-") for each in orders)
    assert (lines[0]["event"], lines[-1]["event"]) == ("started", "ended")
    assert all(each["time"].endswith("Z") for each in lines)


def test_why_names_rule_observed_and_limit_of_a_refusal(
    desk: Callable[..., Desk], tmp_path: Path, capsys: Any
) -> None:
    done = desk(bars=8).run()
    refused = next(each for each in done.reporter.bars if each.decision.denials)
    folder = tmp_path / "state" / "paper-demo-12345678"
    folder.mkdir(parents=True)
    done.journal.close()
    (done.folder / "journal.sqlite").rename(folder / "journal.sqlite")
    close_ms = refused.input.market.close_ms
    assert explain(tmp_path / "state", None, paper=True, instant_ms=close_ms + 60_000) == 0
    said = capsys.readouterr().out
    denial = refused.decision.denials[0]
    assert denial.rule in said
    assert str(denial.observed) in said
    assert explain(tmp_path / "state", None, paper=True, instant_ms=FROM_MS - BAR_MS) == 0
    assert "no such bar was decided" in capsys.readouterr().out


def test_why_without_a_journal_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(DaemonError, match="live-default: no journal there yet"):
        explain(tmp_path, None, paper=False, instant_ms=FROM_MS)
