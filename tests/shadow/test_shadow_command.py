"""`python scripts/shadow.py`: waits for a challenger, shadows it, says how it stands."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backtest.forecast_band import ForecastBand
from backtest.shadow.challenger import place, shadow_folder
from backtest.shadow.command import main
from tests.shadow.stand import Stand, journalled
from tests.tiny_models import write_models
from tests.trading.paper_runs import GATE
from trading import clock, model
from trading.bot import Bot
from trading.bridge_process import PROJECT_ROOT
from trading.decision.settings import DecisionSettings
from trading.heartbeat import FILE, Beat
from trading.state_folder import StateFolder
from trading.watchdog import Limits, look

RULES = DecisionSettings.model_validate({"prediction": GATE})


@pytest.fixture
def run(stand: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command over the bridge, its models and its state in folders of the test."""
    for name in ("config.json", "ml_config.json"):
        shutil.copy(PROJECT_ROOT / name, tmp_path / name)
    shutil.copytree(PROJECT_ROOT / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    graph = tmp_path / "models" / "ensemble_btcusd-live.onnx"
    overrides = (
        f"bridge.api_base_url={stand.url}", f"ensemble_paths.onnx={graph}",
        "news.enabled=false",
    )  # fmt: skip

    def call(*flags: str) -> int:
        before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        words = [word for each in overrides for word in ("--override", each)]
        try:
            return main(["--quiet", "--state", str(tmp_path / "state"), *words, *flags])
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    return call


@pytest.fixture
def stops_at_first_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM comes once the shadow has begun to wait for a close."""
    monkeypatch.setattr(Bot, "cycle", lambda bot: os.kill(os.getpid(), signal.SIGTERM))


def challenger_in(tmp_path: Path, band: ForecastBand, rules: DecisionSettings = RULES) -> Path:
    """The state folder of a challenger that is placed now."""
    write_models(tmp_path / "candidate")
    made = place(
        tmp_path / "candidate", tmp_path / "models", symbol="BTCUSD", decision=rules, band=band,
        now_ms=1_760_000_000_000,
    )  # fmt: skip
    return shadow_folder(tmp_path / "state", made)


def events_of(state: Path) -> dict[str, dict[str, Any]]:
    journal = journalled(state)
    found = {kind: words for kind, _, words in journal.events()}
    journal.close()
    return found


@pytest.mark.usefixtures("stops_at_first_cycle")
def test_challenger_is_shadowed_by_the_rules_that_it_was_judged_by(
    run: Callable[..., int], stand: Stand, tmp_path: Path, band: ForecastBand
) -> None:
    state = challenger_in(tmp_path, band)
    assert run("--done-status", "10") == 10
    events = events_of(state)
    assert events["run_started"]["text"].startswith("shadow, virtual fills: BTCUSD through")
    assert "run_ended" in events
    journal = journalled(state)
    kept = journal.kept_settings(journal.keep_settings(RULES))
    journal.close()
    assert kept == json.loads(json.dumps(RULES.model_dump(mode="json")))
    assert {method for method, _ in stand.asked} == {"GET"}
    assert not StateFolder.is_held(state)


def beat_of(tmp_path: Path) -> Beat:
    beat = Beat.read(tmp_path / "state" / "shadow-default")
    assert beat is not None
    assert beat.shadow
    return beat


def test_shadow_beats_at_closes_and_within_its_waits_until_it_is_stopped(
    run: Callable[..., int], tmp_path: Path, band: ForecastBand, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Beat] = []

    def cycle(bot: Bot) -> None:
        seen.append(beat_of(tmp_path))
        (tmp_path / "state" / "shadow-default" / FILE).unlink()
        bot._parts.clock._live.wait_until(0)  # type: ignore[attr-defined]
        seen.append(beat_of(tmp_path))
        if len(seen) == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Bot, "cycle", cycle)
    challenger_in(tmp_path, band)
    assert run() == 0
    assert [(each.phase, each.cycle) for each in seen] == [("running", n) for n in (0, 0, 1, 1)]
    assert (beat_of(tmp_path).phase, beat_of(tmp_path).cycle) == ("ended", 2)


def test_shadow_that_waits_for_a_challenger_beats(
    run: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def wait(*_: Any) -> None:
        seen.append(beat_of(tmp_path).phase)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(clock, "pause", wait)
    assert run() == 0
    assert (seen, beat_of(tmp_path).phase) == (["running"], "ended")


@pytest.mark.parametrize(
    ("flags", "why"),
    [
        (("--override", "bridge.api_base_url=http://127.0.0.1:9"), "no bridge at http://127.0.0"),
        (("--override", "risk_percent=-1"), "SettingsError: "),
    ],
    ids=["bridge away", "settings"],
)
def test_start_that_fails_after_a_run_is_an_alarm_of_the_watchdog(
    flags: tuple[str, ...], why: str, run: Callable[..., int], tmp_path: Path, band: ForecastBand
) -> None:
    challenger_in(tmp_path, band)
    folder = tmp_path / "state" / "shadow-default"
    folder.mkdir(parents=True)
    Beat("ended", 1_000, 4711, shadow=True).write(folder)
    assert run(*flags) in (2, 3)
    (said,) = look(folder, beat_of(tmp_path).written_ms, Limits()).say
    assert said.startswith("shadow-default: the shadow has failed: ")
    assert why in said


def test_defect_while_it_runs_is_an_alarm_of_the_watchdog(
    run: Callable[..., int], tmp_path: Path, band: ForecastBand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cycle(bot: Bot) -> None:
        raise ZeroDivisionError("x")

    monkeypatch.setattr(Bot, "cycle", cycle)
    challenger_in(tmp_path, band)
    with pytest.raises(ZeroDivisionError):
        run()
    assert (beat_of(tmp_path).phase, beat_of(tmp_path).text) == ("failed", "ZeroDivisionError: x")


def test_second_shadow_process_is_refused_and_leaves_the_first_ones_heartbeat(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state" / "shadow-default"
    with StateFolder(folder):
        Beat("running", 1_000, 4711, shadow=True).write(folder)
        assert run() == 2
    assert f"is running here already (process {os.getpid()})" in capsys.readouterr().err
    assert beat_of(tmp_path) == Beat("running", 1_000, 4711, shadow=True)


def test_status_leaves_no_heartbeat(run: Callable[..., int], tmp_path: Path) -> None:
    assert run("--status") == 1
    assert not (tmp_path / "state" / "shadow-default").exists()


@pytest.mark.usefixtures("stops_at_first_cycle")
def test_without_a_challenger_it_waits_for_one(
    run: Callable[..., int], tmp_path: Path, band: ForecastBand, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    placed: list[Path] = []
    monkeypatch.setattr(clock, "pause", lambda *_: placed.append(challenger_in(tmp_path, band)))
    assert run() == 0
    assert "no challenger of BTCUSD in" in capsys.readouterr().out
    assert len(placed) == 1
    assert "models_served" in events_of(placed[0])


def test_status_without_a_challenger_says_so(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--status") == 1
    assert "no challenger of BTCUSD in" in capsys.readouterr().out


def test_status_of_a_challenger_that_was_just_placed(
    run: Callable[..., int], tmp_path: Path, band: ForecastBand, capsys: pytest.CaptureFixture[str]
) -> None:
    challenger_in(tmp_path, band)
    assert run("--status") == 1
    said = capsys.readouterr().out
    assert "placed 2025-10-09 08:53 UTC" in said
    assert "nothing counts yet" in said


def test_bridge_that_is_away_at_the_start_is_exit_status_3(
    run: Callable[..., int], tmp_path: Path, band: ForecastBand, capsys: pytest.CaptureFixture[str]
) -> None:
    challenger_in(tmp_path, band)
    assert run("--override", "bridge.api_base_url=http://127.0.0.1:9") == 3
    assert "no bridge at http://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.usefixtures("stops_at_first_cycle")
def test_challenger_that_is_replaced_while_it_is_loaded_gives_way_to_the_new_one(
    run: Callable[..., int], tmp_path: Path, band: ForecastBand, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenger_in(tmp_path, band)
    real, states = model.load_for, list[Path]()

    def load(*given: Any) -> Any:
        if not states:
            other = RULES.model_copy(update={"max_open_positions": 2})
            states.append(challenger_in(tmp_path, band, other))
        return real(*given)

    monkeypatch.setattr(model, "load_for", load)
    assert run() == 0
    assert "models_served" in events_of(states[0])
