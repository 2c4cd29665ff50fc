"""Kills daemon and bridge over and over, starts them again, and compares with an unbroken run.

`python -m tests.chaos.kill_driver --folder F --kills 300` prints the figures as JSON. It is a
program of its own because it forks: a test process with threads must not.
"""

import argparse
import json
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mt5api.paper import open_paper
from tests.chaos.audit import duplicates
from tests.chaos.stand import BRIDGE_AWAY, FINISHED, Stand, generated_market, plan_of, stand_in
from tests.chaos.strike import ANY_TIME, Kill, Victim
from trading.canonical import deal_line, sha256_lines
from trading.journal import Journal
from trading.paper import PaperPlan

_GIVE_UP_S = 2400

# Points after which nothing is lost: what was not durable was not answered either.
_HARMLESS: tuple[tuple[Victim, str, int], ...] = (
    ("daemon", "begin", 30), ("daemon", "commit", 30), ("daemon", "committed", 30),
    ("daemon", "read", 60), ("daemon", "answered", 60), ("daemon", "wait", 8),
    ("daemon", "send", 2), ("daemon", "sent", 2),
    ("daemon", "request", 2), ("daemon", "executed", 2), ("daemon", "saved", 2),
    ("bridge", "read", 60), ("bridge", "wait", 8), ("bridge", "saved", 2),
    ("both", "read", 60), ("both", "committed", 30), ("both", "send", 2), ("both", "sent", 2),
    ("both", "request", 2), ("both", "executed", 2), ("both", "saved", 2),
    ("daemon", ANY_TIME, 600), ("both", ANY_TIME, 600),
)  # fmt: skip
# The bridge dies with an order under way, the daemon lives: the order may be lost, rightly.
_LOSING: tuple[tuple[Victim, str, int], ...] = (
    ("bridge", "send", 2), ("bridge", "request", 2), ("bridge", "executed", 2),
    ("bridge", ANY_TIME, 600),
)  # fmt: skip


def kills_of(points: Sequence[tuple[Victim, str, int]], count: int, seed: int) -> list[Kill]:
    """`count` kills: each point once, then by chance; how often it is passed first by chance."""
    chance = random.Random(seed)
    chosen = [*points, *chance.choices(points, k=max(0, count - len(points)))][:count]
    chance.shuffle(chosen)
    return [Kill(victim, point, chance.randint(1, most)) for victim, point, most in chosen]


class Driver:
    """Two processes and a list of kills. `carried_out` counts those that happened."""

    def __init__(self, stand: Stand, kills: Sequence[Kill] = ()) -> None:
        self._stand = stand
        self._kills = iter(kills)
        self._armed: Kill | None = None
        self._pids: dict[str, int] = {}
        self.carried_out: Counter[str] = Counter()

    def run(self) -> "Driver":
        """Until the daemon says that the run is over. The bridge then stops and saves."""
        signal.signal(signal.SIGALRM, self._time_is_up)
        signal.alarm(_GIVE_UP_S)
        try:
            self._start_the_dead()
            while not self._after_one_death():
                self._start_the_dead()
            self._end("bridge", signal.SIGTERM)
        finally:
            signal.alarm(0)
            self._stand.strike.disarm()
            for name in tuple(self._pids):
                self._end(name, signal.SIGKILL)
        return self

    def _after_one_death(self) -> bool:
        """Waits for one; whether the run is over."""
        pid, status = os.wait()
        name = next(name for name, each in self._pids.items() if each == pid)
        del self._pids[name]
        if not os.WIFEXITED(status):
            self._killed(name)
            return False
        code = os.waitstatus_to_exitcode(status)
        if name == "bridge" or code not in (FINISHED, BRIDGE_AWAY):
            raise RuntimeError(f"{name}: exit {code}; {self._log(name)}")
        return code == FINISHED

    def _killed(self, name: str) -> None:
        kill = self._armed
        if kill is None or kill.victim not in (name, "both"):
            raise RuntimeError(f"{name}: killed, but that was not asked for; {self._log(name)}")
        if kill.victim == "both":
            (other,) = self._pids
            os.waitpid(self._pids.pop(other), 0)
        self.carried_out[f"{kill.victim} at {kill.point}"] += 1
        self._armed = None

    def _arm_next(self) -> None:
        self._armed = next(self._kills, None)
        if self._armed is None:
            return
        if self._armed.point == ANY_TIME:
            signal.setitimer(signal.ITIMER_REAL, self._armed.count / 1000)
        else:
            self._stand.strike.arm(self._armed)

    def _time_is_up(self, *_: object) -> None:
        """A kill by time is due; or, where none is armed, the run takes too long."""
        if self._armed is None or self._armed.point != ANY_TIME:
            raise TimeoutError(f"the run did not end within {_GIVE_UP_S} s")
        victims = ("daemon", "bridge") if self._armed.victim == "both" else (self._armed.victim,)
        if not self._pids.keys() >= set(victims):  # being started just now
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            return
        signal.alarm(_GIVE_UP_S)
        for name in victims:
            os.kill(self._pids[name], signal.SIGKILL)

    def _start_the_dead(self) -> None:
        if "bridge" not in self._pids:
            self._pids["bridge"] = self._stand.start_bridge()
        if "daemon" not in self._pids:
            self._pids["daemon"] = self._stand.start_daemon()
        if self._armed is None:
            self._arm_next()

    def _end(self, name: str, sent: signal.Signals) -> None:
        pid = self._pids.pop(name)
        os.kill(pid, sent)
        os.waitpid(pid, 0)

    def _log(self, name: str) -> str:
        path = self._stand.folder / f"{name}.log"
        return path.read_text(encoding="utf-8")[-1500:] if path.exists() else "no log"


