"""Backtests the configured strategy: see `python backtest_config.py --help`."""

from backtest.run import main

if __name__ == "__main__":
    raise SystemExit(main())
