"""One shadow: the daemon's loop over a virtual venue that lives on the bridge's bars."""

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from backtest.shadow.clock import ShadowClock
from backtest.shadow.market import LiveMarket, Prices
from backtest.shadow.venue import ShadowVenue
from broker.simulator.settings import PaperSettings
from market.bars import utc_text
from market.store import BarStore
from ml.features.settings import FeatureSettings
from ml.predictors.model_set import ModelSet
from ml.predictors.settings import ModelPaths
from trading.assemble import Trade, assemble
from trading.bot import Bot
from trading.clock import Clock, StopFlag
from trading.forecaster import Forecaster
from trading.heartbeat import Heartbeat
from trading.journal import Journal, wall_ms
from trading.model import beside
from trading.model_source import SwapTerms
from trading.outside import Outside
from trading.report import Reporter
from trading.schedule import RunLimits
from trading.state_folder import StateFolder

_MARKET = "market.sqlite"
_TERMINAL = "terminal"
# The daemon's own feed asks for what is needed before its first bar, which is a little earlier.
_SPARE_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Subject:
    """What is shadowed. `models` lie at `paths`, and decide by the rules of `trade`."""

    trade: Trade
    models: ModelSet
    paths: ModelPaths
    features: FeatureSettings
    outside: Outside
    paper: PaperSettings


class Shadow:
    """A subject in its state folder. A context manager that closes what it has opened; `run` goes
    on where an earlier process stopped, and returns when a stop was requested."""

    def __init__(
        self, subject: Subject, folder: StateFolder, prices: Prices, live: Clock, stop: StopFlag, *,
        reporter: Reporter, observed_ms: Callable[[], int] = wall_ms,
        over: Callable[[], bool] = lambda: False, bars: int | None = None,
        heartbeat: Heartbeat | None = None,
    ) -> None:  # fmt: skip
        """`live`: the bridge's time. `observed_ms`: the host's, which the journal keeps beside it.
        `over`: `ShadowClock`. `bars`: how many to decide; None: no end.
        `heartbeat`: the process's, which beats at every close."""
        of, quantile = subject.trade.instrument, subject.trade.decision.prediction.quantile
        lookback_ms = quantile.lookback_ms + Forecaster.lookback_ms + _SPARE_MS
        self._seen = BarStore(folder.path / _MARKET)
        self.market = LiveMarket(prices, self._seen, of, lookback_ms=lookback_ms)
        self.venue = ShadowVenue(folder.terminal, self.market, subject.paper)
        self.journal = Journal(folder.journal, observed_ms=observed_ms)
        self._store = BarStore(folder.bars)
        self._live, self._reporter, self._heartbeat = live, reporter, heartbeat
        self._clock = clock = ShadowClock(
            live, self.market, self.venue, stop, over=over,
            allowed_ms=subject.trade.daemon.act_within_ms,
        )  # fmt: skip
        self.bot = self._bot(subject, folder, clock, stop, reporter, bars)

    def _bot(
        self, subject: Subject, folder: StateFolder, clock: ShadowClock, stop: StopFlag,
        reporter: Reporter, bars: int | None,
    ) -> Bot:  # fmt: skip
        from_ms = self.venue.begins(self._live.now_ms())
        return assemble(
            subject.trade, broker=self.venue.broker, clock=clock, stop=stop, reporter=reporter,
            journal=self.journal, store=self._store, predictor=subject.models.signal,
            limits=RunLimits(from_ms, bars=bars), beside=beside(subject.models),
            outside=subject.outside, heartbeat=self._heartbeat,
            swap=SwapTerms(
                folder.path, subject.models, subject.paths, subject.features,
                subject.trade.instrument.symbol, subject.trade.decision, beside,
            ),
        )  # fmt: skip

    def run(self, headline: str = "shadow") -> None:
        """Raises `BrokerError` where the bridge is away at the start; later it waits for it."""
        self.market.require_same_prices()
        self._clock.start()
        self._reporter.started(headline)
        self.journal.record("run_started", self._clock.now_ms(), text=headline)
        try:
            self.bot.run()
        finally:
            self._reporter.closed()
        ended = f"stopped at {utc_text(self._clock.now_ms())} UTC; the next start goes on from here"
        self.journal.record("run_ended", self._clock.now_ms(), over=False, text=ended)
        self._reporter.finished(ended, {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.venue.close()
        for each in (self.journal, self._store, self._seen):
            each.close()
