"""The trading daemon: see `python trading.py --help`."""

from trading.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
