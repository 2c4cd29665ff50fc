"""A paper bridge: what it trades on, and the pieces put together."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from broker.native import NativeBroker
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.faults.terminal import FaultyTerminal, bridge_clock
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars, utc_text
from market.instruments import INSTRUMENTS, instrument
from market.server_clock import ServerClock
from market.sources.files import read_bars
from market.sources.generated import generated_bars
from market.timeframe import Timeframe
from mt5api.clock_file import ClockFile
from mt5api.keys import IntentKeys
from mt5api.paper_clock import PaperClock

_STATE_FILE = "terminal.sqlite"
_KEYS_FILE = "keys.sqlite"
_CLOCK_FILE = "clock"
_FOR_EVER_MS = 1 << 62


class PaperError(ValueError):
    """A paper run that cannot start as asked. Says what to do."""


class GeneratedMarket(BaseModel):
    """The seeded generated market, M15 bars that open in [from_ms, to_ms)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["generated"]
    seed: int = Field(ge=0)
    from_ms: int
    to_ms: int


class FileMarket(BaseModel):
    """Bars of a file, those that open in [from_ms, to_ms) where these are given."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["file"]
    path: Path
    server_zone: str = "UTC"
    from_ms: int | None = None
    to_ms: int | None = None


class PaperSpec(BaseModel):
    """What `python -m mt5api --paper SPEC.json` reads.

    `start_ms`: where the simulated clock starts (earlier bars are history). `state_dir`: where the
    terminal's state is kept; a later start with the same market goes on from there. `speed`: "max"
    or how many times real time. `dialect`: what the bridge speaks; `mt5-httpapi` may lie under a
    `path_prefix` (`/<broker>/<account>`). `m1`: a file of M1 bars that the terminal serves, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    market: Annotated[GeneratedMarket | FileMarket, Field(discriminator="kind")]
    symbol: str
    start_ms: int
    state_dir: Path
    speed: Annotated[float, Field(gt=0)] | Literal["max"] = "max"
    paper: PaperSettings = PaperSettings()
    dialect: Literal["native", "mt5-httpapi"] = "native"
    path_prefix: str = Field(default="", pattern=r"^(/[A-Za-z0-9._-]+)*$")
    m1: Path | None = None

    @field_validator("symbol")
    @classmethod
    def _known_symbol(cls, symbol: str) -> str:
        if symbol not in INSTRUMENTS:
            raise ValueError(f"one of {', '.join(INSTRUMENTS)} is allowed")
        return symbol

    @model_validator(mode="after")
    def _prefix_has_its_dialect(self) -> "PaperSpec":
        if self.path_prefix and self.dialect == "native":
            raise ValueError("path_prefix: the dialect mt5-httpapi is needed, native came")
        return self


def read_spec(path: Path) -> PaperSpec:
    """The spec in a file; `PaperError` names file and field."""
    try:
        return PaperSpec.model_validate_json(path.read_bytes())
    except OSError as error:
        raise PaperError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in each['loc']) or 'file'}: {each['msg']} "
            f"({str(each['input'])[:60]!r} came)"
            for each in error.errors(include_url=False)
        )
        raise PaperError(f"{path}: {wrong}") from None


@dataclass(frozen=True, slots=True)
class PaperBridge:
    """The pieces of a paper bridge, from which `mt5api.paper_app` builds the application.

    `mt5`: the terminal with the MetaTrader5 package's functions, behind the plan of `faults`;
    `broker`: the port over it.
    """

    spec: PaperSpec
    terminal: SimulatedTerminal
    mt5: FaultyTerminal
    broker: NativeBroker
    clock: PaperClock
    faults: FaultPlan
    keys: IntentKeys
    state_file: Path
    clock_file: ClockFile

    def save(self) -> None:
        """Keeps the terminal's ledger and clock; a killed process goes on from here."""
        self.terminal.save(self.state_file)
        self.clock_file.write(self.terminal.now_ms)

    def forget_intents(self) -> None:
        """No intent was ever sent: for a venue that starts again."""
        self.keys.forget_before(_FOR_EVER_MS)
        self.broker.restarted()


