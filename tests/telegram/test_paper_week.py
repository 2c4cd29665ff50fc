"""Paper trading over real HTTP at max speed, with questions all the way: answered, bit-equal."""

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.client.connect import connect
from broker.client.paper_control import PaperControl
from broker.client.settings import BridgeSettings
from market.store import BarStore
from tests.telegram.bot_api import CHAT, TOKEN, BotApi
from tests.trading.doubles import Recorder
from tests.trading.paper_runs import Case, backtest_of, make_case, settings_of
from trading.assemble import assemble
from trading.bridge_process import BridgeProcess
from trading.clock import PaperClock, StopFlag
from trading.journal import Journal
from trading.model import beside
from trading.open_channels import open_channels, reporter_over, telegram
from trading.state_folder import StateFolder
from trading.telegram_settings import TelegramSettings

# Each with words that no other message has.
QUESTIONS = (
    ("/help", "asks first"), ("/status", "Asia/Jakarta"), ("/news", "release"),
    ("/pnl", "30 days"), ("/latency", "decisions, last"), ("/why", "the bar that closed"),
    ("/risk", "losses in a row"), ("/health", "bars decided, the last"),
    ("/close", "/close needs the number"), ("/closeall", "own positions?"),
)  # fmt: skip


@dataclass
class Asked:
    """What a person saw: the slowest answer, seconds, and how many came."""

    slowest_s: float = 0.0
    count: int = 0


@pytest.mark.parametrize(
    "bars", [60, pytest.param(672, marks=pytest.mark.soak)], ids=["15 hours", "a week"]
)
def test_a_paper_run_answers_in_a_second_and_equals_the_backtest(
    tmp_path: Path, api: BotApi, monkeypatch: pytest.MonkeyPatch, bars: int
) -> None:
    monkeypatch.setenv("NOVOSKY_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("NOVOSKY_TELEGRAM_CHAT", str(CHAT))
    case = make_case(tmp_path, settings_of(), bars=bars, kinds=("signal",))
    expected = list(backtest_of(case).lines())
    asked, begun, done = Asked(), threading.Event(), threading.Event()
    person = threading.Thread(target=_ask, args=(api, asked, begun, done), daemon=True)
    person.start()
    lines = _run(case, tmp_path / "state" / "paper-x", api, (begun, done), person)
    assert not person.is_alive()
    assert lines == expected
    assert asked.count >= len(QUESTIONS)
    assert asked.slowest_s < 1.0
    told = len([text for text in api.texts() if "closed" in text and "held" in text])
    assert told > 0


def _ask(api: BotApi, asked: Asked, begun: threading.Event, done: threading.Event) -> None:
    """One question after the other, to the end of the run and at least once each."""
    begun.wait(120)
    while not (done.is_set() and asked.count >= len(QUESTIONS)):
        question, words = QUESTIONS[asked.count % len(QUESTIONS)]
        asked.slowest_s = max(asked.slowest_s, api.quickest(question, words))
        asked.count += 1
        time.sleep(0.01)


def _run(
    case: Case, path: Path, api: BotApi, events: tuple[threading.Event, threading.Event],
    person: threading.Thread,
) -> list[str]:  # fmt: skip
    begun, done = events
    settings = TelegramSettings(enabled=True, paper=True, chart=False, base_url=api.base_url)
    with ExitStack() as held:
        folder = held.enter_context(StateFolder(path))
        spec = case.plan.spec("BTCUSD", case.paper, "max", folder.terminal, case.dialect)
        bridge = held.enter_context(BridgeProcess(spec.model_dump_json(), path))
        bridge.wait_until_ready(lambda: False)
        broker = connect(
            BridgeSettings(
                api_base_url=f"http://127.0.0.1:{bridge.port}",
                server_timezone=case.paper.server_timezone,
            ),
            bridge.token,
        )
        journal, store, stop = Journal(folder.journal), BarStore(folder.bars), StopFlag()
        channels = open_channels(
            case.trade, folder, journal, telegram(settings, account="week", paper=True)
        )
        recorder = Recorder(stop)
        recorder.on_bar = lambda _: begun.set()
        bot = assemble(
            case.trade, broker=broker, stop=stop,
            clock=PaperClock(PaperControl(broker.connection), stop, speed=None),
            reporter=reporter_over(
                channels, recorder, case.trade, journal, case.outside.news
            ),
            journal=journal, store=store, predictor=case.models.signal, limits=case.plan.limits,
            beside=beside(case.models), outside=case.outside, channels=channels,
        )  # fmt: skip
        channels.start()
        bot.run()
        done.set()
        person.join(60)
        channels.stop()
        lines = list(journal.decision_lines("BTCUSD"))
        for each in (journal, store, broker):
            each.close()
        return lines
