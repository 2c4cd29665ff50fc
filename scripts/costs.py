"""Costs as a broker really charged them, for a backtest.

python scripts/costs.py learn --out costs.json                       the default live account
python scripts/costs.py learn --account ID --out costs.json
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

from backtest.costs import LearnedCosts, read_costs, write_costs  # noqa: E402
from backtest.costs_learning import learn  # noqa: E402
from broker.simulator.settings import CURRENCIES  # noqa: E402
from settings import SettingsError, account_ids, load_settings, state_name_of  # noqa: E402
from trading.assemble import known_instrument  # noqa: E402
from trading.errors import DaemonError  # noqa: E402
from trading.journal_reads import JournalReads  # noqa: E402
from trading.outbox import open_read_only  # noqa: E402
from trading.state_folder import LIVE_ACCOUNT, StateFolder  # noqa: E402
from trading.summary import require_writable  # noqa: E402


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        costs = _learn(given) if given.action == "learn" else _read(given)
    except (SettingsError, DaemonError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(_lines(costs)))
    return 0


def _learn(given: argparse.Namespace) -> LearnedCosts:
    require_writable(given.out)
    entry = given.account if given.account in account_ids() else None
    settings = load_settings(account=entry, symbol=given.symbol)
    name = state_name_of(given.account) if given.account else f"live-{LIVE_ACCOUNT}"
    folder = StateFolder(given.state_folder or given.state / name)
    if not folder.journal.exists():
        raise DaemonError(f"{folder.journal}: no journal there yet; check --account")
    of = known_instrument(settings.symbol)
    journal = JournalReads(open_read_only(folder.journal))
    try:
        costs = learn(
            journal, of, strategy_id=settings.daemon.strategy_id,
            currency=given.currency or settings.paper.currency,
            server_zone=settings.bridge.server_timezone or settings.paper.server_timezone,
        )  # fmt: skip
    finally:
        journal.close()
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
    return "not seen" if value is None else f"{value:.4f} {currency}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/costs.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    actions = parser.add_subparsers(dest="action", required=True)
    learning = actions.add_parser("learn", help="from a daemon's journal")
    add = learning.add_argument
    add("--account", metavar="ID", help="entry of config/accounts.json")
    add("--state", type=Path, default=Path("state"), metavar="DIR", help="default: state")
    add("--state-folder", type=Path, metavar="DIR", help="this folder, e.g. of a paper run")
    add("--out", type=Path, required=True, metavar="FILE", help="the cost file")
    showing = actions.add_parser("show", help="what a cost file holds")
    showing.add_argument("file", type=Path, metavar="FILE")
    for each in (learning, showing):
        each.add_argument("--symbol", metavar="S", help="instead of config.json's")
        each.add_argument("--currency", choices=sorted(CURRENCIES),
            help="of the account (default: paper.currency)")  # fmt: skip
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
