"""`python -m backtest.lookahead`: does anything change when the bars after it are taken away?

python -m backtest.lookahead                                     the generated market
python -m backtest.lookahead --data FILE --from 2025-06-01 --to 2025-07-01
python -m backtest.lookahead --data FILE --at 2025-06-10T14:00 --cuts 40

History is cut after random bars (half of them bars that wanted orders) and after every --at;
features, forecasts and decisions up to the cut are made again and compared bit for bit.
Exit status: 0 nothing changed, 1 something did, 2 it could not run.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.checks.lookahead import Change, FullRun

CUTS = 16


def main(argv: Sequence[str] | None = None) -> int:
    from backtest.checks.console import checked
    from backtest.checks.given import parsed, run_parser
    from trading.command_line import utc_instant_ms

    parser = run_parser("lookahead", __doc__)
    parser.add_argument("--at", type=utc_instant_ms, action="append", default=[], metavar="TIME",
                        help="also cut after the bar that closed then (repeatable)")  # fmt: skip
    parser.add_argument("--cuts", type=int, default=CUTS, help=f"random cuts (default {CUTS})")
    given = parsed(parser, argv)
    if given.cuts < 1:
        parser.error(f"--cuts: 1 or more is allowed, {given.cuts} came")
    return checked(lambda: _check(given))


def _check(given: argparse.Namespace) -> bool:
    from backtest.checks.given import pipeline_of
    from backtest.checks.lookahead import FullRun, cut_rows, lookahead
    from backtest.decided_run import decided_run

    done = decided_run(given)
    run = done.run
    full = FullRun(run.bars.history, run.bars.first, run.bars.forecasts, tuple(run.lines()))
    rows = cut_rows(full, count=given.cuts, seed=given.seed or 0, stated_ms=given.at)
    changes = list(lookahead(pipeline_of(done), full, rows))
    _show(given, full, rows, changes)
    return not changes


def _show(
    given: argparse.Namespace, full: "FullRun", rows: Sequence[int], changes: Sequence["Change"]
) -> None:
    from backtest.checks.console import show_json, show_table
    from market.bars import utc_text

    if given.json:
        show_json({"bars": len(full), "cuts": len(rows), "changes": [asdict(c) for c in changes]})
        return
    show_table(
        "History cut after these bars", ("closed (UTC)", "decisions made again", "changes"),
        [
            (utc_text(at_ms), f"{row + 1:,}", str(sum(each.cut_ms == at_ms for each in changes)))
            for row, at_ms in zip(rows, _closes(full, rows), strict=True)
        ],
    )  # fmt: skip
    show_table(
        "Changed by bars that came later",
        ("what", "name", "bar (UTC)", "history cut at", "with later bars", "without"),
        [
            (each.what, each.name, utc_text(each.bar_ms), utc_text(each.cut_ms), each.whole,
             each.cut)
            for each in changes
        ],
    )  # fmt: skip
    said = f"{len(changes)} changes, see above" if changes else "nothing changed"
    print(f"lookahead: {len(full)} decided bars, history cut after {len(rows)} of them: {said}")


def _closes(full: "FullRun", rows: Sequence[int]) -> list[int]:
    return [int(full.history.close_ms[full.first + row]) for row in rows]


if __name__ == "__main__":
    raise SystemExit(main())
