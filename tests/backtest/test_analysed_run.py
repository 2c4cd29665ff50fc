"""`python backtest_config.py` from command line to page: what it says, and what it keeps."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backtest import decided_run
from backtest.costs import LearnedCosts, Sample, write_costs
from backtest.run import main
from ml.training.trials import TrialLedger
from tests.tiny_models import write_models

_QUICK = ("--override", "prediction.quantile.lookback_days=2", "--override",
          "prediction.quantile.top_share=0.3", "--override", "spread_filter.max_atr_share=10",
          "--override", "max_daily_loss_pct=0")  # fmt: skip
DAYS = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Tiny models, and a cache of their own."""
    folder = tmp_path_factory.mktemp("backtest")
    write_models(folder / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decided_run, "CACHE", folder / "cache")
        yield folder


def command(folder: Path, *flags: str) -> list[str]:
    return ["--models", str(folder / "models"), "--days", str(DAYS), *_QUICK,
            "--override", f"study.ledger={folder / 'trials.sqlite'}", *flags]  # fmt: skip


def run(folder: Path, name: str, *flags: str) -> dict[str, Any]:
    summary = folder / f"{name}.json"
    page = folder / f"{name}.html"
    report = ["--no-chart"] if name != "plain" else ["--report", str(page)]
    assert main(command(folder, "--summary", str(summary), *report, *flags)) == 0
    found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def plain(folder: Path) -> dict[str, Any]:
    return run(folder, "plain")


def test_days_are_the_last_ones(plain: dict[str, Any]) -> None:
    assert plain["bars"] == DAYS * 96


def test_groups_hold_every_trade_once(plain: dict[str, Any]) -> None:
    assert plain["trades"] > 10
    for name, rows in plain["groups"].items():
        assert sum(row["trades"] for row in rows) == plain["trades"], name
        assert sum(row["net_profit"] for row in rows) == pytest.approx(plain["net_profit"]), name
        for row in rows:
            assert row["won"]["low"] <= row["won"]["share"] <= row["won"]["high"]


def test_figures_stand_between_their_limits(plain: dict[str, Any]) -> None:
    proof = plain["proof"]
    assert proof["win_rate"]["low"] < proof["win_rate"]["value"] < proof["win_rate"]["high"]
    assert proof["win_rate"]["value"] == plain["win_rate"]
    assert proof["profit_factor"]["value"] == pytest.approx(plain["profit_factor"])
    assert proof["sharpe"]["value"] == pytest.approx(plain["sharpe"])
    assert proof["days"] == DAYS


def test_denials_ledger_counts_the_bars_of_the_summary(plain: dict[str, Any]) -> None:
    assert {row["rule"]: row["bars"] for row in plain["denial_ledger"]} == plain["denials"]
    for row in plain["denial_ledger"]:
        assert row["followed"] <= row["alone"] <= row["bars"]
        assert (row["mean_r_low"] is None) == (row["followed"] < 10)


def test_every_key_is_reported_and_switches_are_told_apart(plain: dict[str, Any]) -> None:
    states = {key: use["state"] for key, use in plain["settings"].items()}
    assert states["risk_percent"] == "exercised"
    assert states["prediction.quantile.top_share"] == "exercised"
    assert states["prediction.confidence_threshold"] == "unused"
    assert states["session_filter.enabled"] == "unused"
    assert states["telegram.enabled"] == "unsupported"


def test_summary_and_page_say_what_was_run(folder: Path, plain: dict[str, Any]) -> None:
    page = (folder / "plain.html").read_text(encoding="utf-8")
    said = plain["run"]
    assert said["currency"] == "USD"
    assert len(said["models"]) == 4
    for text in (said["title"], "deposit currency USD", *said["models"]):
        assert text in page
    assert plain["settings"]["prediction.quantile.top_share"]["value"] == 0.3


