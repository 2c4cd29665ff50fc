"""`python -m backtest.replay`: a journal's lines decided anew from their own inputs.

python -m backtest.replay --paper
python -m backtest.replay --account ID --from 2025-06-01

Each line is parsed, its input decided by the rules that the journal kept for it, and written again:
the same bytes, or a finding. Lines of an earlier schema are compared in intents and denials alone.
Exit status: 0 all lines come out the same, 1 one does not, 2 it could not run.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.checks.parity import Replay
    from backtest.journalled import Journalled


def main(argv: Sequence[str] | None = None) -> int:
    from backtest.checks.console import checked
    from backtest.journalled import add_journal_options
    from trading.command_line import utc_instant_ms

    parser = argparse.ArgumentParser(
        prog="python -m backtest.replay", description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    add_journal_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    for flag, name in (("--from", "from_ms"), ("--to", "to_ms")):
        parser.add_argument(flag, dest=name, type=utc_instant_ms, metavar="TIME", help="UTC")
    given = parser.parse_args(argv)
    return checked(lambda: _check(given))


def _check(given: argparse.Namespace) -> bool:
    from backtest.checks.parity import replay
    from backtest.journalled import journalled

    with journalled(given) as of:
        found = replay(_lines(given, of), lru_cache(maxsize=4)(of.rules_at))
    if found.without_rules == found.lines:
        raise ValueError(
            f"{of.folder}: decisions with the settings they were made by are needed, "
            f"{found.lines} lines without came; give a span that a newer daemon has decided"
        )
    _show(given, found)
    return found.holds


def _lines(given: argparse.Namespace, of: "Journalled") -> Iterator[str]:
    from_ms, to_ms = given.from_ms or 0, given.to_ms
    for line in of.journal.decision_lines(of.settings.symbol):
        bar_ms = int(json.loads(line)["bar"])
        if from_ms <= bar_ms and (to_ms is None or bar_ms < to_ms):
            yield line


def _show(given: argparse.Namespace, found: "Replay") -> None:
    from backtest.checks.console import show_json, show_table
    from market.bars import utc_text

    if given.json:
        show_json(asdict(found) | {"holds": found.holds})
        return
    first = found.first
    show_table(
        "First line that is decided otherwise", ("bar (UTC)", "field", "journal", "decided anew"),
        [(utc_text(first.bar_ms), first.field, first.one, first.other)] if first else [],
    )  # fmt: skip
    print(
        f"replay: {found.lines} lines, {found.equal} equal, {found.older} of an earlier schema, "
        f"{found.without_rules} without their settings"
    )


if __name__ == "__main__":
    raise SystemExit(main())
