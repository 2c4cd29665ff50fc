"""The report: verdict first, then what it rests on; and what becomes of it on Telegram."""

import json
from pathlib import Path
from typing import Any

import pytest

from retrain import notify
from retrain.phase import Run
from retrain.report import report, report_failure
from retrain.swapping import swap
from tests.retrain.projects import BEGAN_MS, NAME, REFUSED, end, make_run

TOLD = ("weekly.shadow_days=0",)
_NOTIFY = """
import sys
from pathlib import Path
here = Path(__file__).parent
if (here / "away").exists():
    sys.exit("error: Telegram did not answer")
if (here / "unset").exists():
    print("error: no token", file=sys.stderr)
    sys.exit(2)
with (here / "told").open("a") as file:
    file.write(sys.stdin.read() + "---")
"""


def written(run: Run) -> str:
    end(run, "swap", swap(run).figures, at_ms=BEGAN_MS)
    report(run)
    return (run.root / "reports" / f"weekly_btcusd_{NAME}.md").read_text()


def telegram(project: Path, *, flag: str = "") -> Path:
    """A program in the place of scripts/notify.py: away, not set up, or noting what it is told."""
    (project / "scripts").mkdir(exist_ok=True)
    (project / "scripts" / "notify.py").write_text(_NOTIFY)
    for name in ("away", "unset"):
        (project / "scripts" / name).unlink(missing_ok=True)
    if flag:
        (project / "scripts" / flag).touch()
    return project / "scripts" / "told"


def test_report_begins_with_the_verdict_and_why(project: Path) -> None:
    lines = written(make_run(project, **REFUSED)).splitlines()
    assert lines[0] == "# Weekly run BTCUSD 20261120"
    assert lines[2] == "**The champion stays.**"
    assert lines[4] == "- swap was told"
    assert lines[5] == ("- a criterion: 2 is needed, 1 was seen; what would prove it: more trades")


def test_report_of_a_refused_candidate_where_nothing_serves_speaks_of_no_champion(
    project: Path,
) -> None:
    models = project / "models"
    for each in [*models.glob("*.onnx"), *models.glob("*.json")]:
        each.unlink()
    run = make_run(project, **REFUSED)
    result = swap(run)
    assert result.words[0].startswith("no model serves, and the candidate shall not: not passed")
    end(run, "swap", result.figures, at_ms=BEGAN_MS)
    report(run)
    text = (run.root / "reports" / f"weekly_btcusd_{NAME}.md").read_text()
    assert "**No model serves: there was none, and the candidate was not let in.**" in text


def test_report_shows_gates_comparison_change_and_phases(run: Run) -> None:
    text = written(run)
    assert "| a criterion | 2 | 1 | yes |  |" in text
    assert "In brackets: 95 %. The score is 100 ln PF₅ - 100 × largest drawdown;" in text
    assert "| score | 5.0 | 9.0 |" in text
    assert "| win rate | 66.7% (20.8% to 93.9%) | 66.7% (20.8% to 93.9%) |" in text
    assert "Bars that neither has learned from: 2026-05-22 12:00 to 2026-11-20 12:00 UTC" in text
    assert "| signal | " in text
    assert "| 1 | refresh | done | 60 s |  |" in text
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## Next", "## Gates", "## Champion and candidate", "## What was changed", "## Real money",
        "## Phases", "## Details",
    ]  # fmt: skip


def test_report_of_what_serves_says_what_real_money_lacks(run: Run) -> None:
    text = written(run)
    assert "## Next\n\n- Before real money: evidence that passes the go-live gate" in text
    assert "It is missing: costs, live = batch features, shadow trading (section Real money)." in (
        text
    )
    assert "at a mean spread of 1,200 points, 50 points of slippage, the instrument's" in text
    assert "| shadow trading | 14 days inside the forecast band | 0 days" in text


def test_report_without_a_champion_says_why(project: Path) -> None:
    run = make_run(project)
    told = run.result("evaluate") | {"champion": None, "champion_why_not": "there is no champion"}
    end(run, "evaluate", told, at_ms=BEGAN_MS)
    text = written(run)
    assert "The champion was not compared: there is no champion." in text
    assert "| score | – | 9.0 |" in text


def test_json_has_every_figure(run: Run) -> None:
    written(run)
    told = json.loads((run.root / "reports" / f"weekly_btcusd_{NAME}.json").read_text())
    assert told["headline"] == "The candidate serves now."
    phases = {each["name"]: each for each in told["phases"]}
    assert phases["evaluate"]["figures"]["candidate"]["score"]["value"] == 9.0
    assert told["options"]["profile"] == "full"


def test_words_with_a_bar_break_no_table(project: Path) -> None:
    run = make_run(project)
    criterion = {"name": "a|b", "needed": "x\ny", "seen": "1", "met": True, "proof": ""}
    gate = {"gate": "g", "passed": True, "criteria": [criterion], "warnings": []}
    end(run, "score_gate", gate, at_ms=BEGAN_MS)
    assert "| a\\|b | x y | 1 | yes |  |" in written(run)


def test_verdict_is_told(project: Path) -> None:
    told = telegram(project)
    written(make_run(project, overrides=TOLD, **REFUSED))
    assert told.read_text().startswith("Weekly run BTCUSD 20261120\nThe champion stays.\n- ")


def test_failure_is_told(project: Path) -> None:
    told, run = telegram(project), make_run(project, overrides=TOLD)
    end(run, "swap", {}, at_ms=BEGAN_MS, state="failed")
    report_failure(run)
    assert "FAILED at swap: the models that served serve on." in told.read_text()


def test_text_waits_while_telegram_is_away_and_comes_with_the_next_one(project: Path) -> None:
    told = telegram(project, flag="away")
    said = notify.tell(project, "btcusd_1", "first")
    assert said == "not sent to Telegram, the next run tries again: Telegram did not answer"
    assert "tries again" in notify.tell(project, "btcusd_2", "second")
    telegram(project)
    assert notify.tell(project, "btcusd_3", "third") == "sent to Telegram"
    assert told.read_text() == "first---second---third---"
    assert notify.tell(project, "btcusd_4", "fourth") == "sent to Telegram"
    assert told.read_text().count("---") == 4


@pytest.mark.parametrize("flag", ["unset", "missing"])
def test_telegram_that_is_not_set_up_is_said_and_nothing_waits(flag: str, project: Path) -> None:
    if flag == "unset":
        telegram(project, flag=flag)
    said = notify.tell(project, "btcusd_1", "first")
    assert said.startswith("not sent to Telegram: ")
    assert not list((project / "state").rglob("*.txt"))


def test_run_goes_well_while_telegram_is_away(project: Path) -> None:
    telegram(project, flag="away")
    run = make_run(project, overrides=TOLD)
    end(run, "swap", swap(run).figures, at_ms=BEGAN_MS)
    result: dict[str, Any] = report(run).figures
    assert "the next run tries again" in result["told"]


def test_newest_report_is_the_page(run: Run) -> None:
    """scripts/run_agent.sh shows the newest file of reports/weekly*."""
    written(run)
    newest = max((run.root / "reports").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert newest.suffix == ".md"
