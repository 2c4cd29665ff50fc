"""Where a process dies: an order in a file, carried out when a point is reached for the n-th time.

The driver arms; the daemon and the bridge reach points. Whoever reaches the last one kills the
victims with SIGKILL, itself last.
"""

import json
import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Victim = Literal["daemon", "bridge", "both"]

# The daemon reaches begin, commit, committed (the journal); read, answered; send, sent (orders);
# wait (the clock). The bridge reaches request, executed, saved: an order came in, was executed, is
# durable. No test hooks in the product: `stand` wraps its parts.

# No point at all: after `count` milliseconds, wherever the processes are.
ANY_TIME = "any time"


@dataclass(frozen=True, slots=True)
class Kill:
    """Who dies where; `count`: the n-th time that the point is reached after arming."""

    victim: Victim
    point: str
    count: int


class Strike:
    """The armed kill of one run, shared by its processes through the run's folder."""

    def __init__(self, folder: Path) -> None:
        self._order = folder / "strike.json"
        self._pids = {"daemon": folder / "daemon.lock", "bridge": folder / "bridge.ready"}

    def arm(self, kill: Kill) -> None:
        part = self._order.with_suffix(".part")
        part.write_text(json.dumps(asdict(kill)), encoding="ascii")
        part.replace(self._order)

    def disarm(self) -> None:
        self._order.unlink(missing_ok=True)

    def reach(self, point: str) -> None:
        """Kills the victims if this was the point's last time; returns otherwise."""
        if not self._order.exists():
            return
        kill = Kill(**json.loads(self._order.read_text(encoding="ascii")))
        if kill.point != point:
            return
        if kill.count > 1:
            self.arm(Kill(kill.victim, point, kill.count - 1))
            return
        self.disarm()
        self._carry_out(kill.victim)

    def pid(self, name: Literal["daemon", "bridge"]) -> int:
        """The process that runs now, from the file it wrote at its start."""
        text = self._pids[name].read_text(encoding="ascii")
        return int(json.loads(text)["pid"]) if name == "bridge" else int(text)

    def _carry_out(self, victim: Victim) -> None:
        pids = [self.pid(name) for name in ("daemon", "bridge") if victim in (name, "both")]
        for pid in sorted(pids, key=lambda each: each == os.getpid()):
            os.kill(pid, signal.SIGKILL)
