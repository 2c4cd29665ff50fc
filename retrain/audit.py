"""The data of a run: brought up to date (phase refresh), then looked at (phase data_audit)."""

import io
import time
from typing import Any

import numpy as np

from market.bars import Bars, utc_text
from market.gaps import find_gaps, require_few_gaps
from ml.features.catalogue import CATALOGUE, LOOKBACK_MS
from ml.features.sources import read_sources
from ml.predictors.compat import ModelMissing
from ml.predictors.settings import PROJECT_ROOT
from ml.training.labels import CLASSES
from ml.training.table import TrainingTable, training_table
from retrain.errors import PhaseFailed
from retrain.phase import PhaseResult, Run
from retrain.window import (
    WEEK_MS,
    Window,
    as_figures,
    files_of,
    instrument_of,
    read_market,
    settings_of,
    window_of,
)

DAY_MS = 86_400_000
_STALE_DAYS = 2.0
_LARGE_MOVE = 0.10
_LEAST_LABEL_SHARE = 0.05


def refresh(run: Run) -> PhaseResult:
    """Brings the files in `datasets/` up to date; figures name them."""
    if run.options.data is not None:
        return PhaseResult(words=("--data names the bars",), state="skipped")
    from rich.console import Console

    from ml.train_options import TrainOptions
    from ml.train_refresh import refresh as bring

    lines, options = io.StringIO(), run.options
    asked = TrainOptions(
        symbol=run.symbol, m1=options.m1, onchain=options.onchain, from_ms=options.from_ms
    )
    found = bring(asked, run.settings, Console(file=lines, width=200))
    figures = {
        name: None if (path := getattr(found, name)) is None else str(path)
        for name in ("data", "m1", "onchain")
    }
    said = [line.strip() for line in lines.getvalue().splitlines() if line.strip()]
    return PhaseResult(figures, tuple(said))


def data_audit(run: Run) -> PhaseResult:
    """What the bars are worth, which of them are for what, and until when the champion learned.

    Raises `BarsError` for gaps, `PhaseFailed` where there is too little history. What a person
    should merely know is in the words.
    """
    bars, of = read_market(run), instrument_of(run)
    require_few_gaps(bars, of.sessions)
    found = window_of(int(bars.open_ms[0]), int(bars.close_ms[-1]), run.settings.weekly)
    _require_history(run, found)
    table = _table(run, bars.between(found.from_ms, found.cutoff_ms))
    labels = {name: float((table.label == i).mean()) for i, name in enumerate(CLASSES)}
    figures = {
        **as_figures(found),
        **_of_bars(bars),
        "data": files_of(run).data.name,
        "data_sha256": bars.sha256(),
        "gaps": len(find_gaps(bars, of.sessions)),
        "training_rows": len(table.rows),
        "labels": labels,
        "constant_features": _constant(table, run),
        **_of_champion(run, found),
    }
    words = [str(found), *warnings_of(run, figures)]
    return PhaseResult(figures, tuple(words))


def _require_history(run: Run, found: Window) -> None:
    """Before hours are spent on it: enough bars for the features and the calibrators."""
    needed_ms = LOOKBACK_MS + run.settings.ml.training.calibration_days * DAY_MS
    have_ms = found.cutoff_ms - found.from_ms
    if have_ms <= needed_ms:
        raise PhaseFailed(
            f"bars: more than {needed_ms / DAY_MS:.0f} days before the train cutoff "
            f"{utc_text(found.cutoff_ms)} UTC are needed (features and calibration), "
            f"{have_ms / DAY_MS:.0f} are there; give a longer file, or a smaller "
            "weekly.sweep_weeks or weekly.judge_weeks"
        )


def _table(run: Run, bars: Bars) -> TrainingTable:
    """Features and labels of the bars before the cutoff."""
    settings, of = settings_of(run), instrument_of(run)
    sources = read_sources(settings.ml.features, of, PROJECT_ROOT)
    return training_table(
        bars, of, settings.ml.features, settings.ml.labeling, sources.calendar, sources.onchain
    )


def _constant(table: TrainingTable, run: Run) -> list[str]:
    """Features that have one value in every row; without a calendar those of news must."""
    known = settings_of(run).ml.features.calendar is not None
    neutral = set() if known else {each.name for each in CATALOGUE if each.family == "news"}
    flat = np.ptp(table.rows, axis=0) == 0
    return [name for name, is_flat in zip(table.feature_names, flat, strict=True)
            if is_flat and name not in neutral]  # fmt: skip


def _of_bars(bars: Bars) -> dict[str, Any]:
    moves = np.abs(np.diff(np.log(bars.close)))
    largest = int(moves.argmax())
    return {
        "bars": len(bars),
        "flat_share": float((bars.high == bars.low).mean()),
        "zero_spread_share": float((bars.spread_points == 0).mean()),
        "largest_move": float(np.expm1(moves[largest])),
        "largest_move_at": utc_text(int(bars.open_ms[largest + 1])),
    }


def _of_champion(run: Run, found: Window) -> dict[str, Any]:
    """Until when the serving models learned, and from when on another can be held against them."""
    from trading.model import load_for

    try:
        models = load_for(run.paths, run.settings.ml.features, run.symbol)
    except ModelMissing:
        return {"champion_cutoff_ms": None, "comparable_from_ms": None}
    cutoff_ms = models.train_cutoff_ms
    weeks_ms = round(run.settings.gate.retrain.min_weeks * WEEK_MS)
    return {"champion_cutoff_ms": cutoff_ms, "comparable_from_ms": cutoff_ms + weeks_ms}


def warnings_of(run: Run, of: dict[str, Any]) -> list[str]:
    found = []
    stale_days = (time.time() * 1000 - of["to_ms"]) / DAY_MS
    if run.options.data is None and stale_days > _STALE_DAYS:
        found.append(f"the bars end {stale_days:.0f} days ago")
    if of["zero_spread_share"] > 0:
        found.append(f"{of['zero_spread_share']:.1%} of the bars have no spread: costs are too low")
    if of["largest_move"] > _LARGE_MOVE:
        found.append(
            f"the largest move of one bar is {of['largest_move']:.1%}, at {of['largest_move_at']} "
            "UTC: look at it"
        )
    scarce = [f"{name} {share:.1%}" for name, share in of["labels"].items()
              if share < _LEAST_LABEL_SHARE]  # fmt: skip
    if scarce:
        found.append(f"scarce labels: {', '.join(scarce)}")
    if of["constant_features"]:
        found.append(f"features that never change: {', '.join(of['constant_features'])}")
    champion_ms = of["champion_cutoff_ms"]
    if champion_ms is None:
        found.append("no champion: the candidate needs a score alone")
    elif of["comparable_from_ms"] > of["to_ms"]:
        found.append(
            f"the champion learned until {utc_text(champion_ms)} UTC: a candidate can be held "
            f"against it from {utc_text(of['comparable_from_ms'])} UTC on"
        )
    minutes = files_of(run).m1
    if minutes is None:
        found.append("no M1 bars: the position model's M1 features are neutral")
    return found
