"""Phase shap: what the signal model of today's parameters looks at.

The model is trained into the candidate's folder. Where tuning finds nothing better it is the
candidate's own, and phase retrain does not train it again.
"""

from retrain.candidate import explain, inputs_of, trained
from retrain.phase import PhaseResult, Run

_SHOWN = 5


def shap(run: Run) -> PhaseResult:
    """Trains and explains; figures name the features and those that a person might leave out."""
    inputs = inputs_of(run)
    made = trained(inputs, "signal", run)
    told = explain(inputs, inputs.settings.ml.study)
    features, weak = told["features"], told["prunable"]
    figures = {
        "graph_sha256": made.card.graph.sha256,
        "rows": told["rows"],
        "features": {each["name"]: each["mean_abs_shap"] for each in features},
        "prunable": weak["features"],
    }
    top = ", ".join(each["name"] for each in features[:_SHOWN])
    count = len(weak["features"])
    words = (
        f"most important: {top}",
        f"{count} features are below {weak['below']:g} mean |SHAP|: scripts/optimize_loop.py shows "
        "whether their groups can go",
    )  # fmt: skip
    return PhaseResult(figures, words if count else words[:1])
