"""The short form of the weekly pipeline: train, judge beside the champion, swap or keep.

python scripts/retrain.py --data FILE            bars of FILE; without it those in datasets/
python scripts/retrain.py --data FILE --profile quick
python scripts/retrain.py --dry-run              what would be done; changes nothing

No new bars, no search of parameters or settings, no days in shadow, no release: the cutoff lies
`weekly.judge_weeks` before the end of the bars, and a candidate that passes the gates serves at
once. Everything else is as in scripts/weekly_optimize.py: the run's folder, the report, the lock,
the snapshot, and the same command goes on with a run that was stopped. Exit status: 0 the run came
to its end, whatever the gates said; 1 a phase failed; 2 a person must act first; 130 stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

# Those of the command line come after them.
_SHORT = ("weekly.sweep_weeks=0", "weekly.shadow_days=0")


def main(argv: Sequence[str] | None = None, *, root: Path = _ROOT) -> int:
    from retrain.command import add_options, add_ways, status_of
    from retrain.options import SKIPPABLE

    parser = argparse.ArgumentParser(
        prog="retrain.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add_options(parser)
    add_ways(parser)
    given = parser.parse_args(argv)
    given.override = [*_SHORT, *given.override]
    return status_of(given, SKIPPABLE, root)


if __name__ == "__main__":
    raise SystemExit(main())
