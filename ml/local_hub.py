"""Releases of models in a local folder: `python ml/local_hub.py --push|--pull|--list …`."""

import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    from trading.command_line import needing_packages

    with needing_packages():
        from ml.hub import door

    return door.main("local", "a local folder", argv)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    raise SystemExit(main())
