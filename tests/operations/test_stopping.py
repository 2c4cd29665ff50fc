"""SIGTERM and Ctrl-C: no entry after them, positions left to their stops or waited for."""

import signal
from collections.abc import Callable, Iterator

import pytest

from tests.operations.conftest import Operated
from trading.clock import StopFlag
from trading.session import stop_on_signals
from trading.settings import DaemonSettings

Operate = Callable[..., Operated]
WIDE = ("dynamic_sltp.sl_atr_multiplier=3", "dynamic_sltp.tp_atr_multiplier=3")


@pytest.fixture
def handlers() -> Iterator[None]:
    """The process's own signal handlers are back after the test."""
    kept = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    yield
    for each, handler in kept.items():
        signal.signal(each, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_signal_ends_the_run_after_its_cycle(
    operated: Operate, handlers: None, number: signal.Signals
) -> None:
    stop = stop_on_signals(DaemonSettings())
    daemon = operated(bars=40, stop=stop)
    daemon.at_bar(7, lambda: signal.raise_signal(number))
    daemon.run()
    assert len(daemon.lines) == 7
    assert not daemon.bot.finished


def test_stop_before_a_decision_leaves_the_bar_to_the_next_start(operated: Operate) -> None:
    """A stop that comes between the look and the decision lets nothing be decided."""
    daemon = operated(bars=40)
    top_up = daemon.bot._parts.feed.top_up
    looked = {"count": 0}

    def stop_on_the_tenth(now_ms: int) -> object:
        looked["count"] += 1
        if looked["count"] == 10:
            daemon.stop.request()
        return top_up(now_ms)

    daemon.bot._parts.feed.top_up = stop_on_the_tenth  # type: ignore[method-assign,assignment]
    daemon.run()
    assert len(daemon.lines) == 9
    assert not daemon.events("bar_missed")


def _stop_while_holding(daemon: Operated) -> list[int]:
    """Asks for the stop after the first decided bar with an open trade; the bar's number."""
    stopped: list[int] = []

    def on_bar(count: int) -> None:
        if not stopped and daemon.reporter.bars[-1].input.open_trades:
            stopped.append(count)
            daemon.stop.request()

    daemon.reporter.on_bar = on_bar
    return stopped


def test_leave_ends_at_once_and_leaves_stops_at_the_broker(operated: Operate) -> None:
    daemon = operated(bars=200, overrides=WIDE)
    stopped = _stop_while_holding(daemon)
    daemon.run()
    assert len(daemon.lines) == stopped[0]
    held = daemon.terminal.positions("BTCUSD")
    assert held
    assert all(each.sl and each.tp for each in held)


def test_wait_manages_until_flat_opens_nothing_and_then_ends(operated: Operate) -> None:
    daemon = operated(bars=400, overrides=WIDE, stop=StopFlag(waits=True))
    stopped = _stop_while_holding(daemon)
    daemon.run()
    later = daemon.lines[stopped[0] :]
    assert not daemon.bot.finished
    assert not daemon.terminal.positions("BTCUSD")
    assert not [each for line in later for each in line["intents"] if "enter" in each]
    assert all(any("asked to stop" in each for each in line["halts"]) for line in later)


def test_second_signal_while_waiting_ends_at_once(operated: Operate) -> None:
    daemon = operated(bars=400, overrides=WIDE, stop=StopFlag(waits=True))
    stopped = _stop_while_holding(daemon)
    first = daemon.reporter.on_bar

    def on_bar(count: int) -> None:
        first(count)
        if stopped and count == stopped[0]:
            daemon.stop.request()

    daemon.reporter.on_bar = on_bar
    daemon.run()
    assert len(daemon.lines) == stopped[0]
    assert daemon.terminal.positions("BTCUSD")


def test_wait_without_a_position_ends_at_once(operated: Operate) -> None:
    daemon = operated(bars=40, stop=StopFlag(waits=True))
    daemon.stop.request()
    daemon.run()
    assert len(daemon.lines) <= 1
