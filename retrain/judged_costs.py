"""What trading is charged while settings are tried and candidate and champion are judged.

`--costs FILE` holds for phases sweep and evaluate, and so for the candidate's evidence and band.
Training, its labels and the checks of phase calibration_and_parity keep the bars as they are.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from backtest.costs import LearnedCosts, read_costs
from retrain.errors import ActFirst, PhaseFailed
from retrain.options import WeeklyOptions
from retrain.phase import Run
from retrain.runs import costs_sha256, read_facts

if TYPE_CHECKING:
    from settings import Settings

_SLIPPAGE = "paper.slippage_points"


def require_fit(options: WeeklyOptions, settings: "Settings") -> None:
    """Before hours are spent: a cost file of this symbol and currency, or none."""
    if options.costs is None:
        return
    if any(text.partition("=")[0] == _SLIPPAGE for text in options.overrides):
        raise ActFirst(
            f"--costs or --override {_SLIPPAGE} is allowed, both came: each sets the same"
        )
    _read(options.costs, settings)


def costs_for(run: Run) -> Path | None:
    """The cost file of a run. `PhaseFailed` where it is not as it was when the run began."""
    path = run.options.costs
    if path is None:
        return None
    began, now = read_facts(run.folder).costs_sha256, costs_sha256(run.options)
    if now != began:
        raise PhaseFailed(
            f"{path}: the costs that the run began with (sha256 {began[:12]}…) are needed, "
            f"{now[:12]}… came: the file was changed meanwhile; restore it, or begin anew with "
            "--new"
        )
    return path


def told(run: Run) -> dict[str, Any]:
    """`file`, `sha256` (empty: the instrument's costs) and `words` for plan and report."""
    path = run.options.costs
    if path is None:
        words = f"costs: the bars' spreads, {_SLIPPAGE}, the instrument's commission and swap"
        return {"file": "", "sha256": "", "words": [words]}
    sha256 = costs_sha256(run.options)
    first, *rest = _read(path, run.settings).words()
    return {
        "file": path.name,
        "sha256": sha256,
        "words": [f"{first} ({path.name}, sha256 {sha256[:12]})", *rest],
    }


def _read(path: Path, settings: "Settings") -> LearnedCosts:
    return read_costs(path, symbol=settings.symbol, currency=settings.paper.currency)
