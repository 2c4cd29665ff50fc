"""docs/reliability.md: all 45 failures, each with a defence and tests that exist."""

import re
from pathlib import Path

from tests.chaos.schedule import rates_table

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def rows() -> dict[int, list[str]]:
    """The cells of each failure's row by its number."""
    lines = [line for line in PAGE.splitlines() if re.match(r"\| D\d+ \|", line)]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {int(row[0][1:]): row for row in cells}


def in_the_sources() -> set[str]:
    """Every `test_dNN_…` of this folder."""
    sources = (path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    return {name for text in sources for name in re.findall(r"def (test_d\d\d_\w+)", text)}


def test_all_45_failures_have_a_row_with_a_defence() -> None:
    assert sorted(rows()) == list(range(1, 46))
    assert all(len(row) == 4 and all(row) for row in rows().values())


def test_every_test_that_the_page_names_exists_and_belongs_to_its_row() -> None:
    there = in_the_sources()
    for number, row in rows().items():
        named = re.findall(r"`(test_\w+)`", row[3])
        assert named, f"D{number}"
        assert set(named) <= there, f"D{number}"
        assert all(name.startswith(f"test_d{number:02}_") for name in named)


def test_every_test_of_a_failure_is_on_the_page() -> None:
    named = set(re.findall(r"`(test_d\d\d_\w+)`", PAGE))
    assert in_the_sources() == named


def test_field_rates_on_the_bridges_page_are_those_of_the_schedule() -> None:
    bridge = (ROOT / "docs" / "bridge.md").read_text(encoding="utf-8")
    assert rates_table() in bridge, "run: python -m tests.chaos.schedule"
