"""Gates: what a model must show before it replaces another, and before it trades real money.

Pure functions of figures; each says for every criterion what is needed, what was seen, and what
would prove it. May import: what `backtest` may import.
"""

from backtest.gate_settings import GateSettings, GoLiveSettings
from backtest.gates.go_live import GoLiveFigures, Verdict, go_live_gate, proof_gate, verdict
from backtest.gates.records import Criterion, GateResult
from backtest.gates.retrain import retrain_gate
from backtest.gates.table import gate_rows, gate_table
from backtest.gates.walk_forward import Fold, WalkForwardFigures, cut_folds, walk_forward_gate

__all__ = [
    "Criterion",
    "Fold",
    "GateResult",
    "GateSettings",
    "GoLiveFigures",
    "GoLiveSettings",
    "Verdict",
    "WalkForwardFigures",
    "cut_folds",
    "gate_rows",
    "gate_table",
    "go_live_gate",
    "proof_gate",
    "retrain_gate",
    "verdict",
    "walk_forward_gate",
]
