"""`python trading.py --paper`: the real daemon over the real bridge over a simulated terminal."""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from backtest.looks import paper_look
from broker.client.connect import BridgeClient, connect
from broker.client.paper_control import PaperControl
from market.bars import utc_text
from market.store import BarStore
from ml.hub.connect import open_hub
from ml.predictors.model_set import ModelSet
from ml.predictors.settings import ModelPaths
from mt5api.paper import FileMarket
from trading.account_terms import require_kind
from trading.advice import BesideModels
from trading.assemble import Trade, assemble, known_instrument
from trading.bridge_process import BridgeProcess
from trading.channels import Channels
from trading.clock import PaperClock, StopFlag
from trading.doctor.storage import closed_trades
from trading.journal import Journal
from trading.life import Life, pulse_of, redactor
from trading.model import (
    beside,
    graph_hashes,
    learned_calendar,
    load_or_train_demo,
    model_lines,
    seen_until,
)
from trading.model_source import SwapTerms, load_or_pull
from trading.open_channels import open_channels, reporter_over, telegram
from trading.outside import Outside, news_lines, read_outside
from trading.paper import (
    GENERATED_FROM_MS,
    GENERATED_TRAIN_FROM_MS,
    PaperOptions,
    PaperPlan,
    Speed,
    plan_run,
)
from trading.pins import Accepted
from trading.primary_exit import primary_exit_lines
from trading.redaction import Redactor
from trading.session import Session, reporter_of, stop_on_signals
from trading.state_folder import PAPER_ACCOUNT, StateFolder
from trading.summary import require_writable
from trading.supabase_channel import supabase_openers

if TYPE_CHECKING:
    from settings import Settings, SettingsFiles

_DEFAULT_SPEED = 300.0


def run_paper(given: argparse.Namespace) -> int:
    """Plans, resumes or begins, runs until the end or a stop, and sums up. 0 at either end."""
    from settings import SettingsFiles, load_settings

    redact = redactor()
    how = _how(given)
    files = SettingsFiles.like(**how)
    settings = load_settings(**how)
    require_writable(given.summary)
    trade = trade_of(settings)
    plan = plan_run(_options(given), trade, settings.paper)
    console = Console()
    models = _models(given, settings, console)
    outside = read_outside(
        settings.ml.features, trade.instrument, calendar=given.calendar,
        learned_calendar=learned_calendar(models), news=settings.news,
    )  # fmt: skip
    run = _Run(given, settings, trade, plan, models, outside, console, files, redact)
    with StateFolder(given.state / run.name) as folder:
        _begin_anew_if_over(folder, fresh=given.fresh)
        if isinstance(plan.market, FileMarket) and not folder.journal.exists():
            paper_look(settings, models, plan)
        stop = stop_on_signals(settings.daemon)
        spec = plan.spec(
            settings.symbol, settings.paper, _speed(given), folder.terminal,
            settings.bridge.dialect,
        )  # fmt: skip
        with BridgeProcess(spec.model_dump_json(), folder.path) as bridge:
            bridge.wait_until_ready(lambda: stop.requested)
            if stop.requested:
                raise KeyboardInterrupt
            run.session(folder, bridge, stop).run(run.headline(folder), given.summary)
    return 0


