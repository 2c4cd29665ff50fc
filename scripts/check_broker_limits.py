"""Prints the broker audit: spread, levels, lots, contract, swap, filling, margin, hours, costs.

Each figure stands beside the one that backtest and paper reckon with; differences are marked.
Exit status: 0 nothing that matters differs, 1 something does, 2 a person must act before it can be
looked at, 3 the bridge is away.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trading.command_line import needing_packages

with needing_packages():
    from rich.console import Console

    from broker.client.connect import BridgeClient, connect
    from broker.client.settings import BridgeSettings
    from market.sessions import Sessions
    from settings import load_settings
    from trading.assemble import TIMEFRAME, known_instrument
    from trading.broker_audit import audit, look_at, matters, table_of
    from trading.command_line import exit_status
    from trading.live_command import bridge_token


def main(argv: Sequence[str] | None = None) -> int:
    given = _parse(argv)
    return exit_status(lambda: _run(given), stopped="stopped")


def _run(given: argparse.Namespace) -> int:
    settings = load_settings(overrides=given.override, account=given.account, symbol=given.symbol)
    ours = known_instrument(settings.symbol)
    broker = connect(settings.bridge, bridge_token())
    try:
        told = _sessions(broker, settings.bridge, settings.symbol)
        seen = look_at(broker, settings.symbol, TIMEFRAME, told)
    finally:
        broker.close()
    rows = audit(seen, ours)
    if given.json:
        whose = {"login": seen.account.login, "server": seen.account.server}
        words = {"symbol": settings.symbol, **whose, "audit": [row.words() for row in rows]}
        print(json.dumps(words, ensure_ascii=False, indent=2))
    else:
        where = f"{seen.account.login} on {seen.account.server}, {seen.account.company}"
        Console().print(table_of(rows, f"{settings.symbol}, {where}"))
    return 1 if matters(rows) else 0


def _sessions(
    broker: BridgeClient, bridge: BridgeSettings, symbol: str
) -> Callable[[], Sessions | None]:
    """The other dialect does not tell when a symbol trades."""
    if bridge.dialect != "native":
        return lambda: None
    path = f"/symbols/{bridge.symbol_map.get(symbol, symbol)}/sessions"
    return lambda: broker.connection.read(Sessions, path)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--symbol", metavar="S", help="instead of config.json's")
    parser.add_argument("--account", metavar="ID", help="entry of config/accounts.json")
    parser.add_argument("--json", action="store_true", help="the audit as JSON")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
