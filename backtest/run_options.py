"""The command line of a backtest: its options, and which of them contradict each other."""

import argparse
from collections.abc import Iterator
from pathlib import Path


def add_run_options(to: "argparse._ActionsContainer") -> None:
    """What `decided_run` reads of the command line, but for `--seed`."""
    from trading.command_line import utc_instant_ms

    add = to.add_argument
    add("--data", type=Path, metavar="FILE", help="M15 bars (default: the generated market)")
    add(
        "--m1",
        type=Path,
        metavar="FILE",
        help="M1 bars for the position model, and for\npaper.m1_inside_bars",
    )
    add("--calendar", type=Path, metavar="FILE",
        help="economic calendar of the news rules: CSV, or a daemon's\nnews.sqlite; default: "
        "features.calendar")  # fmt: skip
    add("--from", dest="from_ms", type=utc_instant_ms, metavar="TIME", help="UTC, inclusive")
    add("--to", dest="to_ms", type=utc_instant_ms, metavar="TIME", help="UTC, exclusive")
    add("--days", type=int, metavar="N", help="the last N days before --to or the end of the data")
    add("--oos-only", action="store_true", help="start at the model's train cutoff or later")
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for this run, e.g. risk_percent=0.5 (repeatable)")  # fmt: skip
    add("--models", type=Path, metavar="DIR", help="where the models lie (default: ml_config.json)")
    add("--max-lot", type=float, metavar="X", help="instead of config.json's max_lot")
    add("--cent-account", action="store_true", help="the same money on an account in USC")
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--account", metavar="ID",
        help="risk, lot and symbol of this entry of config/accounts.json")  # fmt: skip
    add("--costs", type=Path, metavar="FILE",
        help="costs learnt from a journal (scripts/costs.py learn)")  # fmt: skip


def contradiction(given: argparse.Namespace) -> str:
    """What is wrong with options that are each fine alone; empty where nothing is."""
    return next(_problems(given), "")


def _problems(given: argparse.Namespace) -> Iterator[str]:
    if given.days is not None and given.days < 1:
        yield f"--days: 1 or more is allowed, {given.days} came"
    if given.days is not None and given.from_ms is not None:
        yield "--days or --from is allowed, both came: each says where the run starts"
    if None not in (given.from_ms, given.to_ms) and given.from_ms >= given.to_ms:
        yield "--to: an instant after --from is allowed, an earlier or the same one came"
    if given.m1 is not None and given.data is None:
        yield "--m1 goes with --data: the generated market has no minutes"
    overridden = {text.partition("=")[0] for text in given.override}
    for flag, is_given, keys in (
        ("--max-lot", given.max_lot is not None, {"max_lot"}),
        ("--seed", getattr(given, "seed", None) is not None, {"paper.seed"}),
        ("--symbol", given.symbol is not None, {"symbol"}),
        ("--cent-account", given.cent_account, {"paper.currency", "paper.balance"}),
        ("--costs", given.costs is not None, {"paper.slippage_points"}),
    ):
        for key in sorted(keys & overridden if is_given else ()):
            yield f"{flag} or --override {key} is allowed, both came: each sets the same"
    if getattr(given, "no_chart", False) and getattr(given, "report", None) is not None:
        yield "--no-chart or --report is allowed, both came: one writes no report"
