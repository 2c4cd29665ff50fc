"""Everything a run is decided by, beside its bars."""

from dataclasses import dataclass

from broker.simulator.settings import PaperSettings
from market.bars import Bars
from market.instrument import Instrument
from trading.advice import NO_MODELS, BesideModels
from trading.decision.settings import DecisionSettings
from trading.releases import NO_CALENDAR, CalendarSource


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """`models`: those beside the signal model, whose answers the decided bars hold already.
    `news`: the calendar that the rules look at. `slippage`: points that fills are drawn from, + is
    worse; empty where `paper.slippage_points` holds. `minutes`: M1 bars, needed where
    `paper.m1_inside_bars` is on."""

    instrument: Instrument
    decision: DecisionSettings
    paper: PaperSettings
    strategy_id: int
    valid_for_ms: int = 300_000
    magic_bits: int = 48
    models: BesideModels = NO_MODELS
    news: CalendarSource = NO_CALENDAR
    slippage: tuple[int, ...] = ()
    minutes: Bars | None = None
