"""Looks after a daemon from outside: says when its heartbeat stops, and can close what it holds.

Works from the state folder's files alone, and has its own memory there; the journal is only read.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from broker.contract.errors import BrokerError
from broker.contract.filling import allowed_fillings
from broker.contract.messages import Expect, Position
from broker.contract.port import Broker
from market.bars import utc_text
from trading.execution.ladder import close_order, losers_first
from trading.heartbeat import Beat
from trading.journal_reads import JournalReads
from trading.outbox import open_read_only
from trading.trade_book import is_ours

MEMORY = "watchdog.json"
_SECOND_MS = 1_000
_FILLED = "filled"


@dataclass(frozen=True, slots=True)
class Limits:
    """`stale_s`: how old a heartbeat may be; `failing_s`: how long cycles may fail. `remind_s`:
    when a standing alarm is told again. `close_after_s`: how old a heartbeat must be for positions
    to be closed; None: never."""

    stale_s: float = 300.0
    failing_s: float = 900.0
    remind_s: float = 3_600.0
    close_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """`alarm`: empty where all is well. `silent_ms`: how long no heartbeat has come from a daemon
    that should run; 0 while it does. `who`: whose heartbeat it is."""

    alarm: str
    silent_ms: int = 0
    who: str = "the daemon"


def judge(beat: Beat | None, now_ms: int, limits: Limits) -> Finding:
    """What a heartbeat means at an instant of the host's clock. A daemon that was stopped in order
    needs none."""
    if beat is None:
        return Finding("no heartbeat: the daemon was never started here")
    who = "the shadow" if beat.shadow else "the daemon"
    alarm, silent_ms = _alarm(beat, who, now_ms, limits)
    return Finding(alarm, silent_ms, who)


def _alarm(beat: Beat, who: str, now_ms: int, limits: Limits) -> tuple[str, int]:
    """(what is wrong, how long it has been silent)."""
    if beat.phase == "ended":
        return "", 0
    age_ms = now_ms - beat.written_ms
    held = f"{beat.positions} positions open when it was last heard of"
    if beat.shadow:
        held = "a shadow, no account: nothing is at a broker, bars go undecided"
    if beat.phase == "failed":
        return f"{who} has failed: {beat.text}; {held}", max(age_ms, 1)
    if age_ms > limits.stale_s * _SECOND_MS:
        since = utc_text(beat.written_ms)
        return (
            f"no heartbeat since {since} UTC ({age_ms // 60_000} min), process {beat.pid}; {held}",
            age_ms,
        )
    failing_ms = now_ms - beat.failing_since_ms if beat.failing_since_ms else 0
    if failing_ms > limits.failing_s * _SECOND_MS:
        since = utc_text(beat.failing_since_ms)
        return f"{who} lives, but no cycle has succeeded since {since} UTC; {held}", 0
    return "", 0


@dataclass(frozen=True, slots=True)
class Memory:
    """What was told about one daemon. `told_ms`: when last, 0 for no standing alarm; `closes`: how
    many rounds of closing there were in this alarm."""

    told_ms: int = 0
    closes: int = 0

    @classmethod
    def read(cls, folder: Path) -> Self:
        """A memory that cannot be read is none: better told twice than not at all."""
        try:
            words = json.loads((folder / MEMORY).read_text(encoding="utf-8"))
            return cls(int(words["told_ms"]), int(words["closes"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls()

    def write(self, folder: Path) -> None:
        part = folder / f"{MEMORY}.part"
        part.write_text(json.dumps(asdict(self)), encoding="utf-8")
        part.replace(folder / MEMORY)


@dataclass(frozen=True, slots=True)
class Round:
    """What one look came to. `say`: for a person, in the order of telling."""

    finding: Finding
    say: tuple[str, ...]


def look(
    folder: Path, now_ms: int, limits: Limits, close: Callable[[int], Sequence[str]] | None = None
) -> Round:
    """Judges the daemon of a state folder, remembers what was told, closes where that is due.

    `close`: closes positions, given the number of the round, and says what it did; None where
    nobody may. Raises `OSError` where the memory cannot be kept.
    """
    memory = Memory.read(folder)
    finding = _judged(folder, now_ms, limits)
    if not finding.alarm:
        if memory.told_ms:
            Memory().write(folder)
            return Round(finding, (f"{folder.name}: {finding.who} is well again",))
        return Round(finding, ())
    say: list[str] = []
    if now_ms - memory.told_ms >= limits.remind_s * _SECOND_MS:
        say.append(f"{folder.name}: {finding.alarm}")
        memory = Memory(now_ms, memory.closes)
    after_s = limits.close_after_s
    if close is not None and after_s is not None and finding.silent_ms > after_s * _SECOND_MS:
        done = close(memory.closes)
        memory = Memory(memory.told_ms, memory.closes + 1)
        say += [f"{folder.name}: {each}" for each in done]
    memory.write(folder)
    return Round(finding, tuple(say))


def _judged(folder: Path, now_ms: int, limits: Limits) -> Finding:
    try:
        return judge(Beat.read(folder), now_ms, limits)
    except ValueError as error:
        return Finding(str(error))


def pinned_account(journal: Path) -> str:
    """`LOGIN on SERVER`, as the daemon's journal has it; empty where it has none. Raises
    `JournalError` where there is no journal."""
    reads = JournalReads(open_read_only(journal))
    try:
        return reads.meta("account") or ""
    finally:
        reads.close()


def close_positions(
    broker: Broker, *, pinned: str, strategy_id: int, symbol: str, round_: int, stale_ms: int
) -> tuple[str, ...]:
    """Closes every position of one strategy in a symbol, losers first; what became of each.

    Nothing is touched where the bridge is logged in to another account than `pinned`. A request
    bears the round in its name, so a repeated round asks anew and a repeated request does not.
    """
    try:
        account = broker.account()
        if pinned != f"{account.login} on {account.server}":
            return (f"not closed: the bridge is logged in to {account.login}, not to {pinned}",)
        held = [each for each in broker.positions(symbol) if is_ours(each.magic, strategy_id)]
        expect = Expect(account.login, account.server)
        return tuple(
            _closed(broker, each, f"watchdog-{each.identifier}-{stale_ms}-{round_}", expect)
            for each in losers_first(held)
        )
    except BrokerError as error:
        return (f"not closed: {error}",)


def _closed(broker: Broker, position: Position, name: str, expect: Expect) -> str:
    """Asks once with each filling that the symbol takes."""
    spec, quote = broker.symbol(position.symbol), broker.tick(position.symbol)
    deviation = max(1, round((quote.ask - quote.bid) / spec.point))
    said = "no filling is allowed"
    for number, filling in enumerate(allowed_fillings(spec.filling_mode)):
        request = close_order(
            position, spec, filling=filling, name=(name, number), deviation=deviation
        )
        # Without our mark: the daemon then counts the close as another program's, not a decision.
        result = broker.send(replace(request, magic=0, expect=expect))
        if result.outcome == _FILLED:
            return f"closed position {position.identifier} at {result.price:g}"
        said = f"{result.retcode} {result.retcode_name}"
    return f"position {position.identifier} could not be closed: {said}"
