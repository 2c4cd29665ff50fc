"""Carries out what a person asked for, in the loop: commands are written down, then obeyed.

Each command is a journal event, and so is what became of it: a restart goes on with what was not
done, and a pause holds until somebody resumes. A command that was taken before a decision shows in
that decision's input, so that it replays.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from market.bars import utc_text
from trading.clock import StopFlag
from trading.commands import Command, CommandQueue
from trading.execution.dispatch import Dispatcher
from trading.journal import Journal
from trading.observer import Observer, Seen
from trading.pager import Pager
from trading.status_board import StatusBoard
from trading.trade_book import is_ours
from trading.watch import HealthWatch

# The word that closing deals of a command bear: `COMMAND` as a close type.
_REASON = "command"

# Carries out one more kind of command at an instant; what it came to, in words.
Handler = Callable[[Command, int], str]


@dataclass(frozen=True, slots=True)
class _Order:
    """A command with its number in the journal. `begun`: this process has set about it."""

    number: int
    command: Command
    begun: bool = False


class Steward:
    """Looks at the broker on behalf of the loop, and obeys on the way.

    `also`: who carries out the kinds that are not about entries and positions.
    """

    def __init__(
        self, queue: CommandQueue, board: StatusBoard, *, journal: Journal, pager: Pager,
        dispatcher: Dispatcher, watch: HealthWatch, observer: Observer, stop: StopFlag,
        symbol: str, strategy_id: int, also: Mapping[str, Handler] | None = None,
    ) -> None:  # fmt: skip
        self._queue = queue
        self._board = board
        self._journal = journal
        self._pager = pager
        self._dispatcher = dispatcher
        self._watch = watch
        self._observer = observer
        self._stop = stop
        self._symbol = symbol
        self._strategy_id = strategy_id
        self._also = also or {}
        self._count = 0
        self._open: list[_Order] = []
        self.halts: tuple[str, ...] = ()

    def restore(self) -> None:
        """Goes on with what earlier processes were told; commands wake the loop from now on."""
        ended = {words["number"] for kind in ("command_done", "command_refused")
                 for _, _, words in self._journal.events(kind)}  # fmt: skip
        for _, event_ms, words in self._journal.events("command"):
            self._count = words["number"]
            command = Command(
                words["what"], words["argument"], words["source"], words["received_ms"]
            )
            self._heed(command, event_ms)
            if self._count not in ended:
                self._open.append(_Order(self._count, command))
        self._queue.on_put(self._stop.call)

    def look(self, now_ms: int, *, at_close: bool) -> Seen:
        """The broker after every command that was waiting. Raises `BrokerError`; commands that
        were taken are not lost then."""
        self._take(now_ms)
        seen = self._observer.look(now_ms, at_close=at_close)
        if self._open and self._work(seen, now_ms):
            seen = self._observer.look(now_ms, at_close=at_close)
            self._work(seen, now_ms)
        if self.halts:
            seen = replace(seen, halts=seen.halts + self.halts)
        self._board.saw(seen.snapshot, seen.halts)
        return seen

    def _take(self, now_ms: int) -> None:
        self._stop.called = False
        for notice in self._queue.notices():
            tell = self._pager.over if notice.over else self._pager.page
            tell(notice.text, key=notice.key)
        for command in self._queue.drain():
            self._count += 1
            self._journal.record(
                "command", now_ms, number=self._count, what=command.kind,
                argument=command.argument, source=command.source, received_ms=command.received_ms,
            )  # fmt: skip
            self._heed(command, now_ms)
            self._open.append(_Order(self._count, command))

    def _heed(self, command: Command, event_ms: int) -> None:
        """A pause holds from the moment it is written down."""
        if command.kind == "pause" and not self.halts:
            self.halts = (f"paused by {command.source} at {utc_text(event_ms)} UTC",)
        elif command.kind == "resume":
            self.halts = ()

    def _work(self, seen: Seen, now_ms: int) -> bool:
        """Goes on with what is open; whether anything may have changed at the broker."""
        acted = False
        waiting, self._open = self._open, []
        for order in waiting:
            match order.command.kind:
                case "pause":
                    self._end(order, f"entries are {'; '.join(self.halts) or 'on'}", now_ms)
                case "resume":
                    self._end(order, "entries are on", now_ms)
                case "close" | "closeall":
                    acted |= self._close(order, seen, now_ms)
                case kind if kind in self._also:
                    self._end(order, self._also[kind](order.command, now_ms), now_ms)
                case kind:
                    self._end(order, f"{kind} is not to be had here", now_ms, done=False)
        return acted

    def _close(self, order: _Order, seen: Seen, now_ms: int) -> bool:
        if self._dispatcher.dry:
            self._end(order, "dry run: nothing is sent", now_ms, done=False)
        elif not self._watch.exits_ok:
            self._open.append(order)
        elif order.command.kind == "closeall":
            return self._close_all(order, now_ms)
        else:
            return self._close_one(order, seen, now_ms)
        return False

    def _close_all(self, order: _Order, now_ms: int) -> bool:
        if order.begun and not self._dispatcher.flattening:
            self._end(order, "no position of ours is open any more", now_ms)
            return False
        self._open.append(replace(order, begun=True))
        if order.begun:
            return False
        self._dispatcher.close_all(
            self._symbol, _REASON, now_ms, lambda magic: is_ours(magic, self._strategy_id)
        )
        return True

    def _close_one(self, order: _Order, seen: Seen, now_ms: int) -> bool:
        name = order.command.argument
        held = [each for each in seen.snapshot.positions if str(each.identifier) == name]
        if not held:
            self._end(order, f"no position {name} of ours is open", now_ms, done=order.begun)
            return False
        begun = order.begun or self._dispatcher.close_one(held[0], _REASON, now_ms)
        self._open.append(replace(order, begun=begun))
        return not order.begun

    def _end(self, order: _Order, text: str, now_ms: int, *, done: bool = True) -> None:
        command = order.command
        self._journal.record(
            "command_done" if done else "command_refused", now_ms, number=order.number,
            what=command.kind, argument=command.argument, source=command.source, text=text,
        )  # fmt: skip