@dataclass(frozen=True, slots=True)
class _Run:
    """Everything that is known before the state folder is touched."""

    given: argparse.Namespace
    settings: "Settings"
    trade: Trade
    plan: PaperPlan
    models: ModelSet
    outside: Outside
    console: Console
    files: "SettingsFiles"
    redact: Redactor

    @property
    def name(self) -> str:
        """The state folder's name: equal runs go on in it, others have their own."""
        learned = [*graph_hashes(self.models), *self.outside.files.values()]
        fingerprint = self.plan.fingerprint(
            self.trade, self.settings.paper, learned, dry=self.given.dry
        )
        return f"paper-{self.given.account or PAPER_ACCOUNT}-{fingerprint}"

    @property
    def warnings(self) -> tuple[str, ...]:
        seen = seen_until(self.models, self.plan.limits.from_ms)
        missing = self.plan.missing_minutes(self.settings.paper)
        return ((seen,) if seen else ()) + self.outside.warnings + missing

    def headline(self, folder: StateFolder) -> str:
        start = utc_text(self.plan.limits.from_ms)
        text = f"paper: {self.settings.symbol} on {self.plan.source} from {start} UTC"
        settings = self.settings.decision
        models = model_lines(self.models, settings, has_m1=self.plan.m1 is not None)
        exits = primary_exit_lines(
            self.models, settings,
            lambda: closed_trades(folder.path, self.trade.daemon.strategy_id),
        )  # fmt: skip
        from_ms = self.plan.limits.from_ms
        news = news_lines(self.outside, self.settings.news, settings, from_ms)
        warnings = (f"warning: {each}" for each in self.warnings)
        return "\n".join([f"{text}, state in {folder.path}", *models, *exits, *news, *warnings])

    def session(self, folder: StateFolder, bridge: BridgeProcess, stop: StopFlag) -> Session:
        """A bot over the bridge, with the folder's journal and bars."""
        broker = self._broker(bridge)
        require_kind(broker.account(), self.settings.account)
        speed = _speed(self.given)
        clock = PaperClock(
            PaperControl(broker.connection), stop, speed=None if speed == "max" else speed
        )
        reporter = reporter_of(
            self.console, quiet=self.given.quiet, day_zone=self.settings.decision.timezone,
            speed="max" if speed == "max" else f"{speed:g} x", name=folder.path.name,
            redact=self.redact,
        )  # fmt: skip
        journal, store = Journal(folder.journal), BarStore(folder.bars)
        journal.redact = self.redact
        channels = self._channels(folder, journal)
        reporter = reporter_over(channels, reporter, self.trade, journal, self.outside.news)
        bot = assemble(
            self.trade, broker=broker, clock=clock, stop=stop, reporter=reporter, journal=journal,
            store=store, predictor=self.models.signal, limits=self.plan.limits,
            dry=self.given.dry, require_bridge=bridge.require_alive,
            accepted=Accepted(self.given.accept_account, self.given.accept_spec),
            beside=self._beside(self.models), outside=self.outside,
            swap=SwapTerms(
                folder.path, self.models, _paths(self.given, self.settings),
                self.settings.ml.features, self.settings.symbol, self.trade.decision, self._beside,
            ),
            life=self._life(folder), channels=channels,
        )  # fmt: skip
        return Session(
            bot, self.trade, broker, clock, journal, store, reporter, self.plan.data_sha256,
            self.warnings, channels,
        )  # fmt: skip

    def _channels(self, folder: StateFolder, journal: Journal) -> Channels:
        name = self.given.account or PAPER_ACCOUNT
        return open_channels(
            self.trade, folder, journal,
            telegram(self.settings.telegram, account=f"paper {name}", paper=True)
            + supabase_openers(self.settings.supabase, paper=True),
            resume=self.given.resume,
        )  # fmt: skip

    def _life(self, folder: StateFolder) -> Life:
        from settings.reload import edited_of

        return Life(folder.path, self.files, edited_of(self.settings), pulse_of(self.trade.daemon))

    def _beside(self, models: ModelSet) -> BesideModels:
        """Without M1 bars nobody asks the terminal for them."""
        asked = beside(models)
        return asked if self.plan.m1 is not None else replace(asked, minutes=False)

    def _broker(self, bridge: BridgeProcess) -> BridgeClient:
        """The paper bridge's own address, server clock and names; the dialect is the settings'."""
        own = {
            "api_base_url": f"http://127.0.0.1:{bridge.port}",
            "server_timezone": self.settings.paper.server_timezone,
            "symbol_map": {},
        }
        return connect(self.settings.bridge.model_copy(update=own), bridge.token)


def trade_of(settings: "Settings") -> Trade:
    return Trade(
        known_instrument(settings.symbol),
        settings.decision,
        settings.daemon,
        tuple(settings.ml.features.groups),
    )


def _how(given: argparse.Namespace) -> dict[str, Any]:
    """How the settings are read: an account that has an entry is traded by it."""
    from settings import account_ids

    overrides = list(given.override)
    if given.seed is not None:
        overrides.append(f"paper.seed={given.seed}")
    entry = given.account if given.account in account_ids() else None
    return {"overrides": overrides, "account": entry, "symbol": given.symbol}


def _speed(given: argparse.Namespace) -> Speed:
    return _DEFAULT_SPEED if given.speed is None else given.speed


def _options(given: argparse.Namespace) -> PaperOptions:
    market = given.market if isinstance(given.market, Path) else None
    return PaperOptions(market, given.from_ms, given.to_ms, given.bars, _speed(given), given.m1)


def _models(given: argparse.Namespace, settings: "Settings", console: Console) -> ModelSet:
    """A given market needs a given model; the generated one may bring its own."""
    paths = _paths(given, settings)
    if isinstance(given.market, Path):
        return load_or_pull(
            paths, settings.ml.features, settings.symbol, lambda: open_hub(settings.ml.hub),
            console.print,
        )  # fmt: skip
    return load_or_train_demo(
        paths, settings.ml.features, settings.symbol, console,
        train_from_ms=GENERATED_TRAIN_FROM_MS, train_to_ms=GENERATED_FROM_MS,
    )  # fmt: skip


def _paths(given: argparse.Namespace, settings: "Settings") -> ModelPaths:
    paths = settings.ml.paths.for_symbol(settings.symbol)
    return paths if given.models is None else paths.in_folder(given.models)


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
