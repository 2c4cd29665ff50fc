"""A daemon's state folder, opened for reading: its journal, its bars and its rules."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from settings import Settings
    from trading.decision.settings import DecisionSettings
    from trading.journal_reads import JournalReads


def add_journal_options(parser: argparse.ArgumentParser) -> None:
    """Which journal: `--state-folder`, or the account's newest."""
    add = parser.add_argument
    add("--state-folder", type=Path, metavar="DIR", help="a daemon's folder in state/")
    add("--state", type=Path, default=Path("state"), help="where those folders lie")
    add("--account", metavar="ID", help="instead: this account's folder")
    add("--paper", action="store_true", help="with --account or alone: its newest paper run")
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--override", action="append", default=[], metavar="KEY=VALUE", help="as given to the run")


@dataclass(frozen=True, slots=True)
class Journalled:
    """An open journal and the settings that its run was started with."""

    folder: Path
    journal: "JournalReads"
    settings: "Settings"

    def rules_at(self, bar_ms: int) -> "DecisionSettings | None":
        """The rules that the bar was decided by, where the journal kept them."""
        from trading.decision.settings import DecisionSettings

        tree = self.journal.settings_of(self.settings.symbol, bar_ms)
        return None if tree is None else DecisionSettings.model_validate(tree)


@contextmanager
def journalled(given: argparse.Namespace) -> Iterator[Journalled]:
    """The folder that the command line names. Raises `DaemonError` where there is no journal."""
    from settings import account_ids, load_settings
    from trading.errors import DaemonError
    from trading.journal_reads import JournalReads
    from trading.journal_schema import SCHEMA_VERSION
    from trading.outbox import open_read_only
    from trading.state_folder import StateFolder

    entry = given.account if given.account in account_ids() else None
    settings = load_settings(overrides=given.override, account=entry, symbol=given.symbol)
    folder = StateFolder(given.state_folder or _newest(given))
    if not folder.journal.exists():
        raise DaemonError(f"{folder.journal}: no journal there yet; check --state-folder")
    opened = open_read_only(folder.journal)
    version = int(opened.execute("PRAGMA user_version").fetchone()[0])
    if version != SCHEMA_VERSION:
        opened.close()
        raise DaemonError(
            f"{folder.journal}: journal version {SCHEMA_VERSION} is needed, {version} came; a "
            "daemon that is started on it brings it up to date"
        )
    journal = JournalReads(opened)
    try:
        yield Journalled(folder.path, journal, settings)
    finally:
        journal.close()


def _newest(given: argparse.Namespace) -> Path:
    from settings import state_name_of
    from trading.why import newest_journal

    live: Any = state_name_of(given.account) if given.account else ""
    return newest_journal(given.state, given.account, live, paper=given.paper).parent
