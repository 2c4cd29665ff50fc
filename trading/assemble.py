"""Puts the daemon together from its parts, the same way for a live account and for paper."""

from collections.abc import Callable
from dataclasses import dataclass

from broker.contract.port import Broker
from market.instrument import Instrument
from market.instruments import INSTRUMENTS
from market.store import BarStore
from market.timeframe import Timeframe
from ml.features.catalogue import names
from trading.advice import NO_MODELS, Adviser, BesideModels
from trading.bookkeeper import Bookkeeper
from trading.bot import Bot, Parts
from trading.channels import Channels
from trading.clock import Clock, StopFlag
from trading.decision.settings import DecisionSettings
from trading.decision_inputs import DecisionInputs, Sources
from trading.errors import DaemonError
from trading.execution.dispatch import Dispatcher
from trading.execution.resolve import Resolver
from trading.feed import BarFeed
from trading.forecaster import Forecaster, Predictor
from trading.heartbeat import Heartbeat
from trading.hot_reload import HotReload
from trading.journal import Journal
from trading.life import Life
from trading.minutes import BrokerMinutes
from trading.missed import MissedBars
from trading.model_source import ModelSwap, SwapTerms
from trading.news import NewsDesk, meaning_of
from trading.obey import Steward
from trading.observer import Observer
from trading.outage import Outage
from trading.outside import NOTHING_OUTSIDE, Outside
from trading.pager import JournalPager, Pager
from trading.permission import Examiner, Permission
from trading.pins import Accepted
from trading.report import Reporter
from trading.schedule import RunLimits, Schedule
from trading.settings import DaemonSettings
from trading.watch import HealthWatch

TIMEFRAME = Timeframe.M15
_NOTHING_ACCEPTED = Accepted()


@dataclass(frozen=True, slots=True)
class Trade:
    """What is traded, and by which rules: the settings that decisions depend on."""

    instrument: Instrument
    decision: DecisionSettings
    daemon: DaemonSettings
    groups: tuple[str, ...]


def known_instrument(symbol: str) -> Instrument:
    """The instrument of a symbol, or a `DaemonError` that lists what is known."""
    if symbol not in INSTRUMENTS:
        raise DaemonError(f"symbol: one of {', '.join(INSTRUMENTS)} is allowed, {symbol} came")
    return INSTRUMENTS[symbol]


def assemble(
    trade: Trade,
    *,
    broker: Broker,
    clock: Clock,
    stop: StopFlag,
    reporter: Reporter,
    journal: Journal,
    store: BarStore,
    predictor: Predictor,
    limits: RunLimits,
    dry: bool = False,
    require_bridge: Callable[[], None] = lambda: None,
    accepted: Accepted = _NOTHING_ACCEPTED,
    pager: Pager | None = None,
    beside: BesideModels = NO_MODELS,
    outside: Outside = NOTHING_OUTSIDE,
    swap: SwapTerms | None = None,
    channels: Channels | None = None,
    life: Life | None = None,
    heartbeat: Heartbeat | None = None,
    examiner: Examiner | None = None,
) -> Bot:
    """A bot over these parts; nothing is asked of the broker yet.

    `require_bridge` raises when waiting for the bridge makes no sense any more. `pager`: None is
    the journal, the log and the view. `beside`: the models beside the signal model, `predictor`.
    `swap`: None where the models stay as they are for the whole run. `channels`: where commands
    come from; None: nobody gives any. `life`: None for a daemon whose settings stay as they are
    and whose pulse nobody takes. `heartbeat`: of a process that has one beyond this bot; else it is
    that of `life`. `examiner`: None where nobody asks for evidence.
    """
    instrument, daemon = trade.instrument, trade.daemon
    pager, channels = pager or JournalPager(journal, reporter, clock), channels or Channels()
    dispatcher = Dispatcher(
        broker, journal, dry=dry, pager=pager, settings=daemon.orders, clock_ms=clock.now_ms
    )
    resolver = Resolver(broker, journal, dispatcher)
    forecaster = _forecaster(trade, predictor, outside)
    schedule = Schedule(TIMEFRAME, instrument.sessions, clock, limits, daemon)
    watch = HealthWatch(
        broker, clock, journal, pager, limits=daemon.health_limits, sessions=instrument.sessions,
        strategy_id=daemon.strategy_id,
    )  # fmt: skip
    books = Bookkeeper(
        journal, pager, strategy_id=daemon.strategy_id, symbol=instrument.symbol,
        reprotect=dispatcher.reprotect,
    )  # fmt: skip
    feed = BarFeed(store, broker, instrument, TIMEFRAME, lookback_ms=forecaster.lookback_ms)
    inputs = _inputs(trade, broker, books, beside, outside)
    observer = Observer(
        broker, resolver, dispatcher, watch, books, instrument, day_zone=trade.decision.timezone
    )
    reload = None if life is None else HotReload(
        life.edits, life.first, journal=journal, reporter=reporter, pager=pager,
        board=channels.board,
    )  # fmt: skip
    permission = None if examiner is None else Permission(
        examiner, journal=journal, reporter=reporter, pager=pager, board=channels.board
    )  # fmt: skip
    parts = Parts(
        broker=broker,
        clock=clock,
        schedule=schedule,
        feed=feed,
        forecaster=forecaster,
        watch=watch,
        observer=observer,
        inputs=inputs,
        resolver=resolver,
        dispatcher=dispatcher,
        journal=journal,
        missed=MissedBars(journal, schedule, forecaster, instrument.symbol),
        outage=Outage(
            clock, journal, reporter, pager,
            holds=lambda: books.may_hold, require_bridge=require_bridge,
        ),
        reporter=reporter,
        stop=stop,
        accepted=accepted,
        swap=None if swap is None else ModelSwap(
            swap, broker=broker, forecaster=forecaster, feed=feed, inputs=inputs,
            schedule=schedule, journal=journal, pager=pager, board=channels.board,
            served=(lambda models: None) if permission is None else permission.serve,
        ),
        steward=Steward(
            channels.queue, channels.board, journal=journal, pager=pager, dispatcher=dispatcher,
            watch=watch, observer=observer, stop=stop, symbol=instrument.symbol,
            strategy_id=daemon.strategy_id,
            also={} if reload is None else {"reload": reload.on_command},
        ),
        reload=reload,
        heartbeat=heartbeat if life is None else Heartbeat(life.state, pager, url=life.pulse),
        news=None if outside.live is None else NewsDesk(
            outside.live, journal, pager, meaning=meaning_of(trade.decision)
        ),
        permission=permission,
    )  # fmt: skip
    return Bot(parts, instrument.symbol, TIMEFRAME, trade.decision, daemon)


def _forecaster(trade: Trade, predictor: Predictor, outside: Outside) -> Forecaster:
    return Forecaster(
        predictor,
        groups=trade.groups,
        quantile=trade.decision.prediction.quantile,
        round_step=trade.instrument.round_step,
        calendar=outside.calendar,
        onchain=outside.onchain,
    )


def _inputs(
    trade: Trade, broker: Broker, books: Bookkeeper, beside: BesideModels, outside: Outside
) -> DecisionInputs:
    """What a decision is made of beside the forecast."""
    minutes = BrokerMinutes(broker, trade.instrument.symbol) if beside.minutes else None
    adviser = Adviser(beside, trade.decision, names(trade.groups))
    sources = Sources(books, adviser, outside.news, minutes)
    return DecisionInputs(sources, trade.instrument, trade.decision)
