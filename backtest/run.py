"""`python backtest_config.py`: the daemon's decisions over history, with figures and a report.

python backtest_config.py                                   the generated market
python backtest_config.py --data FILE --from 2025-06-01 --to 2025-11-01
python backtest_config.py --data FILE --oos-only            only bars the model has not seen
python backtest_config.py --override prediction.gate=fixed --summary out.json --no-chart
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backtest.driver import BacktestRun
    from market.bars import Bars
    from ml.predictors.model_set import ModelSet
    from settings import Settings
    from trading.outside import Outside
    from trading.paper import PaperPlan

CACHE = Path("datasets")
REPORTS = Path("reports")


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a run, 2 where a person must act first (one line says what), 130 if stopped."""
    from trading.command_line import exit_status

    given = _parser().parse_args(argv)
    return exit_status(lambda: _run(given), stopped="stopped; nothing was written")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="backtest_config.py",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add_run_options(parser)
    add = parser.add_argument
    add("--no-chart", action="store_true", help="write no HTML report")
    add("--summary", type=Path, metavar="FILE", help="write the figures here as JSON")
    add("--report", type=Path, metavar="FILE", help="the HTML report (default: in reports/)")
    add("--seed", type=int, metavar="N", help="of the generated market and of slippage")
    return parser


def add_run_options(to: "argparse._ActionsContainer") -> None:
    """What `decided_run` reads of the command line, but for `--seed`."""
    from trading.command_line import utc_instant_ms

    add = to.add_argument
    add("--data", type=Path, metavar="FILE", help="M15 bars (default: the generated market)")
    add("--m1", type=Path, metavar="FILE", help="M1 bars for the position model")
    add("--calendar", type=Path, metavar="FILE",
        help="economic calendar of the news rules: CSV, or a daemon's\nnews.sqlite; default: "
        "features.calendar")  # fmt: skip
    add("--from", dest="from_ms", type=utc_instant_ms, metavar="TIME", help="UTC, inclusive")
    add("--to", dest="to_ms", type=utc_instant_ms, metavar="TIME", help="UTC, exclusive")
    add("--oos-only", action="store_true", help="start at the model's train cutoff or later")
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for this run, e.g. risk_percent=0.5 (repeatable)")  # fmt: skip
    add("--models", type=Path, metavar="DIR", help="where the models lie (default: ml_config.json)")
    add("--max-lot", type=float, metavar="X", help="instead of config.json's max_lot")
    add("--cent-account", action="store_true", help="the same money on an account in USC")
    add("--symbol", metavar="S", help="instead of config.json's symbol")


def _run(given: argparse.Namespace) -> int:
    from rich.console import Console

    from backtest.report import table
    from trading.summary import require_writable, write_summary

    require_writable(given.summary)
    console = Console()
    done = decided_run(given, say=lambda line: console.print(line, highlight=False))
    settings, plan, run = done.settings, done.plan, done.run
    summary = _summarise(run, settings, plan, done.models, done.outside)
    title = _title(run, plan, settings)
    table(console, title, summary, _months(run))
    if given.summary is not None:
        write_summary(given.summary, summary)
        console.print(f"summary: {given.summary}")
    if not given.no_chart:
        console.print(f"report: {_write_report(given, run, title, summary)}")
    return 0


@dataclass(frozen=True)
class DecidedRun:
    """A finished run and what it was made of."""

    settings: "Settings"
    plan: "PaperPlan"
    models: "ModelSet"
    outside: "Outside"
    run: "BacktestRun"


def decided_run(
    given: argparse.Namespace, *, say: Callable[[str], None] = lambda line: None
) -> DecidedRun:
    """Decides history as the command line asks (`add_run_options`). `say` hears of the models."""
    from trading.assemble import known_instrument
    from trading.model import load_for, model_lines

    settings = _settings(given)
    known_instrument(settings.symbol)
    paths = settings.ml.paths.for_symbol(settings.symbol)
    if given.models is not None:
        paths = paths.in_folder(given.models)
    models = load_for(paths, settings.ml.features, settings.symbol)
    plan, history = _market(given, settings, models)
    for line in model_lines(models, settings.decision, has_m1=plan.m1 is not None):
        say(line)
    outside = _outside(given, settings, models)
    run = _decide(settings, plan, history, models, outside)
    return DecidedRun(settings, plan, models, outside, run)


