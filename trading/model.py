"""The signal model of a run: loaded and checked, or, for the demo, trained first."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from market.bars import utc_text
from ml.features.settings import FeatureSettings
from ml.predictors.compat import ModelCompatibilityError, ModelMissing
from ml.predictors.ensemble import EnsemblePredictor
from ml.predictors.settings import ModelPaths
from trading.bridge_process import PROJECT_ROOT
from trading.errors import PaperError


def load_model(paths: ModelPaths, features: FeatureSettings, symbol: str) -> EnsemblePredictor:
    """The model, if its files are whole and it was made for this symbol and these features."""
    predictor = EnsemblePredictor(paths, features).load()
    made_for = predictor.metadata.symbol
    if made_for != symbol:
        raise ModelCompatibilityError(
            f"{paths.graph}: a model for {symbol} is needed, this one is for {made_for}; "
            f"train one: python train_ml_model.py --ensemble --symbol {symbol}"
        )
    return predictor


def load_or_train_demo(
    paths: ModelPaths,
    features: FeatureSettings,
    symbol: str,
    console: Console,
    *,
    train_from_ms: int,
    train_to_ms: int,
) -> EnsemblePredictor:
    """The model; where there is none yet, a small one is trained on the generated market first."""
    try:
        return load_model(paths, features, symbol)
    except ModelMissing:
        console.print("no model yet: training a small one on the generated market first")
        _train_demo(paths.graph.parent, symbol, train_from_ms, train_to_ms)
        return load_model(paths, features, symbol)


def seen_until(predictor: EnsemblePredictor, from_ms: int) -> str:
    """A warning where the model learned from bars that the run trades, else an empty string."""
    cutoff_ms = predictor.metadata.train_cutoff_ms
    if cutoff_ms <= from_ms:
        return ""
    return (
        f"the model has learned from bars until {utc_text(cutoff_ms)} UTC, after the start of this "
        "run: its results say nothing"
    )


def _train_demo(folder: Path, symbol: str, from_ms: int, to_ms: int) -> None:
    command = [
        sys.executable, str(PROJECT_ROOT / "train_ml_model.py"), "--ensemble", "--no-warmstart",
        "--profile", "quick", "--symbol", symbol, "--models", str(folder.resolve()),
        "--from", _iso(from_ms), "--to", _iso(to_ms),
    ]  # fmt: skip
    if subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode:
        raise PaperError("the demo model could not be trained; its own words are above")


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
