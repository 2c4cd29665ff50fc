"""Bar files: what is recognised, what is normalised, and how the rest is refused."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.bars import BarsError
from market.instruments import instrument
from market.rounding import grid_prices, tick_price
from market.sources.files import SourceError, read_bars
from market.timeframe import Timeframe
from tests.builders import MONDAY_MS

BTCUSD = instrument("BTCUSD")
QUARTER_MS = Timeframe.M15.ms

MT5_HEADER = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>"
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore"
)


def table(rows: int = 4, **changed: object) -> pa.Table:
    columns: dict[str, object] = {
        "time": pa.array(MONDAY_MS + np.arange(rows) * QUARTER_MS, pa.timestamp("ms", "UTC")),
        "open": np.full(rows, 100.0), "high": np.full(rows, 102.0),
        "low": np.full(rows, 99.0), "close": np.full(rows, 101.0),
        "volume": np.full(rows, 1.2346),
    }  # fmt: skip
    columns.update(changed)
    return pa.table({name: column for name, column in columns.items() if column is not None})


def parquet(folder: Path, content: pa.Table) -> Path:
    path = folder / "bars.parquet"
    pq.write_table(content, path)
    return path


def times(*quarters: int) -> pa.Array:
    return pa.array([MONDAY_MS + each * QUARTER_MS for each in quarters], pa.timestamp("ms", "UTC"))


def kline(quarter: int, scale: int = 1) -> str:
    open_time = (MONDAY_MS + quarter * QUARTER_MS) * scale
    return f"{open_time},100.0,102.0,99.0,101.0,1.5,{open_time},150.0,10,0.7,70.0,0"


# What is read


def test_parquet_with_traded_volume_gets_the_usual_spread(tmp_path: Path) -> None:
    bars = read_bars(parquet(tmp_path, table()), BTCUSD)
    assert (bars.symbol, bars.timeframe, len(bars)) == ("BTCUSD", Timeframe.M15, 4)
    assert bars.open_ms[0] == MONDAY_MS
    assert bars.tick_volume.tolist() == [1235] * 4
    assert bars.spread_points.tolist() == [BTCUSD.spread_points] * 4
    assert bars.tick_volume.dtype == bars.spread_points.dtype == np.int64


def test_parquet_with_tick_volume_and_spread_keeps_both(tmp_path: Path) -> None:
    content = table(volume=None, tick_volume=[1, 2, 3, 4], spread=[10, 20, 30, 40])
    bars = read_bars(parquet(tmp_path, content), BTCUSD)
    assert bars.tick_volume.tolist() == [1, 2, 3, 4]
    assert bars.spread_points.tolist() == [10, 20, 30, 40]


def test_prices_are_put_on_the_grid(tmp_path: Path) -> None:
    content = table(open=[100.004] * 4, close=[100.0049999] * 4)
    bars = read_bars(parquet(tmp_path, content), BTCUSD)
    assert set(bars.open) == set(bars.close) == {100.0}


@given(
    st.lists(st.floats(0.01, 2_000_000), min_size=1, max_size=50),
    st.sampled_from([0.01, 0.00001, 0.05, 0.25, 1.0, 0.1]),
)
def test_grid_has_the_same_bits_as_the_exact_tick_price(prices: list[float], tick: float) -> None:
    on_grid = grid_prices(np.array(prices), tick)
    exact = [tick_price(int(np.rint(price / tick)), tick) for price in prices]
    assert on_grid.tolist() == exact


def test_mt5_export_is_read_in_server_time(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSD_M15.csv"
    rows = [
        f"2025.07.01\t{clock}\t100.00\t102.00\t99.00\t101.00\t55\t0\t1700"
        for clock in ("03:00:00", "03:15:00", "03:30:00")
    ]
    path.write_text("\r\n".join([MT5_HEADER, *rows]) + "\r\n")
    bars = read_bars(path, BTCUSD, server_zone="Europe/Athens")
    assert np.datetime64(int(bars.open_ms[0]), "ms") == np.datetime64("2025-07-01T00:00")
    assert bars.tick_volume.tolist() == [55] * 3
    assert bars.spread_points.tolist() == [1700] * 3


def test_mt5_export_in_utf16_is_read(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSD_M15.csv"
    rows = [f"2025.07.01\t0{hour}:00:00\t1\t1\t1\t1\t5\t0\t7" for hour in range(3)]
    path.write_text("\n".join([MT5_HEADER, *rows]), encoding="utf-16")
    assert read_bars(path, BTCUSD).timeframe is Timeframe.H1


def test_repeated_hour_of_an_mt5_export_stays_in_order(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSD_M15.csv"
    clocks = ["02:30", "02:45", *["03:00", "03:15", "03:30", "03:45"] * 2, "04:00"]
    rows = [f"2025.10.26\t{clock}:00\t1\t1\t1\t1\t5\t0\t7" for clock in clocks]
    path.write_text("\n".join([MT5_HEADER, *rows]))
    bars = read_bars(path, BTCUSD, server_zone="Europe/Athens")
    assert set(np.diff(bars.open_ms)) == {QUARTER_MS}


@pytest.mark.parametrize("header", [[], [KLINE_HEADER]])
@pytest.mark.parametrize("scale", [1, 1000])
def test_binance_klines_are_read_in_either_unit(
    tmp_path: Path, header: list[str], scale: int
) -> None:
    path = tmp_path / "BTCUSDT-15m.csv"
    path.write_text("\n".join([*header, *(kline(each, scale) for each in range(3))]))
    bars = read_bars(path, BTCUSD)
    assert bars.open_ms.tolist() == [MONDAY_MS + each * QUARTER_MS for each in range(3)]
    assert bars.tick_volume.tolist() == [1500] * 3
    assert bars.symbol == "BTCUSD"


def test_gzipped_klines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT-15m.csv.gz"
    path.write_bytes(gzip.compress("\n".join(kline(each) for each in range(3)).encode()))
    assert len(read_bars(path, BTCUSD)) == 3


def test_times_without_a_zone_are_server_time(tmp_path: Path) -> None:
    shown = pa.array(MONDAY_MS + np.arange(4) * QUARTER_MS, pa.timestamp("ms"))
    bars = read_bars(parquet(tmp_path, table(time=shown)), BTCUSD, server_zone="Europe/Athens")
    assert bars.open_ms[0] == MONDAY_MS - 2 * 3_600_000


def test_gap_does_not_change_the_timeframe(tmp_path: Path) -> None:
    bars = read_bars(parquet(tmp_path, table(5, time=times(0, 1, 2, 30, 31))), BTCUSD)
    assert bars.timeframe is Timeframe.M15


@pytest.mark.parametrize(
    ("name", "symbol", "timeframe", "rows", "spread"),
    [
        ("btcusdt_m15_spot", "BTCUSD", Timeframe.M15, 99_355, 1459),
        ("btcusd_h1_mt5", "BTCUSD", Timeframe.H1, 19_272, None),
        ("eurusd_m15_mt5", "EURUSD", Timeframe.M15, 85_707, None),
        ("xauusd_m15_mt5", "XAUUSD", Timeframe.M15, 86_540, None),
    ],
)
def test_real_files_are_read(
    shared_data: Path, name: str, symbol: str, timeframe: Timeframe, rows: int, spread: int | None
) -> None:
    bars = read_bars(shared_data / f"{name}.parquet", instrument(symbol))
    assert (bars.symbol, bars.timeframe, len(bars)) == (symbol, timeframe, rows)
    if spread is not None:
        assert set(bars.spread_points) == {spread}


def test_first_real_bar_is_the_documented_one(shared_data: Path) -> None:
    bars = read_bars(shared_data / "btcusdt_m15_spot.parquet", BTCUSD)
    assert bars.open[0] == 16541.77


# What is refused


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"time": times(0, 2, 1, 3)}, BarsError, "oldest first.*row 2.*out of order"),
        ({"time": times(0, 1, 1, 2)}, BarsError, "each open time once.*row 2.*duplicate"),
        ({"high": [102.0, 100.5, 102, 102]}, BarsError, "high.*row 1 .*is a lower one"),
        ({"low": [99.0, 99, 100.5, 99]}, BarsError, "low.*row 2 .*is a higher one"),
        ({"close": [101.0, float("nan"), 101, 101]}, BarsError, "close.*price above 0.*row 1"),
        ({"open": [0.0, 100, 100, 100]}, BarsError, "open.*price above 0.*row 0"),
        ({"volume": [1.0, 2, float("inf"), 3]}, SourceError, "volume: a number.*row 2 is inf"),
        ({"volume": [1.0, -2, 1, 3]}, BarsError, "tick_volume.*0 or more.*row 1"),
        ({"spread": [1, 2, 3, -4]}, BarsError, "spread.*0 or more points.*row 3"),
        ({"close": [101.0, None, 101, 101]}, SourceError, "close: a value.*row 1 is empty"),
        ({"close": ["a", "b", "c", "d"]}, SourceError, "close: numbers.*the column is string"),
        ({"close": None}, SourceError, "close must be there, but the file has time, open, high"),
        ({"volume": None}, SourceError, "volume or tick_volume must be there"),
        ({"time": [1, 2, 3, 4]}, SourceError, "time: timestamps are allowed.*int64"),
        ({"time": times(0, 7, 14, 21)}, SourceError, "bars of M1, .*most rows are 105 minutes"),
    ],
)
def test_impossible_table_is_refused_with_file_row_and_rule(
    tmp_path: Path, changed: dict[str, object], error: type[Exception], message: str
) -> None:
    path = parquet(tmp_path, table(**changed))
    with pytest.raises(error, match=rf"^bars\.parquet: .*{message}.*nothing was repaired"):
        read_bars(path, BTCUSD)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.parquet: there is no such file; check"):
        read_bars(tmp_path / "gone.parquet", BTCUSD)


@pytest.mark.parametrize("rows", [0, 1])
def test_file_without_enough_bars_is_refused(tmp_path: Path, rows: int) -> None:
    with pytest.raises(SourceError, match="at least 2"):
        read_bars(parquet(tmp_path, table().slice(0, rows)), BTCUSD)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bars.xlsx", b"PK", r"\.parquet file, an MT5 export .* is allowed, \.xlsx came"),
        ("bars", b"", "no extension came"),
        ("bars.csv", b"", "but the first line is ''"),
        (
            "bars.csv",
            b"date;price\n1;2\n",
            "columns time, open, high, low, close, volume are "
            "allowed, but the first line is 'date;price'",
        ),
        ("bars.parquet", b"not parquet at all", "nothing was repaired"),
        ("bars.csv.gz", b"not gzip at all", "the gzip file is damaged"),
        ("bars.csv.gz", gzip.compress(kline(0).encode(), mtime=0)[:-9], "the gzip file is damaged"),
        ("bars.csv", (MT5_HEADER + "\n").encode(), "the file has no bars"),
        (
            "bars.csv",
            b"<DATE>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>\n"
            b"2025.01.01\t1\t1\t1\t1\t1\t1\t1\n",
            "<TIME> must be there",
        ),
        (
            "bars.csv",
            f"{MT5_HEADER}\n2025.07.01\t03h00\t1\t1\t1\t1\t5\t0\t7\n".encode(),
            "row 0 is '2025.07.01 03h00'",
        ),
        (
            "bars.csv",
            f"{MT5_HEADER}\n2025.07.01\t03:00:00\tx\t1\t1\t1\t5\t0\t7\n".encode(),
            "Row #2.*invalid value 'x'",
        ),
    ],
)
def test_unreadable_file_is_refused_with_its_name(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as refused:
        read_bars(path, BTCUSD)
    assert str(refused.value).startswith(name)


def test_skipped_server_hour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    rows = [f"2025.03.30\t0{hour}:00:00\t1\t1\t1\t1\t5\t0\t7" for hour in range(5)]
    path.write_text("\n".join([MT5_HEADER, *rows]))
    with pytest.raises(SourceError, match=r"bars\.csv: server time zone Europe/Athens: row 3"):
        read_bars(path, BTCUSD, server_zone="Europe/Athens")
