"""`--costs` on the command line, in a run's identity and in its report.

What is charged at them: test_weekly_run.
"""

import json
from pathlib import Path

import pytest

from retrain import command, runs
from retrain.errors import ActFirst
from retrain.options import WeeklyOptions
from retrain.phase import Run
from retrain.report import report
from retrain.runs import costs_sha256, read_facts
from retrain.weekly import open_run
from scripts.weekly_optimize import main
from tests.retrain.costs import dear_costs
from tests.retrain.projects import (
    BEGAN_MS,
    NAME,
    RESULTS,
    SERVED_AT_ONCE,
    make_run,
    settings_of,
)

OVERRIDE = ["--override", "paper.slippage_points=3"]


# Which run goes on.


def opened(project: Path, costs: Path | None) -> Run:
    options = WeeklyOptions(models=project / "models", overrides=SERVED_AT_ONCE, costs=costs)
    return open_run(
        project, options, settings_of(project, SERVED_AT_ONCE), print, now_ms=lambda: BEGAN_MS
    )


def test_unfinished_run_goes_on_with_the_same_costs_alone(project: Path) -> None:
    costs = dear_costs(project / "costs.json")
    run = opened(project, costs)
    assert read_facts(run.folder).costs_sha256 == costs_sha256(run.options) != ""
    assert opened(project, costs).folder == run.folder
    with pytest.raises(ActFirst, match=r"costs '.*costs.json', now None"):
        opened(project, None)
    dear_costs(costs, deals=41)
    with pytest.raises(ActFirst, match=r"costs\.json was changed since .* restore it .*--new"):
        opened(project, costs)


def test_unfinished_run_of_a_version_without_costs_goes_on(project: Path) -> None:
    run = opened(project, None)
    path = run.folder / "run.json"
    told = json.loads(path.read_text())
    del told["costs_sha256"], told["options"]["costs"]
    path.write_text(json.dumps(told))
    assert opened(project, None).folder == run.folder
    assert WeeklyOptions.of(runs.read_facts(run.folder).options) == run.options


# The command line.


def test_dry_run_says_what_is_charged(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "datasets" / "btcusd_m15.parquet").unlink()
    given = ["--dry-run", "--models", str(project / "models")]
    assert main(given, root=project) == 0
    assert "costs: the bars' spreads, paper.slippage_points" in capsys.readouterr().out
    costs = dear_costs(project / "costs.json")
    assert main([*given, "--costs", str(costs)], root=project) == 0
    assert "costs learnt from 40 deals and 500 quotes (costs.json" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("other", "more", "message"),
    [
        ({"symbol": "EURUSD"}, [], "symbol BTCUSD is allowed, EURUSD came"),
        ({"currency": "USC"}, [], "currency USD is allowed, USC came"),
        (None, [], "a file is needed, there is none"),
        ({}, OVERRIDE, "--costs or --override paper.slippage_points is allowed, both came"),
    ],
    ids=["symbol", "currency", "no file", "slippage twice"],
)
def test_costs_that_do_not_fit_are_status_2_before_anything_begins(
    other: dict[str, str] | None, more: list[str], message: str, project: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = project / "costs.json"
    if other is not None:
        dear_costs(path, **other)
    given = ["--models", str(project / "models"), "--costs", str(path), *more]
    assert main(given, root=project) == 2
    assert message in capsys.readouterr().err
    assert not (project / "state").exists()


def test_path_of_the_costs_is_made_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import argparse

    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    command.add_options(parser)
    given = parser.parse_args(["--costs", "costs.json"])
    assert command._options(given, ()).costs == tmp_path / "costs.json"


# The report.


def test_report_says_what_both_were_charged(project: Path) -> None:
    words = ["costs learnt from 40 deals (costs.json, sha256 0123456789ab)", "swap: not seen"]
    told = RESULTS["evaluate"] | {"costs": {"file": "costs.json", "words": words}}
    run = make_run(project, evaluate=told)
    report(run)
    text = (project / "reports" / f"weekly_btcusd_{NAME}.md").read_text()
    assert " Costs learnt from 40 deals (costs.json, sha256 0123456789ab); swap: not seen." in text
