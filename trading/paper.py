"""A paper run: its market, from which bar to which, whether the warm-up suffices.

Trading itself is `trading.bot` over the paper bridge; nothing else here differs from live.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from broker.client.settings import Dialect
from broker.simulator.settings import PaperSettings
from market.bars import Bars, utc_text
from market.gaps import require_few_gaps
from market.sources.files import read_bars
from market.sources.generated import generated_bars
from market.timeframe import Timeframe
from ml.features.catalogue import LOOKBACK_MS
from mt5api.paper import FileMarket, GeneratedMarket, PaperSpec
from trading.assemble import TIMEFRAME, Trade
from trading.errors import PaperError
from trading.schedule import RunLimits

DAY_MS = 86_400_000
# The generated market trades from here; its demo model is trained on the 16 months before.
GENERATED_FROM_MS = int(datetime(2025, 5, 1, tzinfo=UTC).timestamp() * 1000)
GENERATED_TRAIN_FROM_MS = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1000)
_GENERATED_DAYS = 365
_CLOSURE_MS = 7 * DAY_MS

Speed = float | Literal["max"]


@dataclass(frozen=True, slots=True)
class PaperOptions:
    """What a person asked for on the command line. `market` None is the generated one; `m1`: a
    file of M1 bars for the position model."""

    market: Path | None
    from_ms: int | None
    to_ms: int | None
    bars: int | None
    speed: Speed
    m1: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PaperPlan:
    """A run that can start: where its market comes from, all of its bars, and its limits.

    `m1`: M1 bars for the position model, from `m1_file`; None where there are none.
    """

    market: GeneratedMarket | FileMarket
    bars: Bars
    limits: RunLimits
    source: str
    m1_file: Path | None = None
    m1: Bars | None = None

    @property
    def data_sha256(self) -> str:
        return self.bars.sha256()

    def missing_minutes(self, paper: PaperSettings) -> tuple[str, ...]:
        """In words, where M1 bars are asked about the inside of bars and do not hold them all."""
        if not paper.m1_inside_bars or self.m1 is None:
            return ()
        span = self.limits.from_ms, self.limits.to_ms or int(self.bars.close_ms[-1])
        asked = len(self.bars.between(*span)) * TIMEFRAME.ms // Timeframe.M1.ms
        held = len(self.m1.between(*span))
        if held >= asked:
            return ()
        return (
            f"paper.m1_inside_bars: the M1 bars hold {held / asked:.1%} of the span's minutes; "
            "where one is missing before a touch, a stop stays a stop",
        )

    def spec(
        self, symbol: str, paper: PaperSettings, speed: Speed, state_dir: Path,
        dialect: Dialect = "native",
    ) -> PaperSpec:  # fmt: skip
        """What the paper bridge is started with."""
        return PaperSpec(
            market=self.market, symbol=symbol, start_ms=self.limits.from_ms,
            state_dir=state_dir.resolve(), speed=speed, paper=paper, dialect=dialect,
            m1=self.m1_file,
        )  # fmt: skip

    def fingerprint(
        self, trade: Trade, paper: PaperSettings, learned: Sequence[str], *, dry: bool
    ) -> str:
        """Eight digits that tell runs apart: market, start, account terms, rules, and the hashes
        of what else decisions are made of (`learned`: models, calendar, on-chain files)."""
        parts = [
            self.data_sha256, self.market.model_dump(mode="json"), self.limits.from_ms,
            trade.instrument.symbol, paper.model_dump(mode="json"),
            trade.decision.model_dump(mode="json"), trade.daemon.strategy_id, trade.groups,
            *learned, self.m1.sha256() if self.m1 is not None else "", dry,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


def plan_run(options: PaperOptions, trade: Trade, paper: PaperSettings) -> PaperPlan:
    """Reads the market and checks the asked span.

    Raises `BarsError`, `SourceError` or `PaperError`; each says what to do.
    """
    if options.market is None:
        plan = _generated(options, trade, paper)
    else:
        plan = _from_file(options.market, options, trade, paper)
    if options.m1 is None:
        if paper.m1_inside_bars:
            raise PaperError("paper.m1_inside_bars: --m1 FILE is needed, none was given")
        return plan
    minutes = read_bars(options.m1, trade.instrument, server_zone=paper.server_timezone)
    if minutes.timeframe is not Timeframe.M1:
        raise PaperError(f"{options.m1}: M1 bars are needed, {minutes.timeframe.name} came")
    return replace(plan, m1_file=options.m1.resolve(), m1=minutes)


def warm_up_ms(trade: Trade) -> int:
    """How much history must lie before the first decided bar."""
    prediction = trade.decision.prediction
    return LOOKBACK_MS + (prediction.quantile.lookback_ms if prediction.gate == "quantile" else 0)


def _generated(options: PaperOptions, trade: Trade, paper: PaperSettings) -> PaperPlan:
    from_ms = GENERATED_FROM_MS if options.from_ms is None else _on_grid(options.from_ms)
    history_ms = LOOKBACK_MS + trade.decision.prediction.quantile.lookback_ms + 2 * _CLOSURE_MS
    to_ms = max(from_ms + _GENERATED_DAYS * DAY_MS, (options.to_ms or 0) + DAY_MS)
    market = GeneratedMarket(
        kind="generated", seed=paper.seed, from_ms=from_ms - history_ms, to_ms=to_ms
    )
    bars = generated_bars(
        trade.instrument, seed=market.seed, from_ms=market.from_ms, to_ms=market.to_ms
    )
    source = f"generated market, seed {paper.seed} (not a real one)"
    return PaperPlan(market, bars, _limits(options, from_ms, bars), source)


def _from_file(path: Path, options: PaperOptions, trade: Trade, paper: PaperSettings) -> PaperPlan:
    bars = read_bars(path, trade.instrument, server_zone=paper.server_timezone)
    if bars.timeframe is not TIMEFRAME:
        raise PaperError(f"{path}: {TIMEFRAME.name} bars are needed, {bars.timeframe.name} came")
    earliest_ms = _on_grid(int(bars.open_ms[0]) + warm_up_ms(trade))
    _require_room(path, bars, trade, earliest_ms)
    from_ms = earliest_ms if options.from_ms is None else _on_grid(options.from_ms)
    limits = _limits(options, from_ms, bars)
    _require_warm_up(path, bars, trade, from_ms, earliest_ms)
    used = bars.between(from_ms - warm_up_ms(trade), limits.to_ms or int(bars.close_ms[-1]))
    require_few_gaps(used, trade.instrument.sessions)
    market = FileMarket(kind="file", path=path.resolve(), server_zone=paper.server_timezone)
    return PaperPlan(market, bars, limits, path.name)


def _limits(options: PaperOptions, from_ms: int, bars: Bars) -> RunLimits:
    if options.to_ms is not None and options.to_ms <= from_ms:
        raise PaperError(
            f"--to {utc_text(options.to_ms)} UTC: an instant after the start "
            f"({utc_text(from_ms)} UTC) is allowed"
        )
    end_ms = int(bars.close_ms[-1])
    if from_ms >= end_ms:
        raise PaperError(
            f"--from {utc_text(from_ms)} UTC: the market's bars end at {utc_text(end_ms)} UTC; "
            "choose an earlier start"
        )
    return RunLimits(from_ms, options.to_ms, options.bars)


def _require_room(path: Path, bars: Bars, trade: Trade, earliest_ms: int) -> None:
    """A file that ends before its own warm-up does is of no use, wherever a run starts."""
    first_ms, end_ms = int(bars.open_ms[0]), int(bars.close_ms[-1])
    if earliest_ms < end_ms:
        return
    raise PaperError(
        f"{path}: too short: its {(end_ms - first_ms) / DAY_MS:.1f} days ({utc_text(first_ms)} to "
        f"{utc_text(end_ms)} UTC) hold no bar with enough history; {_needed(trade)}; give a file "
        "of more days"
    )


def _needed(trade: Trade) -> str:
    """How many days must lie before a decided bar, and what for."""
    gate_days = (warm_up_ms(trade) - LOOKBACK_MS) / DAY_MS
    gate = f" and {gate_days:g} for the gate's look-back" if gate_days else ""
    need_days = warm_up_ms(trade) / DAY_MS
    return f"{need_days:g} days are needed ({LOOKBACK_MS / DAY_MS:g} for the features{gate})"


def _require_warm_up(path: Path, bars: Bars, trade: Trade, from_ms: int, earliest_ms: int) -> None:
    if from_ms >= earliest_ms:
        return
    first_ms = int(bars.open_ms[0])
    have_days = max(0, from_ms - first_ms) / DAY_MS
    raise PaperError(
        f"{path}: too little history before --from {utc_text(from_ms)} UTC: {_needed(trade)}, "
        f"{have_days:.1f} are there; "
        f"start at {utc_text(earliest_ms)} UTC or later, or give a file that begins at "
        f"{utc_text(from_ms - warm_up_ms(trade))} UTC or earlier"
    )


def _on_grid(instant_ms: int) -> int:
    """The first bar opening at or after an instant."""
    return -(-instant_ms // TIMEFRAME.ms) * TIMEFRAME.ms
