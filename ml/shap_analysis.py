"""`python ml/shap_analysis.py`: which features a model looks at, and which it could lose.

Explains the LightGBM part of a trained model (its text lies beside the warm start, bound to the
model by hash) over rows spread evenly over the training data. Writes beside the models
`shap_summary.json` (mean |SHAP| per feature and class, rank, sample, hashes) and, per model,
`shap_<kind>_beeswarm.png` and `shap_<kind>_bar.png`. Protected features are never proposed.

python ml/shap_analysis.py --data FILE --to 2025-06-01
python ml/shap_analysis.py --propose --below 0.001      lists what could be pruned; changes nothing
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml.train_inputs import TrainInputs
    from ml.training.importance import Importance, Ranked

SUMMARY = "shap_summary.json"


def main(argv: Sequence[str] | None = None) -> int:
    """0 after the analysis, 2 where a person must act first."""
    from trading.command_line import exit_status

    given = _parser().parse_args(argv)
    return exit_status(lambda: _analyse(given), stopped="stopped", mendable=_failures)


def _parser() -> argparse.ArgumentParser:
    from ml.tune.command import market_arguments

    parser = argparse.ArgumentParser(
        prog="shap_analysis.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    market_arguments(parser)
    add = parser.add_argument
    add("--rows", type=int, metavar="N", help="rows of the sample (study.shap_rows)")
    add("--propose", action="store_true", help="list features that could be pruned")
    add("--below", type=float, metavar="X", help="their mean |SHAP| (study.prune_below)")
    return parser


def _analyse(given: argparse.Namespace) -> int:
    from rich.console import Console

    from ml.training.importance import prunable
    from ml.tune.command import read_market

    console = Console(highlight=False)
    inputs = read_market(given)
    study = inputs.settings.ml.study
    below = study.prune_below if given.below is None else given.below
    features, outputs = explain_signal(inputs, given.rows or study.shap_rows, below)
    _show(console, features, outputs)
    if given.propose:
        console.print(_proposal(prunable(features, below), below))
    console.print(f"summary: {inputs.paths.graph.parent / SUMMARY}")
    return 0


def explain_signal(
    inputs: "TrainInputs", rows: int, prune_below: float
) -> tuple[list["Ranked"], Sequence[str]]:
    """Writes summary and pictures of the installed signal model; its features, ranked, and its
    outputs. Raises `TrainingError` where the text of its LightGBM part is not there."""
    from ml.training.importance import prunable, ranked

    importance, sample = _explained(inputs, rows)
    features = ranked(importance, _protected())
    weak = [each.name for each in prunable(features, prune_below)]
    stored = _summary(importance, features, sample) | {
        "prunable": {"below": prune_below, "features": weak}
    }
    _write(inputs.paths.graph.parent, "signal", stored, importance, features)
    return features, importance.outputs


def _explained(inputs: "TrainInputs", wanted: int) -> tuple["Importance", dict[str, Any]]:
    """SHAP values of the signal model, and what they were taken over."""
    from market.bars import utc_text
    from ml.predictors.compat import read_checked, read_entry
    from ml.train_inputs import signal_task
    from ml.training.importance import explain, spread_rows, text_sha256
    from ml.training.kept_model import lgb_text
    from ml.training.signal import signal_table
    from ml.training.warm_start import warm_folder

    paths, task = inputs.paths, signal_task(inputs)
    entry = read_entry(paths.manifest, paths.graph)
    metadata = json.loads(read_checked(paths.metadata, entry.metadata))
    bars = task.bars.between(int(task.bars.open_ms[0]), entry.train_cutoff_ms)
    table = signal_table(task, bars)
    rows = spread_rows(len(table), wanted)
    graph = read_checked(paths.graph, entry.graph)
    text = lgb_text(warm_folder(paths.graph), graph, table.rows[rows])
    importance = explain(text, table.rows[rows], entry.feature_names, entry.classes)
    return importance, {
        "symbol": entry.symbol,
        "model": "lgb",
        "model_sha256": text_sha256(text),
        "graph_sha256": entry.graph.sha256,
        "rows": len(rows),
        "of_rows": len(table),
        "from": utc_text(int(table.open_ms[rows[0]])),
        "to": utc_text(int(table.open_ms[rows[-1]])),
        "data_sha256": bars.sha256(),
        "training_data": bars.sha256() == metadata["data_sha256"],
    }


def _protected() -> frozenset[str]:
    from ml.features.catalogue import CATALOGUE

    return frozenset(each.name for each in CATALOGUE if each.protected)


def _summary(
    importance: "Importance", features: list["Ranked"], sample: dict[str, Any]
) -> dict[str, Any]:
    return {
        **sample,
        "unit": "mean |SHAP| of the raw score, over rows and outputs",
        "outputs": list(importance.outputs),
        "base_value": dict(zip(importance.outputs, importance.base.tolist(), strict=True)),
        "features": [asdict(each) for each in features],
    }


def _write(
    folder: Path, kind: str, stored: dict[str, Any], importance: "Importance",
    features: list["Ranked"],
) -> None:  # fmt: skip
    """Pictures first, then the summary, which keeps what it says of other kinds."""
    from ml.training.importance import bar_png, beeswarm_png

    _replace(folder / f"shap_{kind}_beeswarm.png", beeswarm_png(importance))
    _replace(folder / f"shap_{kind}_bar.png", bar_png(importance, features))
    path = folder / SUMMARY
    others = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    _replace(path, (json.dumps(others | {kind: stored}, indent=2) + "\n").encode())


def _replace(path: Path, content: bytes) -> None:
    from market.whole_file import whole_file

    with whole_file(path) as part:
        part.write_bytes(content)


def _show(console: Any, features: list["Ranked"], outputs: Sequence[str]) -> None:
    from rich.table import Table

    table = Table(title="mean |SHAP|, most important first")
    for heading in ("rank", "feature", "mean", *outputs):
        table.add_column(heading, justify="left" if heading == "feature" else "right")
    for each in features:
        by_output = (f"{each.by_output[output]:.4f}" for output in outputs)
        name = each.name + (" (protected)" if each.protected else "")
        table.add_row(str(each.rank), name, f"{each.mean_abs_shap:.4f}", *by_output)
    console.print(table)


def _proposal(weak: list["Ranked"], below: float) -> str:
    if not weak:
        return f"no unprotected feature is below {below:g}"
    names = ", ".join(f"{each.name} ({each.mean_abs_shap:.5f})" for each in weak)
    return (
        f"below {below:g}: {names}. Nothing was changed. Dropping a feature is worth it only if "
        "the score over walk-forward folds does not fall."
    )


def _failures() -> tuple[type[Exception], ...]:
    from ml.training.models import TrainingError

    return (TrainingError,)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    raise SystemExit(main())
