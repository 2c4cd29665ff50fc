"""What stops the daemon and needs a person. The text says what to do; a door prints it and exits.

DaemonError
├── JournalError     the journal cannot be used: another version, another account, a damaged file
├── AlreadyRunning   another daemon holds this state folder
└── PaperError       paper trading cannot start or go on: market file, warm-up, bridge process
    └── PaperBridgeGone  its bridge process has died; another start may do
"""


class DaemonError(Exception):
    """Base of everything below."""


class JournalError(DaemonError):
    """The journal cannot be used."""


class AlreadyRunning(DaemonError):
    """Another daemon holds this state folder."""


class PaperError(DaemonError):
    """Paper trading cannot start or go on."""


class PaperBridgeGone(PaperError):
    """The paper bridge's process has died."""
