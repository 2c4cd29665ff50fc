"""`python scripts/evidence.py`: the backtest of the models in use becomes an evidence file."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pytest

from backtest.evidence import ChargedCosts, read_evidence
from backtest.evidence_command import main
from market.instruments import instrument
from market.sources.generated import generated_bars
from ml.features.settings import FeatureSettings
from ml.predictors.model_set import load_models
from ml.predictors.settings import ModelPaths
from ml.training.trials import TrialLedger
from tests.builders import write_market
from tests.retrain.costs import dear_costs
from tests.tiny_models import write_models
from trading.command_line import utc_instant_ms
from trading.state_folder import StateFolder

WEEKS_9 = ("--from", "2025-05-05", "--to", "2025-07-07")


@dataclass(frozen=True)
class Place:
    """Models in a folder, and a ledger of its own."""

    folder: Path
    models: Path
    bars: Path

    @property
    def ledger(self) -> TrialLedger:
        return TrialLedger(self.folder / "trials.sqlite")

    def run(self, *flags: str) -> int:
        ledger = f"study.ledger={self.folder / 'trials.sqlite'}"
        switches = (ledger, "prediction.quantile.lookback_days=2", "circuit_breaker.enabled=false")
        overrides = [word for each in switches for word in ("--override", each)]
        return main(["--data", str(self.bars), *flags, "--models", str(self.models), *overrides])


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of bars, as long as the nine weeks and their warm-up need."""
    span = {"from_ms": utc_instant_ms("2024-12-30"), "to_ms": utc_instant_ms("2025-07-07")}
    made = generated_bars(instrument("BTCUSD"), seed=7, **span)
    return write_market(tmp_path_factory.mktemp("market") / "bars.parquet", made)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bars: Path) -> Place:
    monkeypatch.setenv("COLUMNS", "600")
    return Place(tmp_path, write_models(tmp_path / "models").graph.parent, bars)


def test_unproven_system_gets_its_evidence_and_exit_status_1(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.run(*WEEKS_9) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "go-live gate: not passed" in said
    assert "what would prove" in said
    assert "forecast band over 26 weeks" in said
    made = read_evidence(place.models / "evidence_btcusd.json")
    assert made is not None
    head = place.ledger.head()
    assert (made.ledger_id, made.ledger_hash) == (head.id, head.hash)
    (look,) = place.ledger.rows("look")
    assert look.what["graphs"] == made.system.graphs
    assert made.figures.trades == look.result["trades"] > 0
    assert made.figures.trials == 1
    assert made.figures.class_flips is None
    models = load_models(ModelPaths().in_folder(place.models), FeatureSettings())
    assert made.system.graphs == {e.metadata.kind: e.metadata.graph.sha256 for e in models.all}
    assert made.system.settings["prediction.quantile.lookback_days"] == 2


def test_evidence_names_the_costs_that_its_trades_paid(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = dear_costs(place.folder / "costs.json")
    sha256 = hashlib.sha256(costs.read_bytes()).hexdigest()
    path = place.models / "evidence_btcusd.json"
    place.run(*WEEKS_9)
    free = read_evidence(path)
    assert "50 points of slippage, the instrument's specification" in capsys.readouterr().out
    place.run(*WEEKS_9, "--costs", str(costs))
    paid = read_evidence(path)
    assert f"learnt from 40 deals (costs.json, sha256 {sha256[:12]})" in capsys.readouterr().out
    assert free is not None
    assert paid is not None
    assert free.costs == ChargedCosts(50, free.costs.spread_points)
    assert paid.costs == ChargedCosts(None, paid.costs.spread_points, "costs.json", sha256, 40)
    assert paid.costs.spread_points == pytest.approx(2500, abs=10)
    assert free.costs.spread_points < 2400
    assert paid.figures.profit_factor_p5 < free.figures.profit_factor_p5


def test_few_weeks_have_no_band_and_leave_no_file(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.run("--from", "2025-05-05", "--to", "2025-05-19") == 1
    assert "eight weeks out of sample are needed; nothing is written" in capsys.readouterr().out
    assert not (place.models / "evidence_btcusd.json").exists()
    assert place.ledger.count("look") == 1


def test_sweep_that_is_not_named_is_known_from_the_ledger(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(7):
        place.ledger.record("sweep", what={"symbol": "BTCUSD"}, data_sha256="d", result={})
    place.run("--from", "2025-05-05", "--to", "2025-05-19")
    said = " ".join(capsys.readouterr().out.split())
    assert "not measured; 7 settings were compared │ NO" in said


def test_shadow_without_a_journal_is_refused_before_anything_is_looked_at(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = StateFolder(place.folder / "state" / "none")
    flags = ("--from", "2025-05-05", "--to", "2025-05-19", "--shadow", str(folder.path))
    assert place.run(*flags) == 2
    assert "has no journal" in capsys.readouterr().err
    assert place.ledger.count("look") == 0


def test_evidence_of_the_generated_market_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--models", str(place.models)])
    assert "--data FILE is needed: evidence is about real bars" in capsys.readouterr().err
    assert not list(place.models.glob("evidence_*"))
