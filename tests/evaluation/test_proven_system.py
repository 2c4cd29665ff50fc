"""A truly good system through the real command: graph, shadow daemon, evidence, exit status 0.

Only the market is made (`planted_market`): after a surge of volume its side pays more often than
not. The graph knows no more than its features; daemon, journal, backtest, ledger and gate are real.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backtest.evidence import read_evidence, system_of
from backtest.evidence_command import main
from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars, utc_text
from market.server_clock import ServerClock
from market.store import BarStore
from ml.features.catalogue import names
from ml.features.settings import FeatureSettings
from ml.predictors.compat import Manifest
from ml.predictors.model_set import ModelSet, load_models
from ml.predictors.settings import ModelPaths
from ml.training.trials import TrialLedger
from settings import load_settings
from tests.builders import write_market
from tests.evaluation.planted_market import SLOT_BARS, planted_market
from tests.tiny_models import GROUPS, Sketch, entry_of, write_models
from tests.trading.doubles import StepClock
from tests.trading.paper_runs import BAR_MS, BTC, Case, bot_of
from trading.journal import Journal
from trading.outside import read_outside
from trading.paper import PaperOptions, plan_run
from trading.paper_command import trade_of
from trading.state_folder import StateFolder

WARM_UP_SLOTS, SLOTS = 80, 340
SHADOW_BARS = 15 * 96
RULES = ("prediction.quantile.lookback_days=10", "risk_percent=0.5", "max_lot=100")


def graph_of_surges() -> bytes:
    """The side of the last bar's move where its volume surges, by the features alone."""
    s = Sketch(names(GROUPS))
    surge, move = s.feature("volume_surge"), s.feature("return_1")
    up = s.above(s.add(surge, s.above(move, 0.0)), 1.5)
    down = s.above(s.add(surge, s.above(s.times(move, -1.0), 0.0)), 1.5)
    buy = s.less(s.add(s.number(0.3), s.times(up, 0.2)), s.times(down, 0.1))
    sell = s.less(s.add(s.number(0.3), s.times(down, 0.2)), s.times(up, 0.1))
    s.columns("probabilities", [buy, sell, s.less(s.number(1.0), s.add(buy, sell))])
    s.each_model(3)
    s.votes([s.less(up, down)] * 3)
    return s.graph(
        {"probabilities": [None, 3], "model_probabilities": [None, 3, 3], "votes": [None, 3]}
    )


def write_system(folder: Path, *, learned_until_ms: int, ledger: TrialLedger) -> ModelPaths:
    """The signal model alone, with what training measured of its graph, counted in the ledger."""
    paths = write_models(folder, ["signal"])
    paths.graph.write_bytes(graph_of_surges())
    parity = {"rows": 60_000, "class_flips": 0, "vote_flips": 0}
    paths.signal.metadata.write_text(json.dumps({"kind": "signal", "parity": parity}))
    cutoff = datetime.fromtimestamp(learned_until_ms / 1000, UTC).isoformat()
    entry = entry_of(paths.signal, "signal").model_copy(
        update={"train_cutoff_ms": learned_until_ms, "train_cutoff_date": cutoff}
    )
    what = {
        "symbol": "BTCUSD",
        "graph_sha256": entry.graph.sha256,
        "train_cutoff_ms": learned_until_ms,
    }
    ledger.record("train", what=what, data_sha256="d", result={"state": "complete"})
    paths.manifest.write_text(Manifest(models={paths.graph.name: entry}).text())
    return paths


def live_in_shadow(folder: Path, models: ModelSet, data: Path, bars: Bars) -> Path:
    """The state of a daemon that decided the last bars two seconds after their close."""
    settings = load_settings(overrides=RULES)
    from_ms = int(bars.open_ms[-SHADOW_BARS - 1])
    options = PaperOptions(data, from_ms, None, SHADOW_BARS, "max")
    plan = plan_run(options, trade_of(settings), settings.paper)
    case = Case(settings.decision, models, plan, read_outside(FeatureSettings(), BTC))
    terminal = SimulatedTerminal(
        bars={"BTCUSD": plan.bars}, instruments={"BTCUSD": BTC},
        account=settings.paper.account_terms(), start_ms=plan.limits.from_ms, seed=7,
    )  # fmt: skip
    broker = NativeBroker(
        NativeTerminal(terminal), ServerClock("UTC"), now_ms=lambda: terminal.now_ms, mode="paper"
    )
    with StateFolder(folder) as state:
        journal = Journal(state.journal, observed_ms=lambda: terminal.now_ms + 2_000)
        journal.record("models_served", 0, graphs=dict(system_of(models, settings.decision).graphs))
        store = BarStore(state.bars)
        bot_of(case, broker, StepClock(terminal), state, journal, store, None).run()
        journal.close()
        store.close()
    return folder


def test_proven_system_gets_exit_status_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    market = planted_market(1, slots=WARM_UP_SLOTS + SLOTS, edge=0.62)
    data = write_market(tmp_path / "bars.parquet", market.bars)
    ledger = TrialLedger(tmp_path / "trials.sqlite")
    first_ms = int(market.bars.open_ms[WARM_UP_SLOTS * SLOT_BARS])
    paths = write_system(tmp_path / "models", learned_until_ms=first_ms, ledger=ledger)
    models = load_models(paths, FeatureSettings())
    shadow = live_in_shadow(tmp_path / "state" / "demo", models, data, market.bars)

    def status(*flags: str, ledger_file: Path = ledger.path) -> int:
        overrides = [word for each in (f"study.ledger={ledger_file}", *RULES)
                     for word in ("--override", each)]  # fmt: skip
        given = ["--data", str(data), "--models", str(paths.graph.parent), "--shadow", str(shadow)]
        return main([*given, *flags, *overrides])

    passed = status()
    said = capsys.readouterr().out
    assert passed == 0, said
    assert "go-live gate: passed" in said
    made = read_evidence(paths.graph.parent / "evidence_btcusd.json")
    assert made is not None
    assert made.figures.trades >= 300
    assert made.figures.shadow_days == pytest.approx((SHADOW_BARS - 1) / 96)
    assert (made.figures.feature_rows, made.figures.feature_differences) == (SHADOW_BARS, 0)
    assert market.bars.open_ms[-1] - made.to_ms < 2 * BAR_MS

    # the same trades, but for the bad weeks, and beside a ledger that knows of nothing
    later = utc_text(first_ms + 30 * 86_400_000)[:10]
    other = tmp_path / "new.sqlite"
    assert status("--from", later, ledger_file=other) == 1
    chosen = read_evidence(paths.graph.parent / "evidence_btcusd.json")
    assert chosen is not None
    assert chosen.figures.ledger_gaps == (
        "the training of signal is not in it",
        f"row {made.ledger_id}, which an earlier evidence names, is missing or another",
    )
    assert chosen.figures.window_gaps is not None
    assert chosen.figures.window_gaps[0].startswith("29.7 days from ")
