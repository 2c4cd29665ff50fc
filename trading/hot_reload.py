"""Settings that are edited while the daemon runs: the safe ones hold from the next cycle on.

Which keys are safe: `trading.decision.reloadable.RELOADABLE`. A change to any other key is named
once and waits for a restart. Files that cannot be read, or do not fit together, change nothing.
What was edited between two runs is told at the start.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from trading.commands import Command
from trading.decision.reloadable import Change, leaves, refusal, reloaded
from trading.decision.settings import DecisionSettings
from trading.journal import Journal
from trading.pager import Pager
from trading.report import Reporter
from trading.status_board import StatusBoard

_KEY = "settings"
_HELD = "settings_held"
_RESTART = "needs a restart"


@dataclass(frozen=True, slots=True)
class Edited:
    """What the files say. `rest`: every other setting, key path → value."""

    decision: DecisionSettings
    rest: Mapping[str, Any]


class SettingsSource(Protocol):
    """Where edits come from; `settings.SettingsFiles` is one."""

    def read(self) -> Edited: ...

    def poll(self) -> Edited | None:
        """None while nothing was edited. `ValueError` or `OSError` for what cannot be read."""
        ...


class HotReload:
    """One daemon's settings in force. `check` is called in every cycle, before a decision."""

    def __init__(
        self, source: SettingsSource, first: Edited, *,
        journal: Journal, reporter: Reporter, pager: Pager, board: StatusBoard,
    ) -> None:  # fmt: skip
        self._source = source
        self._first = first
        self._edited = first
        self._journal = journal
        self._reporter = reporter
        self._pager = pager
        self._board = board
        self._waits_for_flat = False
        self._asked = False
        self._named: set[tuple[str, str]] = set()
        self.in_force = first.decision

    def on_command(self, command: Command, now_ms: int) -> str:
        """Reads the files in this cycle, edited or not; the handler of `reload`."""
        self._asked = True
        return "the settings are read again"

    def started(self, now_ms: int) -> None:
        """Tells what was edited since this journal's last run; its first has nothing to compare."""
        held, text = self._journal.meta(_HELD), self._held()
        before, now = json.loads(held or text), json.loads(text)
        changes = [
            Change(path, before.get(path), now.get(path))
            for path in sorted(before.keys() | now.keys())
            if before.get(path) != now.get(path)
        ]
        if changes:
            self._tell("settings since the last run", changes, now_ms)
        self._hold()

    def check(self, now_ms: int, *, holds: bool) -> DecisionSettings:
        """The settings that hold now. `holds`: whether a position of ours is, or may be, open."""
        edited = self._read(now_ms)
        if edited is not None:
            self._edited = edited
        elif not (self._waits_for_flat and not holds):
            return self.in_force
        try:
            new, changes = reloaded(self.in_force, self._edited.decision, holds_positions=holds)
        except ValueError as error:
            self._refuse(f"the edited keys do not fit those that need a restart: {error}", now_ms)
            return self.in_force
        self._waits_for_flat = any(each.refused and not refusal(each.path, False)
                                   for each in changes)  # fmt: skip
        self._name_refused([*(c for c in changes if c.refused), *self._rest_changes()], now_ms)
        applied = [each for each in changes if not each.refused]
        if applied:
            self._apply(new, applied, now_ms)
        return self.in_force

    def _read(self, now_ms: int) -> Edited | None:
        asked, self._asked = self._asked, False
        try:
            edited = self._source.poll()
            if edited is None and asked:
                edited = self._source.read()
        except (ValueError, OSError) as error:
            self._refuse(str(error), now_ms)
            return None
        if edited is not None:
            self._pager.over("the settings files can be read again", key=_KEY)
        return edited

    def _refuse(self, why: str, now_ms: int) -> None:
        self._journal.record("settings_refused", now_ms, why=why)
        self._reporter.note(f"settings stay as they are: {why}")
        self._pager.page(f"settings stay as they are: {why}", key=_KEY)

    def _apply(self, new: DecisionSettings, changes: Sequence[Change], now_ms: int) -> None:
        self._tell("settings", changes, now_ms)
        self._board.change(settings=new)
        self.in_force = new
        self._hold()

    def _tell(self, what: str, changes: Sequence[Change], now_ms: int) -> None:
        told = {each.path: [each.old, each.new] for each in changes}
        text = f"{what}: {'; '.join(_words(each) for each in changes)}"
        self._journal.record("settings_changed", now_ms, changes=told, text=text)
        self._reporter.note(text)

    def _hold(self) -> None:
        self._journal.set_meta(**{_HELD: self._held()})

    def _held(self) -> str:
        """All settings in force by their key, as JSON without secrets (a URL may hold one)."""
        values = leaves(self.in_force.model_dump(mode="json")) | dict(self._first.rest)
        return self._journal.redact(json.dumps(values))

    def _rest_changes(self) -> list[Change]:
        before, after = self._first.rest, self._edited.rest
        paths = sorted(path for path in before.keys() | after.keys()
                       if before.get(path) != after.get(path))  # fmt: skip
        return [Change(path, before.get(path), after.get(path), _RESTART) for path in paths]

    def _name_refused(self, changes: Sequence[Change], now_ms: int) -> None:
        """Each edit once; one that is taken back and made again is named again."""
        seen = {(each.path, json.dumps(each.new, default=str)): each for each in changes}
        new = [each for key, each in seen.items() if key not in self._named]
        self._named = set(seen)
        if not new:
            return
        told = {each.path: [each.old, each.new] for each in new}
        text = "; ".join(f"{_words(each)} {each.refused}" for each in new)
        self._journal.record("settings_ignored", now_ms, ignored=told, text=f"not in force: {text}")
        self._reporter.note(f"settings not in force: {text}")


def _words(change: Change) -> str:
    return f"{change.path} {json.dumps(change.old, default=str)} → " + json.dumps(
        change.new, default=str
    )
