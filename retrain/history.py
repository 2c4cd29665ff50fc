"""A candidate or champion over history, with the doors' own functions of the backtester."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from backtest.run_options import add_run_options
from retrain.judged_costs import costs_for
from retrain.phase import Run
from retrain.window import files_of, market, settings_of

if TYPE_CHECKING:
    from settings import Settings


def given_for(run: Run, models: Path | None, *, from_ms: int, to_ms: int) -> argparse.Namespace:
    """The options of a backtest over bars [from_ms, to_ms) of the audited file, at the run's costs.
    `models` None: the folder of the settings."""
    market(run)  # refuses a file that was changed meanwhile
    parser, files = argparse.ArgumentParser(), files_of(run)
    add_run_options(parser)
    given = parser.parse_args([])
    given.data, given.m1, given.calendar = files.data, files.m1, run.options.calendar
    given.costs = costs_for(run)
    given.models, given.from_ms, given.to_ms = models, from_ms, to_ms
    given.sweep = given.shadow = given.seed = None
    return given


def candidate_settings(run: Run) -> "Settings":
    """The run's settings, with what phase sweep has chosen for the candidate."""
    from backtest.sweep.settings import TradedSettings, with_overrides

    settings, chosen = settings_of(run), run.result("sweep").get("chosen") or {}
    traded = with_overrides(TradedSettings(settings.decision, settings.paper), chosen)
    return settings.model_copy(update={"decision": traded.decision, "paper": traded.paper})
