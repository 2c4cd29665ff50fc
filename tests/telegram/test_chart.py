"""The picture of a trade: drawn from the bar store, in a process of its own."""

import asyncio
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.store import BarStore, StoreError
from market.timeframe import Timeframe
from tests.trading.doubles import BAR_MS, FROM_MS, walk
from trading.chart import BARS, Chart, ChartError, _plain_environment, chart_of, drawn, png


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bars") / "bars.sqlite"
    store, all_bars = BarStore(path), walk()
    store.merge(all_bars, observed_ms=int(all_bars.close_ms[-1]))
    store.close()
    return path


def entry(price: float, **more: Any) -> dict[str, Any]:
    return {"symbol": "BTCUSD", "at_ms": FROM_MS, "price": price, "sl": price - 200.0,
            "tp": price + 200.0} | more  # fmt: skip


def chart(bars: Path, kind: str, words: dict[str, Any]) -> Chart:
    return chart_of(
        bars, kind, words, title="t", zone="Asia/Jakarta", digits=2, timeframe=Timeframe.M15
    )


def picture(chart: Chart) -> Any:
    from matplotlib.image import imread

    return imread(BytesIO(png(chart)), format="png")


def test_an_entry_shows_the_bars_before_it(bars: Path) -> None:
    made = chart(bars, "entry", entry(60_000.0))
    assert len(made.open_ms) == BARS
    assert made.open_ms[-1] == FROM_MS - BAR_MS
    assert made.marks == ((60_000.0, FROM_MS, "entry"),)


def test_an_exit_shows_the_trade_from_before_its_entry(bars: Path) -> None:
    opened, closed = FROM_MS - 120 * BAR_MS, FROM_MS + 60_000
    made = chart(bars, "exit", {
        "symbol": "BTCUSD", "opened_ms": opened, "closed_ms": closed, "price_open": 60_000.0,
        "price_close": 60_200.0, "close_type": "TP_HIT", "sl": 0.0, "tp": 60_200.0,
    })  # fmt: skip
    assert made.open_ms[0] < opened
    assert [name for _, _, name in made.marks] == ["entry", "TP_HIT"]


def test_levels_bars_and_marks_are_in_the_picture(bars: Path) -> None:
    close = float(walk().close[5299])
    with_levels = picture(chart(bars, "entry", entry(close)))
    without = picture(chart(bars, "entry", entry(close, sl=0.0, tp=0.0)))
    assert with_levels.shape == without.shape
    assert np.abs(with_levels - without).max() > 0.5
    assert len(np.unique(with_levels.reshape(-1, with_levels.shape[2]), axis=0)) > 10


def test_a_trade_without_bars_is_drawn_all_the_same(tmp_path: Path) -> None:
    BarStore(tmp_path / "empty.sqlite").close()
    assert png(chart(tmp_path / "empty.sqlite", "entry", entry(60_000.0)))[1:4] == b"PNG"


def test_it_is_drawn_in_another_process(bars: Path) -> None:
    drawn_there = asyncio.run(drawn(chart(bars, "entry", entry(60_000.0))))
    assert drawn_there[1:4] == b"PNG"


def test_a_process_that_fails_says_why(bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = chart(bars, "entry", entry(60_000.0))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ChartError, match="no picture"):
        asyncio.run(drawn(made))


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it cannot be read"):
        chart(tmp_path / "none.sqlite", "entry", entry(1.0))


def test_a_process_that_is_not_waited_for_is_ended(bars: Path) -> None:
    made = chart(bars, "entry", entry(60_000.0))

    async def give_up() -> None:
        drawing = asyncio.create_task(drawn(made))
        await asyncio.sleep(0.2)
        drawing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await drawing

    asyncio.run(give_up())


def test_the_drawing_process_gets_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOVOSKY_TELEGRAM_TOKEN", "1234567:secret")
    assert not any("NOVOSKY" in name for name in _plain_environment())
