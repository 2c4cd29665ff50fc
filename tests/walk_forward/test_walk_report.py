"""The report of a walk-forward run: tables, page, files."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from backtest.gates import GateSettings
from backtest.statistics import TrialSharpes
from backtest.walk_forward.blocks import pooled
from backtest.walk_forward.chart import write_png
from backtest.walk_forward.files import write_files
from backtest.walk_forward.report import WalkReport, walk_report
from backtest.walk_forward.tables import markdown, tables
from backtest.walk_forward.windows import Headline
from tests.walk_forward.records import block

SEEDS = Headline(0.717, 5.46)
MADE_OF = {
    "symbol": "BTCUSD", "data": "bars.parquet", "kinds": ["signal"], "profile": "quick",
    "every_weeks": 1, "overrides": ["risk_percent=1"], "train_overrides": [],
    "initial_balance": 1000.0, "currency": "USD", "costs": "costs.json",
}  # fmt: skip


def report(headline: Headline | None = SEEDS) -> WalkReport:
    own = pooled([block(0, [0.01, -0.02, 0.01], [(0.5, 10.0), (1.5, -10.0)]), block(3, [0.0] * 3)])
    twin = pooled([block(0, [0.0, 0.0, 0.02], [(2.5, 10.0)]), block(3, [0.0] * 3)])
    return walk_report(
        own, [twin], TrialSharpes.of([], 1), window_days=2, headline=headline,
        gate=GateSettings(), made_of=MADE_OF, notes=["2024-01-04: no risk model: too few trades"],
    )  # fmt: skip


def test_narrow_terminal_is_shown_whole_figures() -> None:
    blocks, pool = tables(report())[:2]
    narrow = blocks.fitting(80)
    assert narrow.head[:6] == ("cutoff", "trades", "win % (95 %)", "PF", "PF₅", "R a trade")
    dropped = len(blocks.head) - len(narrow.head)
    assert narrow.title.endswith(f"; {dropped} more columns in the file")
    assert dropped > 0
    assert all(len(row) == len(narrow.head) for row in narrow.rows)
    assert blocks.fitting(200) == blocks
    assert pool.fitting(40) == pool


def test_every_table_is_as_wide_as_its_head() -> None:
    for table in tables(report()):
        assert {len(row) for row in table.rows} == {len(table.head)}, table.title


def test_page_names_models_settings_windows_gates_and_what_was_left_out() -> None:
    page = markdown(report())
    for words in (
        "Trades pay the costs of costs.json.", "Settings for trading: risk_percent=1.",
        "All windows of 2 days: 5, of which 3 fit",
        "Windows that reach win rate 71.7%, profit factor 5.46", "random twins",
        "walk-forward gate: not passed", "proof of the edge: not passed",
        "- 2024-01-04: no risk model: too few trades", "2 trades are fewer than 30",
    ):  # fmt: skip
        assert words in page


def test_a_system_is_held_against_its_twins() -> None:
    told = report().told["twins"]
    assert told["own"]["trades"] == 2
    assert [row["trades"] for row in told["each"]] == [1]
    # one win in two, against one in one
    assert (told["at_least"]["win_rate"], told["p_value"]["win_rate"]) == (1, 1.0)
    assert (told["at_least"]["trades"], told["p_value"]["trades"]) == (0, 0.5)


def test_without_a_headline_nothing_is_held_against_one() -> None:
    assert "Windows that reach" not in markdown(report(None))
    assert "headline" not in report(None).told["windows"]


def test_files_hold_every_window_of_the_system_and_of_its_twins(tmp_path: Path) -> None:
    found = report()
    files = write_files(found, tmp_path / "reports" / "walk")
    told = json.loads(files[0].read_text(encoding="utf-8"))
    assert told["windows"]["count"] == told["twins"]["count"] == 5
    rows = pq.read_table(files[2]).to_pydict()
    assert rows["twin"] == [0] * 5 + [1] * 5
    assert rows["trades"] == [2, 1, 0, 0, 0, 0, 1, 1, 0, 0]
    with files[3].open(encoding="utf-8", newline="") as stream:
        assert len(list(csv.reader(stream))) == 11
    assert {each.name for each in (tmp_path / "reports").iterdir()} == {f.name for f in files}


@pytest.mark.parametrize("headline", [SEEDS, None], ids=["headline", "none"])
def test_picture_is_written_whole(headline: Headline | None, tmp_path: Path) -> None:
    write_png({"this system": report().windows}, headline, tmp_path / "windows.png")
    assert [each.name for each in tmp_path.iterdir()] == ["windows.png"]
    assert (tmp_path / "windows.png").read_bytes().startswith(b"\x89PNG")
