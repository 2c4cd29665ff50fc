"""A candidate becomes the challenger, stands by what its journal shows, and goes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from backtest.forecast_band import ForecastBand
from backtest.shadow import challenger as challenging
from backtest.shadow.challenger import (
    Challenger,
    ChallengerError,
    drop,
    place,
    read_challenger,
    shadow_folder,
)
from backtest.shadow.standing import standing
from ml.predictors.compat import ModelCompatibilityError
from tests.shadow.stand import Stand, bridge_of, journalled
from tests.tiny_models import GROUPS, write_models
from tests.trading.doubles import DAEMON
from tests.trading.paper_runs import Case
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.state_folder import StateFolder

NOW_MS = 1_760_000_000_000
RULES = DecisionSettings(risk_percent=1.5)


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    write_models(tmp_path / "candidate")
    (tmp_path / "candidate" / "card.md").write_text("what it is")
    (tmp_path / "candidate" / "notes.py").write_text("raise SystemExit")
    return tmp_path / "candidate"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def placed(candidate: Path, models: Path, band: ForecastBand, **given: object) -> Challenger:
    how = {"symbol": "BTCUSD", "decision": RULES, "now_ms": NOW_MS} | given
    return place(candidate, models, band=band, **how)  # type: ignore[arg-type]


def names_in(folder: Path) -> set[str]:
    return {each.name for each in folder.iterdir()}


def test_candidate_becomes_the_challenger_with_all_that_it_was_judged_with(
    candidate: Path, models: Path, band: ForecastBand
) -> None:
    made = placed(candidate, models, band)
    assert read_challenger(models, "BTCUSD") == made
    assert (made.decision, made.band, made.placed_ms) == (RULES, band, NOW_MS)
    assert set(made.graphs) == {"signal", "position", "sltp", "risk"}
    assert names_in(made.folder) == names_in(candidate) - {"notes.py"} | {"challenger.json"}
    assert names_in(models / "challenger") == {"btcusd", made.folder.name}


def test_symbol_without_a_challenger_has_none(models: Path) -> None:
    assert read_challenger(models, "BTCUSD") is None
    drop(models, "BTCUSD")


def test_same_candidate_again_changes_nothing(
    candidate: Path, models: Path, band: ForecastBand
) -> None:
    made = placed(candidate, models, band)
    assert placed(candidate, models, band, now_ms=NOW_MS + 1) == made


def test_other_settings_make_another_challenger_in_its_place(
    candidate: Path, models: Path, band: ForecastBand
) -> None:
    first = placed(candidate, models, band)
    second = placed(candidate, models, band, decision=DecisionSettings(max_open_positions=2))
    assert read_challenger(models, "BTCUSD") == second
    assert not first.folder.exists()
    assert shadow_folder(Path("state"), first) != shadow_folder(Path("state"), second)


@pytest.mark.parametrize("step", ["write_whole", "_show", "_forget_others"])
def test_kill_while_placing_leaves_the_old_one_or_the_new_one(
    candidate: Path, models: Path, band: ForecastBand, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:  # fmt: skip
    first = placed(candidate, models, band)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(challenging, step, killed)
        with pytest.raises(KeyboardInterrupt):
            placed(candidate, models, band, decision=DecisionSettings())
    there = read_challenger(models, "BTCUSD")
    assert there is not None
    assert (there == first) is (step != "_forget_others")
    again = placed(candidate, models, band, decision=DecisionSettings())
    assert read_challenger(models, "BTCUSD") == again
    assert names_in(models / "challenger") == {"btcusd", again.folder.name}


def test_dropped_challenger_is_gone(candidate: Path, models: Path, band: ForecastBand) -> None:
    placed(candidate, models, band)
    drop(models, "BTCUSD")
    assert read_challenger(models, "BTCUSD") is None
    assert names_in(models / "challenger") == set()


def test_graph_that_is_not_the_manifests_is_refused(
    candidate: Path, models: Path, band: ForecastBand
) -> None:
    (graph,) = candidate.glob("ensemble*.onnx")
    graph.write_bytes(graph.read_bytes() + b"x")
    with pytest.raises(ModelCompatibilityError):
        placed(candidate, models, band)
    assert read_challenger(models, "BTCUSD") is None


def test_candidate_of_another_symbol_is_refused(
    candidate: Path, models: Path, band: ForecastBand
) -> None:
    with pytest.raises(ChallengerError, match="a signal model of XAUUSD is needed, nothing came"):
        placed(candidate, models, band, symbol="XAUUSD")


def test_file_that_somebody_else_wrote_is_named(
    candidate: Path, models: Path, band: ForecastBand
) -> None:
    made = placed(candidate, models, band)
    file = made.folder / "challenger.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema": 2}))
    with pytest.raises(ChallengerError, match=r"challenger.json: .*schema 1 is allowed, 2 came"):
        read_challenger(models, "BTCUSD")


def test_challenger_without_a_journal_has_nothing_to_show(
    candidate: Path, models: Path, band: ForecastBand, tmp_path: Path
) -> None:
    made = placed(candidate, models, band)
    found = standing(
        made, shadow_folder(tmp_path, made), strategy_id=DAEMON.strategy_id, groups=GROUPS
    )
    assert found.days == 0
    assert found.inside is None
    assert "does scripts/shadow.py run?" in found.nothing


def test_standing_of_a_challenger_that_decided_in_real_time(
    stand: Stand, case: Case, models: Path, band: ForecastBand, tmp_path: Path
) -> None:
    write_models(tmp_path / "candidate")
    made = placed(tmp_path / "candidate", models, band, decision=case.decision)
    state = shadow_folder(tmp_path, made)
    stand.run(state, stop_after=12)
    of = {"strategy_id": DAEMON.strategy_id, "groups": GROUPS, "outside": case.outside}
    found = standing(made, state, **of)
    assert found.nothing == ""
    assert (found.bars, found.missed_bars, found.trades > 0) == (12, 0, True)
    assert found.days == pytest.approx(11 / 96)
    assert (found.inside, found.outside) == (True, ())
    assert (found.compared_rows, found.differing_rows) == (12, 0)
    assert found.lines[0] == "0.11 days in real time, 12 bars; 0 missed"
    other = placed(tmp_path / "candidate", models, band, decision=RULES)
    assert "the journal has none" in standing(other, state, **of).nothing


def test_rows_that_a_revised_bar_came_after_are_not_compared(
    case: Case, models: Path, band: ForecastBand, tmp_path: Path
) -> None:
    write_models(tmp_path / "candidate")
    made = placed(tmp_path / "candidate", models, band, decision=case.decision)
    bars = replace(case.plan.bars, close=case.plan.bars.close.copy())
    row = int(bars.open_ms.searchsorted(case.plan.limits.from_ms)) + 4

    def revise(count: int) -> None:
        if count == 6:
            bars.close[row] = (bars.high[row] + bars.low[row]) / 2

    state = shadow_folder(tmp_path, made)
    with bridge_of(case, "native", tmp_path / "models", bars=bars) as stand:
        stand.run(state, stop_after=10, each=revise)
    found = standing(
        made, state, strategy_id=DAEMON.strategy_id, groups=GROUPS, outside=case.outside
    )
    assert (found.revised_bars, found.compared_rows, found.differing_rows) == (1, 7, 0)


def test_journal_of_other_models_is_refused(
    candidate: Path, models: Path, band: ForecastBand, tmp_path: Path
) -> None:
    made = placed(candidate, models, band)
    journal = journalled(StateFolder(tmp_path / "state").path)
    journal.record("models_served", 0, graphs={"signal": "0" * 64})
    journal.close()
    with pytest.raises(DaemonError, match="other graphs serve there"):
        standing(made, tmp_path / "state", strategy_id=DAEMON.strategy_id, groups=GROUPS)
