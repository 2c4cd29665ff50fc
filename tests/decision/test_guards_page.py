"""docs/guards.md names every rule and reason that the core can give."""

import re
from pathlib import Path

from trading.decision.gate import RULES
from trading.decision.reloadable import RELOADABLE

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "trading" / "decision").glob("*.py"))
PAGE = (ROOT / "docs" / "guards.md").read_text(encoding="utf-8")


def test_every_rule_and_reason_is_on_the_page() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    said = set(RULES) | set(re.findall(r"Denial\(\s*\"(\w+)\"", code))
    said |= set(re.findall(r"news_within\(\"(\w+)\"", code))
    said |= {"position_exit", "partial_close", "break_even", "trailing_stop"}
    said |= {"prop_daily_loss", "prop_total_loss", "prop_break"}
    assert len(said) > 35
    assert {name for name in said if f"`{name}`" not in PAGE} == set()


def test_every_reloadable_key_is_on_the_page() -> None:
    assert {key for key in RELOADABLE if f"`{key}`" not in PAGE} == set()
