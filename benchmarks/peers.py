"""The peers: where they are pinned, and what they make of the bars that we are measured on.

Each has an environment of its own in `benchmarks/.venv`, made from its lock the first time.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison import compared
from benchmarks.peer import Given, Trades
from benchmarks.rules import Departure, trades_by

HERE = Path(__file__).resolve().parent


class PeerFailed(Exception):
    """A peer cannot be installed or run. The text has the last lines of what it said."""


@dataclass(frozen=True, slots=True)
class Peer:
    """`lock`: pinned packages, and the environment's name. `departs`: from our rules, and how."""

    script: str
    lock: str
    departs: Departure
    argument: str = ""


PEERS = {
    "vectorbt_orders": Peer("peer_vectorbt.py", "vectorbt", Departure(), "orders"),
    "vectorbt_signals": Peer(
        "peer_vectorbt.py", "vectorbt",
        Departure(shorts_on_bid=True, no_entry_on_exit_bar=True), "signals",
    ),
    "backtesting": Peer("peer_backtesting.py", "backtesting", Departure(shorts_on_bid=True)),
    "nautilus_trader": Peer("peer_nautilus.py", "nautilus", Departure(high_before_low=True)),
    "freqtrade": Peer("peer_freqtrade.py", "freqtrade", Departure(shorts_on_bid=True)),
}  # fmt: skip


def beside(given: Given, ours: Trades, folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each peer's name, and its own line with how its trades compare with ours."""
    file = folder / "given.npz"
    np.savez(file, **asdict(given))
    for name, peer in PEERS.items():
        made = folder / f"{name}.npz"
        line = _line(peer, str(file), str(made))
        trades = Trades(**np.load(made))
        yield name, line | compared(trades, ours, trades_by(given, peer.departs))


def _line(peer: Peer, given: str, made: str) -> dict[str, Any]:
    """A peer's own JSON line, from its own environment."""
    command = [_python(peer.lock), HERE / peer.script, given, made, peer.argument]
    line: dict[str, Any] = json.loads(_said(command).splitlines()[-1])
    return line


def _python(lock: str) -> Path:
    """The interpreter of a peer's environment. It is whole once its mark is there."""
    folder, pinned = HERE / ".venv" / lock, HERE / f"requirements-{lock}.txt"
    python, mark = folder / "bin" / "python", folder / pinned.name
    if not mark.exists() or mark.read_bytes() != pinned.read_bytes():
        print(f"installing {lock} into benchmarks/.venv …", file=sys.stderr)
        _said([sys.executable, "-m", "venv", "--clear", folder])
        install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", pinned]
        _said(install)
        mark.write_bytes(pinned.read_bytes())
    return python


def _said(command: list[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-15:])
        words = " ".join(map(str, command))
        raise PeerFailed(f"{words} ended with status {done.returncode}:\n{last}")
    return done.stdout
