"""What the doctor asks the bridge: each question once, its answer or its error kept."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import httpx

from broker.client.connect import BridgeClient
from broker.client.settings import BridgeSettings
from broker.client.symbol_names import symbol_names
from broker.contract.errors import BrokerError
from broker.contract.messages import Account, Health, Snapshot, SymbolSpec, Tick
from market.bars import Bars
from market.indicators import true_range
from market.instrument import Instrument
from market.timeframe import Timeframe
from trading.decision.records import InstrumentView
from trading.decision.settings import DecisionSettings
from trading.doctor.check import NotLooked
from trading.errors import DaemonError
from trading.health import HealthLimits
from trading.views import instrument_view

Answer = TypeVar("Answer")

_WEEK_MS = 7 * 86_400_000
_ATR_BARS = 14
_ASKED_AT = {"native": "/health", "mt5-httpapi": "/ping"}


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal has pinned, where there is one. `account`: `login on server`."""

    account: str | None = None
    trade_mode: str | None = None
    spec_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked over. `history_ms`: how far back bars are needed. `now_ms`: this machine's
    clock. `account_type`: `standard` or `cent` where an account's entry says so, else empty."""

    broker: BridgeClient
    bridge: BridgeSettings
    instrument: Instrument
    timeframe: Timeframe
    decision: DecisionSettings
    strategy_id: int
    history_ms: int
    limits: HealthLimits
    known: Known
    now_ms: Callable[[], int]
    account_type: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """The bridge's health, and this machine's clock when it was told, to within `within_ms`."""

    health: Health
    at_ms: int
    within_ms: int


class Bedside:
    """The patient's answers. A bridge that does not answer is asked once, and then no more."""

    def __init__(self, patient: Patient) -> None:
        self.patient = patient
        self._answers: dict[str, object] = {}

    @cached_property
    def status(self) -> int:
        """HTTP status of the bridge's plainest path. Raises `BrokerError` without an answer."""
        return self._exchange("GET", _ASKED_AT[self.patient.bridge.dialect]).status_code

    @cached_property
    def trading_status(self) -> int:
        """HTTP status of a path that only the trade token may ask, and that does nothing."""
        return self._exchange("POST", _ASKED_AT[self.patient.bridge.dialect]).status_code

    def health(self) -> Health:
        return self.asked_health().health

    def asked_health(self) -> Asked:
        self._require_bridge()
        return self._once("health", self._ask_health)

    def account(self) -> Account:
        self._require_terminal()
        return self._once("account", self.patient.broker.account)

    def spec(self) -> SymbolSpec:
        self._require_terminal()
        return self._once("spec", lambda: self.patient.broker.symbol(self.symbol))

    def tick(self) -> Tick:
        self._require_symbol()
        return self._once("tick", lambda: self.patient.broker.tick(self.symbol))

    def snapshot(self) -> Snapshot:
        self._require_symbol()
        return self._once("snapshot", lambda: self.patient.broker.snapshot(self.symbol))

    def names(self) -> tuple[str, ...]:
        """The broker's own names of all its symbols."""
        self._require_terminal()
        bridge = self.patient.bridge
        return self._once("names", lambda: symbol_names(self.patient.broker.connection, bridge))

    def recent_bars(self) -> Bars:
        """The closed bars of the last week. Raises `DaemonError` where there are none."""
        self._require_symbol()
        bars = self._once("bars", self._ask_bars)
        if len(bars) == 0:
            raise DaemonError(f"no closed {self.symbol} bars of the last week")
        return bars

    def recent_atr(self) -> float:
        """Wilder's ATR(14) at the last closed bar, price units, begun a week ago."""
        bars = self.recent_bars()
        ranges = true_range(bars.high, bars.low, bars.close)
        level = float(ranges[0])
        for each in ranges[1:]:
            level += (float(each) - level) / _ATR_BARS
        return level

    def instrument(self) -> InstrumentView:
        """The symbol as sizing sees it."""
        spec, account = self.spec(), self.account()
        mine = self.patient.instrument.in_deposit_currency(1 / account.unit_to_base)
        return instrument_view(
            spec, self.tick(), account.leverage, commission_per_lot=mine.commission_per_lot
        )

    @property
    def symbol(self) -> str:
        return self.patient.instrument.symbol

    @property
    def is_paper(self) -> bool:
        return self.health().mode == "paper"

    @property
    def at_ms(self) -> int:
        """Now: by this machine's clock, on paper by the bridge's own."""
        return self.health().utc_msc if self.is_paper else self.patient.now_ms()

    def _ask_health(self) -> Asked:
        before_ms = self.patient.now_ms()
        health = self.patient.broker.health()
        after_ms = self.patient.now_ms()
        return Asked(health, (before_ms + after_ms) // 2, (after_ms - before_ms + 1) // 2)

    def _ask_bars(self) -> Bars:
        to_ms = self.health().utc_msc - self.patient.timeframe.ms + 1
        return self.patient.broker.rates(
            self.symbol, self.patient.timeframe, from_ms=to_ms - _WEEK_MS, to_ms=to_ms
        )

    def _exchange(self, method: str, path: str) -> httpx.Response:
        return self.patient.broker.connection.exchange(method, path)

    def _once(self, name: str, ask: Callable[[], Answer]) -> Answer:
        if name not in self._answers:
            try:
                self._answers[name] = ask()
            except BrokerError as error:
                self._answers[name] = error
        found = self._answers[name]
        if isinstance(found, BrokerError):
            raise found
        return found  # type: ignore[return-value]

    def _require_bridge(self) -> None:
        try:
            status = self.status
        except BrokerError:
            raise NotLooked("the bridge does not answer") from None
        if status == 401:
            raise NotLooked("the bridge does not accept the token")

    def _require_terminal(self) -> None:
        try:
            is_down = self.health().status == "down"
        except BrokerError:
            is_down = True
        if is_down:
            raise NotLooked("the bridge has no terminal that is logged in to our account")

    def _require_symbol(self) -> None:
        try:
            self.spec()
        except BrokerError:
            raise NotLooked("the symbol cannot be read") from None
