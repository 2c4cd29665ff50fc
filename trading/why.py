"""Why did it not trade at 14:00? The journal's denials of the bars around an instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from market.bars import utc_text
from trading.assemble import TIMEFRAME
from trading.decision.records import Denial
from trading.errors import DaemonError
from trading.journal import Journal
from trading.journal_reads import JournalReads
from trading.state_folder import LIVE_ACCOUNT, PAPER_ACCOUNT
from trading.view_parts import request_text


@dataclass(frozen=True, slots=True)
class BarStory:
    """What became of one bar: `asked`, each request and its present state in words; `denials`;
    `missed`, why it was not decided, or an empty text."""

    close_ms: int
    asked: tuple[str, ...]
    denials: tuple[Denial, ...]
    missed: str


def bar_story(journal: JournalReads, instant_ms: int) -> BarStory:
    """The story of the bar that closed at or last before the instant."""
    close_ms = TIMEFRAME.floor_ms(instant_ms)
    open_ms = close_ms - TIMEFRAME.ms
    denials = tuple(denial for _, _, denial in journal.denials_between(open_ms, open_ms + 1))
    orders = [f"{request_text(each)}: {state}" for each, state in journal.intents_of_bar(open_ms)]
    changes = [f"{request_text(e.request)}: {e.state}" for e in journal.changes_of_bar(open_ms)]
    missed = "" if denials or orders or changes else journal.why_missed(open_ms)
    return BarStory(
        close_ms, (*orders, *changes), denials,
        "no such bar was decided" if missed is None else missed,
    )  # fmt: skip


def explain(
    state: Path, account: str | None, *, paper: bool, instant_ms: int, live_name: str = ""
) -> int:
    """Prints the denials of the bar that closed at or last before the instant, and its decision."""
    journal = Journal(newest_journal(state, account, live_name, paper=paper))
    story = bar_story(journal, instant_ms)
    journal.close()
    console = Console(highlight=False)
    console.print(f"the bar that closed at {utc_text(story.close_ms)} UTC:")
    for each in story.asked:
        console.print(f"  {each}")
    if story.denials:
        console.print(_table(story.denials))
    elif story.missed:
        console.print(f"  {story.missed}")
    return 0


def newest_journal(state: Path, account: str | None, live_name: str, *, paper: bool) -> Path:
    """The journal of an account; on paper that of the run that wrote last.

    `live_name`: its state folder's name, empty for the usual one. Raises `DaemonError` where there
    is none.
    """
    live = live_name or f"live-{account or LIVE_ACCOUNT}"
    pattern = f"paper-{account or PAPER_ACCOUNT}-*" if paper else live
    found = list(state.glob(f"{pattern}/journal.sqlite"))
    if not found:
        raise DaemonError(f"{state / pattern}: no journal there yet; check --account and --paper")
    return max(found, key=lambda path: path.stat().st_mtime)


def _table(denials: Sequence[Denial]) -> Table:
    table = Table(box=None, padding=(0, 2))
    for column in ("rule", "observed", "limit"):
        table.add_column(column)
    for denial in denials:
        table.add_row(denial.rule, f"{denial.observed}", f"{denial.limit}")
    return table
