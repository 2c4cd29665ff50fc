"""Puts the checks together: those at the bridge, those of this machine, those beside it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from broker.contract.messages import Account
from ml.features.settings import FeatureSettings
from ml.hub import Hub
from ml.predictors.settings import ModelPaths
from trading.decision.settings import DecisionSettings
from trading.doctor import bridge, clock, models, news, services, storage, symbol, trade
from trading.doctor.bedside import Bedside
from trading.doctor.catalogue import ALL
from trading.doctor.check import Finding, Look
from trading.news_settings import NewsSettings
from trading.outside import Outside
from trading.supabase_settings import SupabaseSettings
from trading.telegram_settings import TelegramSettings

_AT_THE_BRIDGE: Mapping[str, Callable[[Bedside], Finding]] = {
    "bridge": bridge.bridge, "token": bridge.token, "connection": bridge.connection,
    "algo trading": bridge.algo_trading, "login": bridge.login, "server": bridge.server,
    "account kind": bridge.account_kind, "position mode": bridge.position_mode,
    "units": bridge.units, "clock": clock.clock, "server time": clock.server_time,
    "quote age": clock.quote_age, "symbol": symbol.symbol, "terms": symbol.terms,
    "trade mode": symbol.trade_mode, "filling": symbol.filling, "tick value": symbol.tick_value,
    "lots": symbol.lots, "quote": trade.price, "stops level": trade.stops_level,
    "smallest lot": trade.smallest_lot, "order check": trade.order_check,
    "positions": trade.positions, "history": trade.history,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Premises:
    """What is looked at beside the bridge. `secret`: by the variable's name, empty for none.
    `open_hub`, `outside`: made when they are asked. `prop_rules`, `env_file`: where they lie.
    `process_words`: a process's command line. `evidence`: whether the account may open
    positions."""

    state: Path
    env_file: Path
    prop_rules: Path
    symbol: str
    strategy_id: int
    decision: DecisionSettings
    paths: ModelPaths
    features: FeatureSettings
    news: NewsSettings
    telegram: TelegramSettings
    supabase: SupabaseSettings
    secret: Callable[[str], str]
    open_hub: Callable[[], Hub]
    outside: Callable[[], Outside]
    process_words: Callable[[int], str]
    now_ms: Callable[[], int]
    evidence: Callable[[Account], Finding]


def looks(bedside: Bedside, at: Premises) -> Iterator[Look]:
    """Every check that is still to be made, in the order of the table."""
    for name, ask in _AT_THE_BRIDGE.items():
        yield _look(name, lambda ask=ask: ask(bedside))  # type: ignore[misc]
    yield from _on_this_machine(at)
    yield from _of_the_models(bedside, at)
    yield from _beside(at)


def _on_this_machine(at: Premises) -> Iterator[Look]:
    yield _look("disk", lambda: storage.disk(at.state))
    yield _look("journal", lambda: storage.journal(at.state, at.process_words))
    yield _look("secrets", lambda: storage.env_file(at.env_file))


def _of_the_models(bedside: Bedside, at: Premises) -> Iterator[Look]:
    for kind in models.KINDS:
        yield _look(
            f"{kind} model",
            lambda kind=kind: models.model(  # type: ignore[misc]
                kind, at.paths, at.features, at.symbol, at.open_hub, at.decision
            ),
        )
    yield _look("truncation", lambda: models.truncation(bedside, at.features, at.outside))
    yield _look("evidence", lambda: at.evidence(bedside.account()))
    is_on = at.decision.ml_active_management.position_as_primary_exit.enabled
    yield _look("primary exit", lambda: models.primary_exit(
        is_on, at.paths, at.features,
        lambda: storage.closed_trades(at.state, at.strategy_id),
    ))  # fmt: skip


def _beside(at: Premises) -> Iterator[Look]:
    yield _look("telegram", lambda: services.telegram(
        at.telegram, at.secret("NOVOSKY_TELEGRAM_TOKEN"), at.secret("NOVOSKY_TELEGRAM_CHAT")
    ))  # fmt: skip
    yield _look("supabase", lambda: services.supabase(
        at.supabase, at.secret("NOVOSKY_SUPABASE_URL"), at.secret("NOVOSKY_SUPABASE_KEY")
    ))  # fmt: skip
    yield _look("news", lambda: news.news(
        at.news, at.decision, at.state, lambda: at.outside().news, at.now_ms()
    ))  # fmt: skip
    yield _look("hub", lambda: services.hub(at.open_hub))
    today = datetime.fromtimestamp(at.now_ms() / 1000, UTC).date()
    yield _look(
        "prop profile", lambda: services.prop_profile(at.decision.prop, at.prop_rules, today)
    )


def _look(name: str, ask: Callable[[], Finding]) -> Look:
    return Look(name, ask, ALL[name].fix)
