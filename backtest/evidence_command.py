"""`python scripts/evidence.py`: what is proven of the models and settings in use.

python scripts/evidence.py --data FILE                       out-of-sample bars of FILE
python scripts/evidence.py --data FILE --m1 FILE --costs costs.json
python scripts/evidence.py --data FILE --sweep sweeps/NAME.json
python scripts/evidence.py --data FILE --shadow state/live-demo
python scripts/evidence.py --data FILE --account ID          risk and lot of this account

Writes evidence_<symbol>.json beside the models. The look is in the trial ledger. Exit status: 0 the
go-live gate is passed, 1 it is not, 2 a person is needed.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from backtest.forecast_band import ForecastBand


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's text."""
    from trading.command_line import exit_status

    parser = _parser()
    given = parser.parse_args(argv)
    if given.data is None:
        parser.error(
            "--data FILE is needed: evidence is about real bars; the generated market has planted "
            "structure, so what is earned there proves nothing"
        )
    given.oos_only = True
    return exit_status(lambda: _run(given), stopped="stopped; nothing was written")


def _parser() -> argparse.ArgumentParser:
    from backtest.run_options import add_run_options

    parser = argparse.ArgumentParser(
        prog="scripts/evidence.py", description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    add_run_options(parser)
    add = parser.add_argument
    add(
        "--sweep", type=Path, metavar="FILE", help="JSON table of the sweep that chose the settings"
    )
    add("--shadow", type=Path, metavar="DIR",
        help="state folder of a daemon that traded these models without money")  # fmt: skip
    add("--out", type=Path, metavar="FILE", help="default: evidence_<symbol>.json at the models")
    add("--seed", type=int, metavar="N", help="of slippage, drawn spreads, and the band")
    return parser


def _run(given: argparse.Namespace) -> int:
    from rich.console import Console

    from backtest.decided_run import decided_run
    from backtest.evidence import write_evidence
    from backtest.evidence_figures import evidence_file, evidence_of, measured
    from backtest.gates import gate_table, go_live_gate

    console = Console()
    done = decided_run(given, say=lambda line: console.print(line, highlight=False))
    found = measured(done, given)
    result = go_live_gate(found.figures, done.settings.gate.go_live)
    console.print(gate_table(result))
    if found.band is None:
        console.print("no forecast band: eight weeks out of sample are needed; nothing is written")
        return 1
    _print_band(console, found.band)
    evidence = evidence_of(done, found.figures, found.band)
    path: Path = evidence_file(done, given)
    write_evidence(path, evidence)
    console.print(f"evidence: {path}, at {evidence.costs.text}", highlight=False, soft_wrap=True)
    return 0 if result.passed else 1


def _print_band(console: "Console", band: "ForecastBand") -> None:
    low, mid, high = band.trades_per_week
    worse, even, better = band.win_rate
    half, three, twenty, last = band.drawdown
    for line in (
        f"forecast band over {band.weeks} weeks, from the trades of this backtest:",
        f"  trades a week {low:.1f}, {mid:.1f}, {high:.1f}; win rate {worse:.1%}, {even:.1%}, "
        f"{better:.1%} (5th, 50th, 95th percentile)",
        f"  drawdown {half:.1%}, {three:.1%}, {twenty:.1%}, {last:.1%} (50th, 75th, 95th, 99th)",
    ):
        console.print(line, highlight=False)


if __name__ == "__main__":
    raise SystemExit(main())
