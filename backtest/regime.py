"""`python -m backtest.regime`: does one signal model serve trending and ranging markets?

python -m backtest.regime --data FILE --oos-only

Trades by ADX(14) of the bar they were entered on (trending above 0.25), and the seeds' rule: two
models are worth a try only where one regime wins less than 55 % and each has 20,000 training rows.
It shows results, so a run over bars that the models have not seen is a look in the trial ledger.
Exit status: 0 keep one model, 1 two may be tried, 2 it could not run.
"""

import argparse
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backtest.checks.regime import Regime, RegimeVerdict
    from backtest.decided_run import DecidedRun

_HEAD = ("regime", "trades", "won", "95 %", "PF", "net", "training rows")


def main(argv: Sequence[str] | None = None) -> int:
    from backtest.checks.console import checked
    from backtest.checks.given import parsed, run_parser

    parser = run_parser("regime", __doc__)
    parser.add_argument("--log", type=Path, metavar="FILE", help="also write the JSON here")
    given = parsed(parser, argv, days=None)
    return checked(lambda: _check(given))


def _check(given: argparse.Namespace) -> bool:
    from backtest.checks.regime import decide_regime
    from backtest.decided_run import decided_run
    from backtest.looks import look
    from backtest.report.analysis import analyse
    from trading.summary import require_writable

    require_writable(given.log)
    done = decided_run(given)
    analyse(done, lambda summary: look(done, summary))
    found = diagnosed(done)
    said = decide_regime(found)
    _show(given, found, said)
    return not said.asks_for_two


def diagnosed(done: "DecidedRun") -> tuple["Regime", "Regime"]:
    """Trades of a run and training rows of its history, trending and ranging."""
    import numpy as np

    from backtest.checks.regime import regime_of, regimes_of
    from ml.features.catalogue import LOOKBACK_MS
    from trading.market_window import regimes
    from trading.risk_state import net_profits

    run, history = done.run, done.run.bars.history
    adx, _ = regimes(history, done.settings.decision.adx_regime_filter)
    names = regime_of(adx)
    opened = np.array([each.opened_ms for each in run.trades], dtype=np.int64)
    rows = np.searchsorted(history.close_ms, opened, side="right") - 1
    first_ms = int(history.open_ms[0]) + LOOKBACK_MS
    learned = (history.open_ms >= first_ms) & (history.open_ms < done.train_cutoff_ms)
    return regimes_of(names[rows], net_profits(run.trades), names[learned])


def _show(given: argparse.Namespace, found: Sequence["Regime"], said: "RegimeVerdict") -> None:
    import json

    from backtest.checks.console import show_json, show_table
    from backtest.plain_json import as_json

    answer: dict[str, Any] = {
        "regimes": [as_json(asdict(each)) for each in found], **asdict(said)
    }  # fmt: skip
    if given.log is not None:
        given.log.write_text(json.dumps(answer, indent=2) + "\n", encoding="utf-8")
    if given.json:
        show_json(answer)
        return
    show_table("Trending and ranging", _HEAD, [_row(each) for each in found])
    print(f"regime: {said.words}")


def _row(of: "Regime") -> tuple[str, ...]:
    won = of.won
    return (
        of.name, f"{of.trades}", _known(won.share, "{:.1%}"),
        f"{won.low:.1%} to {won.high:.1%}" if of.trades else "-",
        _known(of.profit_factor, "{:.2f}"), f"{of.net_profit:,.2f}", f"{of.rows:,}",
    )  # fmt: skip


def _known(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)


if __name__ == "__main__":
    raise SystemExit(main())
