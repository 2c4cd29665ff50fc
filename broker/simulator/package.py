"""The simulated terminal as a program sees it that says `import MetaTrader5`.

`deploy/metatrader5-simulated/MetaTrader5` puts these functions at module level. What is traded on
comes from the environment, read by `initialize`:

| variable | meaning | default |
|---|---|---|
| `NOVOSKY_SIM_MARKET` | `generated`, or a file of bars | `generated` |
| `NOVOSKY_SIM_SYMBOLS` | symbols with commas; a file has one | `BTCUSD` |
| `NOVOSKY_SIM_FROM` | where the clock starts, ISO 8601, UTC | 2026-01-05; file: bar 1000 |
| `NOVOSKY_SIM_DAYS` | how long the generated market goes on | 30 |
| `NOVOSKY_SIM_SPEED` | times real time, or `step`: to the next bar at each read | 60 |
| `NOVOSKY_SIM_SEED` | of the generated market and of slippage | 7 |
| `NOVOSKY_SIM_BALANCE`, `NOVOSKY_SIM_CURRENCY` | the account, USD or USC | 10000, USD |
| `NOVOSKY_SIM_ZONE` | the server's clock | UTC |
| `NOVOSKY_SIM_STATE` | file that keeps the account, written after every order | none |
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broker.simulator.market_clock import MarketClock, Speed
from broker.simulator.native import NativeTerminal
from broker.simulator.persistence import SnapshotError
from broker.simulator.settings import PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars, BarsError
from market.instruments import INSTRUMENTS, instrument
from market.sources.errors import SourceError
from market.sources.generated import generated_bars

PREFIX = "NOVOSKY_SIM_"
_DAY_MS = 86_400_000
_HISTORY_MS = 60 * _DAY_MS
_HISTORY_BARS = 1000
_ORDERS = ("order_send", "Buy", "Sell", "Close")
_NO_IPC = (NativeTerminal.RES_E_INTERNAL_FAIL_CONNECT, "No IPC connection")


class SimulatedMarket(BaseModel):
    """The variables above, by their names in small letters without the prefix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    market: str = "generated"
    symbols: str = "BTCUSD"
    start: datetime | None = Field(default=None, alias="from")
    days: int = Field(default=30, ge=1)
    speed: Speed = Field(default=60.0)
    seed: int = Field(default=7, ge=0)
    balance: float = Field(default=10_000.0, gt=0)
    currency: str = "USD"
    zone: str = "UTC"
    state: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "SimulatedMarket":
        """`ValidationError` names the variable that cannot be."""
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX)
        }
        return cls.model_validate(given)

    def names(self) -> tuple[str, ...]:
        return tuple(each.strip() for each in self.symbols.split(","))

    def bars(self) -> dict[str, Bars]:
        """Bars by symbol. `KeyError`, `BarsError` or `SourceError` where there are none."""
        if self.market != "generated":
            from market.sources.files import read_bars  # pyarrow, which generated bars do not need

            (symbol,) = self.names()
            return {symbol: read_bars(Path(self.market), instrument(symbol))}
        start_ms = self._start_ms(datetime(2026, 1, 5, tzinfo=UTC))
        return {
            symbol: generated_bars(
                instrument(symbol), seed=self.seed, from_ms=start_ms - _HISTORY_MS,
                to_ms=start_ms + self.days * _DAY_MS,
            )
            for symbol in self.names()
        }  # fmt: skip

    def terminal(self, login: int | None, server: str | None) -> SimulatedTerminal:
        """A terminal whose account has the number and server that the program gives."""
        bars = self.bars()
        paper = PaperSettings(balance=self.balance, currency=self.currency, seed=self.seed,
                              server_timezone=self.zone)  # fmt: skip
        account = paper.account_terms()
        account = replace(account, login=login or account.login, server=server or account.server)
        return SimulatedTerminal(
            bars=bars, instruments={symbol: INSTRUMENTS[symbol] for symbol in bars},
            account=account, start_ms=self._first_ms(bars), seed=self.seed,
            slippage_points=paper.slippage_points, server_zone=self.zone,
        )  # fmt: skip

    def _first_ms(self, bars: Mapping[str, Bars]) -> int:
        longest = max(bars.values(), key=len)
        if self.market == "generated":
            return self._start_ms(datetime(2026, 1, 5, tzinfo=UTC))
        row = min(_HISTORY_BARS, len(longest) - 1)
        at = datetime.fromtimestamp(int(longest.open_ms[row]) / 1000, UTC)
        return self._start_ms(at)

    def _start_ms(self, otherwise: datetime) -> int:
        start = self.start or otherwise
        return int((start if start.tzinfo else start.replace(tzinfo=UTC)).timestamp() * 1000)


class Package:
    """The package's functions over a terminal that `initialize` opens."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._native: NativeTerminal | None = None
        self._clock: MarketClock | None = None
        self._state: Path | None = None
        self._is_open = False
        self._error: tuple[int, str] = (NativeTerminal.RES_S_OK, "Success")

    def function(self, name: str) -> Callable[..., Any]:
        """The package's function of this name."""
        if name in ("initialize", "shutdown", "last_error"):
            own: Callable[..., Any] = getattr(self, name)
            return own
        return self._passed_on(name)

    def initialize(self, path: str = "", **named: Any) -> bool:
        """Opens the simulated account, the given `login` and `server` taken over. False where the
        environment asks for what cannot be; `last_error` says what."""
        try:
            native = self._native or self._opened(named.get("login"), named.get("server"))
        except (ValidationError, KeyError, BarsError, SourceError, SnapshotError, ValueError) as no:
            self._error = (NativeTerminal.RES_E_FAIL, f"simulated terminal: {no}")
            return False
        self._native, self._is_open = native, True
        login = named.get("login")
        return native.login(login) if login else native.initialize()

    def shutdown(self) -> None:
        """A later `initialize` goes on with the same account."""
        self._save()
        self._is_open = False

    def last_error(self) -> tuple[int, str]:
        return self._native.last_error() if self._native and self._is_open else self._error

    def _opened(self, login: int | None, server: str | None) -> NativeTerminal:
        asked = SimulatedMarket.from_environment(self._environment)
        terminal = asked.terminal(login, server)
        self._state = asked.state
        if self._state and self._state.exists():
            terminal.restore(self._state)
        self._clock = MarketClock(terminal, asked.speed)
        return NativeTerminal(terminal)

    def _save(self) -> None:
        if self._native and self._state:
            self._native.terminal.save(self._state)

    def _passed_on(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            if self._native is None or self._clock is None or not self._is_open:
                self._error = _NO_IPC
                return None
            self._clock.before(name)
            answer = getattr(self._native, name)(*args, **named)
            if name in _ORDERS:
                self._save()
            return answer

        like = getattr(NativeTerminal, name)
        call.__name__ = call.__qualname__ = name
        call.__doc__ = like.__doc__
        return call


def constants() -> dict[str, int]:
    """The package's constants by name."""
    return {name: getattr(NativeTerminal, name) for name in dir(NativeTerminal) if name.isupper()}


def functions() -> tuple[str, ...]:
    """Names of the package's functions."""
    return tuple(
        name
        for name in dir(NativeTerminal)
        if not name.startswith("_") and callable(getattr(NativeTerminal, name))
    )
