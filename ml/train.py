"""`python train_ml_model.py --ensemble …`: reads the settings and the bars, trains, reports.

Training always starts from scratch in this version; `--no-warmstart` is accepted and changes
nothing. Heavy libraries are imported only when training begins.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from market.bars import Bars
    from market.instrument import Instrument
    from ml.training.signal import SignalTraining
    from settings import Settings

# Sixteen months before the generated paper market starts.
GENERATED_FROM = "2024-01-01"
GENERATED_TO = "2025-05-01"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status. Problems are one message on standard error."""
    from trading.command_line import exit_status

    options = _parser().parse_args(argv)
    return exit_status(
        lambda: _train(options),
        stopped="stopped; the old model is untouched",
        mendable=_training_failures,
    )


def _parser() -> argparse.ArgumentParser:
    from trading.command_line import utc_instant_ms

    parser = argparse.ArgumentParser(
        prog="train_ml_model.py", description="Trains models and puts them into models/."
    )
    add = parser.add_argument
    add("--ensemble", action="store_true", required=True, help="the signal model (rf, xgb, lgb)")
    add("--data", type=Path, help="bars: Parquet, MT5 export or Binance CSV (default: generated)")
    add(
        "--from",
        dest="from_ms",
        type=utc_instant_ms,
        metavar="DATE",
        help="first UTC date, inclusive",
    )
    add("--to", dest="to_ms", type=utc_instant_ms, metavar="DATE",
        help="train cutoff: UTC date, exclusive")  # fmt: skip
    add("--no-warmstart", action="store_true", help="accepted; training is always from scratch")
    add("--profile", choices=("quick", "full"), default="full", help="quick: small and fast")
    add("--symbol", help="instead of config.json's symbol")
    add("--seed", type=int, help="instead of ml_config.json's training.seed")
    add("--models", type=Path, metavar="DIR", help="write here instead of models/")
    return parser


def _train(options: argparse.Namespace) -> int:
    from rich.console import Console

    from ml.predictors.settings import PROJECT_ROOT
    from settings import load_settings

    console = Console(highlight=False)
    overrides = [] if options.seed is None else [f"training.seed={options.seed}"]
    settings = load_settings(PROJECT_ROOT, symbol=options.symbol, overrides=overrides)
    task = _task(options, settings, console)
    paths = settings.ml.paths.for_symbol(settings.symbol)
    if options.models is not None:
        paths = paths.in_folder(options.models)
    metadata = _with_progress(task, paths, console)
    _report(metadata, console)
    console.print(f"model: {paths.graph}\nmanifest: {paths.manifest}")
    return 0


def _task(options: argparse.Namespace, settings: "Settings", console: Any) -> "SignalTraining":
    from market.bars import BarsError
    from market.calendar import EconomicCalendar
    from market.gaps import require_few_gaps
    from market.instruments import INSTRUMENTS
    from ml.training.models import EnsembleParams, TrainingError
    from ml.training.signal import SignalTraining, history_warning

    if settings.symbol not in INSTRUMENTS:
        raise TrainingError(
            f"symbol: one of {', '.join(INSTRUMENTS)} is allowed, {settings.symbol} came"
        )
    of = INSTRUMENTS[settings.symbol]
    bars, source = _bars(options, of, settings)
    if len(bars) == 0:
        raise BarsError(f"{source}: no bar lies in the asked span; check --from and --to")
    if options.data is None:
        console.print(f"bars: {source}; it says nothing about real markets")
    require_few_gaps(bars, of.sessions)
    warning = history_warning(bars)
    if warning:
        console.print(f"warning: {warning}")
    ml = settings.ml
    return SignalTraining(
        bars=bars,
        instrument=of,
        features=ml.features,
        labels=ml.labeling,
        training=ml.training,
        params=EnsembleParams(ml.rf_params.root, ml.xgb_params.root, ml.lgb_params.root),
        profile=options.profile,
        cutoff_ms=_cutoff_ms(options, bars),
        source=source,
        calendar=EconomicCalendar.none(),
    )


def _bars(
    options: argparse.Namespace, of: "Instrument", settings: "Settings"
) -> tuple["Bars", str]:
    """The bars in [--from, --to) and where they come from, in words."""
    if options.data is not None:
        from market.sources.files import read_bars

        bars = read_bars(options.data, of, server_zone=settings.paper.server_timezone)
        from_ms = int(bars.open_ms[0]) if options.from_ms is None else options.from_ms
        to_ms = int(bars.close_ms[-1]) if options.to_ms is None else options.to_ms
        return bars.between(from_ms, to_ms), options.data.name
    from market.sources.generated import generated_bars
    from trading.command_line import utc_instant_ms

    seed = settings.paper.seed
    from_ms = utc_instant_ms(GENERATED_FROM) if options.from_ms is None else options.from_ms
    to_ms = utc_instant_ms(GENERATED_TO) if options.to_ms is None else options.to_ms
    bars = generated_bars(of, seed=seed, from_ms=from_ms, to_ms=to_ms)
    return bars, f"generated market, {of.symbol}, seed {seed}"


def _cutoff_ms(options: argparse.Namespace, bars: "Bars") -> int:
    """`--to`, but not later than the data: the cutoff must not promise what was not there."""
    end_ms = int(bars.close_ms[-1])
    return end_ms if options.to_ms is None else min(options.to_ms, end_ms)


def _with_progress(task: "SignalTraining", paths: Any, console: Any) -> dict[str, Any]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from ml.training.signal import train_signal

    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console) as shown:
        line = shown.add_task("training")
        return train_signal(
            task, paths,
            lambda step, done, total: shown.update(
                line, description=step, completed=done, total=total
            ),
        )  # fmt: skip


def _report(metadata: dict[str, Any], console: Any) -> None:
    """Out-of-sample scores per fold beside the baseline, and the parity of the graph."""
    from rich.table import Table

    table = Table(title="walk-forward, out of sample")
    for heading in ("test from", "rows", "accuracy", "baseline", "log-loss", "baseline",
                    "AUC up/down"):  # fmt: skip
        table.add_column(heading, justify="right")
    for fold in metadata["folds"]:
        base = fold["baseline"]
        table.add_row(
            fold["test_from"][:10], f"{fold['rows']:,}",
            f"{fold['accuracy']:.4f}", f"{base['accuracy']:.4f}", f"{fold['log_loss']:.4f}",
            f"{base['log_loss']:.4f}", _number(fold["direction_auc"]),
        )  # fmt: skip
    console.print(table)
    parity = metadata["parity"]
    console.print(
        f"graph against float64 on {parity['rows']:,} rows: largest difference "
        f"{parity['largest_difference']:.1e}, no class flips, "
        f"{parity['class_ties'] + parity['vote_ties']} ties; "
        f"train cutoff {metadata['train_cutoff_date']}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _training_failures() -> tuple[type[Exception], ...]:
    from ml.training.models import TrainingError
    from ml.training.parity import ParityError
    from ml.training.splits import SplitError

    return TrainingError, ParityError, SplitError


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    raise SystemExit(main())
