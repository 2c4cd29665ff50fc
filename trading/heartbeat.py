"""The dead man's switch: a file that says in every cycle that the daemon lives, and a URL likewise.

`heartbeat.json` in the state folder is replaced whole. Who reads it: `trading.watchdog`, and
whatever a person points at it.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field

from trading.journal import wall_ms
from trading.pager import Pager
from trading.state_folder import StateFolder

FILE = "heartbeat.json"
URL_VARIABLE = "NOVOSKY_HEARTBEAT_URL"

Phase = Literal["running", "ended", "failed"]


class HeartbeatSettings(BaseModel):
    """Key `daemon.heartbeat`: how the URL in `NOVOSKY_HEARTBEAT_URL`, if there is one, is called.

    `method`: POST sends the file's content as JSON, GET nothing. It is called every `every_s` while
    cycles succeed, and not at all while none does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["GET", "POST"] = "POST"
    every_s: float = Field(default=60.0, ge=5.0, le=3600.0)
    timeout_s: float = Field(default=10.0, gt=0.0, le=60.0)


@dataclass(frozen=True, slots=True)
class Beat:
    """`written_ms`: by the host's clock; `broker_ms`: by the broker's. `cycle`: how many cycles
    this process has made. `bar_open_ms`: the newest bar that needs nothing more, 0 for none.
    `positions`: open ones of ours. `failing_since_ms`: by the host's clock, since when no cycle
    has succeeded; 0 while they do. `text`: why the run has ended or failed. `shadow`: whether it is
    no daemon of an account but a shadow, whose positions are virtual."""

    phase: Phase
    written_ms: int
    pid: int
    cycle: int = 0
    broker_ms: int = 0
    bar_open_ms: int = 0
    positions: int = 0
    failing_since_ms: int = 0
    text: str = ""
    shadow: bool = False

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """None where there is none yet; `ValueError` for a file that is something else."""
        path = folder / FILE
        try:
            words = {"shadow": False} | json.loads(path.read_text(encoding="utf-8"))
            return cls(**{key: words[key] for key in cls.__slots__})
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path}: no heartbeat of this program ({error})") from error

    def write(self, folder: Path) -> None:
        """Whole or not at all; raises `OSError`."""
        part = folder / f"{FILE}.part"
        part.write_text(json.dumps(self.words()), encoding="utf-8")
        part.replace(folder / FILE)

    def words(self) -> dict[str, Any]:
        when = datetime.fromtimestamp(self.written_ms / 1000, UTC)
        return {"time": when.isoformat(timespec="seconds"), **asdict(self)}


class Heartbeat:
    """Writes beats of one process. `url`: None where nobody is called; `shadow`: see `Beat`."""

    def __init__(
        self, folder: Path, pager: Pager, *, wall_ms: Callable[[], int] = wall_ms,
        url: "UrlPulse | None" = None, shadow: bool = False,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._pager = pager
        self._wall_ms = wall_ms
        self._url = url
        self._last = Beat("running", wall_ms(), os.getpid(), shadow=shadow)
        self._write(self._last)

    def cycle(self, *, broker_ms: int, bar_open_ms: int, positions: int, failed: bool) -> None:
        """After every cycle, be it a good one or not. A failed one shows the last good state."""
        now_ms, last = self._wall_ms(), self._last
        beat = replace(last, phase="running", written_ms=now_ms, cycle=last.cycle + 1, text="")
        if failed:
            beat = replace(beat, failing_since_ms=last.failing_since_ms or now_ms)
        else:
            beat = replace(
                beat, broker_ms=broker_ms, bar_open_ms=bar_open_ms, positions=positions,
                failing_since_ms=0,
            )  # fmt: skip
        self._write(beat)
        if self._url is not None and not failed:
            self._url.tell(beat.words())

    def waits(self) -> None:
        """Within a long wait: the process lives, and the rest is as it was."""
        self._write(replace(self._last, written_ms=self._wall_ms()))

    def over(self, text: str, *, failed: bool = False) -> None:
        """The last word of a process."""
        phase: Phase = "failed" if failed else "ended"
        self._write(replace(self._last, phase=phase, written_ms=self._wall_ms(), text=text))
        if self._url is not None:
            self._url.stop()

    def _write(self, beat: Beat) -> None:
        self._last = beat
        try:
            beat.write(self._folder)
        except OSError as error:
            self._pager.page(f"the heartbeat cannot be written: {error}", key="heartbeat")
        else:
            self._pager.over("the heartbeat is written again", key="heartbeat")


@contextmanager
def start_told(folder: Path, redact: Callable[[str], str]) -> Iterator[None]:
    """A start that fails leaves its reason in the heartbeat that an earlier run has left, unless
    another daemon runs in the folder: an old `ended` would hide that nothing runs."""
    try:
        yield
    except Exception as error:
        last = _last_beat(folder)
        if last is not None and not StateFolder.is_held(folder):
            text = redact(f"{type(error).__name__}: {error}")
            replace(last, phase="failed", written_ms=wall_ms(), pid=os.getpid(), text=text).write(
                folder
            )
        raise


def _last_beat(folder: Path) -> Beat | None:
    try:
        return Beat.read(folder)
    except ValueError:
        return None


class UrlPulse:
    """Calls the URL in a thread of its own; a slow or absent receiver delays nobody."""

    def __init__(
        self, url: str, settings: HeartbeatSettings, *, client: httpx.Client | None = None
    ) -> None:
        self._url = url
        self._settings = settings
        self._client = client or httpx.Client(timeout=settings.timeout_s)
        self._words: Mapping[str, Any] | None = None
        self._stopped = threading.Event()
        self.failures = 0
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def tell(self, words: Mapping[str, Any]) -> None:
        """The newest state; the thread, begun with the first, sends it when the time has come."""
        self._words = words
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread; waits for a call under way for 2 s at most."""
        self._stopped.set()
        if self._thread.ident is not None:
            self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stopped.is_set():
            words, self._words = self._words, None
            if words is None:
                self._stopped.wait(0.2)
                continue
            self._call(words)
            self._stopped.wait(self._settings.every_s)
        self._client.close()

    def _call(self, words: Mapping[str, Any]) -> None:
        """A call that fails is not repeated: the next one says more. Its receiver misses it."""
        body = words if self._settings.method == "POST" else None
        try:
            answer = self._client.request(self._settings.method, self._url, json=body)
            answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL):
            self.failures += 1
