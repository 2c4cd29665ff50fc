"""What can go wrong between us and a venue. The type says what may be done next.

BrokerError
├── BrokerUnavailable    nothing was sent, or only a read failed: wait and try again
│   └── BridgeUnreachable    no connection at all: is the bridge running?
├── BrokerRefused        the bridge refused the request itself: a person must act
│   ├── IntentReused         a client_id came again with another request
│   └── WrongAccount         the terminal is logged in to another account than was expected
├── BadAnswer            a read came back that cannot be understood
└── OutcomeUnknown       a trade request was sent and not answered: ask before anything else
    └── IntentInFlight       the same client_id was sent before, and its outcome is not known yet
"""


class BrokerError(Exception):
    """Base of everything below."""


class BrokerUnavailable(BrokerError):
    """Nothing was sent, or a read failed. Safe to try again later."""


class BridgeUnreachable(BrokerUnavailable):
    """No connection to the bridge."""


class BrokerRefused(BrokerError):
    """The bridge refused the request as such: schema, token, rights or an unknown name."""


class IntentReused(BrokerRefused):
    """A client_id that already names another request. A new intent needs a new one."""


class WrongAccount(BrokerRefused):
    """The terminal is logged in to another account. Nothing was sent; a person must look."""


class BadAnswer(BrokerError):
    """An answer that is not the contract's: HTML, cut JSON, a missing field."""


class OutcomeUnknown(BrokerError):
    """A trade request was sent and its outcome is not known. Never re-send before asking."""


class IntentInFlight(OutcomeUnknown):
    """This client_id was sent before and its outcome is not known yet. Nothing was sent now."""
