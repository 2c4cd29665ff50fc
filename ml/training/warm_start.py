"""Warm start: boosters that go on and forests that grow, instead of starting from scratch.

The trainer keeps the fitted base models in `models/warm/<graph>/`, boosters in their libraries' own
text and JSON. The forest needs joblib, which can run code: its hash is checked first, and the
trading host never opens this folder.

What it does to out-of-sample claims: the walk-forward folds are always trained from scratch, so
scores and out-of-fold forecasts are those of fresh models. Only the final model is continued, and
only where the earlier one has seen nothing of the calibration days, which therefore stay out of
sample for it.
"""

import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ml.training.models import BaseModels, TrainingError

SCHEMA = 1
_STATE = "state.json"
_AFRESH = "--no-warmstart trains from scratch"


class WarmFacts(BaseModel):
    """What must be equal for a warm start, and how far the earlier models have looked.

    `seen_to_ms`: no label that the base models learned from looks at a bar from here on.
    `parameters`: everything the models are made with. `times`: warm starts in a row so far.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    symbol: str
    feature_names: tuple[str, ...]
    feature_hash: str
    classes: tuple[str, ...]
    labeling: dict[str, Any]
    parameters: dict[str, dict[str, Any]]
    seen_to_ms: int
    times: int = 0


class _State(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int
    facts: WarmFacts
    sha256: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """How the final model starts: `earlier` models to go on from, or None with the reason why."""

    earlier: BaseModels | None
    times: int
    why: str


def fresh(why: str) -> Start:
    """A start from scratch."""
    return Start(None, 0, f"from scratch: {why}")


def warm_folder(graph: Path) -> Path:
    """Where the state of a graph's training lies."""
    return graph.parent / "warm" / graph.stem


def save_state(folder: Path, models: BaseModels, facts: WarmFacts) -> None:
    """Keeps fitted models for the next warm start, all files or none."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        for name, model in models.by_name.items():
            _SAVE[name](model, made / _FILES[name])
        sha256 = {path.name: _sha256(path) for path in sorted(made.iterdir())}
        state = _State(schema_version=SCHEMA, facts=facts, sha256=sha256)
        (made / _STATE).write_text(state.model_dump_json(indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        made.replace(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def load_start(folder: Path, wanted: WarmFacts, *, unseen_from_ms: int, max_times: int) -> Start:
    """The earlier models, if they may be continued, or a start from scratch that says why.

    `wanted`: the facts of the training to come. `unseen_from_ms`: the first calibration bar, which
    the earlier models must not have seen. Raises `TrainingError` where features, labels or classes
    differ: such a model cannot be continued, and a person should decide to begin anew.
    """
    state = _read(folder)
    if isinstance(state, str):
        return fresh(state)
    earlier = state.facts
    _refuse_another_model(folder, earlier, wanted)
    if earlier.times >= max_times:
        return fresh(f"{earlier.times} warm starts in a row, {max_times} are allowed")
    if earlier.parameters != wanted.parameters:
        return fresh(f"other parameters ({_differing(earlier.parameters, wanted.parameters)})")
    if wanted.parameters.get("xgb", {}).get("booster") == "dart":
        return fresh("XGBoost's dart booster cannot be continued: it changes earlier trees")
    if earlier.seen_to_ms > unseen_from_ms:
        return fresh("the earlier model has seen bars of this training's calibration days")
    models = {}
    for name in wanted.parameters:
        path = folder / _FILES[name]
        if not path.is_file() or _sha256(path) != state.sha256.get(path.name):
            return fresh(f"{path.name} is not the file that was kept")
        models[name] = _LOAD[name](path)
    times = earlier.times + 1
    return Start(BaseModels(**models), times, f"warm start number {times} in a row")


def _read(folder: Path) -> _State | str:
    """The state, or why there is none to use."""
    try:
        text = (folder / _STATE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return "there is no earlier model"
    try:
        state = _State.model_validate_json(text)
    except ValidationError:
        return f"{folder / _STATE} is damaged"
    return state if state.schema_version == SCHEMA else "the kept state has another version"


def _refuse_another_model(folder: Path, earlier: WarmFacts, wanted: WarmFacts) -> None:
    changed = _changed_features(earlier, wanted)
    for key in ("symbol", "classes", "labeling"):
        before, now = getattr(earlier, key), getattr(wanted, key)
        if not changed and before != now:
            changed = f"{key} was {_shown(before)} and is {_shown(now)}"
    if changed:
        raise TrainingError(f"warm start from {folder}: {changed}; {_AFRESH}")


def _changed_features(earlier: WarmFacts, wanted: WarmFacts) -> str:
    before, now = earlier.feature_names, wanted.feature_names
    gone = [name for name in before if name not in now]
    new = [name for name in now if name not in before]
    if gone or new:
        parts = [f"gone {', '.join(gone)}"] * bool(gone) + [f"new {', '.join(new)}"] * bool(new)
        return f"the feature list has changed ({'; '.join(parts)})"
    if before != now:
        return "the order of the features has changed"
    if earlier.feature_hash != wanted.feature_hash:
        return "the formulas of the features have changed"
    return ""


def _differing(before: dict[str, dict[str, Any]], now: dict[str, dict[str, Any]]) -> str:
    if before.keys() != now.keys():
        return f"models {', '.join(before)} then, {', '.join(now)} now"
    return ", ".join(
        f"{model}.{key}"
        for model in now
        for key in sorted(before[model].keys() | now[model].keys())
        if before[model].get(key) != now[model].get(key)
    )


def _shown(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _save_xgb(model: Any, path: Path) -> None:
    model.get_booster().save_model(path)


def _load_xgb(path: Path) -> Any:
    from xgboost import Booster

    return Booster(model_file=path)


def _save_lgb(model: Any, path: Path) -> None:
    model.booster_.save_model(path)


def _load_lgb(path: Path) -> Any:
    from lightgbm import Booster

    return Booster(model_file=path)


def _save_forest(model: Any, path: Path) -> None:
    import joblib

    joblib.dump(model, path, compress=3)


def _load_forest(path: Path) -> Any:
    import joblib

    return joblib.load(path)


_FILES = {"rf": "rf.joblib", "xgb": "xgb.json", "lgb": "lgb.txt", "et": "et.joblib"}
_SAVE = {"rf": _save_forest, "xgb": _save_xgb, "lgb": _save_lgb, "et": _save_forest}
_LOAD = {"rf": _load_forest, "xgb": _load_xgb, "lgb": _load_lgb, "et": _load_forest}
