"""Why a hub could not do what was asked. The serving model is then as it was.

HubError
├── HubUnavailable   the store does not answer, or refuses the key
├── ReleaseMissing   no release of that tag, or none at all
└── ReleaseDamaged   bytes, sizes or names that the release does not vouch for
"""


class HubError(Exception):
    """Base of everything below. The text says why and what to do."""


class HubUnavailable(HubError):
    """The store does not answer, or does not let this key in."""


class ReleaseMissing(HubError):
    """There is no such release."""


class ReleaseDamaged(HubError):
    """A release's files are not those that it lists."""
