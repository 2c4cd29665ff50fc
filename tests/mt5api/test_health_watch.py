"""The health that is told: fresh or down, the clock's skew, and the sidecar's word."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from broker.contract.messages import MarketHealth
from mt5api.live.bridge import WriteProbe
from mt5api.live.calls import QueuedCalls
from mt5api.live.sidecar import HEARTBEAT, OUR_HEARTBEAT, Sidecar
from mt5api.live.watch import ClockSkew, HealthWatch
from tests.broker.stand_in import NOW_MS, TERMINAL, server_tick
from tests.mt5api.live_terminal import Linked

NOW_S = NOW_MS // 1000


class Watched(Linked):
    """A watch over a stand-in terminal; `wall_s` is its clock."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        sidecar = Sidecar(folder, "UTC", wall_s=lambda: float(NOW_S))
        calls = QueuedCalls(self.link.require)
        probe = WriteProbe(self.broker, self.link, ("BTCUSD",))
        self.watch = HealthWatch(
            self.broker, self.link, calls, sidecar, probe=probe.run, wall_s=lambda: self.wall_s
        )


@pytest.fixture
def there(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_before_the_first_look_it_is_down(there: Watched) -> None:
    told = there.watch.told()
    assert (told.status, told.login, told.boot_id) == ("down", 0, there.broker.boot_id)


def test_look_is_told_for_two_seconds_and_no_longer(there: Watched) -> None:
    there.watch.look()
    assert there.watch.told().status == "ok"
    there.wall_s += 2.0
    assert there.watch.told().status == "ok"
    there.wall_s += 0.01
    told = there.watch.told()
    assert (told.status, told.login) == ("down", 7)


def test_telling_asks_the_terminal_nothing(there: Watched) -> None:
    there.watch.look()
    calls = len(there.process.calls)
    there.watch.told()
    assert len(there.process.calls) == calls


def test_terminal_that_hangs_is_down(there: Watched) -> None:
    there.watch.look()
    there.process.hanging = {"terminal_info", "account_info"}
    there.watch.look()
    assert there.watch.told().status == "down"


@pytest.mark.parametrize("field", ["connected", "trade_allowed"])
def test_terminal_without_connection_or_rights_is_degraded(there: Watched, field: str) -> None:
    there.mt5.terminal = type(TERMINAL)(**{**vars(TERMINAL), field: False})
    there.watch.look()
    assert there.watch.told().status == "degraded"


def test_failed_write_probe_is_degraded(there: Watched) -> None:
    there.mt5.order_check = lambda _: None
    there.mt5.error = (-2, "Unnamed arguments not allowed")
    there.watch.look()
    assert there.watch.told().status == "degraded"


def test_fresh_offset_of_the_sidecar_is_told_and_a_differing_one_is_degraded(
    there: Watched, tmp_path: Path
) -> None:
    for ahead_s, status in ((0, "ok"), (7200, "degraded")):
        text = f"time_gmt={NOW_S}\ntime_trade_server={NOW_S + ahead_s}\n"
        (tmp_path / HEARTBEAT).write_text(text)
        os.utime(tmp_path / HEARTBEAT, (NOW_S, NOW_S))
        there.watch.look()
        told = there.watch.told()
        assert (told.status, told.utc_offset_s, told.offset_source) == (status, ahead_s, "sidecar")


def test_heartbeat_is_written_while_connected_only(there: Watched, tmp_path: Path) -> None:
    there.mt5.terminal = None
    there.watch.look()
    assert not (tmp_path / OUR_HEARTBEAT).exists()
    there.mt5.terminal = TERMINAL
    there.watch.look()
    assert (tmp_path / OUR_HEARTBEAT).read_text() == f"{NOW_S}\n"


def test_skew_is_that_of_the_least_delayed_new_tick() -> None:
    skew = ClockSkew()
    market = MarketHealth("BTCUSD", 1000, 3_600_000, True)
    skew.saw([market])
    assert skew.ms == 0  # an old tick says nothing
    for time_msc, age_ms in ((2000, 3_600_400), (3000, 3_600_050), (3000, 3_601_050)):
        skew.saw([replace(market, tick_time_msc=time_msc, tick_age_ms=age_ms)])
    assert skew.ms == 3_600_050


def test_clock_behind_the_brokers_is_negative_skew(there: Watched) -> None:
    there.watch.look()
    there.watch.look()
    there.mt5.tick = server_tick(NOW_MS + 5000)
    there.watch.look()
    assert there.watch.told().clock_skew_ms == -5000
