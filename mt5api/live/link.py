"""Connected to the terminal and logged in to the right account: a matter of state.

What a call says about itself is not believed: `initialize` may report a time-out and have
connected. Whether we are is told by `terminal_info` and `account_info` alone.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from broker.contract.errors import BrokerUnavailable, OutcomeUnknown, WrongAccount
from mt5api.errors import Busy, TooSlow
from mt5api.live.process import NoAnswer, TerminalProcess

LOG = logging.getLogger("mt5api")
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 30.0
_CONNECT_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Login:
    """The one account of this bridge. `password` and `terminal` are empty where the terminal
    knows them itself."""

    login: int
    server: str
    password: str = ""
    terminal: str = ""


class TerminalLink:
    """The package's functions (`broker.native.face.Mt5`), connected when `require` returns."""

    def __init__(
        self, process: TerminalProcess, login: Login, *,
        wall_s: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._process = process
        self._login = login
        self._wall_s = wall_s
        self._is_sure = False
        self._is_shut = False
        self._pause_s = _FIRST_PAUSE_S
        self._next_try_s = 0.0
        self.refusal = ""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **named: self._ask(name, *args, **named)

    def order_send(self, request: dict[str, Any], /) -> Any:
        """Sends, if the write probe passed, and the terminal is online and on our account now."""
        if self.refusal:
            raise BrokerUnavailable(f"order_send: not sent: {self.refusal}")
        self._require_account()
        if not self._ask("terminal_info").connected:
            raise BrokerUnavailable("order_send: not sent: the terminal is offline")
        try:
            return self._process.call("order_send", request)
        except NoAnswer as error:
            self._is_sure = False
            raise OutcomeUnknown(str(error)) from None

    def require(self) -> None:
        """Connected as our account, or an error that says what is missing."""
        if self._is_shut:
            raise Busy("shut down by an operator; POST /terminal/init connects again")
        if not self._is_sure:
            self._connect_if_due()

    def look(self) -> None:
        """`require`, and doubts what was sure before."""
        self._is_sure = False
        self.require()

    def connect(self) -> bool:
        """For operators: logs in now, after `disconnect` or to get from another account back."""
        self._is_shut, self._next_try_s = False, 0.0
        self._initialize()
        self.look()
        return True

    def disconnect(self) -> bool:
        """For operators: stays disconnected until `connect`."""
        self._is_shut, self._is_sure = True, False
        self.stop()
        return True

    def stop(self) -> None:
        """Lets go of the terminal, which goes on by itself."""
        self._process.stop()

    def restart(self) -> bool:
        """For operators: a new process and a new connection."""
        self._process.stop()
        return self.connect()

    def _connect_if_due(self) -> None:
        if self._is_attached():
            self._require_account()
            self._settled()
            return
        now_s = self._wall_s()
        if now_s < self._next_try_s:
            raise Busy("not connected to the terminal; the bridge keeps trying")
        self._next_try_s = now_s + self._pause_s
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        self._initialize()
        if not self._is_attached():
            raise Busy("not connected: initialize left no terminal; trying again")
        self._require_account()
        self._settled()

    def _settled(self) -> None:
        self._is_sure, self._pause_s, self._next_try_s = True, _FIRST_PAUSE_S, 0.0

    def _is_attached(self) -> bool:
        return self._ask("terminal_info") is not None and self._ask("account_info") is not None

    def _initialize(self) -> None:
        """Its own words are only logged."""
        login = self._login
        named: dict[str, Any] = {"login": login.login, "server": login.server}
        if login.password:
            named["password"] = login.password
        path = (login.terminal,) if login.terminal else ()
        try:
            said = self._process.call("initialize", *path, **named, limit_s=_CONNECT_LIMIT_S)
        except NoAnswer as error:
            LOG.warning("initialize: %s", error)
            return
        if not said:
            LOG.warning("initialize: %s", self._ask("last_error"))

    def _require_account(self) -> None:
        there, ours = self._ask("account_info"), self._login
        if there is None:
            self._is_sure = False
            raise Busy("the terminal is not logged in")
        if (there.login, there.server) != (ours.login, ours.server):
            self._is_sure = False
            raise WrongAccount(
                f"this bridge is for {ours.login} at {ours.server}, the terminal is logged in as "
                f"{there.login} at {there.server}"
            )

    def _ask(self, name: str, *args: Any, **named: Any) -> Any:
        try:
            answer = self._process.call(name, *args, **named)
        except NoAnswer as error:
            self._is_sure = False
            raise TooSlow(str(error)) from None
        if answer is None:
            self._is_sure = False
        return answer
