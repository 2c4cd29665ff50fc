"""`make chaos`: simulated days under faults at many times the field rate. Prints figures as JSON.

Exit status 1 where a figure is not as it must be; `breaches` then says which.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trading.command_line import needing_packages

with needing_packages():
    from tests.chaos.run import ChaosOptions, run_chaos
    from tests.chaos.schedule import TIMES_FIELD_RATE


def main(argv: Sequence[str] | None = None) -> int:
    given = _arguments(argv)
    with tempfile.TemporaryDirectory() as folder:
        options = ChaosOptions(
            given.folder or Path(folder), given.days, given.seed, given.times, given.market,
            given.dialect,
        )  # fmt: skip
        figures = run_chaos(options)
    print(json.dumps(figures, indent=2))
    return 1 if figures["breaches"] else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos.py", description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="simulated days with faults")
    parser.add_argument("--seed", type=int, default=7, help="of market and faults")
    parser.add_argument("--times", type=float, default=TIMES_FIELD_RATE,
                        help="how many times the field rate")  # fmt: skip
    parser.add_argument("--market", type=Path, help="M15 bars; without it the generated market")
    parser.add_argument("--dialect", choices=("native", "mt5-httpapi"), default="native")
    parser.add_argument("--folder", type=Path, help="an empty folder to keep the run's state in")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
