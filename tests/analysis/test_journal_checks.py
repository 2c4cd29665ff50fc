"""A paper run's journal: decided anew, and beside the backtest of the same bars."""

import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest import parity, replay
from backtest.checks.differences import differences
from backtest.checks.parity import Decided, by_bar
from backtest.checks.parity import parity as compare
from backtest.checks.parity import replay as decide_anew
from tests.builders import write_market
from tests.tiny_models import write_models
from tests.trading.paper_runs import Case, make_case, run_in_process, settings_of
from trading.journal import Journal

DAY = "2025-05-02"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("case"), settings_of(), bars=200, kinds=("signal",))


@pytest.fixture(scope="module")
def folder(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state folder of two days on paper."""
    path: Path = tmp_path_factory.mktemp("state") / "paper-demo-1"
    run_in_process(replace(case, plan=replace(case.plan, m1=None)), path)
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same small graph as the run's."""
    folder: Path = tmp_path_factory.mktemp("models")
    write_models(folder, ("signal",))
    return folder


@pytest.fixture
def lines(folder: Path) -> list[str]:
    journal = Journal(folder / "journal.sqlite")
    found = list(journal.decision_lines("BTCUSD"))
    journal.close()
    return found


def test_every_line_of_a_journal_is_decided_again_byte_for_byte(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay.main(["--state-folder", str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["lines"] == said["equal"] == 200


def test_line_whose_decision_does_not_follow_from_its_input_is_named(lines: list[str]) -> None:
    place = next(at for at, line in enumerate(lines) if '"enter"' in line)
    words = json.loads(lines[place])
    words["intents"] = []
    forged = json.dumps(words, sort_keys=True, separators=(",", ":"))
    found = decide_anew([*lines[:place], forged, *lines[place + 1 :]], lambda bar: settings_of())
    assert not found.holds
    assert found.equal == found.lines - 1
    assert found.first is not None
    assert (found.first.bar_ms, found.first.field) == (words["bar"], "intents")


def test_other_rules_than_the_journal_kept_give_other_lines(lines: list[str]) -> None:
    other = settings_of(risk_percent=0.1)
    found = decide_anew(lines, lambda bar: other)
    assert not found.holds
    assert found.first is not None
    assert found.first.kind == "decision"


def test_lines_without_kept_rules_cannot_be_judged(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    with sqlite3.connect(folder / "journal.sqlite") as old:
        old.execute("VACUUM INTO ?", (str(bare / "journal.sqlite"),))
    with sqlite3.connect(bare / "journal.sqlite") as made:
        made.execute("DELETE FROM settings")
    assert replay.main(["--state-folder", str(bare)]) == 2
    assert "settings they were made by are needed" in capsys.readouterr().err


def test_paper_day_is_decided_alike_by_the_backtest_in_every_byte(
    folder: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--state-folder", str(folder), "--models", str(models), "--strict", "--json"]
    assert parity.main([DAY, *flags]) == 0, capsys.readouterr()
    said = json.loads(capsys.readouterr().out)
    assert (said["bars"], said["equal"]) == (96, 96)
    assert said["only_journal"] == said["only_backtest"] == []


def test_other_bars_are_found_with_bar_and_feature(
    folder: Path, case: Case, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One close, a dollar off, at noon of the day."""
    bars = case.plan.bars
    row = int(np.searchsorted(bars.open_ms, np.datetime64(f"{DAY}T12:00", "ms").astype(np.int64)))
    close = bars.close.copy()
    close[row] = (bars.low[row] + bars.high[row]) / 2
    data = write_market(tmp_path / "bars.parquet", replace(bars, close=np.round(close, 2)))
    flags = ["--state-folder", str(folder), "--models", str(models)]
    flags += ["--data", str(data), "--json"]
    assert parity.main([DAY, *flags]) == 1
    first = json.loads(capsys.readouterr().out)["first"]
    assert first["feature"]["bar_ms"] == int(bars.open_ms[row])
    assert first["feature"]["field"] == "return_1"
    assert first["market"]["field"] == "market.close"


def test_day_that_was_not_decided_is_no_finding(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity.main(["2024-01-01", "--state-folder", str(folder)]) == 2
    assert "decisions of that day are needed" in capsys.readouterr().err


def test_folder_without_a_journal_is_no_finding(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity.main([DAY, "--state-folder", str(tmp_path)]) == 2
    assert "no journal there yet" in capsys.readouterr().err


def test_what_an_account_is_worth_is_counted_apart(lines: list[str]) -> None:
    """A real account fills otherwise; the decision is still the same."""
    rows = [np.zeros(2)] * len(lines)
    mine = by_bar(lines, rows, 0, 2**62)
    worth = {bar: _with(each, "account", balance=1.0) for bar, each in mine.items()}
    found = compare(mine, worth, ("a", "b"), strict=False)
    assert found.bars_of == {"venue": len(lines)}
    assert found.holds(strict=False)
    assert not found.holds(strict=True)


def test_bar_that_only_the_journal_decided_is_a_finding(lines: list[str]) -> None:
    mine = by_bar(lines, [np.zeros(2)] * len(lines), 0, 2**62)
    less = dict(list(mine.items())[1:])
    assert not compare(mine, less, ("a", "b"), strict=False).holds(strict=False)
    assert compare(less, mine, ("a", "b"), strict=False).holds(strict=False)


def _with(of: Decided, section: str, **values: float) -> Decided:
    words = json.loads(of.line)
    words[section] |= values
    return replace(of, line=json.dumps(words, sort_keys=True))


def test_differences_come_in_the_order_of_cause_and_effect() -> None:
    one = {"bar": 1, "denials": [["a", 1, 2]], "intents": [], "market": {"close": 1.0},
           "quote": {"bid": 1.0}}  # fmt: skip
    other = one | {"denials": [], "market": {"close": 2.0}, "quote": {"bid": 3.0}}
    found = list(differences(json.dumps(one), json.dumps(other)))
    assert [(each.kind, each.field) for each in found] == [
        ("market", "market.close"), ("venue", "quote.bid"), ("decision", "denials"),
    ]  # fmt: skip
    assert (found[0].one, found[0].other) == ("1.0", "2.0")
