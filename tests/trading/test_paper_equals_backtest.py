"""The daemon over real HTTP, stopped and started in the middle, and the backtest: equal hashes.

In both dialects; the second one tells the times of a server that keeps the clock of Athens.
"""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from backtest.columns import decided_bars
from backtest.driver import BacktestRun, Rules, run_backtest
from broker.client.connect import connect
from broker.client.paper_control import PaperControl
from broker.client.settings import BridgeSettings, Dialect
from broker.simulator.settings import PaperSettings
from market.instruments import instrument
from market.store import BarStore
from ml.features.catalogue import names
from ml.features.matrix import feature_matrix
from tests.trading.doubles import Recorder, TinyPredictor
from trading.assemble import Trade, assemble
from trading.bridge_process import BridgeProcess
from trading.canonical import deal_line, sha256_lines
from trading.clock import PaperClock, StopFlag
from trading.decision.settings import DecisionSettings
from trading.forecasts import forecast_columns
from trading.journal import Journal
from trading.paper import PaperOptions, PaperPlan, plan_run
from trading.settings import DaemonSettings
from trading.state_folder import StateFolder
from trading.summary import run_summary

BARS = 220
GROUPS = ("base", "regime")
ZONES: dict[Dialect, str] = {"native": "UTC", "mt5-httpapi": "Europe/Athens"}
TRADE = Trade(
    instrument("BTCUSD"),
    DecisionSettings.model_validate(
        {"prediction": {"quantile": {"lookback_days": 2, "top_share": 0.2}}}
    ),
    DaemonSettings(),
    GROUPS,
)


@pytest.fixture(scope="module", params=list(ZONES))
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return request.param


@pytest.fixture(scope="module")
def paper(dialect: Dialect) -> PaperSettings:
    return PaperSettings(server_timezone=ZONES[dialect])


@pytest.fixture(scope="module")
def plan(paper: PaperSettings) -> PaperPlan:
    return plan_run(PaperOptions(None, None, None, BARS, "max"), TRADE, paper)


@pytest.fixture(scope="module")
def features(plan: PaperPlan) -> np.ndarray:
    """The batch features of the whole market from the gate's look-back on."""
    return feature_matrix(
        plan.bars, groups=GROUPS, round_step=TRADE.instrument.round_step, first_row=_first(plan)
    )


@pytest.fixture(scope="module")
def backtest(plan: PaperPlan, features: np.ndarray, paper: PaperSettings) -> BacktestRun:
    from_ms = plan.limits.from_ms
    forecasts = forecast_columns(
        features, names(GROUPS), plan.bars.open_ms[_first(plan) :], TinyPredictor().predict
    )
    bars = decided_bars(
        plan.bars, forecasts, TRADE.decision.prediction.quantile,
        from_ms=from_ms, to_ms=from_ms + BARS * 900_000,
    )  # fmt: skip
    return run_backtest(
        bars, Rules(TRADE.instrument, TRADE.decision, paper, TRADE.daemon.strategy_id)
    )


@pytest.fixture(scope="module")
def journal(
    plan: PaperPlan, paper: PaperSettings, dialect: Dialect,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:  # fmt: skip
    """The journal of a paper run whose daemon was stopped, and its bridge killed, after 90 bars."""
    folder = tmp_path_factory.mktemp("paper")
    run_until(plan, paper, dialect, folder, stop_after=90)
    run_until(plan, paper, dialect, folder)
    return folder / "journal.sqlite"


def _first(plan: PaperPlan) -> int:
    lookback_ms = TRADE.decision.prediction.quantile.lookback_ms
    return int(plan.bars.open_ms.searchsorted(plan.limits.from_ms - lookback_ms))


def run_until(
    plan: PaperPlan, paper: PaperSettings, dialect: Dialect, path: Path, *,
    stop_after: int | None = None,
) -> None:  # fmt: skip
    """To the end, or until the daemon is stopped and its bridge killed after so many bars."""
    with ExitStack() as held:
        folder = held.enter_context(StateFolder(path))
        spec = plan.spec("BTCUSD", paper, "max", folder.terminal, dialect)
        bridge = held.enter_context(BridgeProcess(spec.model_dump_json(), path))
        bridge.wait_until_ready(lambda: False)
        settings = BridgeSettings(
            api_base_url=f"http://127.0.0.1:{bridge.port}", dialect=dialect,
            server_timezone=paper.server_timezone,
        )  # fmt: skip
        broker = connect(settings, bridge.token)
        stop = StopFlag()
        journal, store = Journal(folder.journal), BarStore(folder.bars)
        clock = PaperClock(PaperControl(broker.connection), stop, speed=None)
        bot = assemble(
            TRADE, broker=broker, clock=clock, stop=stop,
            reporter=Recorder(stop, stop_after), journal=journal, store=store,
            predictor=TinyPredictor(), limits=plan.limits,
        )  # fmt: skip
        bot.run()
        if bot.finished:
            summary = run_summary(
                journal, store, broker, TRADE,
                now_ms=clock.now_ms(), data_sha256=plan.data_sha256,
            )  # fmt: skip
            journal.set_meta(hashes=f"{summary['decisions_sha256']} {summary['deals_sha256']}")
        if stop_after:
            bridge.kill()
        for each in (journal, store, broker):
            each.close()


def test_decisions_and_deals_are_those_of_the_backtest(
    journal: Path, backtest: BacktestRun
) -> None:
    kept = Journal(journal)
    lines, hashes = list(kept.decision_lines("BTCUSD")), kept.meta("hashes")
    kept.close()
    assert lines == list(backtest.lines())
    traded = [deal for deal in backtest.deals if deal.symbol]
    assert len(traded) >= 20, "too few deals to mean anything"
    assert hashes == f"{sha256_lines(lines)} {sha256_lines(map(deal_line, traded))}"


def test_features_of_each_decided_bar_are_those_of_the_batch_bit_for_bit(
    journal: Path, plan: PaperPlan, features: np.ndarray
) -> None:
    kept = Journal(journal)
    live = dict(kept.features("BTCUSD"))
    kept.close()
    assert len(live) == BARS
    batch = dict(zip(plan.bars.open_ms[_first(plan) :].tolist(), features, strict=True))
    assert np.isfinite(list(live.values())).all()
    for open_ms, row in live.items():
        assert row.tobytes() == batch[open_ms].tobytes()


def test_no_intent_is_left_open(journal: Path) -> None:
    kept = Journal(journal)
    counts, left = kept.intent_counts(), kept.open_intents()
    kept.close()
    assert left == ()
    assert set(counts) <= {"protected", "closed"}
