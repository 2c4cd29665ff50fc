"""The training report: one HTML page from the metadata and the files beside the models alone.

It needs nothing else to be read: pictures are inside. What is not there (no SHAP summary, no
out-of-fold forecasts) is named, with the command that makes it.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from market.whole_file import whole_file
from ml.training.oof import OofForecasts
from ml.training.report_parts import importance_part, model_part
from ml.training.report_words import paragraph, table
from ml.training.summary import headline_score

_STYLE = """
body{font:14px system-ui,sans-serif;margin:2em auto;max-width:1200px;color:#222}
table{border-collapse:collapse;margin:0 2em 2em 0;display:inline-table;vertical-align:top}
td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:right}
td:first-child,th:first-child{text-align:left}
td,th{white-space:nowrap}
.wide{overflow-x:auto}
img{max-width:100%;vertical-align:top;margin:0 1em 1em 0}
.alarm{background:#fdecea;border-left:4px solid #d1495b;padding:.6em 1em;margin:.4em 0}
.plain{background:#eef4f3;border-left:4px solid #2a9d8f;padding:.6em 1em;margin:.4em 0}
"""
_TITLES = {"signal": "Signal model", "position": "Position model", "sltp": "SL/TP model",
           "risk": "Risk model"}  # fmt: skip


def write_report(
    path: Path,
    trained: Sequence[Mapping[str, Any]],
    *,
    oof: Path | None = None,
    shap_summary: Path | None = None,
    trials: int | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Writes the page, whole or not at all.

    `trained`: the metadata of each model, in training order (`kind` signal, position, sltp, risk).
    `oof`: the out-of-fold forecasts of the signal model (`ml.training.oof`), for calibration
    curves and the confusion matrix; `shap_summary`: `models/shap_summary.json`. A file that is
    None or missing leaves its part out, and the page says so. `trials`: the ledger's count so
    far; `notes`: further lines for the top, e.g. the device that was used. Raises `TrainingError`
    for a file that is there and cannot be read.
    """
    if not trained:
        raise ValueError("report: the metadata of one model at least is needed, none came")
    forecasts = OofForecasts.load(oof) if oof is not None and oof.exists() else None
    title = (
        f"Training report, {trained[0]['symbol']}, cutoff {trained[0]['train_cutoff_date'][:10]}"
    )
    page = "".join(
        (
            f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title>",
            f"<style>{_STYLE}</style><h1>{escape(title)}</h1>",
            _head(trained, trials, notes),
            *(_section(each, forecasts) for each in trained),
            "<h2>What the signal model looks at</h2>",
            importance_part(shap_summary, forecasts),
            "</html>",
        )
    )
    with whole_file(path) as part:
        part.write_text(page, encoding="utf-8")


def _head(trained: Sequence[Mapping[str, Any]], trials: int | None, notes: Sequence[str]) -> str:
    """All models beside what each must beat."""
    rows = [
        (_TITLES[each["kind"]], *headline_score(each), str(len(each["folds"])),
         each["trained_at"][:16].replace("T", " "), each["profile"])
        for each in trained
    ]  # fmt: skip
    head = ("model", "out of sample", "to beat", "folds", "trained (UTC)", "profile")
    counted = (
        "" if trials is None else
        paragraph(f"Trials in the ledger so far: {trials:,}. The more there were, the more of the "
                  "best one's score is luck.")
    )  # fmt: skip
    return "".join((*map(paragraph, notes), table(head, rows), "<br>", counted))


def _section(metadata: Mapping[str, Any], forecasts: OofForecasts | None) -> str:
    return f"<h2>{_TITLES[metadata['kind']]}</h2>{model_part(metadata, forecasts)}"
