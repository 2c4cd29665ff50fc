"""`python trading.py --paper`: the real daemon over the real bridge over a simulated terminal."""

import argparse
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from broker.client.paper_control import PaperControl
from broker.client.rest import RestBroker
from broker.client.settings import BridgeSettings
from market.bars import utc_text
from market.store import BarStore
from ml.predictors.ensemble import EnsemblePredictor
from trading.assemble import Trade, assemble, known_instrument
from trading.bridge_process import BridgeProcess
from trading.clock import PaperClock, StopFlag
from trading.journal import Journal
from trading.model import load_model, load_or_train_demo, seen_until
from trading.paper import (
    GENERATED_FROM_MS,
    GENERATED_TRAIN_FROM_MS,
    PaperOptions,
    PaperPlan,
    Speed,
    plan_run,
)
from trading.session import Session, reporter_of, stop_on_signals
from trading.state_folder import PAPER_ACCOUNT, StateFolder
from trading.summary import require_writable

if TYPE_CHECKING:
    from settings import Settings

_DEFAULT_SPEED = 300.0


def run_paper(given: argparse.Namespace) -> int:
    """Plans, resumes or begins, runs until the end or a stop, and sums up. 0 at either end."""
    settings = _settings(given)
    require_writable(given.summary)
    trade = trade_of(settings)
    speed: Speed = _DEFAULT_SPEED if given.speed is None else given.speed
    plan = plan_run(_options(given, speed), trade, settings.paper)
    console = Console()
    predictor = _predictor(given, settings, console)
    name = f"paper-{given.account or PAPER_ACCOUNT}-"
    model_sha256 = predictor.metadata.graph.sha256
    name += plan.fingerprint(trade, settings.paper, model_sha256, dry=given.dry)
    with ExitStack() as held:
        folder = held.enter_context(StateFolder(given.state / name))
        _begin_anew_if_over(folder, fresh=given.fresh)
        stop = stop_on_signals()
        spec = plan.spec(settings.symbol, settings.paper, speed, folder.terminal)
        bridge = held.enter_context(BridgeProcess(spec.model_dump_json(), folder.path))
        bridge.wait_until_ready(lambda: stop.requested)
        if stop.requested:
            raise KeyboardInterrupt
        session = _session(given, settings, trade, plan, predictor, folder, bridge, stop, console)
        session.run(_headline(plan, predictor, settings, folder), given.summary)
    return 0


def trade_of(settings: "Settings") -> Trade:
    return Trade(
        known_instrument(settings.symbol),
        settings.decision,
        settings.daemon,
        tuple(settings.ml.features.groups),
    )


def _settings(given: argparse.Namespace) -> "Settings":
    from settings import load_settings

    overrides = list(given.override)
    if given.seed is not None:
        overrides.append(f"paper.seed={given.seed}")
    return load_settings(overrides=overrides, symbol=given.symbol)


def _options(given: argparse.Namespace, speed: Speed) -> PaperOptions:
    market = given.market if isinstance(given.market, Path) else None
    return PaperOptions(market, given.from_ms, given.to_ms, given.bars, speed)


def _predictor(
    given: argparse.Namespace, settings: "Settings", console: Console
) -> EnsemblePredictor:
    """A given market needs a given model; the generated one may bring its own."""
    paths = settings.ml.paths.for_symbol(settings.symbol)
    if given.models is not None:
        paths = paths.in_folder(given.models)
    if isinstance(given.market, Path):
        return load_model(paths, settings.ml.features, settings.symbol)
    return load_or_train_demo(
        paths, settings.ml.features, settings.symbol, console,
        train_from_ms=GENERATED_TRAIN_FROM_MS, train_to_ms=GENERATED_FROM_MS,
    )  # fmt: skip


def _begin_anew_if_over(folder: StateFolder, *, fresh: bool) -> None:
    """An interrupted run goes on; a finished one, or `--fresh`, starts over."""
    if not folder.journal.exists():
        folder.clear()
        return
    journal = Journal(folder.journal)
    over = journal.meta("finished") is not None
    journal.close()
    if over or fresh:
        folder.clear()


def _session(
    given: argparse.Namespace, settings: "Settings", trade: Trade, plan: PaperPlan,
    predictor: EnsemblePredictor, folder: StateFolder, bridge: BridgeProcess, stop: StopFlag,
    console: Console,
) -> Session:  # fmt: skip
    own_bridge: dict[str, Any] = {"api_base_url": f"http://127.0.0.1:{bridge.port}"}
    broker = RestBroker(BridgeSettings(**(settings.bridge.model_dump() | own_bridge)), bridge.token)
    speed = None if given.speed == "max" else float(given.speed or _DEFAULT_SPEED)
    reporter = reporter_of(
        console,
        quiet=given.quiet,
        day_zone=settings.decision.timezone,
        speed="max" if speed is None else f"{speed:g} x",
    )
    clock = PaperClock(PaperControl(broker.connection), stop, speed=speed)
    journal, store = Journal(folder.journal), BarStore(folder.bars)
    bot = assemble(
        trade, broker=broker, clock=clock, stop=stop, reporter=reporter, journal=journal,
        store=store, predictor=predictor, limits=plan.limits, dry=given.dry,
        require_bridge=bridge.require_alive,
    )  # fmt: skip
    return Session(bot, trade, broker, clock, journal, store, reporter, plan.data_sha256)


def _headline(
    plan: PaperPlan, predictor: EnsemblePredictor, settings: "Settings", folder: StateFolder
) -> str:
    text = (
        f"paper: {settings.symbol} on {plan.source} from {utc_text(plan.limits.from_ms)} UTC, "
        f"state in {folder.path}"
    )
    warning = seen_until(predictor, plan.limits.from_ms)
    return f"{text}\nwarning: {warning}" if warning else text
