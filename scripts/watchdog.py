"""Tells a person when a daemon's heartbeat stops; closes its positions, if it is told to.

python scripts/watchdog.py                        every live state folder, once (for cron); shadows
                                                  are looked at likewise
python scripts/watchdog.py --account ID --every 60
python scripts/watchdog.py --close-after 1800     closes what a daemon, silent for 30 min, holds

An alarm goes through `scripts/notify.py` and to standard error; it is told when it begins, every
hour while it stands, and when it is over. Exit status: 0 all is well, 1 an alarm stands, 2 a person
must mend the call or the settings.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from trading.command_line import needing_packages  # noqa: E402

with needing_packages():
    from broker.client.connect import connect
    from broker.contract.errors import BrokerError
    from settings import SettingsError, account_ids, load_settings, state_name_of
    from trading.errors import DaemonError
    from trading.heartbeat import FILE, Beat
    from trading.journal import wall_ms
    from trading.live_command import bridge_token
    from trading.redaction import Redactor, known_secrets
    from trading.state_folder import LIVE_ACCOUNT, StateFolder
    from trading.watchdog import Limits, close_positions, look, pinned_account

_NOTIFY = _ROOT / "scripts" / "notify.py"
_NOTIFY_TIMEOUT_S = 60.0
_DEFAULT = f"live-{LIVE_ACCOUNT}"


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    limits = Limits(given.stale, given.failing, given.remind, given.close_after)
    try:
        while True:
            status = _once(given, limits)
            if given.every is None:
                return status
            time.sleep(given.every)
    except (SettingsError, DaemonError, OSError) as error:
        print(f"error: {Redactor(known_secrets())(str(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def _once(given: argparse.Namespace, limits: Limits) -> int:
    folders = _folders(given)
    alarms = 0
    for folder in folders:
        seen = look(folder, wall_ms(), limits, _closer(given, folder))
        alarms += bool(seen.finding.alarm)
        for text in seen.say:
            _tell(given.notify, text)
    return 1 if alarms else 0


def _folders(given: argparse.Namespace) -> list[Path]:
    """The named accounts', running or not; without a name every live one and every shadow that
    ever ran."""
    if given.account:
        return [_existing(given.state / state_name_of(each)) for each in given.account]
    found = sorted(path.parent for path in given.state.glob(f"*/{FILE}"))
    kept = [each for each in found if given.paper or not each.name.startswith("paper-")]
    if not kept:
        raise DaemonError(
            f"{given.state}: no state folder with a heartbeat is there; start the daemon once, or "
            "check --state"
        )
    return kept


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise DaemonError(f"{folder}: no such state folder; start the daemon once")
    return folder


def _closer(given: argparse.Namespace, folder: Path) -> Callable[[int], Sequence[str]] | None:
    """Closes through the account's bridge; None where the folder is nobody's, or paper's."""
    names = {state_name_of(each): each for each in account_ids()} | {_DEFAULT: None}
    if given.close_after is None or folder.name not in names:
        return None

    def close(round_: int) -> Sequence[str]:
        settings = load_settings(account=names[folder.name], overrides=given.override)
        beat = Beat.read(folder)
        broker = connect(settings.bridge, bridge_token())
        try:
            return close_positions(
                broker, pinned=pinned_account(StateFolder(folder).journal),
                strategy_id=settings.daemon.strategy_id, symbol=settings.symbol, round_=round_,
                stale_ms=beat.written_ms if beat else 0,
            )  # fmt: skip
        except BrokerError as error:
            return (f"not closed: {error}",)
        finally:
            broker.close()

    return close


def _tell(notify: Path, text: str) -> None:
    text = Redactor(known_secrets())(text)
    print(text, file=sys.stderr)
    if not notify.exists():
        print(f"nobody was called: {notify} is not there", file=sys.stderr)
        return
    try:
        done = subprocess.run(
            [sys.executable, str(notify), text], cwd=_ROOT, timeout=_NOTIFY_TIMEOUT_S,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"nobody was called: {notify.name} took too long", file=sys.stderr)
        return
    if done.returncode:
        said = done.stderr.strip() or f"exit status {done.returncode}"
        print(f"nobody was called: {notify.name}: {said}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, limits = parser.add_argument, Limits()
    add("--account", action="append", default=[], metavar="ID", help="repeatable; default: all")
    add("--state", type=Path, default=Path("state"), metavar="DIR", help="default: state")
    add("--paper", action="store_true", help="paper runs, too")
    add("--stale", type=float, default=limits.stale_s, metavar="S",
        help="how old a heartbeat may be (default 300)")  # fmt: skip
    add("--failing", type=float, default=limits.failing_s, metavar="S",
        help="how long cycles may fail (default 900)")  # fmt: skip
    add("--remind", type=float, default=limits.remind_s, metavar="S",
        help="when a standing alarm is told again (default 3600)")  # fmt: skip
    add("--close-after", type=float, metavar="S",
        help="close its positions once it was silent so long (default: never)")  # fmt: skip
    add("--every", type=float, metavar="S", help="look again and again (default: once)")
    add("--notify", type=Path, default=_NOTIFY, metavar="FILE",
        help="the Python program that is given each text (default scripts/notify.py)")  # fmt: skip
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting, as trading.py takes it (repeatable)")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
