"""`python ml/calibration_check.py`: are the models' probabilities what they say they are?

Reads forecasts of rows that no model had seen: the signal model's out-of-fold file, and the
position model's curves in its metadata. Prints the mean absolute calibration error of each model
and class, and writes `calibration_<symbol>.json` and `.png` beside the models.

Exit status: 0 where every error is at most the limit, 1 where one is above it, 2 where a person
must act first.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml.predictors.settings import ModelPaths
    from ml.training.reliability import Reliability

    Curves = dict[str, list[Reliability]]


def main(argv: Sequence[str] | None = None) -> int:
    from trading.command_line import exit_status

    given = _parser().parse_args(argv)
    return exit_status(lambda: _check(given), stopped="stopped", mendable=_failures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="calibration_check.py", description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--models", type=Path, metavar="DIR", help="where the models lie (default: ml_config.json)")
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--limit", type=float, metavar="X", help="instead of study.calibration_limit")
    add("--json", action="store_true", help="print the figures as JSON")
    return parser


def _check(given: argparse.Namespace) -> int:
    from ml.predictors.settings import PROJECT_ROOT
    from settings import load_settings

    settings = load_settings(PROJECT_ROOT, symbol=given.symbol)
    paths = settings.ml.paths.for_symbol(settings.symbol)
    if given.models is not None:
        paths = paths.in_folder(given.models)
    limit = settings.ml.study.calibration_limit if given.limit is None else given.limit
    curves, found = check_calibration(paths, settings.symbol, limit)
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        _show(curves, found)
    return 0 if found["passed"] else 1


def check_calibration(
    paths: "ModelPaths", symbol: str, limit: float
) -> tuple["Curves", dict[str, Any]]:
    """Curves and verdict, written beside the models: `calibration_<symbol>.json` and pictures."""
    from ml.training.reliability import verdict

    curves = _curves(paths, symbol)
    found = verdict(curves, limit)
    _write(paths.graph.parent / f"calibration_{symbol.lower()}", curves, found, limit)
    return curves, found


def _curves(paths: "ModelPaths", symbol: str) -> "Curves":
    """The curves of each kind of model that has some."""
    from ml.predictors.compat import read_checked, read_entry
    from ml.training.oof import OofForecasts, oof_path
    from ml.training.reliability import Reliability, reliabilities

    entry = read_entry(paths.manifest, paths.graph)
    metadata = json.loads(read_checked(paths.metadata, entry.metadata))
    oof = OofForecasts.load(oof_path(paths, symbol)).require_graph(entry.graph.sha256)
    models = list(metadata["params"])
    curves = {
        "signal": reliabilities(
            oof.probabilities, oof.model_probabilities, oof.label, models, metadata["classes"]
        )
    }
    position = _position_metadata(paths)
    if "reliability" in position:
        curves["position"] = [Reliability.of(each) for each in position["reliability"]]
    return curves


def _position_metadata(paths: "ModelPaths") -> dict[str, Any]:
    """The position model's metadata; empty where there is no such model."""
    from ml.predictors.compat import read_checked, read_manifest

    files = paths.position
    listed = read_manifest(files.manifest).models.get(files.graph.name)
    if listed is None:
        return {}
    found: dict[str, Any] = json.loads(read_checked(files.metadata, listed.metadata))
    return found


def _write(stem: Path, curves: "Curves", found: dict[str, Any], limit: float) -> None:
    """The figures with their bins, and one picture a kind of model (for the signal: `stem`)."""
    from ml.training.pictures import reliability_png

    bins = {kind: [each.as_dict() for each in made] for kind, made in curves.items()}
    text = json.dumps(found | {"curves": bins}, indent=2) + "\n"
    _replace(stem.with_suffix(".json"), text.encode())
    for kind, made in curves.items():
        name = stem.name if kind == "signal" else f"{stem.name}_{kind}"
        _replace(stem.with_name(f"{name}.png"), reliability_png(made, limit))


def _replace(path: Path, content: bytes) -> None:
    from market.whole_file import whole_file

    with whole_file(path) as part:
        part.write_bytes(content)


def _show(curves: "Curves", found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    for kind, made in curves.items():
        classes = list(dict.fromkeys(each.cls for each in made))
        table = Table(title=f"{kind}: mean absolute calibration error, out of fold")
        table.add_column("model")
        for cls in classes:
            table.add_column(cls, justify="right")
        for model in dict.fromkeys(each.model for each in made):
            of = {each.cls: each.error for each in made if each.model == model}
            table.add_row(model, *(f"{of[cls]:.4f}" for cls in classes))
        console.print(table)
    for line in found["lines"]:
        console.print(line)


def _failures() -> tuple[type[Exception], ...]:
    from ml.training.models import TrainingError

    return (TrainingError,)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    raise SystemExit(main())
