"""Writes `models/ml_performance.csv`, one row for each finished trade, from a daemon's journal.

python scripts/export_performance.py                           the default live account
python scripts/export_performance.py --account ID --out FILE
python scripts/export_performance.py --paper                   the newest paper run
python scripts/export_performance.py --state-folder state/paper-demo-1a2b3c4d

The daemon may run meanwhile. Exit status: 0 written, 2 a person is needed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from trading.command_line import needing_packages  # noqa: E402

with needing_packages():
    from backtest.journalled import add_journal_options, journalled
    from trading.command_line import exit_status
    from trading.performance import performance, write_performance


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    return exit_status(lambda: _export(given), stopped="stopped; nothing was written")


def _export(given: argparse.Namespace) -> int:
    with journalled(given) as of:
        strategy_id, symbol = of.settings.daemon.strategy_id, of.settings.symbol
        rows = performance(of.journal, strategy_id=strategy_id, symbol=symbol)
        count = write_performance(given.out, rows)
    print(f"{given.out}: {count} trades")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_journal_options(parser)
    parser.add_argument("--out", type=Path, default=Path("models/ml_performance.csv"),
        metavar="FILE", help="default: models/ml_performance.csv")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
