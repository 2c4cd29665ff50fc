"""A simulated terminal on live bars: it is built anew at each close, with the bars that came since.

What it holds lies in its file, written before anybody is told; a killed process goes on from there.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backtest.shadow.market import M15, LiveMarket, Seen, with_first_quote
from broker.contract.messages import OrderRequest, TradeResult
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.persistence import SnapshotError
from broker.simulator.settings import PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.server_clock import ServerClock
from market.timeframe import Timeframe
from ml.hub.store import write_whole
from mt5api.keys import IntentKeys
from trading.errors import DaemonError

_TERMINAL = "terminal.sqlite"
_KEYS = "keys.sqlite"
_BEGUN = "begun"


class _GrowingTerminal(SimulatedTerminal):
    """The same account on a longer market is the same terminal."""

    def fingerprint(self) -> str:
        terms = (sorted(self.instruments), self.account_terms, self._seed, self._slippage_points,
                 self.server_clock.zone)  # fmt: skip
        return hashlib.sha256(repr(terms).encode()).hexdigest()


class _CurrentFace:
    """The native face of the terminal that is current."""

    def __init__(self) -> None:
        self.native: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.native, name)


class VirtualBroker(NativeBroker):
    """The `Broker` port over the growing terminal. Bars are those that were seen, up to the venue's
    clock; what is executed is kept before it is told."""

    def __init__(
        self, face: _CurrentFace, zone: str, market: LiveMarket, *, now_ms: Callable[[], int],
        keys: IntentKeys, keep: Callable[[], None],
    ) -> None:  # fmt: skip
        of = market.instrument
        super().__init__(
            face, ServerClock(zone), now_ms=now_ms, mode="paper",
            sessions={of.symbol: of.sessions}, intents=keys,
        )  # fmt: skip
        self._market, self._keep = market, keep
        self.closed: Bars | None = None

    def rates(self, symbol: str, timeframe: Timeframe, *, from_ms: int, to_ms: int) -> Bars:
        if timeframe is not M15 or self.closed is None:
            return self._market.prices.rates(symbol, timeframe, from_ms=from_ms, to_ms=to_ms)
        return self.closed.between(from_ms, min(to_ms, self.now_ms() - M15.ms + 1))

    def send(self, request: OrderRequest) -> TradeResult:
        return self._kept(super().send(request))

    def modify(self, position: int, *, sl: float, tp: float, client_id: str) -> TradeResult:
        return self._kept(super().modify(position, sl=sl, tp=tp, client_id=client_id))

    def _kept(self, result: TradeResult) -> TradeResult:
        self._keep()
        self.keep_answers()
        return result


class ShadowVenue:
    """Terminal, port and virtual account of one shadow. `now_ms`: the clock that the daemon sees.

    The terminal itself stays behind where it is not known yet what happened: at a close whose bar
    is missing, and after an absence.
    """

    def __init__(self, folder: Path, market: LiveMarket, paper: PaperSettings) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._market, self._paper = folder, market, paper
        self._terminal: SimulatedTerminal | None = None
        self._waits = False
        self._face = _CurrentFace()
        self._keys = IntentKeys(folder / _KEYS)
        self._keys.forget_open()  # nothing else trades here, and the terminal's file knows the rest
        self.now_ms = 0
        self.broker = VirtualBroker(
            self._face, paper.server_timezone, market, now_ms=lambda: self.now_ms,
            keys=self._keys, keep=self._save,
        )  # fmt: skip

    @property
    def terminal(self) -> SimulatedTerminal:
        if self._terminal is None:
            raise RuntimeError("ShadowVenue: at_close() or after_absence() comes before terminal")
        return self._terminal

    def begins(self, now_ms: int) -> int:
        """The open of the first bar of this account: where it began, or begins now."""
        file = self._folder / _BEGUN
        if not file.exists():
            write_whole(file, f"{M15.floor_ms(now_ms)}\n".encode())
        return int(file.read_text(encoding="ascii"))

    def at_close(self, seen: Seen, close_ms: int) -> None:
        """Everything up to a close happens, the first quote after it included."""
        terminal = self._grown(with_first_quote(seen.bars, seen.first_quote), seen.bars)
        self._waits = False
        self._move(terminal, close_ms, to_ms=close_ms)

    def after_absence(self, seen: Seen, now_ms: int) -> None:
        """The clock is where it is; how the bar after the last one began is not known yet, so the
        account waits before the last one's close."""
        terminal = self._grown(seen.bars, seen.bars)
        self._waits = True
        last_ms = int(seen.bars.close_ms[-1]) - 1 if seen.has_bar else terminal.now_ms
        self._move(terminal, now_ms, to_ms=last_ms)

    def inside(self, instant_ms: int) -> None:
        """Time passes in a bar that has begun: nothing happens until it closes."""
        if instant_ms > self.now_ms:
            to_ms = self.terminal.now_ms if self._waits else instant_ms
            self._move(self.terminal, instant_ms, to_ms=to_ms)

    def close(self) -> None:
        if self._terminal is not None:
            self._terminal.close()
        self._keys.close()

    def _grown(self, known: Bars, closed: Bars) -> SimulatedTerminal:
        """The account on more bars, from its file."""
        if self._terminal is not None:
            self._terminal.close()
        of, paper = self._market.instrument, self._paper
        terminal = self._terminal = _GrowingTerminal(
            bars={of.symbol: known}, instruments={of.symbol: of}, account=paper.account_terms(),
            start_ms=self.begins(int(closed.close_ms[-1])), seed=paper.seed,
            slippage_points=paper.slippage_points, server_zone=paper.server_timezone,
        )  # fmt: skip
        file = self._folder / _TERMINAL
        if file.exists():
            try:
                terminal.restore(file)
            except SnapshotError as error:
                raise DaemonError(f"{error}; put `paper` of config.json back") from error
        self._face.native = NativeTerminal(terminal)
        self.broker.closed = closed
        return terminal

    def _move(self, terminal: SimulatedTerminal, now_ms: int, *, to_ms: int) -> None:
        terminal.advance(max(terminal.now_ms, to_ms))
        self._save()
        self.now_ms = max(now_ms, terminal.now_ms)

    def _save(self) -> None:
        self.terminal.save(self._folder / _TERMINAL)
