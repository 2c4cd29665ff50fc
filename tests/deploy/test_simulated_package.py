"""Programs written for the MetaTrader5 package trade on the simulated terminal, unchanged."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.simulator.market_clock import MarketClock
from broker.simulator.native import NativeTerminal
from broker.simulator.package import Package, constants, functions
from tests.broker.paper_bridge import START_MS, STEP_MS, make_terminal
from tests.builders import make_bars

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs Python with the simulated package on its path, from a folder of somebody else's."""

    def python(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join((str(ROOT), str(ROOT / "deploy" / "metatrader5-simulated")))
        return subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": path, "NOVOSKY_SIM_SPEED": "step", **variables},
            check=False,
        )  # fmt: skip

    return python


def test_plain_script_buys_with_stops_closes_and_reads_its_deals(run: Run) -> None:
    done = run(str(ROOT / "examples" / "plain_mt5_script.py"))
    assert (done.returncode, done.stderr) == (0, "")
    said = done.stdout.splitlines()
    assert said[0] == "account 1000001 at NOVOSKY-Paper: 10000.00 USD"
    assert any(line.startswith("bought 0.05 at ") for line in said)
    assert any("10009 at" in line for line in said)
    assert int(said[-1].split()[0]) >= 2


def test_plain_script_uses_the_package_and_nothing_of_ours() -> None:
    text = (ROOT / "examples" / "plain_mt5_script.py").read_text(encoding="utf-8")
    imported = [line for line in text.splitlines() if line.startswith(("import", "from"))]
    assert imported == [
        "import sys",
        "from datetime import UTC, datetime, timedelta",
        "import MetaTrader5 as mt5",
    ]


def test_login_and_server_of_the_program_open_the_account(run: Run) -> None:
    done = run(
        "-c",
        "import MetaTrader5 as m; print(m.initialize(login=42, server='Any-Demo'));"
        "a = m.account_info(); print(a.login, a.server, m.login(9), m.last_error())",
    )
    assert done.stdout.split()[:5] == ["True", "42", "Any-Demo", "False", "(-6,"], done.stderr


def test_account_is_kept_in_the_state_file_after_every_order(run: Run, tmp_path: Path) -> None:
    state = {"NOVOSKY_SIM_STATE": str(tmp_path / "account.sqlite")}
    bought = run("-c", "import MetaTrader5 as m; m.initialize(); m.symbol_info_tick('BTCUSD'); "
                 "print(m.Buy('BTCUSD', 0.1).retcode)", **state)  # fmt: skip
    assert bought.stdout == "10009\n", bought.stderr
    again = run("-c", "import MetaTrader5 as m; m.initialize(); print(m.positions_total(), "
                "m.Close('BTCUSD'), m.positions_total())", **state)  # fmt: skip
    assert again.stdout == "1 True 0\n", again.stderr


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("NOVOSKY_SIM_SPEED", "fast", "speed"),
        ("NOVOSKY_SIM_SYMBOLS", "DOGE", "DOGE"),
        ("NOVOSKY_SIM_MARKET", "missing.parquet", "missing.parquet"),
        ("NOVOSKY_SIM_COLOUR", "red", "colour"),
        ("NOVOSKY_SIM_CURRENCY", "XYZ", "USC"),
    ],
)
def test_environment_that_cannot_be_fails_initialize_with_a_reason(
    variable: str, value: str, says: str
) -> None:
    package = Package({variable: value})
    assert package.initialize() is False
    code, text = package.last_error()
    assert code == NativeTerminal.RES_E_FAIL
    assert says in text


def test_nothing_answers_before_initialize_and_after_shutdown() -> None:
    package = Package({})
    assert package.function("account_info")() is None
    assert package.last_error() == (-10004, "No IPC connection")
    assert package.initialize()
    assert package.function("account_info")().balance == 10_000.0
    package.shutdown()
    assert package.function("positions_get")() is None


def test_module_has_every_function_and_constant(run: Run) -> None:
    done = run("-c", "from MetaTrader5 import *; import MetaTrader5 as m; "
               "print(len(m.__all__), TIMEFRAME_M15, callable(order_send))")  # fmt: skip
    assert done.stdout.split() == [str(len(constants()) + len(functions())), "15", "True"]


def test_clock_steps_at_reads_only() -> None:
    terminal = make_terminal()
    clock = MarketClock(terminal, "step")
    clock.before("order_send")
    clock.before("positions_get")
    assert terminal.now_ms == START_MS
    clock.before("symbol_info_tick")
    assert terminal.now_ms == START_MS + STEP_MS


def test_clock_runs_at_its_speed_and_stops_at_the_markets_end() -> None:
    terminal, wall_s = make_terminal(), [100.0]
    clock = MarketClock(terminal, 60.0, wall_s=lambda: wall_s[0])
    wall_s[0] += 2.0
    clock.before("account_info")
    assert terminal.now_ms == START_MS + 120_000
    wall_s[0] += 1e9
    clock.before("account_info")
    assert terminal.now_ms == terminal.end_ms


def test_depth_of_market_is_refused_by_name() -> None:
    native = NativeTerminal(make_terminal(make_bars([(100, 101, 99, 100)] * 60)))
    assert native.market_book_add("BTCUSD") is False
    assert native.last_error()[0] == native.RES_E_UNSUPPORTED