def _settings(given: argparse.Namespace) -> "Settings":
    from settings import load_settings

    overrides = list(given.override)
    if given.max_lot is not None:
        overrides.append(f"max_lot={given.max_lot}")
    if given.seed is not None:
        overrides.append(f"paper.seed={given.seed}")
    settings = load_settings(overrides=overrides, symbol=given.symbol)
    if not given.cent_account or settings.paper.currency == "USC":
        return settings
    cents = json.dumps(settings.paper.balance * 100)
    overrides += ["paper.currency=USC", f"paper.balance={cents}"]
    return load_settings(overrides=overrides, symbol=given.symbol)


def _market(
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


def _decide(
    settings: "Settings", plan: "PaperPlan", history: "Bars", models: "ModelSet",
    outside: "Outside",
) -> "BacktestRun":  # fmt: skip
    from backtest.columns import decided_bars
    from backtest.driver import Rules, run_backtest
    from backtest.forecasts import history_forecasts
    from backtest.memory import Memory
    from market.instruments import INSTRUMENTS

    quantile = settings.decision.prediction.quantile
    from_ms, to_ms = plan.limits.from_ms, plan.limits.to_ms or int(history.close_ms[-1])
    history = history.between(int(history.open_ms[0]), max(to_ms, from_ms) + _ONE_MORE_BAR_MS)
    of = INSTRUMENTS[settings.symbol]
    forecasts = history_forecasts(
        history,
        models.signal,
        from_row=int(history.open_ms.searchsorted(from_ms - quantile.lookback_ms)),
        groups=tuple(settings.ml.features.groups),
        round_step=of.round_step,
        cache=CACHE,
        outside=outside,
    )
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
    )
    run = run_backtest(bars, rules)
    memory.keep()
    return run


# The bar that opens at the last decision: its first tick is the quote in force there.
_ONE_MORE_BAR_MS = 15 * 60_000


def _summarise(
    run: "BacktestRun",
    settings: "Settings",
    plan: "PaperPlan",
    models: "ModelSet",
    outside: "Outside",
) -> dict[str, Any]:
    from trading.model import seen_until
    from trading.results import summarise

    summary = summarise(
        run.lines(),
        run.deals,
        run.bars.bars,
        run.terms,
        strategy_id=settings.daemon.strategy_id,
        initial_balance=run.initial_balance,
        final_equity=run.final_equity,
        data_sha256=plan.data_sha256,
    )
    warning = seen_until(models, plan.limits.from_ms)
    return summary | {"warnings": ([warning] if warning else []) + list(outside.warnings)}


def _months(run: "BacktestRun") -> Any:
    from backtest.report import months

    return months(run.trades, run.curve, run.initial_balance)


def _title(run: "BacktestRun", plan: "PaperPlan", settings: "Settings") -> str:
    from market.bars import utc_text

    bars = run.bars.bars
    first, last = utc_text(int(bars.open_ms[0])), utc_text(int(bars.close_ms[-1]))
    return f"{settings.symbol}, {plan.source}, {first} to {last} UTC"


def _write_report(
    given: argparse.Namespace, run: "BacktestRun", title: str, summary: dict[str, Any]
) -> Path:
    from backtest.html import write_report
    from backtest.report import chart_trades

    bars = run.bars.bars
    close_ms = bars.close_ms.tolist()
    levels = {close_ms[row]: requests for row, requests in run.sent.items()}
    path: Path = given.report or REPORTS / f"backtest_{bars.symbol.lower()}.html"
    trades = chart_trades(run.trades, levels)
    write_report(path, title, summary, _months(run), bars, run.curve, trades)
    return path


if __name__ == "__main__":
    # in the place of this folder, whose `statistics` would hide Python's own
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    raise SystemExit(main())
