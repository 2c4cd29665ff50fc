"""Which files a run reads, and which bars are for what.

    from ─── training ─── cutoff ─── sweep ─── judge ────────── to
              models         settings are tried    champion and candidate are judged

Every phase reads its bars here. `market` refuses another file content than the one that was
audited, so a resumed run goes on with the bars it began with.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from market.bars import Bars, utc_text
from market.instrument import Instrument
from market.instruments import INSTRUMENTS
from market.sources.files import read_bars
from retrain.errors import PhaseFailed
from retrain.phase import Run
from retrain.settings import WeeklySettings

if TYPE_CHECKING:
    from settings import Settings

WEEK_MS = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Window:
    """UTC ms, each part half open: training [from, cutoff), sweep [cutoff, judge), judged
    [judge, to)."""

    from_ms: int
    cutoff_ms: int
    judge_ms: int
    to_ms: int

    def __str__(self) -> str:
        edges = (self.from_ms, self.cutoff_ms, self.judge_ms, self.to_ms)
        begin, cutoff, judge, end = (utc_text(each) for each in edges)
        sweep = f"settings are tried until {judge}, " if self.judge_ms > self.cutoff_ms else ""
        return f"trained on {begin} to {cutoff} UTC, {sweep}judged until {end}"


@dataclass(frozen=True, slots=True)
class MarketFiles:
    """`data`: M15 bars; None of the others: not given."""

    data: Path
    m1: Path | None
    onchain: Path | None


def window_of(from_ms: int, to_ms: int, settings: WeeklySettings) -> Window:
    """The parts of bars [from_ms, to_ms). `PhaseFailed` where nothing is left to learn from."""
    judge_ms = to_ms - round(settings.judge_weeks * WEEK_MS)
    cutoff_ms = judge_ms - round(settings.sweep_weeks * WEEK_MS)
    if cutoff_ms <= from_ms:
        raise PhaseFailed(
            f"bars: more than {settings.sweep_weeks + settings.judge_weeks:g} weeks are needed "
            "(weekly.sweep_weeks and weekly.judge_weeks, and those to learn from), "
            f"{(to_ms - from_ms) / WEEK_MS:.1f} came; give a longer file"
        )
    return Window(from_ms, cutoff_ms, judge_ms, to_ms)


def files_of(run: Run) -> MarketFiles:
    """What the options name, else what phase refresh has brought, else what lies in `datasets/`.

    `PhaseFailed` where there are no M15 bars.
    """
    told, options = run.result("refresh"), run.options
    symbol = run.symbol.lower()
    kept = run.root / "datasets" / f"{symbol}_m15.parquet"
    data = options.data or _path(told.get("data")) or kept
    if not data.is_file():
        raise PhaseFailed(f"bars: {data} is needed and is not there; give --data FILE, or do not "
                          "skip refresh")  # fmt: skip
    m1 = options.m1 or _path(told.get("m1"))
    if m1 is None and data == kept and (found := kept.with_name(f"{symbol}_m1.parquet")).is_file():
        m1 = found
    return MarketFiles(data, m1, options.onchain or _path(told.get("onchain")))


def settings_of(run: Run) -> "Settings":
    """The run's settings with the options' seed and files behind the features."""
    settings, options = run.settings, run.options
    ml = settings.ml
    if options.seed is not None:
        training = ml.training.model_copy(update={"seed": options.seed})
        ml = ml.model_copy(update={"training": training})
    named = {"calendar": options.calendar, "onchain": files_of(run).onchain}
    given = {name: path.resolve() for name, path in named.items() if path is not None}
    features = ml.features.model_copy(update=given)
    return settings.model_copy(update={"ml": ml.model_copy(update={"features": features})})


def instrument_of(run: Run) -> Instrument:
    if run.symbol not in INSTRUMENTS:
        known = ", ".join(INSTRUMENTS)
        raise PhaseFailed(f"symbol: one of {known} is allowed, {run.symbol} came")
    return INSTRUMENTS[run.symbol]


def read_market(run: Run) -> Bars:
    """The M15 bars between the options' `from_ms` and `to_ms`."""
    data, options = files_of(run).data, run.options
    bars = read_bars(data, instrument_of(run), server_zone=run.settings.paper.server_timezone)
    from_ms = int(bars.open_ms[0]) if options.from_ms is None else options.from_ms
    to_ms = int(bars.close_ms[-1]) if options.to_ms is None else options.to_ms
    found = bars.between(from_ms, to_ms)
    if len(found) == 0:
        raise PhaseFailed(f"{data}: no bar lies in the asked span; check --from and --to")
    return found


def window(run: Run) -> Window:
    """As phase data_audit has found it."""
    told = run.result("data_audit")
    return Window(*(told[name] for name in ("from_ms", "cutoff_ms", "judge_ms", "to_ms")))


def market(run: Run) -> Bars:
    """The audited bars. `PhaseFailed` where the file holds others by now."""
    audited, of = run.result("data_audit"), window(run)
    bars = read_market(run).between(of.from_ms, of.to_ms)
    if bars.sha256() != audited["data_sha256"]:
        raise PhaseFailed(
            f"{files_of(run).data}: the bars that were audited (sha256 "
            f"{audited['data_sha256'][:12]}…) are needed, others came: the file was changed "
            "meanwhile; begin anew with --new"
        )
    return bars


def as_figures(of: Window) -> dict[str, int]:
    return asdict(of)


def _path(told: str | None) -> Path | None:
    return None if told is None else Path(told)
