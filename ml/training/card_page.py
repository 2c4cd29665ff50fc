"""A model card as Markdown."""

from collections.abc import Iterator, Mapping
from typing import Any

from ml.training.card import ModelCard, shown

_TITLES = {
    "signal": "Signal model", "position": "Position model", "sltp": "SL/TP model",
    "risk": "Risk model",
}  # fmt: skip


# Scores of a fold that are too many for a table.
_LONG = ("classes.", "margin_quantiles.", "confusion.")
_FOLD_COLUMNS = 9


def card_markdown(card: ModelCard) -> str:
    """The page: data, features, parameters, scores, and how to make the model again."""
    trained = card.trained
    lines = [
        f"# {_TITLES[card.kind]}, {card.symbol}",
        "",
        str(trained.get("verdict", "")),
        "",
        *(f"- {each}" for each in trained.get("warnings", [])),
        "",
        *_table("", ("", ""), _facts(card)),
        *_table("## Scores, out of sample", ("score", "value", "90 %"), _scores(card)),
        *_table("## Calibration error", ("class", "mean absolute"),
                ((name, f"{error:.4f}") for name, error in card.calibration_error.items())),
        *_folds(trained),
        *_table("## Parameters", ("model", "parameters"), _parameters(trained)),
        *_table("## Graph against native", ("", ""), sorted(
            (key, shown(value)) for key, value in trained.get("parity", {}).items())),
        "## Features", "",
        f"{len(trained['feature_names'])}, hash `{trained['feature_hash']}`:",
        ", ".join(f"`{name}`" for name in trained["feature_names"]), "",
        "## Make it again", "",
        "```", f"python train_ml_model.py --reproduce models/cards/{card.graph.file[:-5]}.json",
        "```", "",
        "Equal on the CPU with the same libraries: "
        + ", ".join(f"{name} {version}" for name, version in trained["libraries"].items()) + ".",
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _facts(card: ModelCard) -> Iterator[tuple[str, str]]:
    trained, code = card.trained, card.code
    yield "trained", str(trained["trained_at"])
    yield "data", f"{trained['source']}, {trained['bars']:,} bars of {trained['timeframe']}"
    yield "span", f"{trained['data_from']} to {trained['train_cutoff_date']} (exclusive)"
    yield "data SHA-256", f"`{trained['data_sha256']}`"
    for name, sha256 in trained.get("files", {}).items():
        yield f"also read: {name}", f"`{sha256}`"
    yield "profile", f"{trained['profile']}, seed {trained['training']['seed']}"
    yield "start", str(trained.get("start", "from scratch"))
    yield "devices", shown(trained.get("devices", {}))
    commit = f"commit `{code.commit[:12]}`{' with changes' * code.changed}, " if code.commit else ""
    yield "code", f"{commit}sources `{code.sources_sha256[:12]}`"
    yield "graph", f"`{card.graph.file}`, {card.graph.size_bytes:,} bytes, `{card.graph.sha256}`"
    yield "trials so far", f"{card.trials_so_far} (trains, tuning trials, sweeps and looks)"
    yield "training time", f"{card.seconds:.0f} s"


def _scores(card: ModelCard) -> Iterator[tuple[str, str, str]]:
    mean = card.trained["walk_forward"]
    for name, value in _flat(mean):
        low_high = card.intervals.get(name)
        limits = f"{low_high[0]:.4f} … {low_high[1]:.4f}" if isinstance(low_high, list) else ""
        yield name, _short(value), limits


def _flat(scores: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in scores.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", float(value)


def _folds(trained: Mapping[str, Any]) -> list[str]:
    """One row per fold: where it was tested, and its first few scores."""
    folds = trained["folds"]
    flat = [dict(_flat(fold)) for fold in folds]
    names = [name for name in flat[0] if not name.startswith(_LONG)][:_FOLD_COLUMNS]
    rows = (
        (fold["test_from"][:10], *(_short(scores.get(name)) for name in names))
        for fold, scores in zip(folds, flat, strict=True)
    )
    return _table("## Folds", ("test from", *names), rows)


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value.is_integer() else f"{value:.4f}"


def _parameters(trained: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for model, params in trained.get("params", {}).items():
        yield model, f"`{shown(params)}`"
    yield "labels", f"`{shown(trained.get('labeling', {}))}`"
    yield "training", f"`{shown(trained['training'])}`"


def _table(title: str, head: tuple[str, ...], rows: Any) -> list[str]:
    """A Markdown table; nothing where there are no rows."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    if not body:
        return []
    top = [title, ""] if title else []
    return [*top, f"| {' | '.join(head)} |", "|" + "---|" * len(head), *body, ""]
