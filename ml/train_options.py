"""The command line of `train_ml_model.py`."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trading.command_line import utc_instant_ms

# The only order that works: each model learns from what those before it say.
ORDER = ("signal", "position", "sltp", "risk")
FLAGS = {"signal": "--ensemble", "position": "--position", "sltp": "--sltp", "risk": "--risk"}


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What a person asked for; None where the settings decide."""

    kinds: tuple[str, ...] = ()
    symbol: str | None = None
    profile: str = "full"
    regime: str = "all"
    device: str = "auto"
    from_ms: int | None = None
    to_ms: int | None = None
    data: Path | None = None
    m1: Path | None = None
    calendar: Path | None = None
    onchain: Path | None = None
    models: Path | None = None
    report: Path | None = None
    with_report: bool = True
    brief: bool = False
    seed: int | None = None
    trials: int = 0
    warm_start: bool = True
    refresh: bool = False
    refresh_from: str | None = None
    reproduce: Path | None = None
    overrides: tuple[str, ...] = field(default_factory=tuple)


def parse(argv: Sequence[str] | None = None) -> TrainOptions:
    """The options; leaves with status 2 and a usage line where they do not fit each other."""
    parser = _parser()
    given = parser.parse_args(argv)
    kinds = tuple(kind for kind in ORDER if getattr(given, kind))
    if not kinds and not given.refresh and given.reproduce is None:
        parser.error(
            f"what shall be trained? At least one of {', '.join(FLAGS.values())} is needed; all "
            "four train in this order, each on what those before it say"
        )
    if given.reproduce is not None and kinds:
        parser.error("--reproduce trains the model of the card: leave the models' flags out")
    if given.regime != "all" and kinds != ("signal",):
        parser.error("--regime trains a signal model of one regime: give --ensemble alone with it")
    if given.trials and not {"signal", "position"} & set(kinds):
        parser.error("--trials tunes the signal or the position model: give --ensemble or "
                     "--position with it")  # fmt: skip
    if given.refresh and given.data is not None:
        parser.error("--refresh writes the bars that are trained on: leave --data out")
    return _options(given, kinds)


def _options(given: argparse.Namespace, kinds: tuple[str, ...]) -> TrainOptions:
    names = (
        "symbol", "profile", "regime", "device", "from_ms", "to_ms", "data", "m1", "calendar",
        "onchain", "models", "report", "seed", "trials", "refresh", "refresh_from", "reproduce",
    )  # fmt: skip
    return TrainOptions(
        kinds=kinds,
        warm_start=not given.no_warmstart,
        with_report=not given.no_report,
        brief=given.brief,
        overrides=tuple(given.override),
        **{name: getattr(given, name) for name in names},
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train_ml_model.py", description="Trains models and puts them into models/."
    )
    _add_models(parser)
    _add_data(parser)
    _add_training(parser)
    return parser


def _add_models(parser: argparse.ArgumentParser) -> None:
    of = parser.add_argument_group("models, trained in this order")
    of.add_argument("--ensemble", dest="signal", action="store_true",
        help="the signal model (rf, xgb, lgb)")  # fmt: skip
    of.add_argument("--position", action="store_true", help="HOLD, EXIT or ADD for an open trade")
    of.add_argument("--sltp", action="store_true", help="multiples of ATR for stop and target")
    of.add_argument("--risk", action="store_true", help="the multiplier of the risk per trade")


def _add_data(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("data").add_argument
    add(
        "--data",
        type=Path,
        metavar="FILE",
        help="M15 bars: Parquet, MT5 export or Binance CSV (default: the generated market)",
    )
    add("--m1", type=Path, metavar="FILE", help="M1 bars for the position model's M1 features")
    add("--calendar", type=Path, metavar="FILE", help="economic calendar (features.calendar)")
    add(
        "--onchain",
        type=Path,
        metavar="FOLDER",
        help="funding, open interest, fear & greed (features.onchain)",
    )
    add(
        "--from",
        dest="from_ms",
        type=utc_instant_ms,
        metavar="DATE",
        help="first UTC date, inclusive",
    )
    add(
        "--to",
        dest="to_ms",
        type=utc_instant_ms,
        metavar="DATE",
        help="train cutoff: UTC date, exclusive",
    )
    add("--symbol", help="instead of config.json's symbol")
    add("--refresh", action="store_true", help="bring the files in datasets/ up to date first")
    add("--refresh-from", choices=("bridge", "binance"),
        help="where --refresh reads bars (default: the bridge if its token is set)")  # fmt: skip


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add("--profile", choices=("quick", "full"), default="full", help="quick: small and fast")
    add("--trials", type=int, default=0, metavar="N", help="tune for N trials first")
    add("--no-warmstart", action="store_true", help="from scratch, whatever was trained before")
    add(
        "--regime",
        choices=("trending", "ranging"),
        default="all",
        help="learn from one regime's rows only, into signal_<regime>/",
    )
    add(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where XGBoost and LightGBM train (default: a GPU where one is usable)",
    )
    add("--seed", type=int, help="instead of ml_config.json's training.seed")
    add("--models", type=Path, metavar="DIR", help="write here instead of models/")
    add(
        "--report",
        type=Path,
        metavar="FILE",
        help="the HTML report (default: training_report.html beside the models)",
    )
    add("--no-report", action="store_true", help="no HTML report")
    add("--brief", action="store_true", help="progress and one table; the words are in the cards")
    add(
        "--reproduce",
        type=Path,
        metavar="CARD",
        help="train the model of a card again and compare every number",
    )
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for this training, e.g. training.n_splits=3 (repeatable)")  # fmt: skip
