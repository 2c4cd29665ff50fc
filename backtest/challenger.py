"""The challenger: a candidate that passed all gates, and now decides live bars without orders.

    models/challenger/btcusd -> .btcusd-3f9a1c0d2b7e     renamed over in one step
    models/challenger/.btcusd-3f9a1c0d2b7e/              its models, as a models folder has them
        challenger.json                                  what it was judged with

The weekly pipeline places it, `scripts/shadow.py` lets it decide (its journal lies in
`shadow_folder`), and the next weekly run asks how it stands: docs/shadow.md.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from backtest.evidence import flat
from backtest.forecast_band import ForecastBand, Inside
from backtest.shadow_record import NoShadow, ShadowRecord, read_shadow
from market.bars import Bars, Float64s, Int64s
from market.instruments import instrument
from market.sources.bridge import REREAD_BARS
from market.store import BarStore
from market.timeframe import Timeframe
from ml.features.matrix import feature_matrix
from ml.features.settings import FeatureSettings
from ml.hub.release import MANIFEST, next_tag, release_of
from ml.hub.store import write_whole
from ml.predictors.compat import read_manifest
from ml.predictors.model_set import ModelSet
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.journal_reads import JournalReads
from trading.model import learned_calendar
from trading.news import ARCHIVE
from trading.news_settings import NewsSettings
from trading.outbox import open_read_only
from trading.outside import NOTHING_OUTSIDE, Outside, read_outside
from trading.state_folder import StateFolder

SCHEMA = 1
_FOLDER = "challenger"
_FILE = "challenger.json"
_INCOMING = ".incoming-"


class ChallengerError(DaemonError):
    """A challenger cannot be placed or read. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Challenger:
    """`folder`: its models, as a models folder has them. `name` tells it from every other one: its
    graphs and settings. `graphs`: SHA-256 by kind of model. `decision`: the rules that it was
    judged by, and decides by. `band`: what its backtest forecasts."""

    folder: Path
    name: str
    symbol: str
    graphs: Mapping[str, str]
    decision: DecisionSettings
    band: ForecastBand
    placed_ms: int


