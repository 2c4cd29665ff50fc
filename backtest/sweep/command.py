"""From a command line to what all trials share: bars, forecasts, models, settings."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
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
    from trading.decision.settings import DecisionSettings
    from trading.forecasts import ForecastColumns
    from trading.outside import Outside
    from trading.paper import PaperPlan

CACHE = Path("datasets")
STORE = Path("state/sweeps.sqlite")
# The bar that opens at the last decision: its first tick is the quote in force there.
_ONE_MORE_BAR_MS = 15 * 60_000


def add_sweep_options(to: argparse.ArgumentParser) -> None:
    """What `read_base` and `sweep_with_progress` read of a command line."""
    from trading.command_line import utc_instant_ms

    add = to.add_argument_group("market and models").add_argument
    add("--data", type=Path, metavar="FILE", help="M15 bars (default: the generated market)")
    add("--m1", type=Path, metavar="FILE", help="M1 bars for the position model")
    add("--calendar", type=Path, metavar="FILE", help="economic calendar of the news rules")
    add("--from", dest="from_ms", type=utc_instant_ms, metavar="TIME", help="UTC, inclusive")
    add("--to", dest="to_ms", type=utc_instant_ms, metavar="TIME", help="UTC, exclusive")
    add("--oos-only", action="store_true", help="start at the models' train cutoff or later")
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting that all trials share (repeatable)")  # fmt: skip
    add("--models", type=Path, metavar="DIR", help="where the models lie (default: ml_config.json)")
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add = to.add_argument_group("where it runs").add_argument
    add("--workers", type=int, metavar="N", help="processes of this host (default: its cores)")
    add("--dask", metavar="ADDRESS", help="a Dask scheduler, e.g. tcp://host:8786")
    add("--store", type=Path, default=STORE, metavar="FILE", help=f"trials so far ({STORE})")
    add("--ledger", type=Path, metavar="FILE", help="the trial ledger (study.ledger)")


def settings_of(given: argparse.Namespace) -> "Settings":
    from settings import load_settings
    from trading.assemble import known_instrument

    settings = load_settings(overrides=given.override, symbol=given.symbol)
    known_instrument(settings.symbol)
    return settings


def read_base(
    given: argparse.Namespace, settings: "Settings", *, lookback_days: int = 0
) -> "SweepBase":
    """Reads bars and models and forecasts every bar that a trial may look at.

    `lookback_days`: the longest look-back of the quantile gate that will be tried.
    """
    from backtest.sweep.base import Orders, SweepBase, code_sha256, files_in
    from backtest.sweep.settings import TradedSettings, with_overrides
    from market.instruments import INSTRUMENTS
    from trading.model import load_for

    paths = settings.ml.paths.for_symbol(settings.symbol)
    if given.models is not None:
        paths = paths.in_folder(given.models)
    models = load_for(paths, settings.ml.features, settings.symbol)
    today = TradedSettings(settings.decision, settings.paper)
    days = max(lookback_days, settings.decision.prediction.quantile.lookback_days)
    longest = with_overrides(today, {"prediction.quantile.lookback_days": days}).decision
    plan, history = _market(given, settings, longest, models)
    outside = _outside(given, settings, models)
    to_ms = plan.limits.to_ms or int(history.close_ms[-1])
    history = history.between(int(history.open_ms[0]), to_ms + _ONE_MORE_BAR_MS)
    forecasts = _forecasts(history, models, settings, outside, plan.limits.from_ms, days)
    daemon = settings.daemon
    base = SweepBase(
        history=history, forecasts=forecasts, m1=_m1_rows(history, plan, len(forecasts)),
        from_ms=plan.limits.from_ms, to_ms=to_ms,
        settings=today,
        instrument=INSTRUMENTS[settings.symbol],
        orders=Orders(daemon.strategy_id, daemon.act_within_ms, daemon.orders.magic_bits),
        news=outside.news, paths=paths, features=settings.ml.features,
        models=_model_files(paths, models), answers={},
        graphs={each.kind: each.metadata.graph.sha256 for each in models.all},
        train_cutoff_ms=max(each.metadata.train_cutoff_ms for each in models.all),
        code=code_sha256(),
    )  # fmt: skip
    names = [file.name for file in CACHE.glob("answers_*.npz")]
    return replace(base, answers=files_in(CACHE, _of_models(names, models)))


def sweep_with_progress(
    given: argparse.Namespace, settings: "Settings", base: "SweepBase",
    trials: "Sequence[Overrides | Trial]",
) -> "SweepTable":  # fmt: skip
    """Runs the sweep and shows how far it is and how long it may still take."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Shown
    from rich.progress import TimeRemainingColumn as TimeLeft

    from backtest.sweep.search import run_sweep
    from backtest.sweep.store import SweepStore
    from ml.training.trials import TrialLedger

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


