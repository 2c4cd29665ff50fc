"""What a phase is given and what it returns.

A phase is a function `(Run) -> PhaseResult`. It may be run twice: one that was killed begins anew
and must come to the same. It reads what earlier phases came to from `Run.result`, never from
memory, and writes only below `Run.folder`; what serves is changed by phase swap alone.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from retrain.options import WeeklyOptions
from retrain.store import PhaseStore
from settings.strategy_params import FILE, params_folder

if TYPE_CHECKING:
    from ml.predictors.settings import ModelPaths
    from settings import Settings


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """`figures`: JSON without NaN, read by later phases and the report. `words`: short sentences
    for the log and the report; those of a skipped phase say why."""

    figures: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    state: Literal["done", "skipped"] = "done"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the pipeline. `root`: the project's folder. `say`: a line for terminal and log."""

    folder: Path
    root: Path
    options: WeeklyOptions
    settings: "Settings"
    say: Callable[[str], None]

    def result(self, name: str) -> dict[str, Any]:
        """Figures of an ended phase, skipped ones too. `RunError` for a phase that is not over."""
        return PhaseStore(self.folder).result(name)

    @property
    def symbol(self) -> str:
        return self.settings.symbol

    @property
    def paths(self) -> "ModelPaths":
        """Where the models that serve lie. Read them; phase swap alone writes."""
        paths = self.settings.ml.paths.for_symbol(self.symbol)
        return paths if self.options.models is None else paths.in_folder(self.options.models)

    @property
    def strategy_params(self) -> Path:
        """The file whose values are in force here, if they are switched on. With `--models`
        elsewhere it is not that of `paths`."""
        paths: dict[str, Any] = self.settings.ml.paths.model_dump()
        return params_folder(self.root, paths) / FILE

    @property
    def candidate(self) -> Path:
        """Folder of the candidate: its models, cards and manifest as training writes them,
        `evidence_<symbol>.json`, and `strategy_params.json` where the sweep chose settings."""
        return self.folder / "candidate"

    @property
    def candidate_paths(self) -> "ModelPaths":
        return self.paths.in_folder(self.candidate)

    @property
    def backtests(self) -> Path:
        """Folder for what the evaluation writes."""
        return self.folder / "backtests"


@dataclass(frozen=True, slots=True)
class Phase:
    """`about`: what it does, for the plan. `run` is called once the phases before it are over."""

    name: str
    about: str
    run: Callable[[Run], PhaseResult]
