"""A shadow beside a real bridge server, whose simulated market stands for the live one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.responses import Response
from tenacity import wait_none

from backtest.shadow.run import Shadow, Subject
from broker.client.connect import BridgeClient, connect
from broker.client.paper_control import PaperControl
from broker.client.read_only import ReadOnlyBridge
from broker.client.settings import BridgeSettings
from broker.contract.messages import Deal
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.server_clock import ServerClock
from ml.features.settings import FeatureSettings
from ml.predictors.settings import ModelPaths
from mt5api.app import create_app
from mt5api.paper_clock import PaperClock as BridgeClock
from tests.broker.paper_bridge import httpapi_app, running
from tests.trading.doubles import Recorder
from tests.trading.paper_runs import BTC, Case
from trading.clock import PaperClock, StopFlag
from trading.journal import Journal, wall_ms
from trading.state_folder import StateFolder

ZONES = {"native": "UTC", "mt5-httpapi": "Europe/Athens"}


@dataclass
class Stand:
    """`asked`: (method, path) of every request to the bridge, waits for its clock left out. `deals`
    of the virtual account, after the last run. `late_ms`: the host's clock behind the market's.
    `away`: so many requests more get no answer. `terminal`: None where the bridge is another
    process's, and the host's clock its own."""

    case: Case
    terminal: SimulatedTerminal | None
    url: str
    dialect: str
    folder: Path
    asked: list[tuple[str, str]] = field(default_factory=list)
    late_ms: int = 0
    away: int = 0
    deals: list[Deal] = field(default_factory=list)

    def client(self) -> BridgeClient:
        settings = BridgeSettings(
            api_base_url=self.url, dialect=self.dialect, server_timezone=ZONES[self.dialect]
        )
        return connect(settings, back_off=wait_none())

    def subject(self, **changes: Any) -> Subject:
        case, paths = self.case, ModelPaths().in_folder(self.folder)
        given = {"trade": case.trade, "models": case.models, "outside": case.outside} | changes
        return Subject(
            paths=paths, features=FeatureSettings(),
            paper=case.paper.model_copy(update={"server_timezone": "UTC"}), **given,
        )  # fmt: skip

    def run(
        self, state: Path, *, stop_after: int | None = None, bars: int | None = None,
        each: Callable[[int], None] = lambda count: None, over: Callable[[], bool] = lambda: False,
        **changes: Any,
    ) -> Recorder:  # fmt: skip
        """A process of the shadow, from its start until it is stopped, or its bars are decided.

        `Killed` from within leaves everything as a killed process does.
        """
        stop = StopFlag()
        recorder = Recorder(stop, stop_after)
        recorder.on_bar = each
        client, folder = self.client(), StateFolder(state)
        live = PaperClock(PaperControl(client.connection), stop, speed=None)
        try:
            folder.__enter__()
            shadow = Shadow(
                self.subject(**changes), folder, ReadOnlyBridge(client), live, stop,
                reporter=recorder, bars=bars, over=over,
                observed_ms=self._observed_ms,
            )  # fmt: skip
            shadow.run()
            self.deals = [deal for deal in shadow.venue.terminal.deals() if deal.symbol]
            shadow.__exit__(None, None, None)
        finally:  # what the process's death does; connections roll back when they are collected
            folder.__exit__(None, None, None)
            client.close()
        return recorder

    def _observed_ms(self) -> int:
        return wall_ms() if self.terminal is None else self.terminal.now_ms + self.late_ms


class Killed(BaseException):
    """The process ends here, at once."""


@contextmanager
def bridge_of(
    case: Case, dialect: str, folder: Path, *, bars: Bars | None = None
) -> Iterator[Stand]:
    """A bridge whose market is the case's, or `bars`."""
    plan = case.plan
    terminal = SimulatedTerminal(
        bars={"BTCUSD": bars or plan.bars}, instruments={"BTCUSD": BTC},
        account=PaperSettings().account_terms(), start_ms=plan.limits.from_ms, seed=1,
        server_zone=ZONES[dialect],
        minutes={"BTCUSD": plan.m1} if plan.m1 is not None else None,
    )  # fmt: skip
    stand = Stand(case, terminal, "", dialect, folder)

    def counted(app: Any) -> Any:
        async def asgi(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and not scope["path"].startswith("/_paper"):
                stand.asked.append((scope["method"], scope["path"]))
                if stand.away:
                    stand.away -= 1
                    app_now = Response(status_code=503)
                    await app_now(scope, receive, send)
                    return
            await app(scope, receive, send)

        return asgi

    with running(counted(_app(terminal, dialect))) as url:
        stand.url = url
        yield stand


def _app(terminal: SimulatedTerminal, dialect: str) -> Any:
    if dialect == "mt5-httpapi":
        return httpapi_app(terminal)
    broker = NativeBroker(
        NativeTerminal(terminal), ServerClock(ZONES[dialect]), now_ms=lambda: terminal.now_ms,
        mode="paper",
    )  # fmt: skip
    return create_app(broker, token="", paper_clock=BridgeClock(terminal, "max"))


def journalled(state: Path) -> Journal:
    return Journal(state / "journal.sqlite")
