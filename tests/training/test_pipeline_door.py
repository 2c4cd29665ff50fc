"""`train_ml_model.py`: what may be asked, in which order it trains, and the same model again."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from market.instruments import INSTRUMENTS
from market.sources.generated import generated_bars
from ml import train, train_pipeline
from ml.train import main
from ml.train_options import parse
from ml.training.card import read_card
from ml.training.models import TrainingError
from ml.training.refresh import write_bars
from ml.training.trials import TrialLedger
from tests.builders import MONDAY_MS

DAY_MS = 86_400_000
TINY = {
    "training.n_splits": 2, "training.calibration_days": 25, "training.embargo_bars": 24,
    "labeling.lookahead_candles": 24, "rf_params.n_estimators": 20, "rf_params.max_leaf_nodes": 8,
    "xgb_params.n_estimators": 10, "lgb_params.n_estimators": 10,
}  # fmt: skip


def arguments(folder: Path, **more: Any) -> list[str]:
    """A training of a second or two into a folder, with a ledger of its own."""
    overrides = {**TINY, "study.ledger": str(folder / "ledger.sqlite"), **more}
    given = ["--models", str(folder), "--profile", "quick", "--no-report"]
    return given + [word for key, value in overrides.items()
                    for word in ("--override", f"{key}={json.dumps(value)}")]  # fmt: skip


@pytest.fixture(scope="module")
def bars_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "bars.parquet"
    to_ms = MONDAY_MS + 210 * DAY_MS
    bars = generated_bars(INSTRUMENTS["BTCUSD"], seed=7, from_ms=MONDAY_MS, to_ms=to_ms)
    write_bars(path, bars)
    return path


@pytest.fixture(scope="module")
def trained_folder(bars_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert main(["--ensemble", "--data", str(bars_file), *arguments(folder)]) == 0
    return folder


@pytest.fixture
def card(trained_folder: Path) -> Path:
    return trained_folder / "cards" / "ensemble_btcusd-live.json"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "--ensemble, --position, --sltp, --risk"),
        (["--profile", "quick"], "--ensemble, --position, --sltp, --risk"),
        (["--reproduce", "card.json", "--ensemble"], "leave the models' flags out"),
        (["--ensemble", "--risk", "--regime", "trending"], "give --ensemble alone"),
        (["--risk", "--trials", "5"], "--trials tunes"),
        (["--ensemble", "--refresh", "--data", "x.csv"], "leave --data out"),
    ],
    ids=["nothing", "no model", "reproduce", "regime", "trials", "refresh"],
)
def test_options_that_do_not_fit_are_a_usage_error(
    given: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(given)
    assert caught.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_models_train_in_their_order_whatever_the_order_of_the_flags() -> None:
    assert parse(["--risk", "--sltp", "--ensemble", "--position"]).kinds == (
        "signal", "position", "sltp", "risk",
    )  # fmt: skip
    assert parse(["--sltp", "--position"]).kinds == ("position", "sltp")
    assert parse(["--ensemble"]).warm_start
    assert not parse(["--ensemble", "--no-warmstart"]).warm_start


def test_each_asked_model_is_trained_once_its_predecessors_are_done(
    bars_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []

    class Enough(BaseException):
        pass

    def trainer(kind: str) -> Any:
        def trains(*_: Any) -> dict[str, Any]:
            called.append(kind)
            if kind == "risk":
                raise Enough
            return {}

        return trains

    kinds = ("signal", "position", "sltp", "risk")
    monkeypatch.setattr(train_pipeline, "TRAINERS", {kind: trainer(kind) for kind in kinds})
    monkeypatch.setattr(train_pipeline, "_written", lambda *_: None)
    monkeypatch.setattr(train, "_print_summary", lambda *_: None)
    with pytest.raises(Enough):
        main(["--risk", "--sltp", "--position", "--ensemble", "--data", str(bars_file),
              *arguments(tmp_path)])  # fmt: skip
    assert called == ["signal", "position", "sltp", "risk"]


def test_brief_training_leaves_the_words_to_the_cards(
    bars_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--ensemble", "--data", str(bars_file), *arguments(tmp_path)]
    assert main([*given, "--brief"]) == 0
    brief = capsys.readouterr().out
    assert main(given) == 0
    whole = capsys.readouterr().out
    assert "The signal model foretells" in " ".join(whole.split())
    assert "foretells" not in " ".join(brief.split())
    assert str(tmp_path / "cards") in brief.replace("\n", "")
    assert "train cutoff" in brief


@pytest.mark.parametrize("flag", ["--position", "--sltp", "--risk"])
def test_a_model_without_its_signal_model_says_what_to_train_first(
    flag: str, bars_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([flag, "--data", str(bars_file), *arguments(tmp_path)]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "python train_ml_model.py --ensemble" in error
    assert not (tmp_path / "cards").exists()


def test_training_is_counted_in_the_ledger_and_on_the_card(
    trained_folder: Path, card: Path, bars_file: Path
) -> None:
    ledger = TrialLedger(trained_folder / "ledger.sqlite")
    assert ledger.count("train") >= 1
    ledger.verify()
    made = read_card(card)
    assert made.trials_so_far == 1
    assert made.trained["data_sha256"] == json.loads(
        (trained_folder / "ensemble_btcusd-live_metadata.json").read_text()
    )["data_sha256"]  # fmt: skip
    assert made.recipe.bars is not None
    assert made.recipe.bars.file == "bars.parquet"
    assert str(bars_file.parent) not in card.read_text()


def test_the_card_for_people_says_what_the_model_is_worth(card: Path) -> None:
    page = card.with_suffix(".md").read_text()
    made = read_card(card)
    assert page.startswith("# Signal model, BTCUSD")
    assert made.trained["verdict"] in page
    assert made.graph.sha256 in page
    assert "| direction_auc | " in page
    assert "--reproduce models/cards/ensemble_btcusd-live.json" in page
    for name in made.trained["feature_names"]:
        assert f"`{name}`" in page
    assert set(made.calibration_error) == {"BUY", "SELL", "HOLD"}


def reproduce(card: Path, bars: Path, ledger: Path, *more: str) -> int:
    return main(["--reproduce", str(card), "--data", str(bars), *more,
                 "--override", f"study.ledger={ledger}"])  # fmt: skip


def test_a_card_reproduces_to_the_last_bit(
    card: Path, bars_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reproduce(card, bars_file, tmp_path / "ledger.sqlite") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "values are equal" in said
    assert "note: numpy" not in said
    assert TrialLedger(tmp_path / "ledger.sqlite").count("train") == 1


def test_a_number_that_does_not_come_again_is_named_and_status_1(
    card: Path, bars_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = json.loads(card.read_text())
    tree["trained"]["folds"][1]["log_loss"] += 1e-12
    tree["trained"]["libraries"]["numpy"] = "0.1"
    other = tmp_path / "card.json"
    other.write_text(json.dumps(tree))
    assert reproduce(other, bars_file, tmp_path / "ledger.sqlite") == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "1 of " in said
    assert "folds[1].log_loss" in said
    assert "note: numpy was 0.1" in said


def test_a_card_whose_data_is_gone_or_changed_says_which_file_to_name(
    card: Path, bars_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = f"study.ledger={tmp_path / 'ledger.sqlite'}"
    assert main(["--reproduce", str(card), "--override", ledger]) == 2
    assert "name it with --data" in capsys.readouterr().err
    changed = tmp_path / "bars.parquet"
    changed.write_bytes(bars_file.read_bytes() + b"x")
    assert reproduce(card, changed, tmp_path / "ledger.sqlite") == 2
    assert "the bytes that the card names" in capsys.readouterr().err


def test_what_is_no_card_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "card.json"
    assert main(["--reproduce", str(path)]) == 2
    assert "there is no such card" in capsys.readouterr().err
    path.write_text("{}")
    assert main(["--reproduce", str(path)]) == 2
    assert "is no model card" in capsys.readouterr().err


def test_training_again_continues_and_a_changed_feature_list_is_refused(
    bars_file: Path, trained_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--ensemble", "--data", str(bars_file)]
    assert main([*given, *arguments(trained_folder, **{"features.groups": ["base"]})]) == 2
    error = " ".join(capsys.readouterr().err.split())
    assert "gone volatility_regime, w1_ema_bias, w1_rsi_norm" in error
    assert "--no-warmstart" in error


def test_a_regime_needs_twenty_thousand_rows_and_has_its_own_folder(
    bars_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    given = ["--ensemble", "--regime", "trending", "--data", str(bars_file), *arguments(tmp_path)]
    assert main(given) == 2
    assert "at least 20,000 rows of that regime" in " ".join(capsys.readouterr().err.split())
    without = arguments(tmp_path, **{"features.groups": ["regime"]})
    assert main(["--ensemble", "--regime", "ranging", "--data", str(bars_file), *without]) == 2
    assert "adx_14 tells the regime" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr("ml.training.signal.REGIME_MIN_ROWS", 2000)
    assert main(given) == 0
    metadata = next((tmp_path / "signal_trending").glob("*_metadata.json"))
    assert json.loads(metadata.read_text())["regime"] == "trending"
    assert not list(tmp_path.glob("*.onnx"))


def test_a_model_that_cannot_be_had_does_not_hide_those_before_it(
    bars_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fails(*_: Any) -> dict[str, Any]:
        raise TrainingError("risk labels: they have no spread")

    trainers = {**train_pipeline.TRAINERS, "risk": fails}
    monkeypatch.setattr(train_pipeline, "TRAINERS", trainers)
    given = ["--ensemble", "--risk", "--data", str(bars_file), *arguments(tmp_path)]
    assert main(given) == 2
    captured = capsys.readouterr()
    assert "signal model, walk-forward" in captured.out
    assert "error: risk labels: they have no spread" in captured.err
    assert (tmp_path / "cards" / "ensemble_btcusd-live.md").exists()


def test_a_model_that_learned_from_another_signal_model_is_named(
    bars_file: Path, trained_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The signal model is trained again with another seed; the others stay as they were."""
    shutil.copytree(trained_folder, tmp_path, dirs_exist_ok=True)
    assert main(["--sltp", "--data", str(bars_file), *arguments(tmp_path)]) == 0
    assert "another signal model" not in " ".join(capsys.readouterr().out.split())
    given = ["--ensemble", "--data", str(bars_file), "--seed", "7", *arguments(tmp_path)]
    assert main(given) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "the sltp model that is installed learned from another signal model" in said
    assert "(--sltp)" in said


def test_a_report_is_asked_for_what_was_trained_and_says_what_the_signal_model_looks_at(
    bars_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        "ml.training.report.write_report", lambda path, trained, **_: asked.append((path, trained))
    )
    given = [word for word in arguments(tmp_path) if word != "--no-report"]
    given += ["--override", "study.shap_rows=100"]
    assert train.main(["--ensemble", "--data", str(bars_file), *given]) == 0
    assert json.loads((tmp_path / "shap_summary.json").read_text())["signal"]["rows"] == 100
    ((path, trained),) = asked
    assert path == tmp_path / "training_report.html"
    assert [each["kind"] for each in trained] == ["signal"]
