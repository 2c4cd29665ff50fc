"""JSON ↔ messages, at the edge only. float64 travels exactly; unknown fields are refused.

`encode(message)` and `decode(Type, body)` are inverse for every message of the contract. Bars
travel as columns (`RatesPage`), lists in an envelope with the instant they were read (`Items`).
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config
from pydantic_core import to_json

from broker.contract import messages, paper
from market.bars import Bars, BarsError
from market.timeframe import Timeframe

Message = TypeVar("Message")


class WireError(ValueError):
    """A body that is not the message it should be. Names the field, what is allowed, what came."""


@dataclass(frozen=True, slots=True)
class Items(Generic[Message]):
    """A list read successfully at an instant; an empty one means that there is none."""

    as_of_msc: int
    items: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class RatesPage:
    """Bars as columns, oldest first. `time`: open, epoch ms UTC. `complete`: all are closed."""

    symbol: str
    timeframe: str
    time: list[int]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    tick_volume: list[int]
    spread: list[int]
    complete: bool


@dataclass(frozen=True, slots=True)
class LevelsBody:
    """PUT /positions/{ticket}: absolute prices; 0 removes, a level left out stays."""

    sl: float | None = None
    tp: float | None = None
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class CloseBody:
    """DELETE /positions/{ticket}: the whole position when `volume` is left out."""

    volume: float | None = None
    deviation: int | None = None
    client_id: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class OrderBody:
    """PUT /orders/{ticket}: absolute prices; 0 removes a level, what is left out stays."""

    price: float | None = None
    sl: float | None = None
    tp: float | None = None
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class CancelBody:
    """DELETE /orders/{ticket}."""

    client_id: str = ""


@dataclass(frozen=True, slots=True)
class ErrorWord:
    """What went wrong. `outcome`: not_sent, rejected, unknown, or "" for reads."""

    type: str
    message: str
    retcode: int | None
    retcode_name: str | None
    last_error: tuple[int, str] | None
    outcome: str
    retryable: bool
    request_id: str


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """Every answer of 400 and above. `result` is the trade result of a rejected request."""

    error: ErrorWord
    result: messages.TradeResult | None = None


@dataclass(frozen=True, slots=True)
class ClockWait:
    """POST /_paper/clock: wait until the simulated clock shows this instant."""

    wait_until_msc: int


@dataclass(frozen=True, slots=True)
class ClockState:
    """The simulated clock, and the close of its market's last bar."""

    now_msc: int
    end_msc: int


_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
_SPOKEN: tuple[type[Any], ...] = (
    messages.Account, messages.SymbolSpec, messages.Tick, messages.Position, messages.Order,
    messages.Deal, messages.Expect, messages.OrderRequest, messages.TradeResult, messages.Snapshot,
    messages.TerminalHealth, messages.MarketHealth, messages.Health, messages.IntentReport,
    Items, RatesPage, LevelsBody, CloseBody, ErrorWord, ErrorBody, ClockWait, ClockState,
    paper.FaultMatch, paper.FaultWhen, paper.FaultOrder, paper.FaultAdded, paper.ActiveFault,
    paper.PushedTick, paper.PaperSnapshot,
)  # fmt: skip
for _message in _SPOKEN:
    with_config(_STRICT)(_message)


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> TypeAdapter[Any]:
    """The compiled reader of a kind; compiling takes about a millisecond, so it is kept."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def encode(message: object) -> bytes:
    """A message (or a plain list or mapping of them) as JSON. NaN and infinities become null."""
    return to_json(message)


def decode(kind: type[Message], body: bytes) -> Message:
    """The message in a JSON body; `WireError` says which field is wrong and how."""
    try:
        message: Message = _adapter(kind).validate_json(body)
    except ValidationError as error:
        raise WireError(_complaint(kind, error)) from None
    return message


def _complaint(kind: type[Any], error: ValidationError) -> str:
    wrong = []
    for each in error.errors(include_url=False, include_context=False)[:5]:
        where = ".".join(str(part) for part in each["loc"]) or "body"
        came = "" if each["type"] == "missing" else f" ({str(each['input'])[:60]!r} came)"
        wrong.append(f"{where}: {each['msg']}{came}")
    return f"{getattr(kind, '__name__', kind)}: " + "; ".join(wrong)


def rates_page(bars: Bars) -> RatesPage:
    """Closed bars in the wire's columns."""
    return RatesPage(
        symbol=bars.symbol,
        timeframe=bars.timeframe.name,
        time=bars.open_ms.tolist(),
        open=bars.open.tolist(),
        high=bars.high.tolist(),
        low=bars.low.tolist(),
        close=bars.close.tolist(),
        tick_volume=bars.tick_volume.tolist(),
        spread=bars.spread_points.tolist(),
        complete=True,
    )


def bars_of(page: RatesPage) -> Bars:
    """The bars of a page, checked; `WireError` if they cannot be true."""
    if page.timeframe not in Timeframe.__members__:
        raise WireError(f"RatesPage: timeframe: {page.timeframe} came, which nobody knows")
    if not page.time and (page.open or page.high or page.low or page.close):
        raise WireError("RatesPage: time: no open times came, but prices did")
    try:
        return Bars(
            symbol=page.symbol,
            timeframe=Timeframe[page.timeframe],
            open_ms=np.array(page.time, dtype=np.int64),
            open=np.array(page.open, dtype=np.float64),
            high=np.array(page.high, dtype=np.float64),
            low=np.array(page.low, dtype=np.float64),
            close=np.array(page.close, dtype=np.float64),
            tick_volume=np.array(page.tick_volume, dtype=np.int64),
            spread_points=np.array(page.spread, dtype=np.int64),
        ).checked()
    except (BarsError, OverflowError) as error:
        raise WireError(f"RatesPage: {error}") from None
