"""What a person sees after training: one table over the models, and plain words for each."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_NAMES = {"signal": "signal", "position": "position", "sltp": "SL/TP", "risk": "risk"}


def summary_table(rows: Iterable[tuple[Mapping[str, Any], float]]) -> Any:
    """A rich table of (metadata, seconds) per model."""
    from rich.table import Table

    table = Table(title="trained, judged out of sample")
    for heading in ("model", "rows", "folds", "score", "to beat", "parity", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for metadata, seconds in rows:
        score, baseline = headline_score(metadata)
        table.add_row(
            _NAMES[metadata["kind"]], _rows(metadata), str(len(metadata["folds"])), score, baseline,
            f"{metadata['parity']['largest_difference']:.0e}", f"{seconds:.0f} s",
        )  # fmt: skip
    return table


def headline_score(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """The score that matters most for this kind of model, beside what it must beat."""
    mean = metadata["walk_forward"]
    if metadata["kind"] == "signal":
        return f"AUC {_number(mean['direction_auc'])}", "0.5000"
    if metadata["kind"] == "position":
        return f"log-loss {mean['log_loss']:.4f}", f"{mean['open_profit_alone']['log_loss']:.4f}"
    if metadata["kind"] == "sltp":
        gated = mean["gated"]
        return f"{gated['model']:+.4f} R a trade", f"{gated['static']:+.4f}"
    traded = mean["gated"]
    if traded["trades"] < 2:
        return "not tested", "-"
    return f"{traded['model']:+.2f} bp a trade", f"{traded['constant']:+.2f}"


def folds_table(folds: Sequence[Mapping[str, Any]]) -> Any:
    """The signal model's folds beside the baseline."""
    from rich.table import Table

    table = Table(title="signal model, walk-forward")
    for heading in ("test from", "rows", "accuracy", "baseline", "log-loss", "baseline",
                    "AUC up/down"):  # fmt: skip
        table.add_column(heading, justify="right")
    for fold in folds:
        base = fold["baseline"]
        table.add_row(
            fold["test_from"][:10], f"{fold['rows']:,}",
            f"{fold['accuracy']:.4f}", f"{base['accuracy']:.4f}", f"{fold['log_loss']:.4f}",
            f"{base['log_loss']:.4f}", _number(fold["direction_auc"]),
        )  # fmt: skip
    return table


def words(metadata: Mapping[str, Any]) -> list[str]:
    """Verdict, warnings and start of a model, one line each."""
    name = _NAMES[metadata["kind"]]
    lines = [f"{name}: {metadata['verdict']}"]
    lines += [f"{name}: warning: {each}" for each in metadata.get("warnings", [])]
    if metadata.get("start"):
        lines.append(f"{name}: {metadata['start']}")
    if metadata.get("m1_why"):
        lines.append(f"{name}: M1: {metadata['m1_why']}")
    return lines


def _rows(metadata: Mapping[str, Any]) -> str:
    rows = metadata["rows"]
    usable = rows.get("usable", rows.get("rows", 0)) if isinstance(rows, Mapping) else rows
    return f"{usable:,}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
