"""`python trading.py`: one account through a bridge."""

import argparse
import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from dotenv import dotenv_values
from rich.console import Console

from broker.client.connect import BridgeClient, connect
from broker.contract.messages import Account
from market.store import BarStore
from ml.hub.connect import open_hub
from ml.predictors.model_set import ModelSet
from ml.predictors.settings import ModelPaths
from trading.account_terms import AccountLock, require_account, require_kind
from trading.assemble import TIMEFRAME, assemble
from trading.clock import StopFlag, WallClock
from trading.doctor.storage import closed_trades
from trading.heartbeat import start_told
from trading.journal import Journal
from trading.life import Life, pulse_of, redactor
from trading.model import beside, learned_calendar, model_lines
from trading.model_source import SwapTerms, load_or_pull
from trading.news import live_news
from trading.open_channels import open_channels, reporter_over, telegram
from trading.outside import Outside, news_lines, read_outside, with_feed
from trading.paper_command import trade_of
from trading.permission import Examiner
from trading.pins import Accepted
from trading.primary_exit import primary_exit_lines
from trading.redaction import Redactor
from trading.schedule import RunLimits
from trading.session import Session, reporter_of, stop_on_signals
from trading.state_folder import LIVE_ACCOUNT, StateFolder
from trading.supabase_channel import supabase_openers

if TYPE_CHECKING:
    from settings import Settings

TOKEN_VARIABLE = "NOVOSKY_BRIDGE_TOKEN"


def run_live(given: argparse.Namespace) -> int:
    """Trades until it is stopped. 0 after a clean stop."""
    redact = redactor()
    with start_told(given.state / state_name(given), redact):
        return _trade(given, redact)


def _trade(given: argparse.Namespace, redact: Redactor) -> int:
    from settings import SettingsFiles, load_settings
    from settings.reload import edited_of

    how = {"overrides": given.override, "account": given.account, "symbol": given.symbol}
    files = SettingsFiles.like(**how)
    settings = load_settings(**how)
    models, paths = _models_and_paths(given, settings)
    stop = stop_on_signals(settings.daemon)
    broker = connect(settings.bridge, bridge_token())
    clock = _clock(broker, stop, settings.daemon.max_clock_skew_ms)
    trade = trade_of(settings)
    account = broker.account()
    require_account(account, settings.bridge)
    require_kind(account, settings.account)
    outside = read_outside(
        settings.ml.features, trade.instrument, learned_calendar=learned_calendar(models),
        news=settings.news,
    )  # fmt: skip
    with ExitStack() as held:
        folder = held.enter_context(StateFolder(given.state / state_name(given)))
        if not given.dry:
            held.enter_context(AccountLock(
                given.state, account, trade.daemon.strategy_id, trade.instrument.symbol
            ))  # fmt: skip
        if settings.news.enabled:
            live = held.enter_context(live_news(settings.news, folder.path))
            outside = with_feed(
                outside, live, trade.instrument, learned_calendar=learned_calendar(models)
            )
        journal, store = Journal(folder.journal), BarStore(folder.bars)
        reporter = reporter_of(
            Console(), quiet=given.quiet, day_zone=settings.decision.timezone, speed="real time",
            name=folder.path.name, redact=redact,
        )  # fmt: skip
        journal.redact = redact
        channels = open_channels(
            trade, folder, journal,
            telegram(settings.telegram, account=given.account or "", paper=False)
            + supabase_openers(settings.supabase, paper=False),
            resume=given.resume,
        )  # fmt: skip
        reporter = reporter_over(channels, reporter, trade, journal, outside.news)
        bot = assemble(
            trade, broker=broker, clock=clock, stop=stop, reporter=reporter, journal=journal,
            store=store, predictor=models.signal, beside=beside(models), outside=outside,
            dry=given.dry,
            limits=RunLimits(from_ms=TIMEFRAME.floor_ms(clock.now_ms())),
            accepted=Accepted(given.accept_account, given.accept_spec),
            swap=SwapTerms(
                folder.path, models, paths, settings.ml.features, settings.symbol,
                trade.decision, beside,
            ),
            life=Life(folder.path, files, edited_of(settings), pulse_of(trade.daemon)),
            channels=channels,
            examiner=examiner(given, settings, account, models, paths),
        )  # fmt: skip
        session = Session(
            bot, trade, broker, clock, journal, store, reporter, "", channels=channels
        )
        headline = _headline(settings, dry=given.dry)
        lines = _start_lines(settings, models, outside, folder.path, clock.now_ms())
        session.run("\n".join([headline, *lines]), None)
    return 0


def _models_and_paths(
    given: argparse.Namespace, settings: "Settings"
) -> tuple[ModelSet, ModelPaths]:
    """The models of the folder, else the hub's release."""
    paths = settings.ml.paths.for_symbol(settings.symbol)
    if given.models is not None:
        paths = paths.in_folder(given.models)
    models = load_or_pull(
        paths, settings.ml.features, settings.symbol, lambda: open_hub(settings.ml.hub), print
    )
    return models, paths


def _start_lines(
    settings: "Settings", models: ModelSet, outside: Outside, state: Path, now_ms: int
) -> list[str]:
    """What is used, absent or worth a warning at this start."""
    decision, strategy_id = settings.decision, settings.daemon.strategy_id
    return [
        *model_lines(models, decision),
        *primary_exit_lines(models, decision, lambda: closed_trades(state, strategy_id)),
        *news_lines(outside, settings.news, decision, now_ms),
        *(f"warning: {each}" for each in outside.warnings),
    ]


def examiner(
    given: argparse.Namespace, settings: "Settings", account: Account, models: ModelSet,
    paths: ModelPaths,
) -> Examiner:  # fmt: skip
    """Asks for the evidence of what trades here; `trading` itself knows nothing of it."""
    from backtest.evidence import evidence_path
    from backtest.live_evidence import EvidenceExaminer

    return EvidenceExaminer(
        evidence_path(paths.graph.parent, settings.symbol), account, models, settings.gate.go_live,
        typed=given.override_evidence, sends=not given.dry,
        slippage_points=settings.paper.slippage_points,
    )  # fmt: skip


def state_name(given: argparse.Namespace) -> str:
    """The state folder of an account, as its entry names it; a dry run has its own."""
    from settings import state_name_of

    name = f"live-{LIVE_ACCOUNT}" if given.account is None else state_name_of(given.account)
    return name + ("-dry" if given.dry else "")


def bridge_token() -> str:
    """From the environment, else from `.env`; empty where neither has one."""
    return os.environ.get(TOKEN_VARIABLE) or dotenv_values(Path(".env")).get(TOKEN_VARIABLE) or ""


def _clock(broker: BridgeClient, stop: StopFlag, most_ms: int) -> WallClock:
    """A paper bridge that runs in real time has its own date; a live one only its own error."""
    is_paper = broker.health().mode == "paper"
    return WallClock(lambda: broker.health().utc_msc, stop, most_ms=None if is_paper else most_ms)


def _headline(settings: "Settings", *, dry: bool) -> str:
    mode = "dry run, nothing is sent: " if dry else ""
    return f"{mode}{settings.symbol} through {settings.bridge.api_base_url}"
