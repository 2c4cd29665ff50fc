"""How a challenger stands, by what its shadow's journal and bars show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backtest.evidence import flat
from backtest.forecast_band import Inside
from backtest.forecasts import batch_features
from backtest.shadow.challenger import Challenger
from backtest.shadow.record import NoShadow, ShadowRecord, read_shadow
from market.bars import Bars, Float64s, Int64s
from market.instruments import instrument
from market.sources.bridge import REREAD_BARS
from market.store import BarStore
from market.timeframe import Timeframe
from ml.features.settings import FeatureSettings
from ml.hub.release import MANIFEST
from ml.predictors.compat import read_manifest
from ml.predictors.model_set import ModelSet
from trading.journal_reads import JournalReads
from trading.model import learned_calendar
from trading.news import ARCHIVE
from trading.news_settings import NewsSettings
from trading.outbox import open_read_only
from trading.outside import NOTHING_OUTSIDE, Outside, read_outside
from trading.state_folder import StateFolder


@dataclass(frozen=True, slots=True)
class ShadowStanding:
    """What a challenger's journal shows. Bars count only where they were decided in real time.

    `days`: from the first bar to the last one, less `missed_bars`. `inside`: whether its trades lie
    inside its forecast band, `outside` says in words by what not. Of `compared_rows` feature rows
    `differing_rows` are not, bit for bit, those of the batch over the bars as they are now; rows
    that were decided before one of the `revised_bars` was revised are not compared.
    `spread_points`: mean of the quotes decided on. `nothing` says why nothing counts yet; empty
    where something does, and then `inside` is not None.
    """

    days: float = 0.0
    bars: int = 0
    missed_bars: int = 0
    trades: int = 0
    inside: bool | None = None
    outside: tuple[str, ...] = ()
    compared_rows: int = 0
    differing_rows: int = 0
    revised_bars: int = 0
    spread_points: float = 0.0
    nothing: str = ""

    @property
    def lines(self) -> tuple[str, ...]:
        """For a person."""
        if self.nothing:
            return (f"nothing counts yet: {self.nothing}",)
        where = "inside its forecast band" if self.inside else "outside its forecast band"
        return (
            f"{self.days:.2f} days in real time, {self.bars} bars; {self.missed_bars} missed",
            f"{self.trades} trades closed, {'; '.join((where, *self.outside))}",
            f"features: {self.differing_rows} of {self.compared_rows} rows differ from the batch",
        )


def standing(
    challenger: Challenger, folder: Path, *, strategy_id: int, groups: tuple[str, ...],
    outside: Outside = NOTHING_OUTSIDE,
) -> ShadowStanding:  # fmt: skip
    """How a challenger stands by its journal in `folder` (`shadow_folder`), which may be written
    at the same time.

    `strategy_id`: `daemon.strategy_id`. `groups`: feature groups; `outside`: what these read beside
    bars. Raises `DaemonError` where other models have written the journal.
    """
    state = StateFolder(folder)
    if not state.journal.exists():
        return ShadowStanding(nothing=f"{folder}: no journal; does scripts/shadow.py run?")
    journal = JournalReads(open_read_only(state.journal))
    try:
        record = read_shadow(
            journal, symbol=challenger.symbol, strategy_id=strategy_id, graphs=challenger.graphs,
            settings=flat(challenger.decision.model_dump(mode="json")),
            learned_until_ms=_learned_until_ms(challenger),
        )  # fmt: skip
    except NoShadow as error:
        return ShadowStanding(nothing=str(error))
    finally:
        journal.close()
    stands = record.stands(challenger.band)
    bars, revised_ms = _kept(challenger, state, record)
    compared, differing = record.differing(*_batch(bars, revised_ms, record, groups, outside))
    return ShadowStanding(
        record.days, len(record.open_ms), record.missed_bars, len(record.trades),
        isinstance(stands, Inside), () if isinstance(stands, Inside) else stands.reasons,
        compared, differing, len(revised_ms), record.spread_points,
    )  # fmt: skip


def outside_of(
    models: ModelSet, folder: Path, features: FeatureSettings, news: NewsSettings
) -> Outside:
    """What the features of a shadow in `folder` read beside bars: the files of the settings, and
    its own archive of the calendar feed where it has one. Raises `SourceError`."""
    archive = folder / ARCHIVE
    return read_outside(
        features, instrument(models.signal.metadata.symbol),
        calendar=archive if archive.exists() else None, learned_calendar=learned_calendar(models),
        news=news,
    )  # fmt: skip


def _learned_until_ms(challenger: Challenger) -> int:
    models = read_manifest(challenger.folder / MANIFEST).models.values()
    return max(each.train_cutoff_ms for each in models if each.symbol == challenger.symbol)


def _kept(
    challenger: Challenger, state: StateFolder, record: ShadowRecord
) -> tuple[Bars, list[int]]:
    """The bars that the shadow has kept, and which of those it decided were revised later."""
    store = BarStore(state.bars)
    try:
        first_ms, last_ms = int(record.open_ms[0]), int(record.open_ms[-1])
        bars = store.load(challenger.symbol, Timeframe.M15, from_ms=0, to_ms=last_ms + 1)
        again = {at_ms for at_ms, _ in store.revisions(challenger.symbol, Timeframe.M15)}
    finally:
        store.close()
    return bars, sorted(at_ms for at_ms in again if first_ms <= at_ms <= last_ms)


def _batch(
    bars: Bars, revised_ms: Sequence[int], record: ShadowRecord, groups: tuple[str, ...],
    outside: Outside,
) -> tuple[Int64s, Float64s]:  # fmt: skip
    """(open (n,), features (n, k)) in batch; without the rows that a revision came after."""
    first = int(bars.open_ms.searchsorted(record.open_ms[0]))
    rows = batch_features(
        bars, groups=groups, round_step=instrument(bars.symbol).round_step, outside=outside,
        first_row=first,
    )  # fmt: skip
    opens = bars.open_ms[first:]
    at = np.asarray(revised_ms, dtype=np.int64)
    touched = (opens >= at[:, None]) & (opens < at[:, None] + REREAD_BARS * bars.timeframe.ms)
    same = ~touched.any(axis=0)
    return opens[same], rows[same]
