"""`python scripts/evidence.py`: what is proven, see `backtest/evidence_command.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from backtest.evidence_command import main

if __name__ == "__main__":
    sys.exit(main())
