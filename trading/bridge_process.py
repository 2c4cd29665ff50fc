"""The paper bridge as a child process: started, waited for, watched, stopped."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from trading.errors import PaperBridgeGone, PaperError

PROJECT_ROOT = Path(__file__).resolve().parents[1]
_READY_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 15.0
_POLL_S = 0.02


class BridgeProcess:
    """`python -m mt5api --paper SPEC` on a free port. Use as a context manager.

    The child is in its own process group, so that Ctrl-C reaches the daemon alone; it leaves when
    its standard input closes, also when the daemon is killed.
    """

    def __init__(self, spec_json: str, folder: Path) -> None:
        self.token = secrets.token_hex(16)
        self.port = 0
        self._spec_json = spec_json
        self._folder = folder
        self._log = folder / "bridge.log"
        self._ready = folder / "bridge.ready"
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "BridgeProcess":
        spec = self._folder / "bridge.json"
        spec.write_text(self._spec_json, encoding="utf-8")
        self._ready.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "mt5api", "--paper", str(spec.resolve()), "--port", "0",
            "--ready-file", str(self._ready.resolve()), "--exit-with-parent",
        ]  # fmt: skip
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=PROJECT_ROOT,
                env=os.environ | {"MT5API_TOKEN": self.token}, start_new_session=True,
            )  # fmt: skip
        return self

    def wait_until_ready(self, stopped: Callable[[], bool]) -> None:
        """Raises `PaperError` with the child's own words if it dies or takes too long."""
        until_s = time.monotonic() + _READY_TIMEOUT_S
        while not self._ready.exists():
            self.require_alive()
            if stopped():
                return
            if time.monotonic() > until_s:
                raise PaperError(
                    f"no ready paper bridge within {_READY_TIMEOUT_S:.0f} s; see {self._log}"
                )
            time.sleep(_POLL_S)
        self.port = int(json.loads(self._ready.read_text(encoding="ascii"))["port"])

    def require_alive(self) -> None:
        """Raises `PaperError` if the bridge is gone: it will not come back by waiting."""
        if self._child is None or self._child.poll() is None:
            return
        lines = self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        last = lines[-1] if lines else f"exit status {self._child.returncode}"
        raise PaperBridgeGone(f"the paper bridge stopped: {last} (all of it in {self._log})")

    def kill(self) -> None:
        """Ends the bridge without a chance to save, as a crash would."""
        if self._child:
            self._child.kill()
            self._child.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        child = self._child
        if child is None:
            return
        if child.stdin:
            child.stdin.close()
        try:
            child.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
