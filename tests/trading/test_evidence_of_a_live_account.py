"""A real-money account with and without evidence: what is opened, and what is managed all the same.

The bot, the bridge's port and the terminal are real; models are those of `tests.tiny_models`.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from backtest.evidence import (
    ChargedCosts,
    Evidence,
    evidence_path,
    evidence_sha256,
    system_of,
    write_evidence,
)
from backtest.forecast_band import WEEK_MS, forecast_band
from backtest.gate_settings import BandSettings, GoLiveSettings
from backtest.go_live import override_sentence
from backtest.live_evidence import EvidenceExaminer
from broker.contract.constants import AccountTradeMode
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.server_clock import ServerClock
from market.store import BarStore
from ml.features.settings import FeatureSettings
from ml.predictors.model_set import ModelSet, load_models
from ml.predictors.settings import ModelPaths
from settings import load_settings
from tests.evaluation.made import PROVEN
from tests.tiny_models import write_models
from tests.trading.doubles import Recorder, StepClock
from tests.trading.paper_runs import BTC, Case, make_case, settings_of
from trading.assemble import assemble
from trading.clock import StopFlag
from trading.decision.decide import decide
from trading.decision.records import ClosedTrade, Side
from trading.decision.settings import DecisionSettings
from trading.journal import Journal, wall_ms
from trading.live_command import examiner
from trading.model import beside
from trading.observer import Seen
from trading.pager import JournalPager
from trading.permission import Permission, Ruling, Standing
from trading.status_board import StatusBoard

BARS = 60
RULES: dict[str, Any] = {
    "ml_active_management": {"enabled": True},
    "position_optimization": {"min_bars_held": 1, "exit_threshold": 0.4, "min_prob_diff": 0.0},
}
DECISION = settings_of(**RULES)
REAL, DEMO = AccountTradeMode.REAL, AccountTradeMode.DEMO
LIMITS = GoLiveSettings()
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("case"), DECISION, bars=BARS)


@pytest.fixture(scope="module")
def evidence(case: Case) -> Evidence:
    closed = np.arange(0, 40 * WEEK_MS, WEEK_MS // 8)
    returns = np.where(np.arange(len(closed)) % 9 < 5, 0.004, -0.004)
    band = forecast_band(
        closed, returns, from_ms=0, to_ms=40 * WEEK_MS, settings=BandSettings(), replicates=200
    )
    system = system_of(case.models, case.decision)
    return Evidence(
        system,
        "e" * 64,
        0,
        40 * WEEK_MS,
        1_760_000_000_000,
        PROVEN,
        band,
        1,
        "f" * 64,
        ChargedCosts(50, 1200.0),
    )


@dataclass
class Account:
    """An account over one terminal; `run` starts the daemon on it, again and again if asked.

    `late_ms`: how long after the terminal's clock the host's is; None: the host's own.
    """

    folder: Path
    case: Case
    mode: AccountTradeMode
    late_ms: int | None = None

    def __post_init__(self) -> None:
        self.file = self.folder / "evidence_btcusd.json"
        plan = self.case.plan
        self.terminal = SimulatedTerminal(
            bars={"BTCUSD": plan.bars}, instruments={"BTCUSD": BTC},
            account=AccountTerms(balance=10_000.0, trade_mode=self.mode),
            start_ms=plan.limits.from_ms, seed=7,
        )  # fmt: skip
        self.broker = NativeBroker(
            NativeTerminal(self.terminal), ServerClock("UTC"),
            now_ms=lambda: self.terminal.now_ms, mode="paper",
        )  # fmt: skip

    @property
    def login(self) -> int:
        return self.broker.account().login

    def run(
        self, bars: int, *, typed: str | None = None, decision: DecisionSettings | None = None,
        models: ModelSet | None = None, asks: bool = True, dry: bool = False,
    ) -> Recorder:  # fmt: skip
        case, stop = self.case, StopFlag()
        decision, models = decision or case.decision, models or case.models
        recorder = Recorder(stop, bars)
        journal = Journal(self.folder / "j.sqlite", observed_ms=self._observed_ms)
        store = BarStore(self.folder / "bars.sqlite")
        examiner = EvidenceExaminer(
            self.file, self.broker.account(), models, LIMITS, typed=typed, sends=not dry
        )
        bot = assemble(
            replace(case.trade, decision=decision), broker=self.broker,
            clock=StepClock(self.terminal), stop=stop, reporter=recorder, journal=journal,
            store=store, predictor=models.signal, limits=case.plan.limits,
            beside=replace(beside(models), minutes=False), outside=case.outside, dry=dry,
            examiner=examiner if asks else None,
        )  # fmt: skip
        bot.run()
        self.events = list(journal.events())
        self.lines = list(journal.decision_lines("BTCUSD"))
        journal.close()
        store.close()
        return recorder

    def _observed_ms(self) -> int:
        return wall_ms() if self.late_ms is None else self.terminal.now_ms + self.late_ms

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [words for name, _, words in self.events if name == kind]


@pytest.fixture
def open_account(case: Case, tmp_path: Path) -> Callable[[AccountTradeMode], Account]:
    return lambda mode: Account(tmp_path, case, mode)


def entries(recorder: Recorder) -> int:
    return sum("Enter" in {type(i).__name__ for i in bar.decision.intents} for bar in recorder.bars)


OpenAccount = Callable[[AccountTradeMode], Account]


def test_real_account_without_evidence_opens_nothing_and_says_what_is_missing(
    open_account: OpenAccount,
) -> None:
    account = open_account(REAL)
    recorder = account.run(20)
    assert entries(recorder) == 0
    assert all("halted" in {d.rule for d in bar.decision.denials} for bar in recorder.bars)
    assert recorder.bars[0].input.halts == (
        "no evidence for real money: there is no evidence file",
    )
    (page,) = recorder.pages
    assert "there is no evidence file. What would prove it: train, backtest out of sample" in page
    assert f'--override-evidence "{override_sentence(account.login)}"' in page
    assert account.of("evidence")[0]["halt"]


def test_open_trade_is_managed_although_the_evidence_is_gone(
    open_account: OpenAccount, evidence: Evidence
) -> None:
    account = open_account(REAL)
    write_evidence(account.file, evidence)
    opened = account.run(20)
    while not account.terminal.positions("BTCUSD"):
        opened = account.run(1)
    assert entries(opened)
    account.file.unlink()
    recorder = account.run(30)
    kinds = {type(intent).__name__ for bar in recorder.bars for intent in bar.decision.intents}
    assert "Enter" not in kinds
    assert "Close" in kinds
    assert not account.terminal.positions("BTCUSD")


def test_real_account_with_evidence_decides_as_one_that_nobody_asks(
    case: Case, evidence: Evidence, tmp_path: Path
) -> None:
    (tmp_path / "asked").mkdir()
    (tmp_path / "free").mkdir()
    asked = Account(tmp_path / "asked", case, REAL)
    write_evidence(asked.file, evidence)
    free = Account(tmp_path / "free", case, REAL)
    assert entries(asked.run(40)) > 2
    free.run(40, asks=False)
    assert asked.lines == free.lines


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace('"trades": 420', '"trades": 421'), "was changed after it was"),
        (lambda text: "{", "JSON is allowed"),
    ],
    ids=["tampered", "broken"],
)
def test_evidence_that_was_edited_is_none(
    open_account: OpenAccount, evidence: Evidence, change: Callable[[str], str], said: str
) -> None:
    account = open_account(REAL)
    write_evidence(account.file, evidence)
    account.file.write_text(change(account.file.read_text(encoding="utf-8")), encoding="utf-8")
    recorder = account.run(5)
    assert said in recorder.bars[0].input.halts[0]


def test_another_setting_and_a_failed_criterion_are_named(
    open_account: OpenAccount, evidence: Evidence
) -> None:
    account = open_account(REAL)
    weak = replace(evidence, figures=replace(PROVEN, trades=120))
    write_evidence(account.file, weak)
    other = settings_of(**RULES, max_open_positions=2)
    (halt,) = account.run(2, decision=other).bars[0].input.halts
    assert "setting max_open_positions: the evidence is for 1, 2 is here" in halt
    assert "trades: at least 300, out of sample, net of costs is needed, 120 was seen" in halt


def test_another_model_is_named(
    open_account: OpenAccount, evidence: Evidence, tmp_path: Path
) -> None:
    account = open_account(REAL)
    write_evidence(account.file, evidence)
    alone = load_models(write_models(tmp_path / "other", ["signal"]), FeatureSettings())
    (halt,) = account.run(2, models=alone).bars[0].input.halts
    assert "model graph position: the evidence is for" in halt


@pytest.mark.parametrize("mode", [DEMO, AccountTradeMode.CONTEST], ids=["demo", "contest"])
def test_account_without_money_trades_and_says_so_in_one_line(
    open_account: OpenAccount, mode: AccountTradeMode
) -> None:
    recorder = open_account(mode).run(30)
    assert entries(recorder)
    (note,) = [each for each in recorder.notes if "proof" in each]
    assert note.startswith(f"{mode.name.lower()} account: trades without proof")
    assert "\n" not in note
    assert recorder.pages == []


def test_dry_run_on_a_real_account_decides_entries_and_needs_no_evidence(
    open_account: OpenAccount,
) -> None:
    recorder = open_account(REAL).run(30, dry=True)
    assert entries(recorder)
    assert "dry run, nothing is sent" in recorder.notes[0]


def test_override_needs_the_sentence_with_the_login(open_account: OpenAccount) -> None:
    account = open_account(REAL)
    recorder = account.run(20, typed=override_sentence(account.login + 1))
    assert entries(recorder) == 0
    assert "the override was not typed" in recorder.bars[0].input.halts[0]
    assert f"typing exactly: {override_sentence(account.login)}" in recorder.pages[0]


def test_override_trades_and_is_journalled_and_paged_at_every_start(
    open_account: OpenAccount,
) -> None:
    account = open_account(REAL)
    sentence = override_sentence(account.login)
    for start in (1, 2):
        recorder = account.run(20, typed=sentence)
        assert entries(recorder)
        assert [each for each in recorder.pages if each.startswith("OVERRIDE: account")]
        kept = [each["override"] for each in account.of("evidence")]
        assert len(kept) == start
        assert kept[-1]["sentence"] == sentence
        assert kept[-1]["missing"] == ["there is no evidence file"]


def examiner_of(case: Case, file: Path, mode: AccountTradeMode, **more: Any) -> EvidenceExaminer:
    folder = file.parent / "account"
    folder.mkdir(exist_ok=True)
    account = Account(folder, case, mode).broker.account()
    return EvidenceExaminer(file, account, case.models, LIMITS, **more)


def test_override_holds_for_its_system_and_for_less_risk_only(case: Case, tmp_path: Path) -> None:
    login = Account(tmp_path, case, REAL).login
    asked = examiner_of(case, tmp_path / "e.json", REAL, typed=override_sentence(login))
    assert asked.rule(DECISION, 0).override is not None
    less = DECISION.model_copy(update={"risk_percent": DECISION.risk_percent / 2})
    assert asked.rule(less, 0).halt == ""
    more = DECISION.model_copy(update={"risk_percent": DECISION.risk_percent * 2})
    assert "typed for another system (setting risk_percent" in asked.rule(more, 0).halt


def test_evidence_of_less_slippage_than_the_settings_name_halts_entries(
    case: Case, evidence: Evidence, tmp_path: Path
) -> None:
    paths = ModelPaths().in_folder(tmp_path)
    write_evidence(evidence_path(tmp_path, "BTCUSD"), evidence)
    account = Account(tmp_path, case, REAL).broker.account()
    given = argparse.Namespace(override_evidence=None, dry=False)

    def ruled(points: int) -> Ruling:
        settings = load_settings(overrides=[f"paper.slippage_points={points}"])
        return examiner(given, settings, account, case.models, paths).rule(DECISION, 0)

    assert ruled(50).proven
    assert "costs: the evidence is for 50 points of slippage" in ruled(51).halt
    assert not ruled(51).proven


def test_models_that_are_swapped_are_ruled_anew(
    case: Case, evidence: Evidence, tmp_path: Path
) -> None:
    write_evidence(tmp_path / "e.json", evidence)
    asked = examiner_of(case, tmp_path / "e.json", REAL)
    assert asked.rule(DECISION, 0) == Ruling(
        "real-money account: the evidence fits this system and passes the go-live gate, at a "
        "mean spread of 1,200 points, 50 points of slippage, the instrument's specification", "",
        evidence_sha256(evidence), True, None, True,
    )  # fmt: skip
    asked.serve(load_models(write_models(tmp_path / "other", ["signal"]), FeatureSettings()))
    assert "model graph risk" in asked.rule(DECISION, 0).halt


BALANCE, SINCE_MS = 10_000.0, 1_700_000_000_000


class Foretold:
    """An examiner whose ruling a test writes; its standings are those of a real band."""

    def __init__(self, ruling: Ruling, examiner: EvidenceExaminer) -> None:
        self.ruling = ruling
        self._examiner = examiner

    def serve(self, models: ModelSet) -> None: ...

    def rule(self, settings: DecisionSettings, now_ms: int) -> Ruling:
        self._examiner.rule(settings, now_ms)
        return self.ruling

    def standing(self, trades: Any, **at: Any) -> Standing:
        return self._examiner.standing(trades, **at)


@dataclass
class Watch:
    """A permission over a journal in a folder, and what it said."""

    folder: Path
    examiner: Any

    def __post_init__(self) -> None:
        self.recorder = Recorder(StopFlag())
        self.journal = Journal(self.folder / "j.sqlite")
        clock: Any = SimpleNamespace(now_ms=lambda: SINCE_MS)
        pager = JournalPager(self.journal, self.recorder, clock)
        self.of = Permission(
            self.examiner, journal=self.journal, reporter=self.recorder, pager=pager,
            board=StatusBoard(),
        )  # fmt: skip

    def start(self) -> "Watch":
        self.of.rule(DECISION, BALANCE, SINCE_MS)
        return self

    def check(
        self, trades: list[ClosedTrade], day: float
    ) -> tuple[tuple[str, ...], DecisionSettings]:
        seen: Any = Seen(SimpleNamespace(account=SimpleNamespace(balance=BALANCE)), None, (), ())  # type: ignore[arg-type]
        seen, settings = self.of.check(seen, DECISION, trades, SINCE_MS + int(day * DAY_MS))
        return seen.halts, settings

    @property
    def states(self) -> list[str]:
        return [words["state"] for _, _, words in self.journal.events("forecast_band")]


def lost(*money: float) -> list[ClosedTrade]:
    """Trades that closed one after the other on the first days."""
    return [
        ClosedTrade(
            i, Side.BUY, 0.1, SINCE_MS + i, SINCE_MS + 1_000 * (i + 1), 1.0, 1.0, -each, "SL"
        )
        for i, each in enumerate(money)
    ]


@pytest.fixture
def watch_of(case: Case, evidence: Evidence, tmp_path: Path) -> Callable[..., Watch]:
    def make(*, real_money: bool = True, of: Evidence = evidence) -> Watch:
        file = tmp_path / "e.json"
        write_evidence(file, of)
        mode = REAL if real_money else DEMO
        return Watch(tmp_path, examiner_of(case, file, mode)).start()

    return make


def depths(evidence: Evidence) -> tuple[float, float]:
    """A loss between the first limits of drawdown and the last, and one beyond both."""
    cut, paper = evidence.band.cut[0].drawdown_high, evidence.band.paper[0].drawdown_high
    return BALANCE * (cut + paper) / 2, BALANCE * paper * 1.2


def test_trades_inside_the_band_change_nothing(watch_of: Callable[..., Watch]) -> None:
    watch = watch_of()
    assert watch.check(lost(10, 10), 1) == ((), DECISION)
    assert watch.states == []


def test_settings_that_are_reloaded_are_ruled_anew_in_the_same_cycle(
    watch_of: Callable[..., Watch],
) -> None:
    watch = watch_of()
    other = DECISION.model_copy(update={"max_daily_loss_pct": 1.0})
    seen: Any = Seen(SimpleNamespace(account=SimpleNamespace(balance=BALANCE)), None, (), ())  # type: ignore[arg-type]
    (halt,) = watch.of.check(seen, other, [], SINCE_MS)[0].halts
    assert "setting max_daily_loss_pct: the evidence is for 3.0, 1.0 is here" in halt
    assert watch.check([], 0)[0] == ()
    assert watch.recorder.pages[-1].startswith("entries are allowed again")


def test_outside_the_first_limits_half_is_risked_until_inside_again(
    watch_of: Callable[..., Watch], evidence: Evidence
) -> None:
    watch, (some, _) = watch_of(), depths(evidence)
    halts, settings = watch.check(lost(some), 1)
    assert halts == ()
    assert settings.risk_percent == DECISION.risk_percent / 2
    assert settings.max_lot == DECISION.max_lot / 2
    changed = {"risk_percent": DECISION.risk_percent, "max_lot": DECISION.max_lot}
    assert settings.model_copy(update=changed) == DECISION
    assert watch.check(lost(some), 1)[1] is settings
    (page,) = watch.recorder.pages
    assert "0.5 of the risk until they are inside again" in page
    assert watch.check([], 1) == ((), DECISION)
    assert watch.states == ["cut_risk", "inside"]


def test_cut_risk_holds_over_a_restart_from_the_trades_alone(
    watch_of: Callable[..., Watch], evidence: Evidence
) -> None:
    some, _ = depths(evidence)
    watch_of().check(lost(some), 1)
    assert watch_of().check(lost(some), 2)[1].risk_percent == DECISION.risk_percent / 2


def test_outside_the_last_limits_nothing_is_opened_until_there_is_new_evidence(
    watch_of: Callable[..., Watch], evidence: Evidence
) -> None:
    watch, (_, much) = watch_of(), depths(evidence)
    (halt,), settings = watch.check(lost(much), 1)
    assert "nothing is opened with money until there is new evidence" in halt
    assert settings == DECISION
    assert len(watch.recorder.pages) == 1
    again = watch_of()
    assert again.check([], 2)[0] == (halt,)
    assert again.recorder.pages
    assert watch_of(of=replace(evidence, made_ms=evidence.made_ms + 1)).check([], 3)[0] == ()


def test_account_without_money_only_hears_of_the_band(
    watch_of: Callable[..., Watch], evidence: Evidence
) -> None:
    watch, (_, much) = watch_of(real_money=False), depths(evidence)
    assert watch.check(lost(much), 1) == ((), DECISION)
    assert "no real money: nothing changes" in watch.recorder.pages[0]


def test_losses_before_the_evidence_served_are_not_held_against_it(
    watch_of: Callable[..., Watch], evidence: Evidence
) -> None:
    watch, (_, much) = watch_of(), depths(evidence)
    before = [replace(each, closed_ms=SINCE_MS - DAY_MS) for each in lost(much)]
    assert watch.check(before, 1) == ((), DECISION)


def test_weeks_begin_again_where_entries_were_refused_meanwhile(
    case: Case, evidence: Evidence, tmp_path: Path
) -> None:
    write_evidence(tmp_path / "e.json", evidence)
    examiner = examiner_of(case, tmp_path / "e.json", REAL)
    ruling = examiner.rule(DECISION, 0)
    watch = Watch(tmp_path, Foretold(ruling, examiner)).start()
    watch.examiner.ruling = replace(ruling, halt="missing")
    watch.of.rule(DECISION, BALANCE, SINCE_MS + DAY_MS)
    watch.examiner.ruling = ruling
    watch.of.rule(DECISION, BALANCE, SINCE_MS + 30 * DAY_MS)
    # no trade at all in thirty days would leave the band
    assert watch.check([], 31)[0] == ()


def test_decisions_under_a_cut_replay_from_the_settings_in_the_journal(
    case: Case, evidence: Evidence, tmp_path: Path
) -> None:
    account = Account(tmp_path, case, REAL)
    write_evidence(account.file, evidence)
    cut_at_once = replace(
        evidence, band=replace(evidence.band, cut=tuple(
            replace(each, drawdown_high=-1.0) for each in evidence.band.cut
        )),
    )  # fmt: skip
    write_evidence(account.file, cut_at_once)
    recorder = account.run(30)
    journal = Journal(tmp_path / "j.sqlite")
    entered = [bar for bar in recorder.bars if bar.decision.intents]
    assert entered
    for bar in recorder.bars:
        tree = journal.settings_of("BTCUSD", bar.input.market.open_ms)
        assert tree is not None
        assert tree["risk_percent"] == DECISION.risk_percent / 2
        assert decide(bar.input, DecisionSettings.model_validate(tree)) == bar.decision
    journal.close()


def test_examiner_loads_no_training_library() -> None:
    code = (
        "import sys, backtest.live_evidence; "
        "print({'sklearn', 'xgboost', 'lightgbm', 'optuna', 'shap', 'joblib', 'matplotlib', "
        "'plotly'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
