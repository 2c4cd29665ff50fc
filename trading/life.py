"""What a daemon that runs for months is given beside its parts: edits and a heartbeat."""

from dataclasses import dataclass
from pathlib import Path

from trading.heartbeat import URL_VARIABLE, UrlPulse
from trading.hot_reload import Edited, SettingsSource
from trading.redaction import Redactor, known_secrets
from trading.secrets import secret
from trading.settings import DaemonSettings


@dataclass(frozen=True, slots=True)
class Life:
    """`state`: where the heartbeat lies. `edits`: the settings files; `first`: what they said at
    the start. `pulse`: None where no URL is called."""

    state: Path
    edits: SettingsSource
    first: Edited
    pulse: UrlPulse | None = None


def pulse_of(daemon: DaemonSettings) -> UrlPulse | None:
    """Of `NOVOSKY_HEARTBEAT_URL`; None where environment and `.env` have none."""
    url = secret(URL_VARIABLE)
    return UrlPulse(url, daemon.heartbeat) if url else None


def redactor() -> Redactor:
    """For everything that this process says, tracebacks included."""
    return Redactor(known_secrets()).over_defects()
