"""The command lines of the checks: the backtest's own options, and what is made of them."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from backtest.run_options import add_run_options, contradiction

if TYPE_CHECKING:
    from backtest.checks.pipeline import Pipeline
    from backtest.decided_run import DecidedRun

DAYS = 14


def run_parser(name: str, about: str | None) -> argparse.ArgumentParser:
    """The options of `backtest_config.py`, and `--json`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m backtest.{name}", description=about,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    add_run_options(parser)
    parser.add_argument("--seed", type=int, help="of the generated market, slippage and this draw")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser


def parsed(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, *, days: int | None = DAYS
) -> argparse.Namespace:
    """`days`: decided where the command line names no span; None: all."""
    given = parser.parse_args(argv)
    if given.days is None and given.from_ms is None and not given.oos_only:
        given.days = days
    if problem := contradiction(given):
        parser.error(problem)
    return given


def pipeline_of(done: "DecidedRun") -> "Pipeline":
    """What the run was made with, for other histories."""
    from backtest.checks.pipeline import Pipeline

    return Pipeline(
        done.models.signal, tuple(done.settings.ml.features.groups), done.run.rules,
        done.outside, done.plan.m1,
    )  # fmt: skip
