"""Writes `models/ml_performance.csv`, one row for each finished trade, from a daemon's journal.

python scripts/export_performance.py                           the default live account
python scripts/export_performance.py --account ID --out FILE
python scripts/export_performance.py --state-folder state/paper-demo-1a2b3c4d

The daemon may run meanwhile. Exit status: 0 written, 2 a person is needed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from settings import SettingsError, account_ids, load_settings, state_name_of  # noqa: E402
from trading.errors import DaemonError  # noqa: E402
from trading.journal_reads import JournalReads  # noqa: E402
from trading.outbox import open_read_only  # noqa: E402
from trading.performance import performance, write_performance  # noqa: E402
from trading.state_folder import LIVE_ACCOUNT, StateFolder  # noqa: E402


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        print(_export(given))
    except (SettingsError, DaemonError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _export(given: argparse.Namespace) -> str:
    entry = given.account if given.account in account_ids() else None
    settings = load_settings(overrides=given.override, account=entry, symbol=given.symbol)
    name = state_name_of(given.account) if given.account else f"live-{LIVE_ACCOUNT}"
    folder = StateFolder(given.state_folder or given.state / name)
    if not folder.journal.exists():
        raise DaemonError(f"{folder.journal}: no journal there yet; check --account")
    journal = JournalReads(open_read_only(folder.journal))
    rows = performance(journal, strategy_id=settings.daemon.strategy_id, symbol=settings.symbol)
    count = write_performance(given.out, rows)
    journal.close()
    return f"{given.out}: {count} trades"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--account", metavar="ID", help="entry of config/accounts.json")
    add("--symbol", metavar="S", help="instead of config.json's")
    add("--state", type=Path, default=Path("state"), metavar="DIR", help="default: state")
    add("--state-folder", type=Path, metavar="DIR", help="this folder, e.g. of a paper run")
    add("--out", type=Path, default=Path("models/ml_performance.csv"), metavar="FILE",
        help="default: models/ml_performance.csv")  # fmt: skip
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting, as trading.py takes it (repeatable)")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
