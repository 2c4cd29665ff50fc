"""The clock of a paper bridge: the daemon waits here instead of on the wall clock."""

from broker.client.connection import Connection
from broker.contract.wire import ClockState, ClockWait, encode

# Longer than the bridge holds a wait, so that the answer comes first.
_WAIT_TIMEOUT_S = 40.0


class PaperControl:
    """`/_paper/clock`. Share the broker's connection: `PaperControl(rest_broker.connection)`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def clock(self) -> ClockState:
        """What the simulated clock shows."""
        return self._connection.read(ClockState, "/_paper/clock")

    def wait_until(self, instant_ms: int) -> ClockState:
        """Waits for the instant, at most the bridge's 20 s: look at `now_msc` and ask again.

        At speed "max" the clock moves at once. Past the market's end it stays at `end_msc`.
        """
        body = encode(ClockWait(instant_ms))
        return self._connection.ask(
            ClockState, "POST", "/_paper/clock", body=body, timeout_s=_WAIT_TIMEOUT_S
        )
