"""A paper run with Supabase behind it: what the journal holds arrives, and nothing waits for it."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psycopg
import pytest

from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from market.server_clock import ServerClock
from market.store import BarStore
from tests.supabase.rest import SERVICE, Rest, serving
from tests.trading.doubles import StepClock
from tests.trading.paper_runs import BTC, Case, bot_of, make_case, run_in_process, settings_of
from trading.channels import Channels
from trading.day_figures import own_trades
from trading.journal import Journal
from trading.open_channels import open_channels
from trading.outbox import OutboxReader
from trading.state_folder import StateFolder
from trading.supabase_channel import supabase_openers
from trading.supabase_settings import KEY_VARIABLE, URL_VARIABLE, SupabaseSettings

BARS = 120


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    decision = settings_of(
        ml_active_management={"enabled": True, "partial_close": {"enabled": True}},
        news_block_minutes=30,
    )
    return make_case(tmp_path_factory.mktemp("case"), decision, bars=BARS)


@pytest.fixture
def rest(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rest]:
    with serving(url) as rest:
        monkeypatch.setenv(URL_VARIABLE, rest.url)
        monkeypatch.setenv(KEY_VARIABLE, SERVICE)
        yield rest


def test_run_over_a_database_that_hangs_decides_the_same_and_all_of_it_arrives_afterwards(
    case: Case, rest: Rest, tmp_path: Path
) -> None:
    release = threading.Event()
    rest.before_commit = lambda method, table: release.wait(60.0) and None
    lines, _ = run_in_process(case, tmp_path / "alone")
    with _run(case, tmp_path / "state") as (journal, channels):
        assert list(journal.decision_lines("BTCUSD")) == lines
        assert rest.log == []  # the first request of the run is not answered yet
        release.set()
        channels.stop()
        _require_what_the_journal_holds(journal, rest)
    with closing(OutboxReader(tmp_path / "state" / "journal.sqlite")) as reader:
        assert reader.last_id() > BARS


@contextmanager
def _run(case: Case, path: Path) -> Iterator[tuple[Journal, Channels]]:
    """The daemon over the terminal itself, to its end; the channel is still running then."""
    plan = case.plan
    settings = SupabaseSettings(
        enabled=True, paper=True, interval_s=0.1, timeout_s=60.0, flush_s=60.0, batch_rows=50
    )
    terminal = SimulatedTerminal(
        bars={"BTCUSD": plan.bars}, instruments={"BTCUSD": BTC},
        account=case.paper.account_terms(), start_ms=plan.limits.from_ms, seed=case.paper.seed,
        slippage_points=case.paper.slippage_points, server_zone=case.paper.server_timezone,
        minutes={"BTCUSD": plan.m1} if plan.m1 is not None else None,
    )  # fmt: skip
    broker = NativeBroker(
        NativeTerminal(terminal), ServerClock(case.paper.server_timezone),
        now_ms=lambda: terminal.now_ms, mode="paper",
    )  # fmt: skip
    with ExitStack() as held:
        folder = held.enter_context(StateFolder(path))
        journal = held.enter_context(closing(Journal(folder.journal)))
        store = held.enter_context(closing(BarStore(folder.bars)))
        openers = supabase_openers(settings, paper=True)
        channels = open_channels(case.trade, folder, journal, openers)
        channels.start()
        bot_of(case, broker, StepClock(terminal), folder, journal, store, None).run()
        yield journal, channels


def _require_what_the_journal_holds(journal: Journal, rest: Rest) -> None:
    trades = own_trades(journal, strategy_id=7719, symbol="BTCUSD")
    assert len(trades) > 3
    lines = [json.loads(line) for line in journal.decision_lines("BTCUSD")]
    with psycopg.connect(rest.database) as db:
        sent = db.execute(
            "select position_id, close_type, net_profit::float8 from trades order by id"
        ).fetchall()
        assert sent == [(each.position_id, each.close_type, each.net_profit) for each in trades]
        equity = db.execute("select equity::float8 from account_snapshots order by id").fetchall()
        assert [each for (each,) in equity] == [line["account"]["equity"] for line in lines]
        known = {(each["time_ms"], each["title"]) for line in lines for each in line["news"]}
        news = db.execute(
            "select (extract(epoch from released_at) * 1000)::bigint, title from news_events"
        ).fetchall()
        assert known and set(news) == known
        held = db.execute("select count(*) from open_positions").fetchone()
        assert held == (len(lines[-1]["open_trades"]),)
        (account,) = db.execute("select id from accounts").fetchall()
        assert account[0].count("/") == 1