def _market(
    given: argparse.Namespace, settings: "Settings", decision: "DecisionSettings",
    models: "ModelSet",
) -> tuple["PaperPlan", "Bars"]:  # fmt: skip
    """The span as a paper run of the same flags has it, and all bars of its market.

    `decision`: with the longest look-back, whose warm-up must be there.
    """
    from market.sources.files import read_bars
    from market.sources.generated import generated_bars
    from mt5api.paper import FileMarket
    from trading.assemble import Trade, known_instrument
    from trading.paper import PaperOptions, plan_run

    of = known_instrument(settings.symbol)
    trade = Trade(of, decision, settings.daemon, tuple(settings.ml.features.groups))
    from_ms = given.from_ms
    if given.oos_only:
        learned_until_ms = max(each.metadata.train_cutoff_ms for each in models.all)
        from_ms = max(from_ms or 0, learned_until_ms)
    options = PaperOptions(given.data, from_ms, given.to_ms, None, "max", given.m1)
    plan = plan_run(options, trade, settings.paper)
    market = plan.market
    if isinstance(market, FileMarket):
        return plan, read_bars(market.path, of, server_zone=market.server_zone)
    return plan, generated_bars(of, seed=market.seed, from_ms=market.from_ms, to_ms=market.to_ms)


def _outside(given: argparse.Namespace, settings: "Settings", models: "ModelSet") -> "Outside":
    from market.instruments import INSTRUMENTS
    from trading.model import learned_calendar
    from trading.outside import read_outside

    return read_outside(
        settings.ml.features, INSTRUMENTS[settings.symbol], calendar=given.calendar,
        learned_calendar=learned_calendar(models), news=settings.news,
    )  # fmt: skip


def _forecasts(
    history: "Bars", models: "ModelSet", settings: "Settings", outside: "Outside", from_ms: int,
    lookback_days: int,
) -> "ForecastColumns":  # fmt: skip
    from backtest.forecasts import history_forecasts
    from market.instruments import INSTRUMENTS

    return history_forecasts(
        history, models.signal,
        from_row=int(history.open_ms.searchsorted(from_ms - lookback_days * 86_400_000)),
        groups=tuple(settings.ml.features.groups),
        round_step=INSTRUMENTS[settings.symbol].round_step, cache=CACHE, outside=outside,
    )  # fmt: skip


def _m1_rows(history: "Bars", plan: "PaperPlan", rows: int) -> "Float64s | None":
    from ml.features.position import m1_features

    return None if plan.m1 is None else m1_features(plan.m1, history.close_ms[-rows:])


def _model_files(paths: "ModelPaths", models: "ModelSet") -> dict[str, bytes]:
    """Manifest, graphs and metadata, by name."""
    files = [getattr(paths, each.kind) for each in models.all]
    whole = [paths.manifest, *(file for each in files for file in (each.graph, each.metadata))]
    return {file.name: file.read_bytes() for file in whole}


def _of_models(names: list[str], models: "ModelSet") -> list[str]:
    from backtest.memory import answers_file

    wanted = {answers_file(each) for each in models.all}
    return [name for name in names if name in wanted]
