"""From options and settings to what the trainers take: bars, files, tasks."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from market.bars import Bars, BarsError
from market.gaps import require_few_gaps
from market.instrument import Instrument
from market.instruments import INSTRUMENTS
from market.sources.files import read_bars
from market.timeframe import Timeframe
from ml.features.sources import FeatureSources, read_sources
from ml.predictors.settings import PROJECT_ROOT, ModelPaths
from ml.train_options import TrainOptions
from ml.training.devices import Devices, choose
from ml.training.models import EnsembleParams, TrainingError
from ml.training.signal_task import SignalTraining, history_warning
from trading.command_line import utc_instant_ms

if TYPE_CHECKING:
    from backtest.rules import Rules
    from settings import Settings

# Sixteen months before the generated paper market starts.
GENERATED_FROM = "2024-01-01"
GENERATED_TO = "2025-05-01"


@dataclass(frozen=True, slots=True)
class TrainInputs:
    """What was read. `notes`: lines for the person; `source`: where the bars come from; `tuning`:
    how the parameters of a model were found, in words."""

    options: TrainOptions
    settings: "Settings"
    instrument: Instrument
    bars: Bars
    source: str
    m1: Bars | None
    sources: FeatureSources
    devices: Devices
    notes: tuple[str, ...]
    params: EnsembleParams
    tuning: dict[str, str] = field(default_factory=dict)

    @property
    def cutoff_ms(self) -> int:
        """`--to`, but not later than the data: the cutoff must not promise what was not there."""
        end_ms = int(self.bars.close_ms[-1])
        asked_ms = self.options.to_ms
        return end_ms if asked_ms is None else min(asked_ms, end_ms)

    @property
    def paths(self) -> ModelPaths:
        paths = self.settings.ml.paths.for_symbol(self.settings.symbol)
        if self.options.models is not None:
            paths = paths.in_folder(self.options.models)
        if self.options.regime != "all":
            paths = paths.in_folder(paths.graph.parent / f"signal_{self.options.regime}")
        return paths


def settings_of(options: TrainOptions, base: "Settings | None" = None) -> "Settings":
    """The settings files with the options' own values; `base` instead of the files."""
    from settings import load_settings

    overrides = list(options.overrides)
    if options.seed is not None:
        overrides.append(f"training.seed={options.seed}")
    settings = base or load_settings(PROJECT_ROOT, symbol=options.symbol, overrides=overrides)
    files = {
        name: path.resolve()
        for name in ("calendar", "onchain")
        if (path := getattr(options, name)) is not None
    }
    features = settings.ml.features.model_copy(update=files)
    return settings.model_copy(update={"ml": settings.ml.model_copy(update={"features": features})})


def read_inputs(options: TrainOptions, settings: "Settings") -> TrainInputs:
    """Reads and checks everything that training needs before it begins."""
    of = _instrument(settings.symbol)
    bars, source = _bars(options, of, settings)
    if len(bars) == 0:
        raise BarsError(f"{source}: no bar lies in the asked span; check --from and --to")
    require_few_gaps(bars, of.sessions)
    devices = choose(options.device)  # type: ignore[arg-type]
    notes = [f"bars: {source}; it says nothing about real markets"] * (options.data is None)
    warning = history_warning(bars)
    notes += [f"warning: {warning}"] * bool(warning)
    return TrainInputs(
        options=options,
        settings=settings,
        instrument=of,
        bars=bars,
        source=source,
        m1=_m1(options, of, settings),
        sources=read_sources(settings.ml.features, of, PROJECT_ROOT),
        devices=devices,
        notes=(*notes, devices.said),
        params=_params(settings),
    )


def signal_task(inputs: TrainInputs) -> SignalTraining:
    ml = inputs.settings.ml
    return SignalTraining(
        bars=inputs.bars,
        instrument=inputs.instrument,
        features=ml.features,
        labels=ml.labeling,
        training=ml.training,
        params=inputs.params,
        profile=inputs.options.profile,  # type: ignore[arg-type]
        cutoff_ms=inputs.cutoff_ms,
        source=inputs.source,
        calendar=inputs.sources.calendar,
        onchain=inputs.sources.onchain,
        files=inputs.sources.files,
        devices=inputs.devices,
        regime=inputs.options.regime,  # type: ignore[arg-type]
        warm_start=inputs.options.warm_start,
        tuning=inputs.tuning.get("signal", ""),
    )


def trading_rules(settings: "Settings") -> "Rules":
    """Account, costs and gate of the backtest."""
    from backtest.rules import Rules

    daemon = settings.daemon
    # labels know bars alone, so what is learned from their backtests does too
    paper = settings.paper.model_copy(update={"m1_inside_bars": False})
    return Rules(
        _instrument(settings.symbol), settings.decision, paper, daemon.strategy_id,
        daemon.act_within_ms, daemon.orders.magic_bits,
    )  # fmt: skip


def _instrument(symbol: str) -> Instrument:
    if symbol not in INSTRUMENTS:
        raise TrainingError(f"symbol: one of {', '.join(INSTRUMENTS)} is allowed, {symbol} came")
    return INSTRUMENTS[symbol]


def _params(settings: "Settings") -> EnsembleParams:
    ml = settings.ml
    fourth = ml.et_params.root if ml.training.extra_trees else None
    return EnsembleParams(ml.rf_params.root, ml.xgb_params.root, ml.lgb_params.root, fourth)


def _bars(options: TrainOptions, of: Instrument, settings: "Settings") -> tuple[Bars, str]:
    """The bars in [--from, --to) and where they come from, in words."""
    if options.data is not None:
        bars = read_bars(options.data, of, server_zone=settings.paper.server_timezone)
        from_ms = int(bars.open_ms[0]) if options.from_ms is None else options.from_ms
        to_ms = int(bars.close_ms[-1]) if options.to_ms is None else options.to_ms
        return bars.between(from_ms, to_ms), options.data.name
    from market.sources.generated import generated_bars

    seed = settings.paper.seed
    from_ms = utc_instant_ms(GENERATED_FROM) if options.from_ms is None else options.from_ms
    to_ms = utc_instant_ms(GENERATED_TO) if options.to_ms is None else options.to_ms
    bars = generated_bars(of, seed=seed, from_ms=from_ms, to_ms=to_ms)
    return bars, f"generated market, {of.symbol}, seed {seed}"


def _m1(options: TrainOptions, of: Instrument, settings: "Settings") -> Bars | None:
    """M1 bars up to the cutoff; None where no file was given."""
    if options.m1 is None:
        return None
    bars = read_bars(options.m1, of, server_zone=settings.paper.server_timezone)
    if bars.timeframe is not Timeframe.M1:
        raise TrainingError(
            f"--m1 {options.m1.name}: M1 bars are allowed, {bars.timeframe.name} came"
        )
    return bars if options.to_ms is None else bars.between(int(bars.open_ms[0]), options.to_ms)


def data_files(inputs: TrainInputs) -> dict[str, Path]:
    """Files and folders behind the features, by the option that names them; for the card."""
    features = inputs.settings.ml.features
    found = {"calendar": features.calendar}
    if "onchain" in features.groups:
        found["onchain"] = features.onchain
    return {name: PROJECT_ROOT / path for name, path in found.items() if path is not None}
