"""What the bridge reads from the sidecar's files, and writes for it."""

import os
from pathlib import Path

import pytest

from market.sessions import Sessions
from mt5api.live.bridge import TradingHours
from mt5api.live.sidecar import FRESH_S, HEARTBEAT, OUR_HEARTBEAT, Sidecar

NOW_S = 1_763_600_000


def sidecar(folder: Path | None, zone: str = "Europe/Athens") -> Sidecar:
    return Sidecar(folder, zone, wall_s=lambda: float(NOW_S))


def heartbeat(folder: Path, ahead_s: int, *, age_s: float = 1.0) -> None:
    file = folder / HEARTBEAT
    file.write_text(f"version=1\ntime_gmt={NOW_S}\ntime_trade_server={NOW_S + ahead_s}\n")
    os.utime(file, (NOW_S - age_s, NOW_S - age_s))


@pytest.mark.parametrize(
    ("ahead_s", "offset_s"), [(7200, 7200), (10_801, 10_800), (7198, 7200), (-3600, -3600), (0, 0)]
)
def test_offset_is_the_difference_of_the_clocks_in_quarter_hours(
    tmp_path: Path, ahead_s: int, offset_s: int
) -> None:
    heartbeat(tmp_path, ahead_s)
    assert sidecar(tmp_path).offset_s() == offset_s


def test_old_heartbeat_tells_nothing(tmp_path: Path) -> None:
    heartbeat(tmp_path, 7200, age_s=FRESH_S + 1)
    assert sidecar(tmp_path).offset_s() is None


@pytest.mark.parametrize("content", ["", "time_gmt=1", "time_gmt=x\ntime_trade_server=2"])
def test_half_written_heartbeat_tells_nothing(tmp_path: Path, content: str) -> None:
    heartbeat(tmp_path, 0)
    (tmp_path / HEARTBEAT).write_text(content)
    os.utime(tmp_path / HEARTBEAT, (NOW_S, NOW_S))
    assert sidecar(tmp_path).offset_s() is None


def test_without_a_sidecar_nothing_is_known_and_nothing_written(tmp_path: Path) -> None:
    for nowhere in (None, tmp_path / "missing"):
        none = sidecar(nowhere)
        none.beat(NOW_S * 1000)
        assert (none.offset_s(), none.sessions("BTCUSD")) == (None, None)
    assert list(tmp_path.iterdir()) == []


def test_heartbeat_of_the_bridge_is_written_in_seconds(tmp_path: Path) -> None:
    sidecar(tmp_path).beat(NOW_S * 1000 + 999)
    assert (tmp_path / OUR_HEARTBEAT).read_text() == f"{NOW_S}\n"


def test_sessions_are_in_the_zone_of_the_servers_clock(tmp_path: Path) -> None:
    (tmp_path / "sessions_EURUSD.csv").write_text("0,79200,86400\n1,300,86400\n")
    assert sidecar(tmp_path).sessions("EURUSD") == Sessions(
        "Europe/Athens", ((0, 5, 1440), (6, 1320, 1440))
    )


def test_sessions_of_a_shifted_rule_are_moved_across_midnight(tmp_path: Path) -> None:
    (tmp_path / "sessions_EURUSD.csv").write_text("1,0,86400\n")
    assert sidecar(tmp_path, "America/New_York+7h").sessions("EURUSD") == Sessions(
        "America/New_York", ((0, 0, 1020), (6, 1020, 1440))
    )


def test_known_symbols_have_sessions_without_a_sidecar(tmp_path: Path) -> None:
    hours = TradingHours(sidecar(tmp_path))
    assert hours["EURUSD"].zone == "America/New_York"
    (tmp_path / "sessions_EURUSD.csv").write_text("1,0,86400\n")
    assert hours["EURUSD"].zone == "Europe/Athens"
    assert hours.get("UNKNOWN") is None
