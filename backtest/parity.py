"""`python -m backtest.parity DAY`: a journalled day, and what the backtest decides on its bars.

python -m backtest.parity 2025-05-03 --paper
python -m backtest.parity 2025-05-03 --account ID --data FILE

The daemon's own bars (or --data) are decided from the journal's first bar on. Features, what bars
and models said, and the decisions of DAY (UTC) must agree. A real account fills otherwise than the
simulated one: what it is worth is counted apart, and of decisions then only side, reason and rule.
--strict compares every byte, as a paper run without faults must have it.
Exit status: 0 the day is decided alike, 1 it is not, 2 it could not run.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.checks.parity import Decided, Parity
    from backtest.checks.pipeline import Pipeline
    from backtest.journalled import Journalled
    from market.bars import Bars

_DAY_MS = 86_400_000


def main(argv: Sequence[str] | None = None) -> int:
    from backtest.checks.console import checked
    from backtest.journalled import add_journal_options
    from trading.command_line import utc_instant_ms

    parser = argparse.ArgumentParser(
        prog="python -m backtest.parity", description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("day", type=utc_instant_ms, metavar="DAY", help="a date, UTC")
    add_journal_options(parser)
    add("--json", action="store_true", help="print JSON instead of a table")
    add("--strict", action="store_true", help="every byte must agree, the account's part too")
    add("--data", type=Path, metavar="FILE", help="M15 bars instead of the daemon's own")
    add("--m1", type=Path, metavar="FILE", help="M1 bars, where the run had them")
    add("--calendar", type=Path, metavar="FILE", help="economic calendar, where the run had one")
    add("--models", type=Path, metavar="DIR", help="where the models lie (default: ml_config.json)")
    given = parser.parse_args(argv)
    return checked(lambda: _check(given))


def _check(given: argparse.Namespace) -> bool:
    from backtest.checks.parity import by_bar, parity
    from backtest.journalled import journalled
    from ml.features.catalogue import names

    day_ms = given.day // _DAY_MS * _DAY_MS
    with journalled(given) as of:
        symbol = of.settings.symbol
        rows = list(of.journal.features(symbol))
        mine = by_bar(of.journal.decision_lines(symbol), (row for _, row in rows),
                      day_ms, day_ms + _DAY_MS)  # fmt: skip
        if not mine:
            raise ValueError(
                f"{of.folder}: decisions of that day are needed, none came; give a day on which "
                "the daemon ran, or another folder"
            )
        theirs = _decided(given, of, rows[0][0], min(mine), max(mine))
    columns = names(tuple(of.settings.ml.features.groups))
    day = {bar: each for bar, each in theirs.items() if day_ms <= bar < day_ms + _DAY_MS}
    found = parity(mine, day, columns, strict=given.strict)
    _show(given, found)
    return found.holds(strict=given.strict)


def _decided(
    given: argparse.Namespace, of: "Journalled", from_ms: int, rules_of_ms: int, last_ms: int
) -> dict[int, "Decided"]:
    """The backtest's bars from the journal's first one to the day's last, on its own bars."""
    from backtest.checks.parity import Decided

    pipeline = _pipeline(given, of, rules_of_ms)
    history = _history(given, of)
    run = pipeline.run(history, from_ms=from_ms, to_ms=last_ms + 1)
    features = run.bars.forecasts.features
    if features is None:
        raise ValueError("parity: forecasts with their features are needed, none were kept")
    opens = run.bars.bars.open_ms.tolist()
    made = zip(opens, run.lines(), features, strict=True)
    return {bar_ms: Decided(line, row) for bar_ms, line, row in made}


def _pipeline(given: argparse.Namespace, of: "Journalled", rules_of_ms: int) -> "Pipeline":
    from backtest.checks.pipeline import Pipeline
    from backtest.rules import Rules
    from market.sources.files import read_bars
    from trading.assemble import known_instrument
    from trading.model import beside, learned_calendar, load_for
    from trading.outside import read_outside

    settings = of.settings
    instrument = known_instrument(settings.symbol)
    paths = settings.ml.paths.for_symbol(settings.symbol)
    paths = paths if given.models is None else paths.in_folder(given.models)
    models = load_for(paths, settings.ml.features, settings.symbol)
    outside = read_outside(
        settings.ml.features, instrument, calendar=given.calendar,
        learned_calendar=learned_calendar(models), news=settings.news,
    )  # fmt: skip
    asked = beside(models)
    minutes = None
    if given.m1 is not None:
        zone = settings.paper.server_timezone
        minutes = read_bars(given.m1, instrument, server_zone=zone)
    balance = of.journal.meta("initial_balance")
    paper = settings.paper.model_copy(update={"balance": float(balance)} if balance else {})
    rules = Rules(
        instrument, of.rules_at(rules_of_ms) or settings.decision, paper,
        settings.daemon.strategy_id, settings.daemon.act_within_ms,
        settings.daemon.orders.magic_bits,
        asked if minutes is not None else replace(asked, minutes=False), outside.news,
        minutes=minutes,
    )  # fmt: skip
    return Pipeline(
        models.signal, tuple(settings.ml.features.groups), rules, outside, minutes
    )  # fmt: skip


def _history(given: argparse.Namespace, of: "Journalled") -> "Bars":
    from market.sources.files import read_bars
    from market.store import BarStore
    from trading.assemble import TIMEFRAME, known_instrument
    from trading.state_folder import StateFolder

    symbol = of.settings.symbol
    if given.data is not None:
        zone = of.settings.paper.server_timezone
        return read_bars(given.data, known_instrument(symbol), server_zone=zone)
    store = BarStore(StateFolder(of.folder).bars)
    try:
        first_ms = store.first_open_ms(symbol, TIMEFRAME)
        last_ms = store.last_open_ms(symbol, TIMEFRAME)
        if first_ms is None or last_ms is None:
            raise ValueError(f"{of.folder}: the daemon's bars are needed, none came; give --data")
        return store.load(symbol, TIMEFRAME, from_ms=first_ms, to_ms=last_ms + 1)
    finally:
        store.close()


def _show(given: argparse.Namespace, found: "Parity") -> None:
    from backtest.checks.console import show_json, show_table
    from backtest.plain_json import as_json
    from market.bars import utc_text

    if given.json:
        show_json(as_json(found) | {"holds": found.holds(strict=given.strict)})
        return
    show_table(
        "First difference of each kind",
        ("kind", "bars", "bar (UTC)", "field", "journal", "backtest"),
        [
            (kind, f"{found.bars_of[kind]}", utc_text(each.bar_ms), each.field, each.one,
             each.other)
            for kind, each in found.first.items()
        ],
    )  # fmt: skip
    for name, bars in (("journal", found.only_journal), ("backtest", found.only_backtest)):
        if bars:
            print(f"decided by the {name} alone: {len(bars)}, first {utc_text(bars[0])} UTC")
    print(f"parity: {found.bars} bars, {found.equal} equal in every byte")


if __name__ == "__main__":
    raise SystemExit(main())
