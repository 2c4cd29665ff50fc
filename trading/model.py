"""The models of a run: loaded and checked, or, for the demo, trained first."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from market.bars import utc_text
from market.sources.onchain import FEAR_GREED_FILE, FUNDING_FILE, OPEN_INTEREST_FILE
from ml.features.settings import FeatureSettings
from ml.predictors.checked import CheckedPredictor
from ml.predictors.compat import Kind, ModelCompatibilityError, ModelMissing, train_command
from ml.predictors.model_set import ModelSet, load_models
from ml.predictors.settings import ModelPaths
from trading.advice import BesideModels
from trading.bridge_process import PROJECT_ROOT
from trading.decision.settings import DecisionSettings
from trading.errors import PaperError

_ONCHAIN = {Path(each).stem for each in (FUNDING_FILE, OPEN_INTEREST_FILE, FEAR_GREED_FILE)}


def load_for(paths: ModelPaths, features: FeatureSettings, symbol: str) -> ModelSet:
    """The models, if their files are whole and made for this symbol and these features."""
    models = load_models(paths, features)
    made_for = models.signal.metadata.symbol
    if made_for != symbol:
        raise ModelCompatibilityError(
            f"{paths.graph}: a model for {symbol} is needed, this one is for {made_for}; "
            f"train one: python train_ml_model.py --ensemble --symbol {symbol}"
        )
    return models


def load_or_train_demo(
    paths: ModelPaths,
    features: FeatureSettings,
    symbol: str,
    console: Console,
    *,
    train_from_ms: int,
    train_to_ms: int,
) -> ModelSet:
    """The models; where there is none yet, a small one is trained on the generated market first."""
    try:
        return load_for(paths, features, symbol)
    except ModelMissing:
        if paths.graph.exists():
            raise  # some files are there: a person must see what is missing
        console.print(
            "no model yet: training four small ones on the generated market (under a minute)"
        )
        _train_demo(paths.graph, symbol, train_from_ms, train_to_ms)
        return load_for(paths, features, symbol)


def beside(models: ModelSet) -> BesideModels:
    """The models beside the signal model, as decisions ask them."""
    learned_m1 = models.position is not None and bool(models.position.notes.get("m1"))
    return BesideModels(models.position, models.sltp, models.risk, learned_m1)


def learned_calendar(models: ModelSet) -> bool:
    """Whether the signal model has learned from an economic calendar (its metadata's `files`)."""
    files = models.signal.notes.get("files", {})
    return any(name.split(".")[0] not in _ONCHAIN for name in files)


def graph_hashes(models: ModelSet) -> list[str]:
    """Which graphs a run is made with."""
    return [each.metadata.graph.sha256 for each in models.all]


def seen_until(models: ModelSet, from_ms: int) -> str:
    """A warning where a model learned from bars that the run trades, else an empty string."""
    latest = max(models.all, key=lambda each: each.metadata.train_cutoff_ms)
    cutoff_ms = latest.metadata.train_cutoff_ms
    if cutoff_ms <= from_ms:
        return ""
    name = "the model" if latest is models.signal else f"the {latest.kind} model"
    return (
        f"{name} has learned from bars until {utc_text(cutoff_ms)} UTC, after the start of this "
        "run: its results say nothing"
    )


def model_lines(
    models: ModelSet, settings: DecisionSettings, *, has_m1: bool = True
) -> tuple[str, ...]:
    """One line for each of the four models: used, absent or switched off; then `strangers`.

    `has_m1`: whether there are M1 bars for a position model that has learned from them.
    """
    warnings = (f"warning: {each}" for each in strangers(models, settings))
    return (*_lines(models, settings, has_m1=has_m1), *warnings)


def strangers(models: ModelSet, settings: DecisionSettings) -> tuple[str, ...]:
    """A warning for each model in use that learned from another signal model's forecasts.

    It serves all the same (docs/models.md): what it may do to a trade is bounded by the settings.
    """
    used = (each for each in models.of_another_signal if is_used(each.metadata.kind, settings))
    return tuple(
        f"the {each.metadata.kind} model learned from another signal model than the one that "
        f"serves: train it again ({train_command(each.metadata.kind)})"
        for each in used
    )


def is_used(kind: Kind, settings: DecisionSettings) -> bool:
    """Whether a model of this kind is asked, where there is one."""
    switches = {
        "signal": True,
        "position": settings.ml_active_management.enabled,
        "sltp": settings.dynamic_sltp.use_model,
        "risk": settings.risk_model.enabled,
    }
    return switches[kind]


def _lines(models: ModelSet, settings: DecisionSettings, *, has_m1: bool) -> Iterator[str]:
    active = is_used("position", settings)
    yield f"signal model: {_made(models.signal)}"
    yield (
        "position model: "
        + _use(models.position, active, "ml_active_management.enabled", "no exits by a model")
        + ("" if has_m1 or not (active and beside(models).minutes) else _WITHOUT_M1)
    )
    yield "SL/TP model: " + _use(
        models.sltp, is_used("sltp", settings), "dynamic_sltp.use_model", "static multiples"
    )
    yield "risk model: " + _use(
        models.risk, is_used("risk", settings), "risk_model.enabled", "multiplier 1.0"
    )


_WITHOUT_M1 = "; learned from M1 bars, none are given: neutral values (--m1 FILE)"


def _use(model: CheckedPredictor | None, is_on: bool, switch: str, otherwise: str) -> str:
    if model is None:
        return f"absent: {otherwise}"
    return f"{_made(model)}" if is_on else f"switched off ({switch}): {otherwise}"


def _made(model: CheckedPredictor) -> str:
    entry = model.metadata
    return f"{entry.graph.file}, learned until {utc_text(entry.train_cutoff_ms)} UTC"


def _train_demo(graph: Path, symbol: str, from_ms: int, to_ms: int) -> None:
    """All four models; one beside the signal model that cannot be had is no reason not to trade."""
    command = [
        sys.executable, str(PROJECT_ROOT / "train_ml_model.py"),
        "--ensemble", "--position", "--sltp", "--risk", "--no-warmstart", "--no-report", "--brief",
        "--profile", "quick", "--symbol", symbol, "--models", str(graph.parent.resolve()),
        "--from", _iso(from_ms), "--to", _iso(to_ms),
    ]  # fmt: skip
    status = subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode
    if status and not graph.exists():
        raise PaperError("the demo model could not be trained; its own words are above")


def _iso(instant_ms: int) -> str:
    return datetime.fromtimestamp(instant_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M")
