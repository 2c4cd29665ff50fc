"""Why did it not trade at 14:00? The journal's denials of the bars around an instant."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from market.bars import utc_text
from trading.assemble import TIMEFRAME
from trading.decision.records import Denial
from trading.errors import DaemonError
from trading.journal import Journal
from trading.state_folder import LIVE_ACCOUNT, PAPER_ACCOUNT
from trading.view_parts import request_text


def explain(state: Path, account: str | None, *, paper: bool, instant_ms: int) -> int:
    """Prints the denials of the bar that closed at or last before the instant, and its decision."""
    journal = Journal(_newest_journal(state, account, paper=paper))
    close_ms = TIMEFRAME.floor_ms(instant_ms)
    open_ms = close_ms - TIMEFRAME.ms
    denials = journal.denials_between(open_ms, open_ms + 1)
    intents, changes = journal.intents_of_bar(open_ms), journal.changes_of_bar(open_ms)
    console = Console(highlight=False)
    console.print(f"the bar that closed at {utc_text(close_ms)} UTC:")
    for request, intent_state in intents:
        console.print(f"  {request_text(request)}: {intent_state}")
    for change in changes:
        console.print(f"  {request_text(change.request)}: {change.state}")
    if denials:
        console.print(_table(denials))
    elif not (intents or changes):
        missed = journal.why_missed(open_ms)
        console.print(f"  {missed or 'no such bar was decided'}")
    journal.close()
    return 0


def _newest_journal(state: Path, account: str | None, *, paper: bool) -> Path:
    pattern = f"paper-{account or PAPER_ACCOUNT}-*" if paper else f"live-{account or LIVE_ACCOUNT}"
    found = list(state.glob(f"{pattern}/journal.sqlite"))
    if not found:
        raise DaemonError(f"{state / pattern}: no journal there yet; check --account and --paper")
    return max(found, key=lambda path: path.stat().st_mtime)


def _table(denials: list[tuple[str, int, Denial]]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for column in ("rule", "observed", "limit"):
        table.add_column(column)
    for _, _, denial in denials:
        table.add_row(denial.rule, f"{denial.observed}", f"{denial.limit}")
    return table
