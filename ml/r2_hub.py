"""Releases of models in S3 or Cloudflare R2: `python ml/r2_hub.py --push|--pull|--list …`."""

import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    from trading.command_line import needing_packages

    with needing_packages():
        from ml.hub import door

    return door.main("s3", "an S3 bucket or Cloudflare R2", argv)


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    raise SystemExit(main())
