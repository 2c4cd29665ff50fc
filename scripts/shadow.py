"""`python scripts/shadow.py`: the challenger on live bars, see `backtest/shadow/command.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backtest.shadow.command import main

if __name__ == "__main__":
    sys.exit(main())
