"""What this dialect needs of the MetaTrader5 package, and what its handlers are given and give."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException
from starlette.responses import Response

from broker.contract.wire import encode

_SECONDS = ("time", "time_setup", "time_done", "time_expiration", "time_update")
_MILLISECONDS = ("time_msc", "time_setup_msc", "time_done_msc", "time_update_msc")


class Package(Protocol):
    """The MetaTrader5 package's functions that the dialect calls. None means failure."""

    def initialize(self) -> bool: ...

    def shutdown(self) -> None: ...

    def last_error(self) -> Any: ...

    def terminal_info(self) -> Any: ...

    def account_info(self) -> Any: ...

    def symbols_get(self, group: str = ...) -> Any: ...

    def symbol_info(self, symbol: str, /) -> Any: ...

    def symbol_select(self, symbol: str, enable: bool, /) -> Any: ...

    def symbol_info_tick(self, symbol: str, /) -> Any: ...

    def copy_rates_from_pos(
        self, symbol: str, timeframe: int, start_pos: int, count: int, /
    ) -> Any: ...

    def copy_rates_from(
        self, symbol: str, timeframe: int, date_from: int, count: int, /
    ) -> Any: ...

    def copy_rates_range(
        self, symbol: str, timeframe: int, date_from: int, date_to: int, /
    ) -> Any: ...

    def positions_get(self, *, symbol: str = ..., ticket: int = ...) -> Any: ...

    def orders_get(self, *, symbol: str = ..., ticket: int = ...) -> Any: ...

    def history_deals_get(self, date_from: int, date_to: int, /) -> Any: ...

    def history_orders_get(self, date_from: int, date_to: int, /) -> Any: ...

    def order_send(self, request: dict[str, Any], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as a handler sees it."""

    path: Mapping[str, Any]
    query: QueryParams
    body: bytes
    is_json: bool

    def json(self) -> Any:
        """The body; 415 where it does not say JSON, 400 where it is none, both as HTML."""
        if not self.is_json:
            raise HTTPException(415)
        try:
            return json.loads(self.body)
        except ValueError:
            raise HTTPException(400) from None

    def json_or_none(self) -> Any:
        try:
            return self.json()
        except HTTPException:
            return None


@dataclass(frozen=True, slots=True)
class Shift:
    """The bridge's static `utc_offset`: one constant for all instants, past and present.

    0 hands the server's wall clock through as it is.
    """

    offset_s: int

    def as_json(self, record: Any) -> Any:
        """A named tuple as a JSON object, its instants shifted; None stays None."""
        if record is None:
            return None
        fields = dict(record._asdict())
        if self.offset_s:
            for names, offset in ((_SECONDS, self.offset_s), (_MILLISECONDS, self.offset_s * 1000)):
                fields |= {name: fields[name] - offset for name in names if fields.get(name)}
        return fields

    def all_as_json(self, records: Any) -> list[Any]:
        """A bare array. A failure (None) looks like an empty one: that is the quirk."""
        return [self.as_json(each) for each in records] if records else []


def answer(content: Any, status: int = 200) -> Response:
    return Response(encode(content), status, media_type="application/json")


def error(text: str, status: int) -> Response:
    """The dialect's only JSON error: a text."""
    return answer({"error": text}, status)
