"""`scripts/sweep.py` and `scripts/surface_sweep.py` as a person calls them."""

import argparse
import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from backtest.decided_run import decided_run, settings_of
from backtest.run_options import add_run_options
from backtest.sweep.base import SweepBase
from backtest.sweep.command import add_sweep_options, read_base
from backtest.sweep.errors import SweepError
from backtest.sweep.trial import Bench, Result, Trial
from ml.training.trials import TrialLedger
from scripts import surface_sweep, sweep
from settings import SettingsError, load_settings
from settings.strategy_params import FILE, write_strategy_params
from tests.builders import write_market
from tests.sweep.conftest import Place
from tests.trading.paper_runs import write_minutes

ROOT = Path(__file__).resolve().parents[2]
AXES = (
    "--axis", "position_optimization.exit_threshold=0.6,0.7,0.85",
    "--axis", "prediction.quantile.top_share=0.3,0.5",
)  # fmt: skip


@pytest.fixture
def here(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Flags of the market, with store, ledger and files of the test's own."""
    monkeypatch.chdir(place.folder)
    return [*place.flags, "--workers", "1", "--store", str(tmp_path / "s.sqlite"),
            "--ledger", str(tmp_path / "l.sqlite")]  # fmt: skip


def out(folder: Path) -> list[str]:
    return ["--out", str(folder / "found")]


def test_table_picture_and_page_are_written(
    here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep.main([*here, *AXES, *out(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "PBO" in said
    assert "today" in said
    made = json.loads((tmp_path / "found.json").read_text())
    assert len(made["rows"]) == 6
    assert 0 <= made["pbo"] <= 1
    table = pq.read_table(tmp_path / "found.parquet").to_pylist()
    assert [json.loads(row["overrides"]) for row in table] == [
        row["overrides"] for row in made["rows"]
    ]
    assert [row["score"] for row in table] == [row["score"] for row in made["rows"]]
    assert len((tmp_path / "found.csv").read_text().splitlines()) == 7
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")
    assert "exit_threshold" in (tmp_path / "found.html").read_text()


def test_heat_map_of_an_unknown_key_is_refused_before_anything_is_run(
    here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep.main([*here, *AXES, "--heat", "max_lot", *out(tmp_path)]) == 2
    assert "max_lot: a key that takes two values or more is allowed" in capsys.readouterr().err
    assert TrialLedger(tmp_path / "l.sqlite").count("sweep") == 0


def test_heat_map_has_its_numbers_in_order(here: list[str], tmp_path: Path) -> None:
    held = ("--axis", "position_optimization.min_bars_held=8,1,4", "--random", "3")
    assert sweep.main([*here, *held, *out(tmp_path)]) == 0
    page = (tmp_path / "found.html").read_text()
    assert '"x":["1","4","8"]' in page


def test_keys_that_decide_nothing_are_told(
    here: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = ("--axis", "ml_active_management.kelly_lot_sizing.max_kelly_fraction=0.2,0.3")
    assert sweep.main([*here, *idle, *out(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 settings and today's: 3 trials run now" in said
    assert "they came to one result: some keys decided nothing" in said


def test_random_draw_tries_as_many_as_asked_for(here: list[str], tmp_path: Path) -> None:
    assert sweep.main([*here, *AXES, "--random", "2", *out(tmp_path)]) == 0
    made = json.loads((tmp_path / "found.json").read_text())
    assert len(made["rows"]) == 2


def test_killed_sweep_goes_on_and_equals_an_unbroken_one(
    place: Place, tmp_path: Path, here: list[str]
) -> None:
    """The process gets no chance to clean up."""
    flags = [*AXES, "--axis", "position_optimization.min_bars_held=1,4"]
    command = [sys.executable, str(ROOT / "scripts" / "sweep.py"), *here, *flags]
    began = subprocess.Popen([*command, *out(tmp_path)], stderr=subprocess.DEVNULL)
    ledger = TrialLedger(tmp_path / "l.sqlite")
    while ledger.count("sweep") < 4:
        assert began.poll() is None
        time.sleep(0.02)
    began.send_signal(signal.SIGKILL)
    began.wait()
    assert not (tmp_path / "found.json").exists()
    done = ledger.count("sweep")
    assert done < 13
    assert sweep.main([*here, *flags, *out(tmp_path)]) == 0
    resumed = json.loads((tmp_path / "found.json").read_text())
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    own = ["--store", str(fresh / "s.sqlite"), "--ledger", str(fresh / "l.sqlite")]
    assert sweep.main([*here, *own, *flags, *out(fresh)]) == 0
    unbroken = json.loads((fresh / "found.json").read_text())
    assert resumed | {"words": 0} == unbroken | {"words": 0}
    # one trial more at most: it was recorded, and the process died before it was stored
    counts = ledger.count("sweep"), TrialLedger(fresh / "l.sqlite").count("sweep")
    assert counts[0] - counts[1] in (0, 1)


def test_trial_of_today_is_the_backtest(place: Place, base: SweepBase, here: list[str]) -> None:
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    given = parser.parse_args(list(place.flags))
    given.seed = None
    alone = decided_run(given).run
    trial = Bench(base).backtest(Trial({}, base.from_ms, base.to_ms))
    assert len(alone.trades) > 100
    assert trial.trades == alone.trades
    assert np.array_equal(trial.curve.close, alone.curve.close)


@pytest.mark.parametrize("inside", ["true", "false"])
def test_trial_with_minutes_is_the_backtest_with_minutes(
    inside: str, place: Place, base: SweepBase, here: list[str], tmp_path: Path
) -> None:
    """M1 bars reach the position model's rows and, where they are asked, the order in a bar."""
    m1 = write_minutes(tmp_path / "m1.parquet", base.history.rows(len(base.history) - 960, -1))
    parser = argparse.ArgumentParser()
    add_sweep_options(parser)
    files = ["--data", str(write_market(tmp_path / "m15.parquet", base.history)), "--m1", str(m1)]
    span = ["--from", "2025-06-04", "--to", "2025-06-13"]
    given = parser.parse_args(
        [*place.flags, *files, *span, "--override", f"paper.m1_inside_bars={inside}"]
    )
    alone = decided_run(given).run
    shared = read_base(given, settings_of(given))
    trial = Bench(shared).backtest(Trial({}, shared.from_ms, shared.to_ms))
    assert len(alone.trades) > 20
    assert trial.trades == alone.trades
    without = Bench(replace(shared, m1=None)).backtest(Trial({}, shared.from_ms, shared.to_ms))
    assert without.bars.m1 is None
    assert np.array_equal(trial.bars.m1, alone.bars.m1)


def test_minutes_inside_bars_are_refused_without_minutes(base: SweepBase) -> None:
    trial = Trial({"paper.m1_inside_bars": True}, base.from_ms, base.to_ms)
    with pytest.raises(SweepError, match="give --m1 FILE"):
        Bench(base).run(trial)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "--target"),
        (["--target", "poss"], "poss came"),
        (["--axis", "risk_percent"], "KEY=V1,V2"),
        (["--axis", "risk_procent=1"], "did you mean risk_percent"),
        (["--axis", "risk_percent=1,-1"], "greater than 0"),
        (["--target", "pos", "--random", "0"], "1 or more settings"),
        (["--target", "kelly", "--workers", "0"], "workers: 1 or more"),
        (["--target", "kelly", "--apply"], "--apply without --override"),
    ],
    ids=["nothing", "target", "axis", "key", "bound", "random", "workers", "apply"],
)
def test_mistake_is_one_message_and_nothing_is_tried(
    flags: list[str], words: str, here: list[str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert sweep.main([*here, *flags, *out(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert words in said
    assert not (tmp_path / "found.json").exists()
    ledger = tmp_path / "l.sqlite"
    assert not ledger.exists() or TrialLedger(ledger).count() == 0


def test_apply_refuses_limits_of_the_account_before_anything_is_tried(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sweep.main(["--axis", "max_lot=0.5,1", "--apply"]) == 2
    assert "overrides.max_lot: a key of trading or training is allowed" in capsys.readouterr().err


def test_best_setting_is_applied_only_where_it_beats_today_by_the_gate_s_margin(
    base: SweepBase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from backtest.sweep.search import run_sweep
    from backtest.sweep.store import SweepStore

    monkeypatch.chdir(tmp_path)
    table = run_sweep(
        base, [{"risk_percent": each} for each in (0.25, 0.05)], workers=1,
        store=SweepStore(tmp_path / "s.sqlite"), ledger=TrialLedger(tmp_path / "l.sqlite"),
    )  # fmt: skip
    best = table.best
    assert best is not None
    figures = {**best.figures, "score": (best.score or 0.0) - 5}
    table = replace(table, today=replace(table.today, result=Result(figures, best.result.daily)))
    file = Path("models") / FILE
    asks_more = load_settings(ROOT, overrides=["gate.retrain.margin=6"])
    assert sweep._apply(table, asks_more, Console(quiet=True)) == 1
    assert not file.exists()
    asks_less = load_settings(
        ROOT, overrides=["gate.retrain.margin=4", "gate.retrain.margin_share=0"]
    )
    assert sweep._apply(table, asks_less, Console(quiet=True)) == 0
    assert file.exists()


def test_strategy_params_hold_only_where_they_are_switched_on(place: Place, tmp_path: Path) -> None:
    for name in ("config.json", "ml_config.json"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    today = load_settings(tmp_path).decision
    write_strategy_params(
        tmp_path / "models",
        {"risk_percent": 0.3, "prediction.quantile.top_share": 0.2},
        {"sweep": "x"},
    )
    assert load_settings(tmp_path).decision == today
    _switch_on(tmp_path / "config.json")
    decision = load_settings(tmp_path).decision
    assert (decision.risk_percent, decision.prediction.quantile.top_share) == (0.3, 0.2)
    assert load_settings(tmp_path, overrides=["risk_percent=0.7"]).decision.risk_percent == 0.7


def test_strategy_params_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    for name in ("config.json", "ml_config.json"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    _switch_on(tmp_path / "config.json")
    with pytest.raises(SettingsError, match=r"strategy_params.json: \(file\): .* must exist"):
        load_settings(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / FILE).write_text("{}")
    with pytest.raises(SettingsError, match=r"strategy_params.json: overrides"):
        load_settings(tmp_path)
    write_strategy_params(tmp_path / "models", {"risk_percent": -1}, {})
    with pytest.raises(SettingsError, match="risk_percent"):
        load_settings(tmp_path)
    (tmp_path / FILE).write_text("{}")
    with pytest.raises(SettingsError, match=r"move it to models/strategy_params.json"):
        load_settings(tmp_path)


@pytest.mark.parametrize(
    "key",
    ["bridge.api_base_url", "prop.profile", "features.calendar", "hub.endpoint_url", "max_lot",
     "max_daily_loss_pct"],
)  # fmt: skip
def test_strategy_params_of_a_release_set_no_place_and_no_limit_of_an_account(
    key: str, tmp_path: Path
) -> None:
    for name in ("config.json", "ml_config.json"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    _switch_on(tmp_path / "config.json")
    refused = rf"overrides.{key}: a key of trading or training"
    with pytest.raises(SettingsError, match=refused):
        write_strategy_params(tmp_path / "models", {key: "x"}, {})
    (tmp_path / "models").mkdir()
    release = {"overrides": {key: "x"}, "found": {}, "written_ms": 1}
    (tmp_path / "models" / FILE).write_text(json.dumps(release))
    with pytest.raises(SettingsError, match=refused):
        load_settings(tmp_path)


def test_surface_has_a_row_for_each_value_and_a_column_for_each_window(
    here: list[str], tmp_path: Path
) -> None:
    flags = ["--key", "prediction.quantile.top_share", "--values", "0.3,0.5", "--window-days",
             "20", "--step-days", "10", "--out", str(tmp_path / "surface.json")]  # fmt: skip
    assert surface_sweep.main([*here, *flags]) == 0
    made = json.loads((tmp_path / "surface.json").read_text())
    assert made["values"] == [0.3, 0.5]
    assert [each["to"] for each in made["windows"]] == [
        "2025-05-25 00:00", "2025-06-04 00:00", "2025-06-14 00:00"
    ]  # fmt: skip
    assert np.shape(made["equity"]) == np.shape(made["trades"]) == (2, 3)
    balance = made["initial_balance"]
    assert made["equity"][1][2] == balance * (1 + made["cumulative_return"][1][2])
    assert len({each for row in made["equity"] for each in row}) == 6


def test_surface_without_room_for_a_window_is_refused(
    here: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert surface_sweep.main(here) == 2
    assert "90 days or more are needed" in capsys.readouterr().err


def _switch_on(config: Path) -> None:
    tree = json.loads(config.read_text())
    tree["strategy_params"] = {"enabled": True}
    config.write_text(json.dumps(tree))
