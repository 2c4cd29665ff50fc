"""Model cards: what a model was made of, how it was judged, and how to make it again.

One JSON file per model, `models/cards/<graph>.json`, and the same as Markdown for people. The
recipe in it is enough for `python train_ml_model.py --reproduce CARD`.
"""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from market.sources.onchain import onchain_files
from market.whole_file import whole_file
from ml.predictors.compat import FileStamp
from ml.training.fold_intervals import fold_intervals
from ml.training.models import TrainingError

SCHEMA = 1
ROOMS = ("market", "broker", "trading", "backtest", "ml", "settings")
Kind = Literal["signal", "position", "sltp", "risk"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataFile(_Frozen):
    """A file that was read: its name, or its path within the project, and its bytes' hash."""

    file: str
    sha256: str


class Recipe(_Frozen):
    """What `train_ml_model.py` was asked. `bars` None: the generated market of the settings.

    `settings`: the sections of the two settings files that training reads.
    """

    kinds: tuple[Kind, ...]
    symbol: str
    profile: str
    regime: str
    device: str
    from_ms: int | None
    to_ms: int | None
    bars: DataFile | None
    m1: DataFile | None
    files: dict[str, DataFile]
    settings: dict[str, Any]


class Code(_Frozen):
    """`sources_sha256`: every Python file of the rooms. `commit`: empty outside a repository;
    `changed`: files differ from the commit."""

    sources_sha256: str
    commit: str
    changed: bool


class ModelCard(_Frozen):
    """Everything a reader needs to judge a model, and to make it again.

    `trained`: the metadata beside the model. `intervals`: 90 % limits of the mean scores.
    `trials_so_far`: what the ledger counted on any data of this symbol when the model was made.
    """

    schema_version: int = SCHEMA
    kind: Kind
    symbol: str
    graph: FileStamp
    recipe: Recipe
    code: Code
    intervals: dict[str, Any]
    calibration_error: dict[str, float]
    trials_so_far: int
    seconds: float
    trained: dict[str, Any]


def model_card(
    trained: Mapping[str, Any],
    *,
    graph: Path,
    recipe: Recipe,
    code: Code,
    trials_so_far: int,
    seconds: float,
) -> ModelCard:
    """The card of a model that was just trained; `trained` is its metadata."""
    return ModelCard(
        kind=trained["kind"],
        symbol=trained["symbol"],
        graph=FileStamp.of(graph),
        recipe=recipe,
        code=code,
        intervals=dict(trained.get("intervals") or fold_intervals(trained["folds"])),
        calibration_error=_calibration_error(trained),
        trials_so_far=trials_so_far,
        seconds=round(seconds, 1),
        trained=dict(trained),
    )


def _calibration_error(trained: Mapping[str, Any]) -> dict[str, float]:
    """Mean absolute calibration error of each class, out of sample; empty for regressions."""
    curves = trained.get("reliability", [])
    if curves:
        return {each["cls"]: each["error"] for each in curves if each["model"] == "ensemble"}
    classes = trained["walk_forward"].get("classes", {})
    return {name: scores["calibration_error"] for name, scores in classes.items()}


def card_path(graph: Path) -> Path:
    """Where the card of a graph lies."""
    return graph.parent / "cards" / f"{graph.stem}.json"


def write_card(card: ModelCard, path: Path, markdown: str) -> None:
    """The card as JSON and, beside it, as Markdown."""
    for target, text in (
        (path.with_suffix(".md"), markdown),
        (path, card.model_dump_json(indent=2) + "\n"),
    ):
        with whole_file(target) as part:
            part.write_text(text, encoding="utf-8")


def read_card(path: Path) -> ModelCard:
    """A card; `TrainingError` that says what is wrong with it."""
    try:
        card = ModelCard.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TrainingError(
            f"{path}: there is no such card; training writes them to models/cards/"
        ) from None
    except (ValidationError, UnicodeDecodeError) as error:
        first = str(error).splitlines()
        raise TrainingError(f"{path}: is no model card ({' '.join(first[:2])})") from None
    if card.schema_version != SCHEMA:
        raise TrainingError(
            f"{path}: card version {SCHEMA} is allowed, {card.schema_version} came; use the "
            "program version that wrote it"
        )
    return card


def code_version(root: Path) -> Code:
    """Hash of the rooms' sources under `root`, and the commit where there is one."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
            digest.update(path.read_bytes())
    commit = _git(root, "rev-parse", "HEAD")
    changed = bool(commit) and bool(_git(root, "status", "--porcelain", "--", *ROOMS))
    return Code(sources_sha256=digest.hexdigest(), commit=commit, changed=changed)


def _git(root: Path, *command: str) -> str:
    """What git says, or nothing where it is not installed or this is no repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *command],
            capture_output=True, text=True, check=False, timeout=20,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def data_file(path: Path, root: Path) -> DataFile:
    """A file, or a folder of on-chain files, as a card names it: by its path within the project,
    else by its name alone."""
    resolved = path.resolve()
    inside = resolved.is_relative_to(root)
    name = resolved.relative_to(root).as_posix() if inside else path.name
    digest = hashlib.sha256()
    for each in onchain_files(resolved) if resolved.is_dir() else (resolved,):
        digest.update(each.read_bytes())
    return DataFile(file=name, sha256=digest.hexdigest())


def shown(value: Any) -> str:
    """A value on one line."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
