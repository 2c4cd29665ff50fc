"""What the doors share: instants on a command line, and how a command ends."""

import argparse
import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_OWN_ROOMS = {
    "market", "broker", "mt5api", "ml", "trading", "backtest", "retrain", "settings", "scripts",
    "tests",
}  # fmt: skip

Failures = tuple[type[Exception], ...]


def utc_instant_ms(text: str) -> int:
    """An ISO date or time as epoch ms; without an offset it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"a date or time such as 2025-09-01T14:00 is allowed, {text!r} came"
        ) from None
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return round(instant.timestamp() * 1000)


def exit_status(
    run: Callable[[], int], *, stopped: str, mendable: Callable[[], Failures] = tuple
) -> int:
    """What `run` returns; 2 where a person must act first, and one line says what; 3 where what is
    needed is away and a later start may find it; 130 if stopped.

    `mendable` names further failures whose text says what to do. Anything else is a defect and
    shows where it is.
    """
    try:
        return run()
    except ModuleNotFoundError as error:
        return _not_installed(error)
    except _away() as error:
        return _told(error, 3)
    except (*_known_failures(), *mendable()) as error:
        return _told(error, 2)
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        return 130


@contextmanager
def needing_packages() -> Iterator[None]:
    """Around the imports of a door: a package that is missing ends it with status 2 and one line
    that says what to do."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise SystemExit(_not_installed(error)) from None


def _not_installed(error: ModuleNotFoundError) -> int:
    if (error.name or "").split(".")[0] in _OWN_ROOMS:
        raise error
    python = f".venv/bin/python {_own_name()}"
    print(f"error: {error.name} is not installed: make install, then {python}", file=sys.stderr)
    return 2


def _own_name() -> str:
    """The program as it was started: `-m module`, or its file."""
    spec = sys.modules["__main__"].__spec__
    return sys.argv[0] if spec is None else f"-m {spec.name}"


def _told(error: Exception, status: int) -> int:
    from trading.redaction import Redactor, known_secrets

    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    hint = "; make room on the disk and give the same command again" if full else ""
    print(Redactor(known_secrets())(f"error: {error}{hint}"), file=sys.stderr)
    return status


def _away() -> Failures:
    from broker.contract.errors import BrokerUnavailable
    from trading.errors import PaperBridgeGone

    return BrokerUnavailable, PaperBridgeGone


def _known_failures() -> Failures:
    import sqlite3

    from broker.contract.errors import BrokerError
    from market.bars import BarsError
    from market.sources.errors import SourceError
    from ml.hub.errors import HubError
    from ml.predictors.compat import ModelError
    from ml.training.trials import TrialLedgerError
    from settings import SettingsError
    from trading.errors import DaemonError

    return (
        BrokerError, BarsError, SourceError, ModelError, HubError, SettingsError, DaemonError,
        TrialLedgerError, sqlite3.Error, OSError,
    )  # fmt: skip
