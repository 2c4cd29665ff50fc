"""`python scripts/prop_report.py`: the prop report, see `backtest/prop_report.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backtest.prop_report import main

if __name__ == "__main__":
    sys.exit(main())
