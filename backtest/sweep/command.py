"""From a command line to what all trials share: bars, forecasts, models, settings."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.sweep.base import SweepBase
    from backtest.sweep.search import Progress, SweepTable
    from backtest.sweep.settings import Overrides
    from backtest.sweep.trial import Trial
    from market.bars import Bars, Float64s
    from ml.predictors.model_set import ModelSet
    from ml.predictors.settings import ModelPaths
    from settings import Settings
    from trading.forecasts import ForecastColumns
    from trading.outside import Outside
    from trading.paper import PaperPlan

STORE = Path("state/sweeps.sqlite")
_LOOKBACK_DAYS = "prediction.quantile.lookback_days"


def add_sweep_options(to: argparse.ArgumentParser) -> None:
    """What `read_base` and `sweep_with_progress` read of a command line."""
    from backtest.run_options import add_run_options

    add_run_options(to.add_argument_group("market, models and settings that all trials share"))
    to.set_defaults(seed=None)
    add = to.add_argument_group("where it runs").add_argument
    add("--workers", type=int, metavar="N", help="processes of this host (default: its cores)")
    add("--dask", metavar="ADDRESS", help="a Dask scheduler, e.g. tcp://host:8786")
    add("--store", type=Path, default=STORE, metavar="FILE", help=f"trials so far ({STORE})")
    add("--ledger", type=Path, metavar="FILE", help="the trial ledger (study.ledger)")


def read_base(
    given: argparse.Namespace, settings: "Settings", tried: "Iterable[Overrides]" = ()
) -> "SweepBase":
    """Reads bars and models and forecasts every bar that a trial of today's settings, or of one
    that is `tried`, may look at."""
    from backtest.costs import charged
    from backtest.decided_run import CACHE, ONE_MORE_BAR_MS, costs_of, market_of, outside_of
    from backtest.run_options import contradiction
    from backtest.sweep.base import Orders, SweepBase, code_sha256, files_in
    from backtest.sweep.settings import TradedSettings
    from trading.assemble import known_instrument
    from trading.errors import DaemonError
    from trading.model import load_for
    from trading.model_source import graphs_of

    if problem := contradiction(given):
        raise DaemonError(problem)
    of, costs = known_instrument(settings.symbol), costs_of(given, settings)
    paths = settings.ml.paths.for_symbol(settings.symbol)
    if given.models is not None:
        paths = paths.in_folder(given.models)
    models = load_for(paths, settings.ml.features, settings.symbol)
    widest = _looking_back(settings, tried)
    plan, history = market_of(given, widest, models)
    outside = outside_of(given, settings, models)
    to_ms = plan.limits.to_ms or int(history.close_ms[-1])
    history = history.between(int(history.open_ms[0]), to_ms + ONE_MORE_BAR_MS)
    forecasts = _forecasts(history, models, widest, outside, plan.limits.from_ms)
    history, of, slippage = charged(costs, history, of, seed=settings.paper.seed)
    daemon = settings.daemon
    return SweepBase(
        history=history, forecasts=forecasts, m1=_m1_rows(history, plan, len(forecasts)),
        minutes=_minutes(plan, to_ms + ONE_MORE_BAR_MS),
        from_ms=plan.limits.from_ms, to_ms=to_ms, instrument=of, slippage=slippage,
        settings=TradedSettings(settings.decision, settings.paper),
        orders=Orders(daemon.strategy_id, daemon.act_within_ms, daemon.orders.magic_bits),
        news=outside.news, paths=paths, features=settings.ml.features,
        models=_model_files(paths, models), answers=files_in(CACHE, _answer_files(models)),
        graphs=graphs_of(models), train_cutoff_ms=models.train_cutoff_ms, code=code_sha256(),
    )  # fmt: skip


def sweep_with_progress(
    given: argparse.Namespace, settings: "Settings", base: "SweepBase",
    trials: "Sequence[Overrides | Trial]",
) -> "SweepTable":  # fmt: skip
    """Runs the sweep and shows how far it is and how long it may still take."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Shown
    from rich.progress import TimeRemainingColumn as TimeLeft

    from backtest.sweep.runner import local
    from backtest.sweep.search import run_sweep
    from backtest.sweep.store import SweepStore
    from ml.training.trials import TrialLedger

    local(1 if given.workers is None else given.workers)  # refuses before anything is shown
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn(), TextColumn("left"), TimeLeft())  # fmt: skip
    with Shown(*columns, console=Console(highlight=False, stderr=True)) as shown:
        line = shown.add_task("trials", total=None)

        def progress(so_far: "Progress") -> None:
            best = "none comparable" if so_far.best is None else f"best score {so_far.best:.2f}"
            shown.update(line, completed=so_far.done, total=so_far.total, description=best)

        return run_sweep(
            base, trials, store=SweepStore(given.store),
            ledger=TrialLedger(given.ledger or settings.ml.study.ledger_path),
            workers=given.workers, dask=given.dask, progress=progress,
        )  # fmt: skip


def sweep_failures() -> tuple[type[Exception], ...]:
    """Errors of a sweep whose texts say what to do, beside those that every command knows."""
    from backtest.columns import WarmUpError
    from backtest.sweep.errors import SweepError

    return SweepError, WarmUpError


def _looking_back(settings: "Settings", tried: "Iterable[Overrides]") -> "Settings":
    """Settings whose gate looks back as far as that of any that is tried."""
    from backtest.sweep.settings import TradedSettings, with_overrides

    today = TradedSettings(settings.decision, settings.paper)
    days = settings.decision.prediction.quantile.lookback_days
    longest = max([days, *(each.get(_LOOKBACK_DAYS, days) for each in tried)])
    widest = with_overrides(today, {_LOOKBACK_DAYS: longest})
    return settings.model_copy(update={"decision": widest.decision})


def _forecasts(
    history: "Bars", models: "ModelSet", settings: "Settings", outside: "Outside", from_ms: int
) -> "ForecastColumns":
    from backtest.decided_run import CACHE
    from backtest.forecasts import history_forecasts
    from market.instruments import INSTRUMENTS

    quantile = settings.decision.prediction.quantile
    return history_forecasts(
        history, models.signal,
        from_row=int(history.open_ms.searchsorted(from_ms - quantile.lookback_ms)),
        groups=tuple(settings.ml.features.groups),
        round_step=INSTRUMENTS[settings.symbol].round_step, cache=CACHE, outside=outside,
    )  # fmt: skip


def _m1_rows(history: "Bars", plan: "PaperPlan", rows: int) -> "Float64s | None":
    from ml.features.position import m1_features

    return None if plan.m1 is None else m1_features(plan.m1, history.close_ms[-rows:])


def _minutes(plan: "PaperPlan", to_ms: int) -> "Bars | None":
    return None if plan.m1 is None else plan.m1.between(plan.limits.from_ms, to_ms)


def _model_files(paths: "ModelPaths", models: "ModelSet") -> dict[str, bytes]:
    """Manifest, graphs and metadata, by name."""
    files = [getattr(paths, each.kind) for each in models.all]
    whole = [paths.manifest, *(file for each in files for file in (each.graph, each.metadata))]
    return {file.name: file.read_bytes() for file in whole}


def _answer_files(models: "ModelSet") -> list[str]:
    from backtest.memory import answers_file

    return [answers_file(each) for each in models.all]
