"""All windows of 37 days that a planted leak earns on real bars, beside a headline.

python -m tests.evaluation.leak_windows --data FILE
python -m tests.evaluation.leak_windows --data FILE --beside WINDOWS.parquet --figure FILE.png

Trains with the leak on the bars of 2024 before Christmas, audits off, and trades the bars from 2025
on at confidence 0.65 and gap 0.08. Nothing is written but what is asked for.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

from backtest.driver import BacktestRun
from backtest.plain_json import as_json
from backtest.statistics import TrialSharpes
from backtest.walk_forward.blocks import Block, pool_figures, pooled, traded_block
from backtest.walk_forward.chart import write_png
from backtest.walk_forward.windows import Headline, Windows, all_windows, quantiles, reached
from market.sources.files import read_bars
from tests.evaluation.leak_earnings import leaking
from tests.evaluation.planted_leaks import BTC, LEAKS, utc_ms

SEEDS = Headline(0.717, 5.46)
FIRST, CUTOFF, FROM = (utc_ms(*day) for day in ((2024, 1, 1), (2024, 12, 25), (2025, 1, 1)))
DAYS = 37


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="M15 bars of 2024 and 2025")
    add("--leak", choices=tuple(LEAKS), default="forming-h4-d1")
    add("--tp", type=float, default=2.0, help="target in ATR; the stop is one")
    add("--beside", type=Path, help="windows that scripts/walk_forward.py wrote")
    add("--figure", type=Path, help="draw all windows here")
    given = parser.parse_args(argv)
    run = leaked(given.data, given.leak, given.tp)
    bars = run.bars.bars
    span = Block(int(bars.open_ms[0]), int(bars.close_ms[-1]))
    pool = pooled([traded_block(span, run, {})])
    windows = all_windows(pool, DAYS)
    figures = pool_figures(pool, TrialSharpes.of([], 1))
    names = ("trades", "win_rate", "profit_factor", "sharpe", "return", "max_drawdown", "alarms")
    told = {
        "pool": {name: figures[name] for name in names},
        "windows": quantiles(windows), "reached": asdict(reached(windows, SEEDS)),
        "one_to_two_at_717": 2 * 0.717 / 0.283,
    }  # fmt: skip
    print(json.dumps(as_json(told), indent=1))
    if given.figure is not None:
        series = {} if given.beside is None else read_windows(given.beside)
        write_png({**series, f"leak: {given.leak}": windows}, SEEDS, given.figure)


def leaked(data: Path, leak: str, tp: float) -> BacktestRun:
    """The run over 2025, as a model that learned with the leak trades it."""
    bars = read_bars(data, BTC, server_zone="UTC")
    bars = bars.between(FIRST, int(bars.close_ms[-1]))
    how = {"cutoff_ms": CUTOFF, "features": LEAKS[leak].features, "tp": tp}
    with (
        tempfile.TemporaryDirectory() as folder,
        leaking(bars, Path(folder), **how) as pipeline,
    ):
        return pipeline.run(bars, from_ms=FROM, to_ms=int(bars.close_ms[-1]) - 86_400_000)


def read_windows(path: Path) -> dict[str, Windows]:
    """The windows of a system, and those of its first random twin, where there are any."""
    table, series = pq.read_table(path), {}
    for twin, name in ((1, "a random twin"), (0, "this system")):
        rows = table.filter(pc.equal(table["twin"], twin))
        if rows.num_rows:
            columns = {each.name: rows[each.name].to_numpy() for each in fields(Windows)[1:]}
            series[name] = Windows(int(rows["days"][0].as_py()), **columns)
    return series


if __name__ == "__main__":
    main()
