"""`python backtest_config.py`: the daemon's decisions over history, with figures and a report.

python backtest_config.py                                   the generated market
python backtest_config.py --data FILE --from 2025-06-01 --to 2025-11-01
python backtest_config.py --data FILE --oos-only            only bars the model has not seen
python backtest_config.py --data FILE --days 90 --costs costs.json
python backtest_config.py --override prediction.gate=fixed --summary out.json --no-chart
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # in the place of this folder, whose `statistics` would hide Python's own
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from backtest.decided_run import DecidedRun, decided_run
from backtest.run_options import add_run_options, contradiction

if TYPE_CHECKING:
    from backtest.report.analysis import Analysis

__all__ = ["DecidedRun", "add_run_options", "decided_run", "main"]

REPORTS = Path("reports")


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a run, 2 where a person must act first (one line says what), 130 if stopped."""
    from trading.command_line import exit_status

    parser = _parser()
    given = parser.parse_args(argv)
    if problem := contradiction(given):
        parser.error(problem)
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
    add("--seed", type=int, metavar="N",
        help="of the generated market, of slippage and of drawn spreads")  # fmt: skip
    return parser


def _run(given: argparse.Namespace) -> int:
    from rich.console import Console

    from backtest.looks import look
    from backtest.report.analysis import analyse
    from backtest.report.console import table
    from trading.errors import DaemonError
    from trading.summary import require_writable, write_summary

    require_writable(given.summary)
    if given.report is not None and given.report.is_dir():
        raise DaemonError(f"--report {given.report}: a file is allowed, a folder is there")
    console = Console()
    with console.status("reading, deciding and measuring the bars …"):
        done = decided_run(given, say=lambda line: console.print(line, highlight=False))
        # the look is in the ledger before anybody sees what it showed
        analysis = analyse(done, lambda summary: look(done, summary))
    table(console, analysis)
    if given.summary is not None:
        write_summary(given.summary, analysis.summary)
        console.print(f"summary: {given.summary}")
    if not given.no_chart:
        console.print(f"report: {_write_report(given, analysis)}")
    return 0


def _write_report(given: argparse.Namespace, analysis: "Analysis") -> Path:
    from backtest.report.html import write_report

    name = f"backtest_{analysis.run.bars.history.symbol.lower()}.html"
    path: Path = given.report or REPORTS / name
    write_report(path, analysis)
    return path


if __name__ == "__main__":
    raise SystemExit(main())
