"""Equity over a threshold and rolling windows, as JSON for the dashboard.

python scripts/surface_sweep.py --data FILE --oos-only
python scripts/surface_sweep.py --data FILE --from 2025-01-01 --window-days 90 --step-days 7
python scripts/surface_sweep.py --key prediction.quantile.top_share --values 0.01,0.05,0.1

Writes models/surface_data.json: equity[i][j] is the equity at the end of window j with value i.
Runs, stores and counts trials as scripts/sweep.py does. Exit status: 0 done; 2 a person must act
first; 130 stopped, the same command goes on.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

_KEY = "prediction.confidence_threshold"
_VALUES = "0.55,0.6,0.65,0.7,0.75,0.8,0.85"


def main(argv: Sequence[str] | None = None) -> int:
    from backtest.sweep.command import sweep_failures
    from trading.command_line import exit_status

    given = _parser().parse_args(argv)
    return exit_status(
        lambda: _sweep(given), stopped="stopped; the same command goes on",
        mendable=sweep_failures,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    from backtest.sweep.command import add_sweep_options

    parser = argparse.ArgumentParser(
        prog="surface_sweep.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--key", default=_KEY, help=f"the setting that varies ({_KEY})")
    add("--values", default=_VALUES, metavar="V1,V2", help=f"its values ({_VALUES})")
    add("--window-days", type=int, default=90, metavar="N", help="length of a window (90)")
    add("--step-days", type=int, default=7, metavar="N", help="from one window to the next (7)")
    add("--out", type=Path, default=Path("models/surface_data.json"), metavar="FILE")
    add_sweep_options(parser)
    return parser


def _sweep(given: argparse.Namespace) -> int:
    from rich.console import Console

    from backtest.decided_run import settings_of
    from backtest.sweep.command import read_base, sweep_with_progress
    from backtest.sweep.grid import parse_axis
    from backtest.sweep.settings import TradedSettings, require_allowed
    from backtest.sweep.surface import surface, trials, windows
    from market.whole_file import whole_file

    settings = settings_of(given)
    key, values = parse_axis(f"{given.key}={given.values}")
    tried = [{key: each} for each in values]
    require_allowed(TradedSettings(settings.decision, settings.paper), tried)
    base = read_base(given, settings, tried)
    spans = windows(
        base.from_ms, base.to_ms, window_days=given.window_days, step_days=given.step_days
    )
    table = sweep_with_progress(given, settings, base, trials(key, values, spans))
    text = json.dumps(surface(table, key, values, spans), indent=1, allow_nan=False)
    with whole_file(given.out) as part:
        part.write_text(text + "\n", encoding="utf-8")
    console = Console(highlight=False)
    console.print(f"surface: {given.out}, {len(values)} values over {len(spans)} windows")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
