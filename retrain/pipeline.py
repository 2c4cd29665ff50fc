"""The thirteen phases, in order. A phase's module is imported when it is its turn."""

from collections.abc import Callable
from importlib import import_module

from retrain.phase import Phase, PhaseResult, Run

PHASES = (
    ("refresh", "bring the bars up to date", "retrain.audit:refresh"),
    ("data_audit", "look at the bars, set cutoff and windows", "retrain.audit:data_audit"),
    ("shap", "explain what the signal model looks at", "retrain.explain:shap"),
    ("tune", "search parameters of signal and position model", "retrain.tuning:tune"),
    ("retrain", "train the candidate's models", "retrain.candidate:retrain"),
    ("calibration_and_parity", "check that the candidate is what its figures are taken for",
     "retrain.checking:calibration_and_parity"),
    ("sweep", "try settings on the weeks before the judged ones", "retrain.sweeping:sweep"),
    ("evaluate", "backtest candidate and champion on the judged weeks",
     "retrain.evaluation:evaluate"),
    ("walk_forward_gate", "judge the candidate's folds", "retrain.judging:walk_forward_gate"),
    ("score_gate", "hold the candidate's score against the champion's",
     "retrain.judging:score_gate"),
    ("swap", "serve, place in shadow, or keep the champion", "retrain.swapping:swap"),
    ("push", "release what serves now to the hub", "retrain.publish:push"),
    ("report", "write the report and tell it", "retrain.report:report"),
)  # fmt: skip


def phases() -> tuple[Phase, ...]:
    return tuple(Phase(name, about, _lazy(where)) for name, about, where in PHASES)


def _lazy(where: str) -> Callable[[Run], PhaseResult]:
    def call(run: Run) -> PhaseResult:
        module, name = where.split(":")
        found: Callable[[Run], PhaseResult] = getattr(import_module(module), name)
        return found(run)

    return call
