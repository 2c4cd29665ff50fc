"""The MetaTrader5 package's reading functions over the HTTP API, with every answer doubted.

The bridge answers `200 []` where the terminal failed. An empty list is believed only while the
terminal is connected, and "no positions" only while the account holds no margin. Failures are
raised as `BrokerError`; what the package would answer with None is None.
"""

from types import SimpleNamespace
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from broker.client.connection import Connection, read_json, refuse_read
from broker.client.httpapi.bodies import Row, error_text
from broker.client.httpapi.checks import check_order
from broker.client.httpapi.sends import send
from broker.client.httpapi.windows import RATES_PER_REQUEST, WEEK_S, windows
from broker.contract.errors import BadAnswer, BrokerRefused, BrokerUnavailable
from market.timeframe import Timeframe

Content = TypeVar("Content")
_Object, _Objects, _Names = dict[str, Any], list[dict[str, Any]], list[str]
_LOOKS = 3
_FIRST_DEAL_S = 1_262_304_000  # 2010: MetaTrader 5 has no older history
_OK, _NO_ANSWER, _NOT_FOUND = (1, "Success"), (-1, "404"), (-4, "404")

_RATES = np.dtype([
    ("time", "<i8"), ("open", "<f8"), ("high", "<f8"), ("low", "<f8"), ("close", "<f8"),
    ("tick_volume", "<u8"), ("spread", "<i4"), ("real_volume", "<u8"),
])  # fmt: skip


