"""The parts of the report that are about one model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from market.bars import Float64s
from ml.training.classes import SIGNAL
from ml.training.oof import OofForecasts
from ml.training.parity import top_class
from ml.training.pictures import confusion_png, reliability_png, shares_png
from ml.training.reliability import Reliability, reliabilities
from ml.training.report_words import beside_baseline, number, paragraph, picture, table
from ml.training.study_settings import StudySettings
from ml.training.summary import words

CALIBRATION_LIMIT = StudySettings().calibration_limit
_MOST_FEATURES = 25
_ANALYSE = "python ml/shap_analysis.py (with the --data and --to of the training)"


def model_part(metadata: Mapping[str, Any], forecasts: OofForecasts | None) -> str:
    """Words, facts, folds, classes, confusion, labels and calibration of one model."""
    oof = forecasts if metadata["kind"] == "signal" else None
    return "".join(
        (
            *(paragraph(line, "plain") for line in words(metadata)),
            *(paragraph(line, "alarm") for line in shortcomings(metadata)),
            table(("", ""), _facts(metadata)),
            _classes(metadata),
            "<h3>Fold by fold, out of sample</h3>",
            f"<div class='wide'>{table(*beside_baseline(metadata['folds']))}</div>",
            _labels(metadata),
            _confusion(metadata, oof),
            _calibration(metadata, oof),
        )
    )


def shortcomings(metadata: Mapping[str, Any]) -> list[str]:
    """In plain words, where the model does not beat its baseline; empty where it does."""
    found = []
    whole, folds = metadata["walk_forward"], metadata["folds"]
    for key, better in (("log_loss", "lower"), ("accuracy", "higher")):
        pairs = [(each.get(key), each.get("baseline", {}).get(key)) for each in [*folds, whole]]
        if any(now is None or before is None for now, before in pairs):
            continue
        wins = [now < before if better == "lower" else now > before for now, before in pairs]
        won, all_folds = sum(wins[:-1]), len(folds)
        name = key.replace("_", "-")
        if not wins[-1]:
            found.append(
                f"It does not beat its baseline by {name}: {whole[key]:.4f} against "
                f"{whole['baseline'][key]:.4f}, better in {won} of {all_folds} folds."
            )
        elif won < all_folds:
            found.append(
                f"By {name} it beats its baseline over all, but only in {won} of {all_folds} folds."
            )
    return found


def _facts(metadata: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = metadata["rows"]
    found = [
        ("bars", f"{metadata['source']}, {metadata['data_from'][:10]} to "
                 f"{metadata['train_cutoff_date'][:10]}, {metadata['bars']:,}"),
        ("data sha256", metadata["data_sha256"][:16]),
        ("features", f"{len(metadata['feature_names'])}, hash {metadata['feature_hash'][:16]}"),
        *((f"rows, {key.replace('_', ' ')}", number(value)) for key, value in rows.items()),
        *((key.replace("_", " "), number(value)) for key, value in metadata["labeling"].items()
          if not isinstance(value, list)),
    ]  # fmt: skip
    if metadata.get("tuning"):
        found.append(("parameters", metadata["tuning"]))
    parity = metadata["parity"]
    found.append(
        ("graph against float64", f"{parity['largest_difference']:.1e} on {parity['rows']:,} rows")
    )
    return found


def _classes(metadata: Mapping[str, Any]) -> str:
    """Scores by class over all folds; nothing for a regressor."""
    by_class = metadata["walk_forward"].get("classes")
    if not by_class:
        return ""
    keys = list(next(iter(by_class.values())))
    head = ("class", *(key.replace("_", " ") for key in keys))
    return table(
        head, ([name, *(number(each[key]) for key in keys)] for name, each in by_class.items())
    )


def _labels(metadata: Mapping[str, Any]) -> str:
    if "class_shares" not in metadata:
        return ""
    shares = dict(zip(metadata["classes"], metadata["class_shares"], strict=True))
    text = ", ".join(f"{name} {share:.1%}" for name, share in shares.items())
    return picture(shares_png(shares, "Labels"), f"label distribution: {text}")


def _confusion(metadata: Mapping[str, Any], oof: OofForecasts | None) -> str:
    """Of each class that came, how much was called what."""
    counts = metadata["walk_forward"].get("confusion")
    if counts is None and oof is not None:
        called = top_class(oof.probabilities, SIGNAL)
        counts = np.zeros((3, 3), dtype=np.int64)
        np.add.at(counts, (oof.label, called), 1)
    if counts is None:
        return ""
    rows = np.asarray(counts, dtype=np.float64)
    shares: Float64s = rows / np.maximum(rows.sum(axis=1, keepdims=True), 1)
    png = confusion_png(shares, metadata["classes"], "Confusion, out of fold")
    return picture(png, "confusion matrix, out of fold") + table(
        ("came / called", *metadata["classes"]),
        ([name, *(f"{int(each):,}" for each in row)]
         for name, row in zip(metadata["classes"], rows, strict=True)),
    )  # fmt: skip


def _calibration(metadata: Mapping[str, Any], oof: OofForecasts | None) -> str:
    curves = [Reliability.of(each) for each in metadata.get("reliability", [])]
    if oof is not None:
        curves = reliabilities(
            oof.probabilities, oof.model_probabilities, oof.label, list(metadata["params"]),
            metadata["classes"],
        )  # fmt: skip
    if not curves:
        if "class_shares" not in metadata:
            return ""
        return paragraph("No out-of-fold forecasts: no calibration curves.", "alarm")
    worst = max(curves, key=lambda each: each.error)
    kind = "plain" if worst.error <= CALIBRATION_LIMIT else "alarm"
    return "".join(
        (
            "<h3>Calibration</h3>",
            paragraph(
                f"Mean absolute calibration error, worst: {worst.error:.4f} ({worst.model}, "
                f"{worst.cls}); {CALIBRATION_LIMIT:g} is allowed, perfect probabilities would show "
                f"about {worst.noise:.4f} on so few rows.", kind,
            ),
            picture(reliability_png(curves, CALIBRATION_LIMIT), "reliability curves by class"),
            _errors(curves, metadata["classes"]),
        )
    )  # fmt: skip


def _errors(curves: Sequence[Reliability], classes: Sequence[str]) -> str:
    models = dict.fromkeys(each.model for each in curves)
    of = {(each.model, each.cls): each.error for each in curves}
    return table(
        ("calibration error", *classes),
        ([model, *(f"{of[model, cls]:.4f}" for cls in classes)] for model in models),
    )


def importance_part(summary: Path | None, forecasts: OofForecasts | None) -> str:
    """Importance by SHAP, if there is one of this very model."""
    if summary is None or not summary.exists():
        return paragraph(f"No SHAP summary yet: {_ANALYSE}")
    stored = json.loads(summary.read_text(encoding="utf-8")).get("signal")
    if stored is None:
        return paragraph(f"{summary.name} says nothing of the signal model: {_ANALYSE}")
    if forecasts is not None and stored["graph_sha256"] != forecasts.graph_sha256:
        return paragraph(f"{summary.name} belongs to an earlier model: {_ANALYSE}", "alarm")
    features = stored["features"][:_MOST_FEATURES]
    head = ("rank", "feature", "mean |SHAP|", *stored["outputs"], "protected")
    rows = (
        [str(each["rank"]), each["name"], number(each["mean_abs_shap"]),
         *(number(each["by_output"][name]) for name in stored["outputs"]),
         "yes" if each["protected"] else ""]
        for each in features
    )  # fmt: skip
    said = (
        f"LightGBM, {stored['rows']:,} of {stored['of_rows']:,} rows, {stored['from']} to "
        f"{stored['to']} UTC; {stored['unit']}."
    )
    return paragraph(said) + table(head, rows) + _importance_pictures(summary.parent)


def _importance_pictures(folder: Path) -> str:
    drawn = ((folder / f"shap_signal_{name}.png", name) for name in ("bar", "beeswarm"))
    return "".join(
        picture(path.read_bytes(), f"SHAP {name}") for path, name in drawn if path.exists()
    )
