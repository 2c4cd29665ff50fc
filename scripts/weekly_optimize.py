"""The weekly pipeline: train a candidate, judge it beside the champion, swap it in or leave it.

python scripts/weekly_optimize.py                          all thirteen phases
python scripts/weekly_optimize.py --profile quick --data FILE --skip push
python scripts/weekly_optimize.py --dry-run                what would be done; changes nothing
python scripts/weekly_optimize.py --rollback 20261120      what served before that run

The same command goes on with a run that was stopped or killed. docs/weekly.md tells what each
phase reads and writes. Reports: reports/weekly_SYMBOL_RUN.md and .json; log: logs/weekly.log.
Exit status: 0 the run came to its end, whatever the gates said; 1 a phase failed, start it again
once that is mended; 2 a person must act first; 130 stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))


def main(argv: Sequence[str] | None = None, *, root: Path = _ROOT) -> int:
    from retrain.command import add_options, add_skip, add_ways, status_of

    parser = argparse.ArgumentParser(
        prog="weekly_optimize.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_options(parser)
    add_skip(parser)
    add_ways(parser)
    given = parser.parse_args(argv)
    return status_of(given, given.skip, root)


if __name__ == "__main__":
    raise SystemExit(main())
