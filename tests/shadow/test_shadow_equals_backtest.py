"""A shadow over a real bridge decides and trades as the backtest of its bars, and sends nothing.

In both dialects; killed at every durable step, and started again each time.
"""

import gc
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from backtest.driver import BacktestRun
from broker.contract.messages import Deal
from broker.simulator.terminal import SimulatedTerminal
from market.store import BarStore
from mt5api.keys import IntentKeys
from tests.shadow.conftest import BARS
from tests.shadow.stand import Killed, Stand, journalled
from tests.trading.paper_runs import BAR_MS, Case, backtest_of, intents_of
from trading.canonical import deal_line
from trading.journal import Journal


@pytest.fixture(scope="module")
def backtest(case: Case) -> BacktestRun:
    return backtest_of(case)


@pytest.fixture(scope="module")
def lines(backtest: BacktestRun) -> list[str]:
    return list(backtest.lines())


def expected(backtest: BacktestRun) -> list[Deal]:
    deals = [deal for deal in backtest.deals if deal.symbol]
    assert len(deals) >= 10, "too few deals to mean anything"
    return deals


def lines_of(state: Path) -> list[str]:
    kept = journalled(state)
    lines = list(kept.decision_lines("BTCUSD"))
    kept.close()
    return lines


@pytest.mark.parametrize("stand", ["native", "mt5-httpapi"], indirect=True)
def test_shadow_decides_and_trades_as_the_backtest_and_sends_nothing(
    stand: Stand, tmp_path: Path, backtest: BacktestRun, lines: list[str]
) -> None:
    stand.run(tmp_path / "state", stop_after=25)
    stand.run(tmp_path / "state", bars=BARS)
    assert lines_of(tmp_path / "state") == lines
    assert set(intents_of(lines)) >= {"enter", "close"}
    assert list(map(deal_line, stand.deals)) == list(map(deal_line, expected(backtest)))
    assert {method for method, _ in stand.asked} == {"GET"}
    words = ("rates", "tick", "symbols", "health", "terminal", "ping")
    assert all(any(each in path for each in words) for _, path in stand.asked), stand.asked
    assert not stand.terminal.ledger.orders


KILLS: tuple[tuple[type, str, str], ...] = (
    (Journal, "decided", "before"),
    (Journal, "decided", "after"),
    (Journal, "set_state", "after"),
    (Journal, "saw_deals", "after"),
    (IntentKeys, "begin", "after"),
    (IntentKeys, "flush", "before"),
    (SimulatedTerminal, "order_send", "after"),
    (SimulatedTerminal, "save", "before"),
    (SimulatedTerminal, "save", "after"),
    (BarStore, "merge", "after"),
)


def test_shadow_that_is_killed_at_every_step_equals_one_that_lives(
    stand: Stand, tmp_path: Path, backtest: BacktestRun, lines: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    state = tmp_path / "state"
    for place, (owner, method, when) in enumerate(KILLS):
        with monkeypatch.context() as patched:
            kill_at(patched, owner, method, when, nth=2 + place % 2)
            with pytest.raises(Killed):
                stand.run(state, bars=BARS)
        gc.collect()
    stand.run(state, bars=BARS)
    assert lines_of(state) == lines
    assert list(map(asked_again, stand.deals)) == list(map(asked_again, expected(backtest)))


def asked_again(deal: Deal) -> str:
    """A deal, whatever its request was called: a close that a kill has cut off is asked for again
    under another name, seconds later at the same quote."""
    return deal_line(replace(deal, magic=0, time_msc=deal.time_msc // BAR_MS))


def kill_at(patched: pytest.MonkeyPatch, owner: type, method: str, when: str, *, nth: int) -> None:
    """The nth call of a method from now is the process's end, before or after its work."""
    real: Callable[..., Any] = getattr(owner, method)
    calls = 0

    @wraps(real)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth and when == "before":
            raise Killed
        answer = real(*args, **kwargs)
        if calls == nth:
            raise Killed
        return answer

    patched.setattr(owner, method, call)