class HttpApiTerminal:
    """One terminal behind the bridge. Instants are seconds of the server's wall clock, unshifted:
    a bridge with a `utc_offset` of its own is refused, since one constant is wrong half the year.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._error = _OK
        self._started = False

    def start(self) -> None:
        """Once, before anything else: whether this bridge's instants are the server's."""
        if not self._started:
            self.terminal_info()

    def ping(self) -> None:
        """The bridge's process answers. Says nothing about the terminal."""
        self._read(_Object, "/ping")

    def last_error(self) -> tuple[int, str]:
        """Ours, of the last call: the bridge's own is overwritten by anybody's calls."""
        return self._error

    def terminal_info(self) -> Row:
        info = self._found(_Object, "/terminal")
        offset_s = info.get("broker_utc_offset_seconds")
        if offset_s != 0:
            raise BrokerRefused(
                f"/terminal: broker_utc_offset_seconds {offset_s!r} came, 0 is needed; set "
                'utc_offset: "0" in the bridge\'s configuration (bridge.server_timezone converts)'
            )
        self._started = True
        _require(info, "/terminal", build=int, ping_last=int)
        return Row("/terminal", info)

    def account_info(self) -> Row:
        info = self._read(_Object, "/account")
        if info is None:
            raise BrokerUnavailable("/account: the terminal is not logged in")
        _require(info, "/account", margin=int | float, currency=str)
        return Row("/account", info)

    def symbols_get(self) -> list[Row]:
        return [Row("/symbols", {"name": name}) for name in self._found(_Names, "/symbols")]

    def symbol_info(self, symbol: str, /) -> Row | None:
        info = self._read(_Object, _symbol_path(symbol))
        if info is None:
            self._require_connected(_symbol_path(symbol))
            self._error = _NOT_FOUND
            return None
        return Row(_symbol_path(symbol), info)

    def symbol_select(self, symbol: str, enable: bool, /) -> bool:
        """Done by the bridge with every request that names a symbol."""
        return True

    def symbol_info_tick(self, symbol: str, /) -> Row | None:
        tick = self._read(_Object, f"{_symbol_path(symbol)}/tick")
        if tick is None:
            self._error = _NO_ANSWER
            return None
        return Row(f"{_symbol_path(symbol)}/tick", tick)

    def copy_rates_range(
        self, symbol: str, timeframe: int, date_from: int, date_to: int, /
    ) -> NDArray[np.void]:
        path, kept = f"{_symbol_path(symbol)}/rates", Timeframe.from_mt5(timeframe)
        longest_s = RATES_PER_REQUEST * kept.ms // 1000
        rows: list[dict[str, Any]] = []
        for first_s, last_s in windows(max(0, date_from), date_to, longest_s):
            given = {"timeframe": kept.name, "from": first_s, "to": last_s}
            rows += self._found(_Objects, path, given)
        if not rows:
            self._require_connected(path)
        return _rates(rows, path)

    def copy_ticks_range(
        self, symbol: str, date_from: int, date_to: int, flags: int, /
    ) -> NDArray[np.void]:
        raise BrokerRefused("copy_ticks_range: this client reads no ticks in this dialect")

    def positions_get(self, *, symbol: str = "", ticket: int = 0) -> list[Row]:
        """All are read, whatever was asked for: only then can "none" be checked."""
        found = self._positions()
        return [
            each
            for each in found
            if (not symbol or each.symbol == symbol) and (not ticket or each.ticket == ticket)
        ]

    def orders_get(self, *, symbol: str = "") -> list[Row]:
        rows = self._found(_Objects, "/orders", {"symbol": symbol} if symbol else {})
        if not rows:
            self._require_connected("/orders")
        return [Row("/orders", row) for row in rows]

    def history_deals_get(self, date_from: int, date_to: int, /) -> list[Row]:
        return self._history("/history/deals", date_from, date_to)

    def history_orders_get(self, date_from: int, date_to: int, /) -> list[Row]:
        return self._history("/history/orders", date_from, date_to)

    def order_check(self, request: dict[str, Any], /) -> SimpleNamespace:
        """What the symbol's specification says: this dialect has no `order_check`."""
        spec = self._found(_Object, _symbol_path(request["symbol"]))
        return check_order(request, Row(_symbol_path(request["symbol"]), spec))

    def order_send(self, request: dict[str, Any], /) -> SimpleNamespace:
        return send(self._connection, request, self.positions_get)

    def _positions(self) -> list[Row]:
        for _ in range(_LOOKS):
            rows = self._found(_Objects, "/positions")
            margin = 0.0 if rows else self._margin_of_positions()
            if margin == 0.0:
                return [_position(row) for row in rows]
        raise BrokerUnavailable(
            f"/positions: none came {_LOOKS} times, but the account holds a margin of {margin:g}"
        )

    def _margin_of_positions(self) -> float:
        """What the account holds while no position is told; 0 where pending orders may hold it."""
        self._require_connected("/positions")
        margin = float(self.account_info().margin)
        return 0.0 if margin > 0 and self._found(_Objects, "/orders") else margin

    def _history(self, path: str, first_s: int, last_s: int) -> list[Row]:
        """In windows of a week, since this dialect has no pages; each ticket once."""
        rows: dict[int, dict[str, Any]] = {}
        for from_s, to_s in windows(max(first_s, _FIRST_DEAL_S), last_s, WEEK_S):
            for row in self._found(_Objects, path, {"from": from_s, "to": to_s}):
                _require(row, path, ticket=int)
                rows[row["ticket"]] = row
        if not rows:
            self._require_connected(path)
        return [Row(path, row) for row in rows.values()]

    def _require_connected(self, path: str) -> None:
        """Nothing was told; that is believed of a terminal that is connected to its server."""
        if self.terminal_info().connected is not True:
            raise BrokerUnavailable(f"{path}: nothing came, and the terminal is not connected")

    def _found(
        self, kind: type[Content], path: str, params: dict[str, Any] | None = None
    ) -> Content:
        """As `_read`, where there must be something."""
        content = self._read(kind, path, params)
        if content is None:
            raise BrokerUnavailable(f"{path}: not found, though it was asked for correctly")
        return content

    def _read(
        self, kind: type[Content], path: str, params: dict[str, Any] | None = None
    ) -> Content | None:
        """A JSON body; None for the bridge's own 404. A proxy's 404 page is refused."""
        if not self._started and path not in ("/terminal", "/ping"):
            self.start()
        self._error = _OK

        def once() -> Content | None:
            answer = self._connection.exchange("GET", path, params=params)
            if answer.status_code == 404 and error_text(answer) is not None:
                return None
            if answer.status_code != 200:
                refuse_read(answer)
            return read_json(kind, answer)

        return self._connection.repeated(once)


def _symbol_path(symbol: str) -> str:
    return f"/symbols/{quote(symbol, safe='')}"


def _require(fields: dict[str, Any], path: str, **kinds: Any) -> None:
    """`BadAnswer` where a field that is looked at here is not there, or of another kind."""
    for name, kind in kinds.items():
        if not isinstance(fields.get(name), kind):
            raise BadAnswer(f"{path}: {name}: {fields.get(name)!r} came")


def _position(row: dict[str, Any]) -> Row:
    _require(row, "/positions", ticket=int, symbol=str)
    return Row("/positions", row)


def _rates(rows: list[dict[str, Any]], path: str) -> NDArray[np.void]:
    """The rows as the package's record array, in the order in which they came."""
    try:
        table = [tuple(row[name] for name in _RATES.names or ()) for row in rows]
        return np.array(table, dtype=_RATES)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadAnswer(f"{path}: {type(error).__name__}: {error}") from None
