"""The doctor: what is wrong with a bridge, before anything is traded."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from broker.contract.paper import FaultOrder
from broker.native import NativeBroker
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.faults.terminal import FaultyTerminal, bridge_clock
from broker.simulator.native import NativeTerminal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instruments import instrument
from market.server_clock import ServerClock
from market.sources.generated import generated_bars
from market.timeframe import Timeframe
from tests.broker.paper_bridge import served
from tests.builders import MONDAY_MS
from trading.cli import main
from trading.doctor import Check, Known, Patient, examine, failed, table_of
from trading.health import HealthLimits
from trading.journal import Journal

DAY_MS = 86_400_000
BTC = instrument("BTCUSD")
NOW_MS = MONDAY_MS + 20 * DAY_MS


@pytest.fixture(scope="module")
def bars() -> Bars:
    return generated_bars(BTC, seed=2, from_ms=MONDAY_MS, to_ms=NOW_MS + DAY_MS)


def make_broker(bars: Bars, *faults: FaultOrder, mode: str = "live", **terms: Any) -> NativeBroker:
    terminal = SimulatedTerminal(
        bars={"BTCUSD": bars}, instruments={"BTCUSD": BTC},
        account=AccountTerms(balance=1e4, **terms), start_ms=NOW_MS, seed=7,
    )  # fmt: skip
    plan = FaultPlan()
    face = FaultyTerminal(NativeTerminal(terminal), plan)
    for each in faults:
        plan.add(each)
    return NativeBroker(face, ServerClock("UTC"), now_ms=bridge_clock(plan), mode=mode)


def looked_over(
    bars: Bars, *faults: FaultOrder, known: Known | None = None, history_days: int = 10,
    **terms: Any,
) -> dict[str, Check]:  # fmt: skip
    patient = Patient(
        make_broker(bars, *faults, **terms), BTC, Timeframe.M15, 7719, history_days * DAY_MS,
        HealthLimits(), known or Known(), lambda: NOW_MS,
    )  # fmt: skip
    return {check.name: check for check in examine(patient)}


def test_healthy_bridge_passes_every_check(bars: Bars) -> None:
    checks = looked_over(bars)
    assert not failed(tuple(checks.values()))
    assert len(checks) >= 15
    assert checks["order check"].text == "0.01 lots would pass"
    assert checks["server time"].outcome == "ok"
    assert checks["history"].outcome == "ok"


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (FaultOrder("disconnected"), "connection"),
        (FaultOrder("algo_off"), "trade rights"),
        (FaultOrder("clock_skew", params={"ms": 2_000}), "clock"),
        (FaultOrder("wrong_offset", params={"s": -3600}), "server time"),
        (FaultOrder("tick_value_times"), "tick value"),
        (FaultOrder("trade_mode"), "trade mode"),
        (FaultOrder("cold_symbol"), "quote"),
        (FaultOrder("short_rates", params={"rows": 0}), "history"),
        (FaultOrder("terminal_restart"), "bridge"),
        (FaultOrder("spec_change", params={"volume_min": 5000.0}), "order check"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_ailment_fails_its_check(bars: Bars, fault: FaultOrder, name: str) -> None:
    assert looked_over(bars, fault)[name].outcome == "failed"


def test_pins_of_the_journal_are_compared(bars: Bars) -> None:
    checks = looked_over(bars, known=Known("5 on Elsewhere", "0", "another"))
    assert checks["account"].outcome == checks["terms"].outcome == "failed"


def test_history_that_begins_too_late_is_cut(bars: Bars) -> None:
    assert looked_over(bars, history_days=60)["history"].outcome == "failed"


def test_cent_account_shows_both_units(bars: Bars) -> None:
    checks = looked_over(bars, currency="USC", units_per_base=100)
    assert checks["units"].text == "equity 10000.00 USC = 100.00 USD"
    assert checks["tick value"].outcome == "ok"


def test_door_prints_the_table_and_tells_by_its_exit_code(
    bars: Bars, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(tmp_path / "live-default" / "journal.sqlite")
    journal.set_meta(account="5 on Elsewhere")
    journal.close()
    with served(make_broker(bars, mode="paper")) as url:
        command = ["--doctor", "--state", str(tmp_path)]
        code = main([*command, "--override", f"bridge.api_base_url={url}"])
    assert code == 1
    said = capsys.readouterr().out
    assert "order check" in said
    assert "FAILED" in said


def test_door_says_that_there_is_no_bridge(capsys: pytest.CaptureFixture[str]) -> None:
    where = "bridge.api_base_url=http://127.0.0.1:9"
    assert main(["--doctor", "--override", where]) == 2
    assert "no bridge at" in capsys.readouterr().err


def test_table_names_every_check(bars: Bars) -> None:
    console = Console(file=io.StringIO(), width=160)
    checks = tuple(looked_over(bars).values())
    console.print(table_of(checks))
    assert isinstance(console.file, io.StringIO)
    assert all(check.name in console.file.getvalue() for check in checks)
