"""The package's named tuples and record arrays as the contract's messages, in UTC."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, TypeVar, get_type_hints

import numpy as np

from broker.contract.errors import BadAnswer
from broker.contract.messages import Account, Deal, Order, Position, SymbolSpec, Tick
from market.bars import Bars, BarsError
from market.server_clock import ServerClock, ServerClockError
from market.timeframe import Timeframe

Message = TypeVar("Message")

# Units of an account currency in its base currency, where they are not the same.
_CENT_CURRENCIES = {"USC": ("USD", 0.01), "EUC": ("EUR", 0.01), "GBC": ("GBP", 0.01)}

_SPEC_HASHED = (
    "digits", "point", "trade_tick_size", "trade_contract_size", "volume_min", "volume_max",
    "volume_step", "volume_limit", "trade_stops_level", "trade_freeze_level", "filling_mode",
    "trade_calc_mode", "currency_base", "currency_profit", "currency_margin",
)  # fmt: skip

_casts: dict[type[Any], tuple[tuple[str, Callable[[Any], Any]], ...]] = {}


def _casts_of(kind: type[Any]) -> tuple[tuple[str, Callable[[Any], Any]], ...]:
    if kind not in _casts:
        hints = get_type_hints(kind)
        _casts[kind] = tuple((each.name, hints[each.name]) for each in fields(kind))
    return _casts[kind]


def message_of(kind: type[Message], record: Any, **given: Any) -> Message:
    """A message from a named tuple with the same field names; `given` fields are taken as they are.

    `BadAnswer` where the record lacks a field or holds what the field cannot be.
    """
    values = dict(given)
    for name, cast in _casts_of(kind):
        if name in given:
            continue
        try:
            values[name] = cast(getattr(record, name))
        except (AttributeError, TypeError, ValueError) as error:
            raise BadAnswer(f"terminal: {kind.__name__}.{name}: {error}") from None
    return kind(**values)


class ServerTime:
    """Server instants in UTC, by the zone rule and today's offset.

    In the hour that autumn repeats, a lone instant is taken in the pass that is in force now.
    """

    def __init__(self, clock: ServerClock, now_ms: Callable[[], int]) -> None:
        self._clock = clock
        self._now_ms = now_ms

    def utc_ms(self, server_ms: int) -> int:
        """A server instant in epoch ms as UTC; 0 (never) stays 0."""
        if server_ms == 0:
            return 0
        offset_s = self._clock.offset_s(self._now_ms())
        guess_ms = server_ms - offset_s * 1000
        if self._clock.offset_s(guess_ms) == offset_s:
            return guess_ms
        try:
            return self._clock.to_utc_ms(server_ms // 1000) + server_ms % 1000
        except ServerClockError as error:
            raise BadAnswer(str(error)) from None

    def utc_ms_of_all(self, server_ms: list[int]) -> list[int]:
        """Server instants that are in the order in which they happened."""
        shown = np.array(server_ms, dtype=np.int64)
        try:
            utc_ms = self._clock.to_utc_ms_sequence(shown // 1000, strictly=False)
        except ServerClockError as error:
            raise BadAnswer(str(error)) from None
        return [int(each) for each in utc_ms + shown % 1000]

    def bar_opens_ms(self, server_s: np.ndarray) -> np.ndarray:
        """Open times of consecutive bars."""
        try:
            return self._clock.to_utc_ms_sequence(server_s.astype(np.int64))
        except ServerClockError as error:
            raise BadAnswer(str(error)) from None

    def server_s(self, utc_ms: int) -> int:
        return self._clock.to_server_s(utc_ms)

    def offset_s(self) -> int:
        """Seconds the server clock is ahead of UTC now."""
        return self._clock.offset_s(self._now_ms())


def account(info: Any) -> Account:
    base, unit = _CENT_CURRENCIES.get(info.currency, (info.currency, 1.0))
    return message_of(Account, info, base_currency=base, unit_to_base=unit)


def symbol_spec(info: Any) -> SymbolSpec:
    return message_of(SymbolSpec, info, symbol=str(info.name), spec_hash=_spec_hash(info))


def _spec_hash(info: Any) -> str:
    """SHA-256 of what must not change under a running strategy; a change stops it."""
    line = "|".join(repr(getattr(info, name)) for name in _SPEC_HASHED)
    return hashlib.sha256(line.encode()).hexdigest()


def tick(record: Any, time: ServerTime) -> Tick:
    return message_of(Tick, record, time_msc=time.utc_ms(record.time_msc))


def ticks(rows: Any, time: ServerTime) -> list[Tick]:
    """Ticks of a `copy_ticks_*` record array."""
    instants = time.utc_ms_of_all([int(each) for each in rows["time_msc"]])
    return [
        Tick(at, float(row["bid"]), float(row["ask"]), float(row["last"]), int(row["volume"]),
             int(row["flags"]))
        for at, row in zip(instants, rows, strict=True)
    ]  # fmt: skip


def position(record: Any, time: ServerTime) -> Position:
    return message_of(
        Position, record,
        time_msc=time.utc_ms(record.time_msc), time_update_msc=time.utc_ms(record.time_update_msc),
    )  # fmt: skip


def order(record: Any, time: ServerTime) -> Order:
    return message_of(
        Order, record,
        time_setup_msc=time.utc_ms(record.time_setup_msc),
        time_done_msc=time.utc_ms(record.time_done_msc),
    )  # fmt: skip


def deals(records: Iterable[Any], time: ServerTime) -> list[Deal]:
    """Deals in (time, ticket) order. Tickets grow with time, which tells the passes of autumn."""
    in_order = sorted(records, key=lambda each: int(each.ticket))
    instants = time.utc_ms_of_all([int(each.time_msc) for each in in_order])
    found = [
        message_of(Deal, record, time_msc=instant)
        for record, instant in zip(in_order, instants, strict=True)
    ]
    return sorted(found, key=lambda each: (each.time_msc, each.ticket))


def bars(symbol: str, timeframe: Timeframe, rows: Any, time: ServerTime) -> Bars:
    """Bars of a `copy_rates_*` record array, checked."""
    try:
        return Bars(
            symbol=symbol,
            timeframe=timeframe,
            open_ms=time.bar_opens_ms(rows["time"]),
            open=rows["open"].astype(np.float64),
            high=rows["high"].astype(np.float64),
            low=rows["low"].astype(np.float64),
            close=rows["close"].astype(np.float64),
            tick_volume=rows["tick_volume"].astype(np.int64),
            spread_points=rows["spread"].astype(np.int64),
        ).checked()
    except (BarsError, ValueError, TypeError, IndexError) as error:
        raise BadAnswer(f"terminal: {symbol} {timeframe.name}: {error}") from None
