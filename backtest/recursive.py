"""`python -m backtest.recursive`: how much history does a row need until it is equal bit for bit?

python -m backtest.recursive --data FILE --rows 12

Rows are made again from histories that begin ever later. With its published look-back
(docs/features.md) each feature must equal that of the whole history; with less it may be missing,
but never another number. The gate's own means and the ADX regime are tried beside the features.
Exit status: 0 every published look-back holds, 1 one does not, 2 it could not run.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.checks.warm_up import WarmUp
    from backtest.decided_run import DecidedRun
    from market.bars import Bars, Float64s, Int64s

ROWS = 4
_DAY_MS = 86_400_000
_GATE = ("gate: ATR(14)", "gate: EMA(200)", "gate: ADX(14)", "gate: trending")


def main(argv: Sequence[str] | None = None) -> int:
    from backtest.checks.console import checked
    from backtest.checks.given import parsed, run_parser

    parser = run_parser("recursive", __doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help=f"rows to try (default {ROWS})")
    given = parsed(parser, argv)
    if given.rows < 1:
        parser.error(f"--rows: 1 or more is allowed, {given.rows} came")
    return checked(lambda: _check(given))


def _check(given: argparse.Namespace) -> bool:
    from backtest.decided_run import decided_run

    found = measured(decided_run(given), rows=given.rows, seed=given.seed or 0)
    _show(given, found)
    return all(each.holds for each in found)


def measured(done: "DecidedRun", *, rows: int, seed: int) -> list["WarmUp"]:
    """The look-back of every column at `rows` random decided bars of a run."""
    import numpy as np

    from backtest.checks.warm_up import warm_up
    from ml.features.catalogue import LOOKBACK_MS, features

    bars = done.run.bars
    # twice the longest look-back stands for the whole history: no value may see farther
    start = int(np.searchsorted(bars.history.open_ms, _first_ms(done) - 2 * LOOKBACK_MS))
    history = bars.history.rows(start, bars.last)
    some = np.random.default_rng(seed).permutation(len(bars))[:rows] + bars.first - start
    columns = features(tuple(done.settings.ml.features.groups))
    return warm_up(
        history, lambda part, first: _columns(done, part, first),
        (*(each.name for each in columns), *_GATE),
        (*(each.lookback_ms for each in columns), *(LOOKBACK_MS for _ in _GATE)),
        sorted(some.tolist()),
    )  # fmt: skip


def _first_ms(done: "DecidedRun") -> int:
    return int(done.run.bars.bars.open_ms[0])


def _columns(done: "DecidedRun", bars: "Bars", first_row: int) -> "Float64s":
    import numpy as np

    from backtest.forecasts import batch_features
    from trading.decision.regime import LOOKBACK_BARS
    from trading.market_window import gate_means, regimes

    matrix = batch_features(
        bars, groups=tuple(done.settings.ml.features.groups), first_row=first_row,
        round_step=done.run.rules.instrument.round_step, outside=done.outside,
    )  # fmt: skip
    ranges, means = gate_means(bars, first_row)
    adx, trends = regimes(bars, done.settings.decision.adx_regime_filter, first_row)
    # where its span is not filled the regime is a default, which stands for nothing here
    filled = _last_known(adx) >= LOOKBACK_BARS
    regime = np.where(filled, trends, np.nan)
    gate = [column[first_row:] for column in (ranges, means, adx, regime)]
    return np.column_stack([matrix, *gate])


def _last_known(adx: "Float64s") -> "Int64s":
    """For each row how many rows up to it are not NaN without a break."""
    import numpy as np

    rows = np.arange(len(adx))
    return rows - np.maximum.accumulate(np.where(np.isnan(adx), rows, -1))


def _show(given: argparse.Namespace, found: Sequence["WarmUp"]) -> None:
    from backtest.checks.console import show_json, show_table
    from market.bars import utc_text

    bad = [each for each in found if not each.holds]
    if given.json:
        show_json({"columns": [asdict(each) | {"holds": each.holds} for each in found]})
        return
    show_table(
        "History that a row needs, days",
        ("column", "published", "needed (tried)", "another number"),
        [
            (each.name, _days(each.published_ms),
             "more" if each.needed_ms is None else _days(each.needed_ms),
             f"with {_days(each.wrong_ms)} on {utc_text(each.wrong_bar_ms)}" if each.wrong_ms
             else "never")
            for each in (*bad, *(each for each in found if each.holds))
        ],
    )  # fmt: skip
    said = f"{bad[0].name} is the first of {len(bad)} that do not hold" if bad else "all hold"
    print(f"recursive: {len(found)} published look-backs: {said}")


def _days(span_ms: int) -> str:
    return f"{span_ms / _DAY_MS:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
