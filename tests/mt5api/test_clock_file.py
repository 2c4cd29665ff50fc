"""The simulated instant on disk."""

from pathlib import Path

from mt5api.clock_file import ClockFile


def test_instant_is_read_back_and_the_last_one_counts(tmp_path: Path) -> None:
    kept = ClockFile(tmp_path / "clock")
    assert kept.read() == 0
    for instant_ms in (1_745_971_200_000, 5, 1_745_972_100_000):
        kept.write(instant_ms)
        assert ClockFile(tmp_path / "clock").read() == instant_ms
    assert (tmp_path / "clock").stat().st_size == 8
