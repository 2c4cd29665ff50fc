"""What the bot answers to a command. Reads the board and the journal; acts only through the queue.

Nothing here knows Telegram's library, the broker or the loop, so an answer takes milliseconds
whatever they are doing.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from trading.commands import Command, CommandKind, CommandQueue
from trading.journal_reads import JournalReads
from trading.status_board import StatusBoard
from trading.telegram_text import Style
from trading.telegram_views import (
    health,
    instant_of,
    latency_text,
    news,
    pnl,
    positions,
    risk,
    status,
    why,
)

SOURCE = "telegram"
# A command that acts and was sent longer ago than this is not obeyed: it was meant for then.
STALE_S = 120.0

HELP = (
    ("status", "account, last bar, why no entry"),
    ("positions", "open positions"),
    ("pause", "no entries until /resume"),
    ("resume", "entries again"),
    ("close", "N: close position N"),
    ("closeall", "close all own positions, asks first"),
    ("pnl", "profit of today, the week, 30 days"),
    ("risk", "guards, losses, open risk"),
    ("why", "[time]: why it did not trade then"),
    ("news", "scheduled releases"),
    ("latency", "how long decisions and orders take"),
    ("health", "bridge, models, what waits"),
    ("help", "this list"),
)


@dataclass(frozen=True, slots=True)
class Reply:
    """HTML, and buttons below it: (label, what a press sends back)."""

    text: str
    buttons: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where answers come from. `waiting`: how many messages are not delivered yet. `wall_ms`: the
    host's clock; it tells how old a command is, and nothing else."""

    board: StatusBoard
    journal: JournalReads
    queue: CommandQueue
    style: Style
    strategy_id: int
    waiting: Callable[[], int]
    wall_ms: Callable[[], int]


@dataclass(slots=True)
class _Question:
    """A `/closeall` that waits for its button."""

    word: str
    until_ms: int


class Answers:
    """One chat. `confirm_s`: how long a question may be answered."""

    def __init__(self, of: Sources, *, confirm_s: float) -> None:
        self._of = of
        self._confirm_ms = round(confirm_s * 1000)
        self._question: _Question | None = None
        self._shown: dict[str, Callable[[str], str]] = {
            "help": lambda _: "\n".join(f"/{name} {words}" for name, words in HELP),
            "start": lambda _: "/help lists what can be asked",
            "status": lambda _: status(of.board.now, of.style),
            "positions": lambda _: positions(of.board.now, of.style),
            "pnl": lambda _: pnl(of.board.now, of.journal, of.style, strategy_id=of.strategy_id),
            "latency": lambda _: latency_text(of.board.now, of.journal),
            "risk": lambda _: risk(of.board.now),
            "news": lambda _: news(of.board.now, of.style),
            "health": lambda _: health(of.board.now, of.style, of.waiting()),
            "why": self._why,
        }
        self._acts: dict[str, Callable[[str], Reply]] = {
            "resume": lambda _: self._put("resume", "", "entries go on from the next look on"),
            "close": self._close,
            "closeall": lambda _: self._ask(),
        }

    def to(self, text: str, sent_ms: int) -> Reply:
        """The reply to a message that begins with `/`. `sent_ms`: when it was sent, by the host's
        clock."""
        name, argument = _parsed(text)
        if name == "pause":
            return self._put("pause", "", "no entries from the next look on; /resume ends it")
        if name in self._acts:
            if self._of.wall_ms() - sent_ms > STALE_S * 1000:
                return Reply(f"/{name} is old and was not obeyed: send it again if it still holds")
            return self._acts[name](argument)
        if name in self._shown:
            return Reply(self._shown[name](argument))
        return Reply("no such command; /help lists them")

    def pressed(self, data: str) -> Reply:
        """The reply to a button of `/closeall`. Each question is answered once."""
        asked, self._question = self._question, None
        answer, _, word = data.partition(" ")
        if asked is None or not secrets.compare_digest(asked.word, word):
            self._question = asked
            return Reply("this question is over")
        if self._of.wall_ms() > asked.until_ms:
            return Reply("too late: /closeall asks again")
        if answer != "yes":
            return Reply("nothing is closed")
        return self._put("closeall", "", "closing all own positions; entries go on, see /pause")

    def _ask(self) -> Reply:
        held = self._of.board.now.positions
        self._question = _Question(secrets.token_urlsafe(6), self._of.wall_ms() + self._confirm_ms)
        word, seconds = self._question.word, self._confirm_ms // 1000
        return Reply(
            f"close all {len(held)} own positions? ({seconds} s to answer)",
            ((f"close {len(held)}", f"yes {word}"), ("keep", f"no {word}")),
        )

    def _close(self, argument: str) -> Reply:
        known = [str(each.identifier) for each in self._of.board.now.positions]
        if argument in known:
            return self._put("close", argument, f"closing position {argument}")
        open_now = ", ".join(f"/close_{each}" for each in known) or "none"
        return Reply(f"/close needs the number of an open position; open: {open_now}")

    def _why(self, argument: str) -> str:
        now = self._of.board.now
        if now.input is None and not argument:
            return "no bar was decided yet"
        at_ms = now.input.market.close_ms if now.input else now.looked_ms
        if argument:
            try:
                at_ms = instant_of(argument, now.looked_ms, self._of.style)
            except ValueError as error:
                return f"/why: {error}"
        return why(self._of.journal, at_ms, self._of.style)

    def _put(self, kind: CommandKind, argument: str, text: str) -> Reply:
        self._of.queue.put(Command(kind, argument, SOURCE, self._of.wall_ms()))
        return Reply(text)


def _parsed(text: str) -> tuple[str, str]:
    """`/close_12@bot 7` → name and argument; a command may carry its argument after `_`."""
    word, _, rest = text.removeprefix("/").strip().partition(" ")
    name, _, tail = word.partition("@")[0].lower().partition("_")
    return name, rest.strip() or tail
