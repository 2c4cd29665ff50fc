"""`python -m backtest.prop_report`: what a prop firm's challenge would make of these trades.

python -m backtest.prop_report --account ID                the account's own journal
python -m backtest.prop_report --paper                     the newest paper run's
python -m backtest.prop_report --data FILE --from 2025-06-01     a backtest, run now
python -m backtest.prop_report --trades FILE --balance 10000     a table of finished trades
python -m backtest.prop_report --profile ftmo_2step --json

Draws paths from the recorded days and plays each phase of the firm's rules
(config/prop_rules.json). It promises nothing: it says what the same trades in
another order would have come to.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.prop.record import AccountRecord
    from trading.decision.prop_rules import PropRules

_ALL = "all"
_SEED = 7


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a report, 1 after one on too few trades to be relied on, 2 where a person must act
    first (one line says what), 130 if stopped."""
    from trading.command_line import exit_status

    parser = _parser()
    given = parser.parse_args(argv)
    if given.trades is not None and given.balance is None:
        parser.error("--trades needs --balance: what the account had before the first trade")
    return exit_status(lambda: _run(given), stopped="stopped; nothing was said")


def _parser() -> argparse.ArgumentParser:
    from backtest.run import add_run_options

    parser = argparse.ArgumentParser(
        prog="python -m backtest.prop_report", description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
        conflict_handler="resolve",  # --account names the same account for either source
    )  # fmt: skip
    add = parser.add_argument
    add("--profile", default=_ALL, metavar="NAME", help="of config/prop_rules.json (default: all)")
    add("--json", action="store_true", help="print JSON instead of tables")
    add("--paths", type=_count, default=10_000, metavar="N", help="paths drawn (default 10000)")
    add("--horizon-days", type=_count, default=365, metavar="N",
        help="days after which a path is still open (default 365)")  # fmt: skip
    add("--seed", type=_count, metavar="N", help="of the paths, and of a backtest (default: 7)")
    source = parser.add_argument_group("which trades (default: the journal of --account)")
    one = source.add_mutually_exclusive_group()
    one.add_argument("--trades", type=Path, metavar="FILE",
        help="CSV: opened, closed, net_profit, and worst where it is known")  # fmt: skip
    one.add_argument("--paper", action="store_true", help="the newest paper run's journal")
    source.add_argument("--balance", type=_money, metavar="X", help="before the first of --trades")
    source.add_argument("--risk-pct", type=_money, default=math.nan, metavar="X",
        help="risk per trade of --trades, percent of equity")  # fmt: skip
    source.add_argument("--account", metavar="ID", help="entry of config/accounts.json; with "
        "--paper: any name")  # fmt: skip
    source.add_argument("--state", type=Path, default=Path("state"), metavar="DIR")
    add_run_options(parser.add_argument_group("a backtest of --data instead"))
    return parser


def _run(given: argparse.Namespace) -> int:
    from rich.console import Console

    from backtest.prop.evaluation import Drawing, evaluate
    from backtest.prop.words import as_json, print_report, too_few
    from trading.errors import DaemonError

    rules = _rules(given.profile)
    record = _record(given)
    if not record.trades:
        raise DaemonError(
            f"{record.source}: a finished trade of ours is needed, none is in it; let it trade, or "
            "name other trades: --paper, --data or --trades"
        )
    how = Drawing(given.paths, given.horizon_days, given.seed or _SEED)
    days = {name: record.days(profile.zone) for name, profile in rules.profiles.items()}
    results = [evaluate(name, rules.profiles[name], each, how) for name, each in days.items()]
    few = too_few(record, max(int(each.traded.sum()) for each in days.values()))
    warnings = [few] if few else []
    warnings.append(
        "the best risk was chosen on the trades it is judged by: expect less of the next ones"
    )
    if given.json:
        print(json.dumps(as_json(record, results, days, how, rules.as_of, warnings), indent=2))
    else:
        print_report(Console(), record, results, days, how, rules.as_of, warnings)
    return 1 if few else 0


def _rules(name: str) -> "PropRules":
    """All profiles, or the one that was asked for."""
    from settings.prop import read_prop_rules
    from trading.errors import DaemonError

    rules = read_prop_rules(Path())
    if name == _ALL:
        return rules
    if name not in rules.profiles:
        known = ", ".join(rules.profiles)
        raise DaemonError(f"--profile: {_ALL}, {known} is allowed, {name!r} came")
    return rules.model_copy(update={"profiles": {name: rules.profiles[name]}})


def _record(given: argparse.Namespace) -> "AccountRecord":
    from backtest.prop.record import record_of_table

    if given.trades is not None:
        return record_of_table(given.trades, given.balance, given.risk_pct)
    return _of_backtest(given) if given.data is not None else _of_journal(given)


def _of_journal(given: argparse.Namespace) -> "AccountRecord":
    from backtest.prop.record import record_of_lines
    from settings import load_settings, state_name_of
    from trading.journal_reads import JournalReads
    from trading.outbox import open_read_only
    from trading.why import newest_journal

    entry = None if given.paper else given.account
    settings = load_settings(overrides=given.override, account=entry, symbol=given.symbol)
    name = "" if entry is None else state_name_of(entry)
    path = newest_journal(given.state, given.account, name, paper=given.paper)
    journal = JournalReads(open_read_only(path))
    try:
        lines = list(journal.decision_lines(settings.symbol))
        deals = journal.deals()
    finally:
        journal.close()
    return record_of_lines(path.parent.name, lines, deals, settings.daemon.strategy_id)


def _of_backtest(given: argparse.Namespace) -> "AccountRecord":
    from backtest.looks import look
    from backtest.prop.record import record_of_lines
    from backtest.report.analysis import plain_summary
    from backtest.report.review import Review
    from backtest.run import decided_run

    done = decided_run(given)
    # the look is in the ledger before anybody sees what it showed
    look(done, plain_summary(done, Review(done.run)))
    strategy_id = done.settings.daemon.strategy_id
    source = f"a backtest of {done.plan.source}"
    return record_of_lines(source, done.run.lines(), done.run.deals, strategy_id)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number above 0 is allowed, {text!r} came")
    return int(text)


def _money(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"a number above 0 is allowed, {text!r} came")
    return value


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    raise SystemExit(main())
