"""`--reproduce CARD`: trains a card's model again, elsewhere, and compares every number."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.predictors.settings import PROJECT_ROOT
from ml.train_inputs import read_inputs, settings_of
from ml.train_options import TrainOptions
from ml.train_pipeline import train_models
from ml.training.card import DataFile, ModelCard, data_file, read_card
from ml.training.models import TrainingError
from ml.training.progress import progress_bars, progress_line
from ml.training.reproduce import Reproduction, compare_cards

if TYPE_CHECKING:
    from settings import Settings

_SHOWN = 40


def reproduce(options: TrainOptions, console: Any) -> int:
    """0 where the new model is the card's, 1 where a number differs."""
    assert options.reproduce is not None
    card = read_card(options.reproduce)
    with tempfile.TemporaryDirectory(prefix="novosky-reproduce-") as folder:
        asked = recipe_options(card, options, Path(folder))
        settings = settings_of(asked, settings_of_card(card, options, Path(folder)))
        inputs = read_inputs(asked, settings)
        for note in inputs.notes:
            console.print(note)
        with progress_bars(console) as bars:
            told = train_models(inputs, lambda kind: progress_line(bars, kind), console.print)
            made = tuple(told)
    result = compare_cards(card, made[-1].card)
    _print(result, console)
    return 0 if result.is_equal else 1


def recipe_options(card: ModelCard, given: TrainOptions, folder: Path) -> TrainOptions:
    """The card's own options; a file that lies elsewhere now may be named on the command line."""
    recipe = card.recipe
    return TrainOptions(
        kinds=recipe.kinds,
        symbol=recipe.symbol,
        profile=recipe.profile,
        regime=recipe.regime,
        device=recipe.device,
        from_ms=recipe.from_ms,
        to_ms=recipe.to_ms,
        data=_file("data", recipe.bars, given.data),
        m1=_file("m1", recipe.m1, given.m1),
        calendar=_file("calendar", recipe.files.get("calendar"), given.calendar),
        onchain=_file("onchain", recipe.files.get("onchain"), given.onchain),
        models=folder,
        warm_start=False,
        with_report=False,
    )


def settings_of_card(card: ModelCard, given: TrainOptions, folder: Path) -> "Settings":
    """Today's settings with the card's sections. The new training is one trial more, counted in
    the project's own ledger."""
    today = settings_of(replace(given, symbol=card.recipe.symbol, calendar=None, onchain=None))
    sections = card.recipe.settings
    ml = type(today.ml).model_validate(
        {**sections["ml"], "paths": today.ml.paths, "study": today.ml.study}
    )
    return today.model_copy(
        update={
            "ml": ml,
            "decision": type(today.decision).model_validate(sections["decision"]),
            "paper": type(today.paper).model_validate(sections["paper"]),
        }
    )


def _file(option: str, recorded: DataFile | None, given: Path | None) -> Path | None:
    """The file with the recorded bytes; `TrainingError` where it is missing or another."""
    if recorded is None:
        return None
    path = PROJECT_ROOT / recorded.file if given is None else given
    if not path.exists():
        raise TrainingError(
            f"the card was made from {recorded.file}, which is not at {path}: name it with "
            f"--{option}"
        )
    found = data_file(path, PROJECT_ROOT)
    if found.sha256 != recorded.sha256:
        raise TrainingError(
            f"--{option} {path}: the bytes that the card names (sha256 {recorded.sha256[:12]}…) "
            f"are needed, others came ({found.sha256[:12]}…)"
        )
    return path


def _print(result: Reproduction, console: Any) -> None:
    from rich.table import Table

    for note in result.notes:
        console.print(f"note: {note}")
    if result.is_equal:
        console.print(f"reproduced: all {result.compared} values are equal")
        return
    table = Table(title=f"{len(result.differences)} of {result.compared} values differ")
    for heading in ("value", "card", "again"):
        table.add_column(heading, overflow="fold")
    for each in result.differences[:_SHOWN]:
        table.add_row(each.name, each.card, each.again)
    console.print(table)