def figures(stand: Stand) -> dict[str, Any]:
    """What a finished run left behind, at the broker and in the journal."""
    terminal = open_paper(stand.spec()).terminal
    dealt = [deal for deal in terminal.deals() if deal.symbol]
    terminal.close()
    journal = Journal(stand.folder / "journal.sqlite")
    kept = {deal.ticket for deal in journal.deals()}
    lines = list(journal.decision_lines("BTCUSD"))
    found = {
        "decided": len(lines),
        "deals": len(dealt),
        "decisions_sha256": sha256_lines(lines),
        "deals_sha256": sha256_lines(map(deal_line, dealt)),
        "duplicates": duplicates(dealt),
        "deals_missing_in_the_journal": sum(deal.ticket not in kept for deal in dealt),
        "deals_unknown_to_the_broker": len(kept - {deal.ticket for deal in terminal.deals()}),
        "bars_without_a_record": _bars_without_a_record(stand.plan, journal),
        "open_intents": len(journal.open_intents()),
        "intents": journal.intent_counts(),
    }
    journal.close()
    return found


def _bars_without_a_record(plan: PaperPlan, journal: Journal) -> int:
    """Bars from the first to the last decided one that are neither decided nor told as missed."""
    told = {open_ms for open_ms, _ in journal.features("BTCUSD")}
    last_ms = max(told)
    told |= {payload["bar_open_ms"] for _, _, payload in journal.events("bar_missed")}
    return len(set(plan.bars.between(plan.limits.from_ms, last_ms + 1).open_ms.tolist()) - told)


def run_all(folder: Path, *, kills: int, seed: int) -> dict[str, Any]:
    """An unbroken run, one with harmless kills, one with kills that may lose an order."""
    losing = max(len(_LOSING), kills // 10)
    harmless = kills - losing
    bars = 60 + 18 * kills  # the kills must all come before the end, on a fast machine too
    market = generated_market(folder / "market.parquet", days=bars // 96 + 1, seed=seed)
    plan, short = plan_of(market, bars=bars), plan_of(market, bars=60 + 30 * losing)
    whole, broken = stand_in(folder / "whole", plan), stand_in(folder / "broken", plan)
    shaken = stand_in(folder / "shaken", short)
    Driver(whole).run()
    first = Driver(broken, kills_of(_HARMLESS, harmless, seed)).run()
    second = Driver(shaken, kills_of(_LOSING, losing, seed)).run()
    return {
        "kills": (first.carried_out + second.carried_out).total(),
        "by_point": dict(sorted((first.carried_out + second.carried_out).items())),
        "unbroken": figures(whole), "harmless": figures(broken), "losing": figures(shaken),
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--kills", type=int, required=True)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args(argv)
    print(json.dumps(run_all(given.folder, kills=given.kills, seed=given.seed), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
