"""The functions of the MetaTrader5 package that are used, and what their failures mean."""

from typing import Any, Protocol

from broker.contract.errors import BrokerError, BrokerRefused, BrokerUnavailable, OutcomeUnknown


class Mt5(Protocol):
    """The MetaTrader5 package, or the simulated terminal's native face.

    Instants are seconds of the server's wall clock. None means failure; `last_error` says which.
    """

    def last_error(self) -> Any: ...

    def terminal_info(self) -> Any: ...

    def account_info(self) -> Any: ...

    def symbols_get(self) -> Any: ...

    def symbol_info(self, symbol: str, /) -> Any: ...

    def symbol_select(self, symbol: str, enable: bool, /) -> Any: ...

    def symbol_info_tick(self, symbol: str, /) -> Any: ...

    def copy_rates_range(
        self, symbol: str, timeframe: int, date_from: int, date_to: int, /
    ) -> Any: ...

    def copy_ticks_range(self, symbol: str, date_from: int, date_to: int, flags: int, /) -> Any: ...

    def positions_get(self, *, symbol: str = ..., ticket: int = ...) -> Any: ...

    def orders_get(self, *, symbol: str = ...) -> Any: ...

    def history_deals_get(self, date_from: int, date_to: int, /) -> Any: ...

    def history_orders_get(self, date_from: int, date_to: int, /) -> Any: ...

    def order_check(self, request: dict[str, Any], /) -> Any: ...

    def order_send(self, request: dict[str, Any], /) -> Any: ...


SUCCESS = 1
_INVALID_PARAMS = -2
_NOT_FOUND = -4
_AUTH_FAILED = -6
_AUTO_TRADING_DISABLED = -8
_INIT_FAILED = -10003
_NO_IPC = -10004

_A_PERSON_MUST_ACT = {
    _INVALID_PARAMS: "the terminal calls the parameters invalid",
    _AUTH_FAILED: "the terminal is not logged in; check the account's password and server",
    _AUTO_TRADING_DISABLED: "automated trading is off; switch Algo Trading on in the terminal",
}
_NEVER_LEFT_US = (_INIT_FAILED, _NO_IPC)


def last_error(mt5: Mt5) -> tuple[int, str]:
    """Code and text of the latest failure, whatever came."""
    answer = mt5.last_error()
    if isinstance(answer, tuple) and len(answer) == 2:
        return int(answer[0]), str(answer[1])
    return 0, f"last_error gave {answer!r}"


def symbol_is_unknown(error: tuple[int, str]) -> bool:
    """Whether a missing `symbol_info` means that there is no such symbol."""
    return error[0] in (SUCCESS, _NOT_FOUND)


def read_failure(call: str, error: tuple[int, str]) -> BrokerError:
    """The error for a read that gave None."""
    code, text = error
    if code in _A_PERSON_MUST_ACT:
        return BrokerRefused(f"{call}: {_A_PERSON_MUST_ACT[code]} ({code}, {text})")
    return BrokerUnavailable(f"{call}: the terminal gave no answer ({code}, {text})")


def trade_failure(error: tuple[int, str]) -> BrokerError:
    """The error for an `order_send` that gave None: unknown unless it surely never left."""
    code, text = error
    if code in _A_PERSON_MUST_ACT:
        return BrokerRefused(f"order_send: {_A_PERSON_MUST_ACT[code]} ({code}, {text})")
    if code in _NEVER_LEFT_US:
        return BrokerUnavailable(f"order_send: not sent, no terminal ({code}, {text})")
    return OutcomeUnknown(f"order_send: sent and not answered ({code}, {text})")
