"""Decides history as a command line asks: settings, models, market, costs, then the run."""

import argparse
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.costs import LearnedCosts
    from backtest.driver import BacktestRun
    from market.bars import Bars
    from market.instrument import Instrument
    from ml.predictors.model_set import ModelSet
    from settings import Settings
    from trading.outside import Outside
    from trading.paper import PaperOptions, PaperPlan

CACHE = Path("datasets")
# The bar that opens at the last decision: its first tick is the quote in force there.
ONE_MORE_BAR_MS = 15 * 60_000
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class DecidedRun:
    """A finished run and what it was made of. `costs_file`: name and SHA-256 of the cost file that
    `costs` came from; empty without one."""

    settings: "Settings"
    plan: "PaperPlan"
    models: "ModelSet"
    outside: "Outside"
    run: "BacktestRun"
    costs: "LearnedCosts | None" = None
    costs_file: tuple[str, str] = ("", "")

    @property
    def train_cutoff_ms(self) -> int:
        """Up to where the last of the models has seen bars."""
        return self.models.train_cutoff_ms


def decided_run(
    given: argparse.Namespace,
    *,
    say: Callable[[str], None] = lambda line: None,
    settings: "Settings | None" = None,
) -> DecidedRun:
    """Decides history as the command line asks (`add_run_options`). `say` hears of the models;
    `settings` instead of the files and the options that set some."""
    from backtest.run_options import contradiction
    from trading.assemble import known_instrument
    from trading.errors import DaemonError
    from trading.model import load_for, model_lines

    if problem := contradiction(given):
        raise DaemonError(problem)
    settings = settings_of(given) if settings is None else settings
    of = known_instrument(settings.symbol)
    costs, costs_file = costs_of(given, settings), ("", "")
    if costs is not None:
        costs_file = given.costs.name, hashlib.sha256(given.costs.read_bytes()).hexdigest()
    paths = settings.ml.paths.for_symbol(settings.symbol)
    if given.models is not None:
        paths = paths.in_folder(given.models)
    models = load_for(paths, settings.ml.features, settings.symbol)
    plan, history = market_of(given, settings, models)
    for line in model_lines(models, settings.decision, has_m1=plan.m1 is not None):
        say(line)
    outside = outside_of(given, settings, models)
    run = _decide(settings, plan, history, models, outside, of, costs)
    return DecidedRun(settings, plan, models, outside, run, costs, costs_file)


def settings_of(given: argparse.Namespace) -> "Settings":
    """The settings files with the options' own values. Raises `SettingsError`."""
    from settings import load_settings

    overrides = list(given.override)
    if given.max_lot is not None:
        overrides.append(f"max_lot={given.max_lot}")
    if given.seed is not None:
        overrides.append(f"paper.seed={given.seed}")
    named = {"account": given.account, "symbol": given.symbol}
    settings = load_settings(overrides=overrides, **named)
    cent = given.cent_account or (settings.account and settings.account.account_type == "cent")
    if not cent or settings.paper.currency == "USC":
        return settings
    cents = json.dumps(settings.paper.balance * 100)
    overrides += ["paper.currency=USC", f"paper.balance={cents}"]
    return load_settings(overrides=overrides, **named)


def costs_of(given: argparse.Namespace, settings: "Settings") -> "LearnedCosts | None":
    """What `--costs` names."""
    from backtest.costs import read_costs

    if given.costs is None:
        return None
    return read_costs(given.costs, symbol=settings.symbol, currency=settings.paper.currency)


def market_of(
    given: argparse.Namespace, settings: "Settings", models: "ModelSet"
) -> tuple["PaperPlan", "Bars"]:
    """The span as a paper run of the same flags has it, and all bars of its market."""
    from market.sources.files import read_bars
    from market.sources.generated import generated_bars
    from mt5api.paper import FileMarket
    from trading.assemble import Trade, known_instrument
    from trading.paper import PaperOptions, plan_run

    of = known_instrument(settings.symbol)
    trade = Trade(of, settings.decision, settings.daemon, tuple(settings.ml.features.groups))
    options = PaperOptions(given.data, given.from_ms, given.to_ms, None, "max", given.m1)
    if given.days is not None:
        end_ms = given.to_ms or int(plan_run(options, trade, settings.paper).bars.close_ms[-1])
        options = replace(options, from_ms=end_ms - given.days * _DAY_MS)
        if given.data is None:  # a generated market goes on for a year from its start
            options = replace(options, to_ms=end_ms)
    options = _after_training(options, models) if given.oos_only else options
    plan = plan_run(options, trade, settings.paper)
    market = plan.market
    if isinstance(market, FileMarket):
        return plan, read_bars(market.path, of, server_zone=market.server_zone)
    return plan, generated_bars(of, seed=market.seed, from_ms=market.from_ms, to_ms=market.to_ms)


def _after_training(options: "PaperOptions", models: "ModelSet") -> "PaperOptions":
    return replace(options, from_ms=max(options.from_ms or 0, models.train_cutoff_ms))


def outside_of(given: argparse.Namespace, settings: "Settings", models: "ModelSet") -> "Outside":
    """Calendar and on-chain record of features and rules."""
    from market.instruments import INSTRUMENTS
    from trading.model import learned_calendar
    from trading.outside import read_outside

    return read_outside(
        settings.ml.features, INSTRUMENTS[settings.symbol], calendar=given.calendar,
        learned_calendar=learned_calendar(models), news=settings.news,
    )  # fmt: skip


def _decide(
    settings: "Settings", plan: "PaperPlan", history: "Bars", models: "ModelSet",
    outside: "Outside", of: "Instrument", costs: "LearnedCosts | None",
) -> "BacktestRun":  # fmt: skip
    from backtest.columns import decided_bars
    from backtest.costs import charged
    from backtest.driver import Rules, run_backtest
    from backtest.forecasts import history_forecasts
    from backtest.memory import Memory

    quantile = settings.decision.prediction.quantile
    from_ms, to_ms = plan.limits.from_ms, plan.limits.to_ms or int(history.close_ms[-1])
    history = history.between(int(history.open_ms[0]), max(to_ms, from_ms) + ONE_MORE_BAR_MS)
    forecasts = history_forecasts(
        history,
        models.signal,
        from_row=int(history.open_ms.searchsorted(from_ms - quantile.lookback_ms)),
        groups=tuple(settings.ml.features.groups),
        round_step=of.round_step,
        cache=CACHE,
        outside=outside,
    )
    history, of, slippage = charged(costs, history, of, seed=settings.paper.seed)
    bars = decided_bars(history, forecasts, quantile, from_ms=from_ms, to_ms=to_ms, m1=plan.m1)
    memory = Memory(CACHE)
    rules = Rules(
        of,
        settings.decision,
        settings.paper,
        settings.daemon.strategy_id,
        settings.daemon.act_within_ms,
        settings.daemon.orders.magic_bits,
        memory.of(models),
        outside.news,
        slippage,
        plan.m1,
    )
    run = run_backtest(bars, rules)
    memory.keep()
    return run