def open_paper(spec: PaperSpec) -> PaperBridge:
    """The bridge of a spec, restored from its state folder where there is a state.

    Raises `SnapshotError` where the folder belongs to another run, `BarsError` or `SourceError`
    for a bad market, `PaperError` for a start outside it.
    """
    plan = FaultPlan(spec.paper.seed)
    terminal = _terminal(spec, _bars(spec), plan)
    spec.state_dir.mkdir(parents=True, exist_ok=True)
    state_file = spec.state_dir / _STATE_FILE
    continues = state_file.exists()
    clock_file = ClockFile(spec.state_dir / _CLOCK_FILE)
    if continues:
        terminal.restore(state_file)
        _go_on(terminal, clock_file.read())
    else:
        terminal.save(state_file)
        clock_file.write(terminal.now_ms)
    mt5 = FaultyTerminal(NativeTerminal(terminal), plan)
    keys = _keys(spec.state_dir / _KEYS_FILE, continues=continues)
    broker = NativeBroker(
        mt5,
        ServerClock(spec.paper.server_timezone),
        now_ms=bridge_clock(plan),
        mode="paper",
        sessions={spec.symbol: instrument(spec.symbol).sessions},
        intents=keys,
    )
    with plan.asleep():
        broker.symbol(spec.symbol)
    clock = PaperClock(terminal, spec.speed, moved=clock_file.write)
    return PaperBridge(spec, terminal, mt5, broker, clock, plan, keys, state_file, clock_file)


def _go_on(terminal: SimulatedTerminal, instant_ms: int) -> None:
    """To where the clock was when the process ended: what happened since the save happens again,
    and whoever trades there sees no time go back."""
    if instant_ms > terminal.now_ms:
        terminal.advance(min(instant_ms, terminal.end_ms))


def _keys(path: Path, *, continues: bool) -> IntentKeys:
    """The keys of this venue. One without an answer that the venue, restored from its last save,
    does not know either was never acted on: no other process trades there."""
    if not continues:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    keys = IntentKeys(path, power_safe=False)
    keys.forget_open()
    return keys


def _bars(spec: PaperSpec) -> Bars:
    market, traded = spec.market, instrument(spec.symbol)
    if isinstance(market, GeneratedMarket):
        return generated_bars(traded, seed=market.seed, from_ms=market.from_ms, to_ms=market.to_ms)
    bars = read_bars(market.path, traded, server_zone=market.server_zone)
    from_ms = market.from_ms if market.from_ms is not None else int(bars.open_ms[0])
    to_ms = market.to_ms if market.to_ms is not None else int(bars.close_ms[-1])
    return bars.between(from_ms, to_ms)


def _minutes(spec: PaperSpec) -> dict[str, Bars]:
    if spec.m1 is None:
        return {}
    bars = read_bars(spec.m1, instrument(spec.symbol), server_zone=spec.paper.server_timezone)
    if bars.timeframe is not Timeframe.M1:
        raise PaperError(f"{spec.m1}: M1 bars are needed, {bars.timeframe.name} came")
    return {spec.symbol: bars}


def _terminal(spec: PaperSpec, bars: Bars, faults: FaultPlan) -> SimulatedTerminal:
    if len(bars) == 0 or not int(bars.open_ms[0]) < spec.start_ms <= int(bars.close_ms[-1]):
        came = f"{len(bars)} bars"
        if len(bars):
            came += f" from {utc_text(int(bars.open_ms[0]))} to {utc_text(int(bars.close_ms[-1]))}"
        raise PaperError(
            f"start_ms: an instant inside the market is allowed, {utc_text(spec.start_ms)} UTC "
            f"came; the market has {came}"
        )
    return SimulatedTerminal(
        bars={spec.symbol: bars},
        instruments={spec.symbol: instrument(spec.symbol)},
        account=spec.paper.account_terms(),
        start_ms=spec.start_ms,
        seed=spec.paper.seed,
        slippage_points=spec.paper.slippage_points,
        server_zone=spec.paper.server_timezone,
        faults=faults,
        minutes=_minutes(spec),
        inside_bars=spec.paper.m1_inside_bars,
    )
