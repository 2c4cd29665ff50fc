"""A daemon over an in-process terminal, with its settings files in a folder that a test edits."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from market.instruments import instrument
from market.server_clock import ServerClock
from market.store import BarStore
from settings import SettingsFiles, load_settings
from settings.reload import edited_of
from tests.trading.doubles import Recorder, StepClock, TinyPredictor
from trading.assemble import assemble
from trading.channels import Channels
from trading.clock import StopFlag
from trading.heartbeat import UrlPulse
from trading.journal import Journal
from trading.life import Life
from trading.outgoing import Announcer
from trading.paper import PaperOptions, plan_run
from trading.paper_command import trade_of
from trading.report import Reporter
from trading.state_folder import StateFolder

ROOT = Path(__file__).resolve().parents[2]
BTC = instrument("BTCUSD")
SHORT_GATE = (
    "prediction.quantile.lookback_days=2", "prediction.quantile.top_share=0.3",
    "adx_regime_filter.enabled=false",
)  # fmt: skip


class Operated:
    """One daemon; `run` goes on to the end of the run or to a stop. `edit` changes a file."""

    def __init__(
        self, root: Path, *, bars: int, overrides: tuple[str, ...] = (),
        stop: StopFlag | None = None, pulse: UrlPulse | None = None,
        terminal: SimulatedTerminal | None = None,
        view: Callable[[Reporter], Reporter] = lambda recorder: recorder,
        redact: Callable[[str], str] = str, state: str = "state",
    ) -> None:  # fmt: skip
        self.root = root
        how: dict[str, Any] = {"overrides": [*SHORT_GATE, *overrides]}
        files = SettingsFiles.like(root, **how)
        self.settings = load_settings(root, **how)
        trade = trade_of(self.settings)
        plan = plan_run(PaperOptions(None, None, None, bars, "max"), trade, self.settings.paper)
        self.terminal = terminal or SimulatedTerminal(
            bars={"BTCUSD": plan.bars}, instruments={"BTCUSD": BTC},
            account=self.settings.paper.account_terms(), start_ms=plan.limits.from_ms, seed=7,
            slippage_points=50,
        )  # fmt: skip
        broker = NativeBroker(
            NativeTerminal(self.terminal), ServerClock("UTC"),
            now_ms=lambda: self.terminal.now_ms, mode="paper",
        )  # fmt: skip
        self.stop = stop or StopFlag()
        self.reporter = Recorder(self.stop)
        self.state = StateFolder(root / f"{state}-{self.settings.daemon.strategy_id}")
        self.journal = Journal(self.state.journal)
        self.journal.translator = Announcer(
            self.journal, strategy_id=trade.daemon.strategy_id, symbol="BTCUSD"
        )
        self.journal.redact = redact
        self.store = BarStore(self.state.bars)
        self.channels = Channels()
        self.bot = assemble(
            trade, broker=broker, clock=StepClock(self.terminal), stop=self.stop,
            reporter=view(self.reporter), journal=self.journal, store=self.store,
            predictor=TinyPredictor(), limits=plan.limits, channels=self.channels,
            life=Life(self.state.path, files, edited_of(self.settings), pulse),
        )  # fmt: skip

    def at_bar(self, number: int, act: Callable[[], None]) -> None:
        """`act` is called once `number` bars are decided, before the next cycle."""
        before = self.reporter.on_bar

        def on_bar(count: int) -> None:
            before(count)
            if count == number:
                act()

        self.reporter.on_bar = on_bar

    def edit(self, file: str = "config.json", /, **changes: Any) -> None:
        """`section__key=value` sets section.key."""
        path = self.root / file
        tree = json.loads(path.read_text())
        for name, value in changes.items():
            *above, last = name.split("__")
            at = tree
            for key in above:
                at = at.setdefault(key, {})
            at[last] = value
        part = path.with_suffix(".part")
        part.write_text(json.dumps(tree))
        part.replace(path)

    def run(self) -> "Operated":
        self.bot.run()
        return self

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [words for _, _, words in self.journal.events(kind)]

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.journal.decision_lines("BTCUSD")]

    @property
    def guards(self) -> list[dict[str, Any] | None]:
        return [line["guard"] for line in self.lines]

    def close(self) -> None:
        self.journal.close()
        self.store.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the shipped settings files."""
    for name in ("config.json", "ml_config.json"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path


@pytest.fixture
def operated(root: Path, request: pytest.FixtureRequest) -> Callable[..., Operated]:
    """Makes daemons over the folder `root`; they are closed after the test."""

    def make(**how: Any) -> Operated:
        made = Operated(root, **how)
        request.addfinalizer(made.close)
        return made

    return make
