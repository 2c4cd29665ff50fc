"""A whole set-up in temporary folders: project, models, state, and a paper bridge over HTTP."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from broker.contract.paper import FaultOrder
from broker.native import NativeBroker
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.faults.terminal import FaultyTerminal, bridge_clock
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instruments import instrument
from market.server_clock import ServerClock
from market.sources.generated import generated_bars
from mt5api.app import create_app
from mt5api.faults import PaperVenue, with_faults
from mt5api.httpapi import create_httpapi_app
from mt5api.tokens import Tokens
from tests.broker.paper_bridge import running
from tests.builders import MONDAY_MS
from trading import doctor_command
from trading.cli import main

ROOT = Path(__file__).resolve().parents[2]
DAY_MS = 86_400_000
NOW_MS = MONDAY_MS + 151 * DAY_MS + 11 * 3_600_000 + 1_000
TOKEN = "a-trade-token-of-the-test"
_OWN = Tokens(trade=TOKEN)
BTC = instrument("BTCUSD")
_DAYS_OF_GATE = ("--override", "prediction.quantile.lookback_days=10")


@cache
def bars_until_now(symbol: str = "BTCUSD") -> Bars:
    """151 days of the generated market and a few hours more."""
    bars = generated_bars(BTC, seed=2, from_ms=MONDAY_MS, to_ms=NOW_MS + DAY_MS)
    return replace(bars, symbol=symbol)


@dataclass
class Ward:
    """`look` runs the door in the project's folder; `flags` are added to each run."""

    project: Path
    models: Path
    terminal: SimulatedTerminal
    plan: FaultPlan
    url: str
    capsys: pytest.CaptureFixture[str]
    flags: list[str] = field(default_factory=list)
    code: int = -1

    @property
    def state(self) -> Path:
        return self.project / "state" / "live-default"

    def fault(self, name: str, **params: Any) -> None:
        self.plan.add(FaultOrder(name, params=params))

    def override(self, **values: Any) -> None:
        """Settings for each run; `__` stands for a dot."""
        for key, value in values.items():
            self.flags += ["--override", f"{key.replace('__', '.')}={json.dumps(value)}"]

    def look(self) -> dict[str, dict[str, str]]:
        """The doctor's JSON by the checks' names."""
        self.code = main(self.command("--json"))
        told = json.loads(self.capsys.readouterr().out)
        assert set(told) == {"checks"}
        return {each["name"]: each for each in told["checks"]}

    def command(self, *more: str) -> list[str]:
        where = ["--override", f"bridge.api_base_url={self.url}", "--models", str(self.models)]
        return ["--doctor", *where, *_DAYS_OF_GATE, *self.flags, *more]

    def failing(self) -> dict[str, str]:
        """Fix by name of every check that fails."""
        return {n: each["fix"] for n, each in self.look().items() if each["status"] == "fail"}


def make_project(folder: Path) -> Path:
    """The settings files as the repository has them, and a `.env` for its owner alone."""
    (folder / "config").mkdir(parents=True)
    for name in ("config.json", "ml_config.json", "config/prop_rules.json"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".env").write_text(f"NOVOSKY_BRIDGE_TOKEN={TOKEN}\n")
    (folder / ".env").chmod(0o600)
    return folder


@contextmanager
def bridge(
    *,
    symbol: str = "BTCUSD",
    dialect: str = "native",
    tokens: Tokens = _OWN,
    commission_per_lot: float = 0.0,
    **terms: Any,
) -> Iterator[tuple[str, SimulatedTerminal, FaultPlan]]:
    """A bridge that calls itself live, at an instant that stands still."""
    traded = replace(BTC, symbol=symbol, commission_per_lot=commission_per_lot)
    terminal = SimulatedTerminal(
        bars={symbol: bars_until_now(symbol)}, instruments={symbol: traded},
        account=AccountTerms(**({"balance": 10_000.0} | terms)), start_ms=NOW_MS, seed=7,
    )  # fmt: skip
    plan = FaultPlan()
    face = FaultyTerminal(NativeTerminal(terminal), plan)
    if dialect == "native":
        broker = NativeBroker(face, ServerClock("UTC"), now_ms=bridge_clock(plan), mode="live")
        app = create_app(broker, tokens=tokens)
    else:
        app = create_httpapi_app(face, token=tokens.trade)
    with running(with_faults(app, PaperVenue(terminal, plan), dialect=dialect)) as url:
        yield url, terminal, plan


def clock_of(terminal: SimulatedTerminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is the terminal's."""
    monkeypatch.setattr(doctor_command, "_now_ms", lambda: terminal.now_ms)
