"""The report to Telegram. Telegram being away fails no run: the text waits for the next one.

    state/weekly/unsent/btcusd_20261120.txt      waits; sent before the next report

`scripts/notify.py` sends. A text may come twice where a run was killed between the two steps.
"""

import subprocess
import sys
from pathlib import Path

from ml.hub.store import write_whole

_TIMEOUT_S = 60.0
_KEPT = 10
_TRY_AGAIN = 1


def tell(root: Path, name: str, text: str) -> str:
    """Sends what waits and then `text`; what came of it, in words. Never raises for Telegram."""
    unsent = root / "state" / "weekly" / "unsent"
    for path in sorted(unsent.glob("*.txt")):
        status, why = _sent(root, path.read_text(encoding="utf-8"))
        if status == _TRY_AGAIN:
            return _keep(unsent, name, text, why)
        path.unlink()
    status, why = _sent(root, text)
    if status == _TRY_AGAIN:
        return _keep(unsent, name, text, why)
    return "sent to Telegram" if status == 0 else f"not sent to Telegram: {why}"


def _keep(unsent: Path, name: str, text: str, why: str) -> str:
    write_whole(unsent / f"{name}.txt", text.encode())
    for each in sorted(unsent.glob("*.txt"), key=lambda path: path.stat().st_mtime_ns)[:-_KEPT]:
        each.unlink()
    return f"not sent to Telegram, the next run tries again: {why}"


def _sent(root: Path, text: str) -> tuple[int, str]:
    """(0 taken, 1 to be tried again, 2 a person must mend something; why)."""
    program = root / "scripts" / "notify.py"
    if not program.is_file():
        return 2, f"{program} is not there"
    try:
        done = subprocess.run(
            [sys.executable, str(program), "-"], input=text, cwd=root, timeout=_TIMEOUT_S,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _TRY_AGAIN, f"no answer within {_TIMEOUT_S:.0f} s"
    said = done.stderr.strip().removeprefix("error: ") or f"exit status {done.returncode}"
    return done.returncode, said
