"""What ends a run of the weekly pipeline. Each text says what happened and what to do.

RunError
├── PhaseFailed   a phase could not do its work; the same command goes on at it
└── ActFirst      a person must act before anything is begun or gone on with
"""


class RunError(Exception):
    """Base of everything below."""


class PhaseFailed(RunError):
    """A phase could not do its work. A gate that says no is a result and raises nothing."""


class ActFirst(RunError):
    """The lock is held, or the unfinished run is of other options or settings."""
