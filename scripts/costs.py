"""Costs as a broker really charged them, for a backtest.

python scripts/costs.py learn --out costs.json                       the default live account
python scripts/costs.py learn --account ID --out costs.json
python scripts/costs.py learn --paper --out costs.json               the newest paper run
python scripts/costs.py learn --state-folder state/paper-demo-1a2b3c4d --out costs.json
python scripts/costs.py show costs.json
python backtest_config.py --data FILE --costs costs.json

The daemon may run meanwhile. Exit status: 0 done, 2 a person is needed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from trading.command_line import needing_packages  # noqa: E402

with needing_packages():
    from backtest.costs import LearnedCosts, read_costs, write_costs
    from backtest.costs_learning import learn
    from backtest.journalled import add_journal_options, journalled
    from broker.simulator.settings import CURRENCIES
    from settings import load_settings
    from trading.assemble import known_instrument
    from trading.command_line import exit_status
    from trading.summary import require_writable


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    return exit_status(lambda: _run(given), stopped="stopped; nothing was written")


def _run(given: argparse.Namespace) -> int:
    costs = _learn(given) if given.action == "learn" else _read(given)
    print("\n".join(_lines(costs)))
    return 0


def _learn(given: argparse.Namespace) -> LearnedCosts:
    require_writable(given.out)
    with journalled(given) as of:
        settings = of.settings
        costs = learn(
            of.journal, known_instrument(settings.symbol),
            strategy_id=settings.daemon.strategy_id,
            currency=given.currency or settings.paper.currency,
            server_zone=settings.bridge.server_timezone or settings.paper.server_timezone,
        )  # fmt: skip
    write_costs(given.out, costs)
    print(f"{given.out}:")
    return costs


def _read(given: argparse.Namespace) -> LearnedCosts:
    settings = load_settings(symbol=given.symbol)
    currency = given.currency or settings.paper.currency
    return read_costs(given.file, symbol=settings.symbol, currency=currency)


def _lines(costs: LearnedCosts) -> Sequence[str]:
    """What the file holds, in words."""
    middle = [seen.points[len(seen.points) // 2] for seen in costs.spread_by_hour.values()]
    rejects = costs.rejects
    return [
        *costs.words(),
        f"spread: median by hour {min(middle)} to {max(middle)} points",
        f"slippage: {_slippage(costs)}",
        f"commission: {_money(costs.commission_per_lot, costs.currency)} a lot and side",
        f"swap: long {_money(costs.swap_long, costs.currency)}, short "
        f"{_money(costs.swap_short, costs.currency)} a lot and night ({costs.swap_nights} nights)",
        f"rejects: {rejects.rejected} of {rejects.requests} orders (not simulated)",
    ]


def _slippage(costs: LearnedCosts) -> str:
    points = costs.slippage.points
    if not points:
        return "none seen"
    mean = sum(points) / len(points)
    return f"{mean:+.1f} points on average, {points[0]:+d} to {points[-1]:+d}; + is worse"


def _money(value: float | None, currency: str) -> str:
    return "not seen" if value is None else f"{value + 0.0:.4f} {currency}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/costs.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    actions = parser.add_subparsers(dest="action", required=True)
    learning = actions.add_parser("learn", help="from a daemon's journal")
    add_journal_options(learning)
    learning.add_argument("--out", type=Path, required=True, metavar="FILE", help="the cost file")
    showing = actions.add_parser("show", help="what a cost file holds")
    showing.add_argument("file", type=Path, metavar="FILE")
    showing.add_argument("--symbol", metavar="S", help="instead of config.json's symbol")
    for each in (learning, showing):
        each.add_argument("--currency", choices=sorted(CURRENCIES),
            help="of the account (default: paper.currency)")  # fmt: skip
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