def test_costs_add_up_and_are_a_share_of_what_was_earned(plain: dict[str, Any]) -> None:
    costs = plain["costs"]
    parts = ("spread", "commission", "swap", "slippage")
    assert costs["total"] == pytest.approx(sum(costs[part] for part in parts))
    assert costs["spread"] > 0
    assert costs["share_of_gross"] > 0
    assert costs["requests"] == plain["orders"]


def test_page_has_all_parts_and_loads_nothing(folder: Path, plain: dict[str, Any]) -> None:
    page = (folder / "plain.html").read_text(encoding="utf-8")
    for part in ("candlestick", "MAE, R", "weekday", "close type", "regime (ADX)", "In hindsight",
                 "trials in the ledger", "unsupported", "Drawdown"):  # fmt: skip
        assert part in page
    assert "width=device-width" in page
    assert "prefers-color-scheme:dark" in page
    assert "<script src=" not in page
    assert not list(folder.glob("*.part"))


def test_every_run_after_the_cutoff_is_a_look_in_the_ledger(
    folder: Path, plain: dict[str, Any]
) -> None:
    ledger = TrialLedger(folder / "trials.sqlite")
    before = ledger.count("look")
    again = run(folder, "again", "--oos-only")
    assert ledger.count("look", symbol="BTCUSD") == before + 1
    assert again["proof"]["trials"] == before + 1
    (last,) = list(ledger.rows("look"))[-1:]
    assert last.result["deals_sha256"] == plain["deals_sha256"]
    assert last.what["settings_sha256"]


def test_terminal_shows_proof_costs_and_denials(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command(folder, "--no-chart")) == 0
    said = capsys.readouterr().out
    for part in ("What it proves", "deflated Sharpe", "slippage", "max_open_positions", "2026-04",
                 "In hindsight", "exercised"):  # fmt: skip
        assert part in said


def test_cent_account_trades_the_same_in_hundredths(folder: Path, plain: dict[str, Any]) -> None:
    cents = run(folder, "cents", "--cent-account")
    assert cents["initial_balance"] == 100 * plain["initial_balance"]
    assert cents["trades"] == plain["trades"]
    assert cents["net_profit"] == pytest.approx(100 * plain["net_profit"], rel=0.02)


def test_max_lot_caps_every_position(folder: Path) -> None:
    capped = run(folder, "capped", "--max-lot", "0.01")
    assert capped["settings"]["max_lot"]["state"] == "exercised"


def test_seed_moves_slippage(folder: Path, plain: dict[str, Any]) -> None:
    other = run(folder, "seed", "--seed", "8")
    assert other["deals_sha256"] != plain["deals_sha256"]


def test_learnt_costs_are_paid_and_said(folder: Path, plain: dict[str, Any]) -> None:
    seen = Sample(count=1, points=(9000,))
    file = folder / "costs.json"
    write_costs(
        file,
        LearnedCosts(
            symbol="BTCUSD", currency="USD", from_ms=0, to_ms=1, deals=3, quotes=1, spread=seen,
            spread_by_hour={}, slippage=Sample(count=1, points=(700,)), commission_per_lot=2.0,
        ),
    )  # fmt: skip
    dear = run(folder, "dear", "--costs", str(file), "--override", "spread_filter.max_points=1e9")
    assert dear["costs"]["slipped_points"] == pytest.approx(700)
    assert dear["costs"]["commission"] > 0
    each, before = (of["costs"]["spread"] / of["deals"] for of in (dear, plain))
    assert each > 3 * before
    assert "costs learnt from 3 deals and 1 quotes" in dear["warnings"]


def test_account_gives_its_risk_lot_and_currency_and_no_bridge_is_asked(folder: Path) -> None:
    """`exness_main` of config/accounts.json: a cent account that risks 3 % and at most 5 lots."""
    found = run(folder, "account", "--account", "exness_main")
    assert found["initial_balance"] == 1_000_000
    assert found["settings"]["account.risk_pct"]["state"] == "exercised"
    assert found["settings"]["bridge.api_base_url"]["state"] == "unsupported"