@dataclass(frozen=True, slots=True)
class ShadowStanding:
    """What a challenger's journal shows. Bars count only where they were decided in real time.

    `days`: from the first bar to the last one, less `missed_bars`. `inside`: whether its trades lie
    inside its forecast band, `outside` says in words by what not. Of `compared_rows` feature rows
    `differing_rows` are not, bit for bit, those of the batch over the bars as they are now; rows
    that were decided before one of the `revised_bars` was revised are not compared. `nothing` says
    why nothing counts yet; empty where something does, and then `inside` is not None.
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


def place(
    candidate: Path, models_dir: Path, *, symbol: str, decision: DecisionSettings,
    band: ForecastBand, now_ms: int,
) -> Challenger:  # fmt: skip
    """Makes the models of a folder the challenger of a symbol, in place of one that is there.

    `candidate`: a models folder with its manifest; every file of a kind that a release may hold is
    copied, and checked against the manifest first. The same models with the same settings again
    change nothing, `placed_ms` included. A kill leaves the old challenger or the new one. Raises
    `ModelError` where files are missing or wrong.
    """
    there = read_challenger(models_dir, symbol)
    graphs = _graphs(candidate, symbol)
    name = _name(graphs, decision)
    parent = models_dir / _FOLDER
    parent.mkdir(parents=True, exist_ok=True)
    _clear_leavings(parent)
    if there is not None and there.name == name:
        _forget_others(parent, symbol, name)
        return there
    incoming = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=parent))
    day = datetime.fromtimestamp(now_ms / 1000, UTC)
    _, contents = release_of(candidate, next_tag(day.date(), ()), day)
    facts = {
        "schema": SCHEMA, "name": name, "symbol": symbol, "graphs": dict(graphs),
        "decision": decision.model_dump(mode="json"), "band": band.as_dict(), "placed_ms": now_ms,
    }  # fmt: skip
    for file, content in contents.items():
        write_whole(incoming / file, content)
    write_whole(incoming / _FILE, json.dumps(facts, indent=1, allow_nan=False).encode())
    _show(parent, symbol, incoming, name)
    _forget_others(parent, symbol, name)
    placed = read_challenger(models_dir, symbol)
    assert placed is not None
    return placed


def read_challenger(models_dir: Path, symbol: str) -> Challenger | None:
    """The challenger of a symbol; None where there is none. Raises `ChallengerError` for a file
    that another program wrote."""
    link = models_dir / _FOLDER / symbol.lower()
    if not link.is_dir():
        return None
    folder = link.resolve()
    file = folder / _FILE
    try:
        told: dict[str, Any] = json.loads(file.read_bytes())
        if told["schema"] != SCHEMA:
            raise ValueError(f"schema {SCHEMA} is allowed, {told['schema']} came")
        return Challenger(
            folder, told["name"], told["symbol"], told["graphs"],
            DecisionSettings.model_validate(told["decision"]),
            ForecastBand.from_dict(told["band"]), int(told["placed_ms"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ChallengerError(
            f"{file}: what `place` writes is needed: {error}; remove {link}, or place it anew"
        ) from error


def drop(models_dir: Path, symbol: str) -> None:
    """There is no challenger any more; its journal stays. Nothing happens where there was none."""
    parent = models_dir / _FOLDER
    (parent / symbol.lower()).unlink(missing_ok=True)
    if parent.is_dir():
        _forget_others(parent, symbol, "")


def shadow_folder(state: Path, challenger: Challenger) -> Path:
    """Where the journal of a challenger lies, below the folder of all states."""
    return state / shadow_name(challenger.symbol, challenger.graphs, challenger.decision)


def shadow_name(symbol: str, graphs: Mapping[str, str], decision: DecisionSettings) -> str:
    """The state folder of a shadow: other graphs or other rules have another one."""
    return f"shadow-{symbol.lower()}-{_name(graphs, decision)}"


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
        compared, differing, len(revised_ms),
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
    rows = feature_matrix(
        bars, groups=groups, round_step=instrument(bars.symbol).round_step,
        calendar=outside.calendar.at(int(bars.close_ms[-1])).events, onchain=outside.onchain,
        first_row=first,
    )  # fmt: skip
    opens = bars.open_ms[first:]
    at = np.asarray(revised_ms, dtype=np.int64)
    touched = (opens >= at[:, None]) & (opens < at[:, None] + REREAD_BARS * bars.timeframe.ms)
    same = ~touched.any(axis=0)
    return opens[same], rows[same]


def _graphs(candidate: Path, symbol: str) -> dict[str, str]:
    listed = read_manifest(candidate / MANIFEST).models.values()
    found: dict[str, str] = {
        each.kind: each.graph.sha256 for each in listed if each.symbol == symbol
    }
    if "signal" not in found:
        raise ChallengerError(
            f"{candidate / MANIFEST}: a signal model of {symbol} is needed, "
            f"{', '.join(sorted(found)) or 'nothing'} came"
        )
    return found


def _name(graphs: Mapping[str, str], decision: DecisionSettings) -> str:
    text = json.dumps([dict(graphs), decision.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _show(parent: Path, symbol: str, incoming: Path, name: str) -> None:
    """The folder under its own name, then the link: each in one step."""
    kept = parent / f".{symbol.lower()}-{name}"
    if kept.exists():  # a kill came between the two steps
        shutil.rmtree(kept)
    incoming.replace(kept)
    link = parent / f"{_INCOMING}{symbol.lower()}"
    link.symlink_to(kept.name)
    link.replace(parent / symbol.lower())


def _forget_others(parent: Path, symbol: str, name: str) -> None:
    for each in parent.glob(f".{symbol.lower()}-*"):
        if each.name != f".{symbol.lower()}-{name}":
            shutil.rmtree(each)


def _clear_leavings(parent: Path) -> None:
    for each in parent.glob(f"{_INCOMING}*"):
        if each.is_symlink():
            each.unlink()
        else:
            shutil.rmtree(each)
