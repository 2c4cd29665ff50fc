"""Everything that is said of a finished run, put together once for terminal, page and JSON."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backtest.decided_run import DecidedRun
from backtest.driver import BacktestRun
from backtest.plain_json import as_json
from backtest.report.breakdown import Group, breakdown
from backtest.report.costs import RunCosts, run_costs
from backtest.report.coverage import KeyUse, coverage, settings_keys
from backtest.report.coverage_rules import Facts
from backtest.report.denial_ledger import DenialRow, denial_ledger, follow
from backtest.report.excursions import Excursions, excursions
from backtest.report.months import Month, months
from backtest.report.proof import proof
from backtest.report.review import Review
from backtest.report.trades import TradeWithLevels, r_multiples, trades_with_levels
from backtest.statistics import TrialSharpes
from market.bars import utc_text
from mt5api.paper import GeneratedMarket
from trading.model import model_lines, seen_until, strangers
from trading.results import summarise


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """A run with its figures. `summary` is ready for JSON and holds them all."""

    title: str
    currency: str
    models: tuple[str, ...]
    run: BacktestRun
    summary: dict[str, Any]
    months: tuple[Month, ...]
    trades: tuple[TradeWithLevels, ...]
    excursions: Excursions
    groups: Mapping[str, tuple[Group, ...]]
    denials: tuple[DenialRow, ...]
    costs: RunCosts
    settings: tuple[KeyUse, ...]


def analyse(
    done: DecidedRun, trials_after: Callable[[Mapping[str, Any]], TrialSharpes]
) -> Analysis:
    """`trials_after`: the ledger's trials, asked with the plain figures once they are known."""
    run, settings = done.run, done.settings
    review = Review(run)
    plain = plain_summary(done, review)
    trials = trials_after(plain)
    facts = _facts(done, review)  # before entries are followed, which asks the minutes again
    trades = trades_with_levels(run)
    of = run.rules.instrument
    symbol, first = run.bars.history.symbol, run.bars.first
    followed = follow(review.lone, run.venue.terminal, symbol, first)
    denials = denial_ledger(review.denied, review.denied_alone, followed)
    r = r_multiples(trades, run.terms)
    found = Analysis(
        _title(done), settings.paper.currency, _models(done), run, plain,
        months(run.trades, run.curve, run.initial_balance), trades,
        excursions(trades, run.bars.history, of.point),
        breakdown(trades, r, run.bars, of, settings.decision), denials, run_costs(run),
        coverage(settings_keys(settings.model_dump(mode="json")), facts),
    )  # fmt: skip
    plain |= _extended(found, proof(run, trials))
    return found


def plain_summary(done: DecidedRun, review: Review) -> dict[str, Any]:
    """The plain figures of a run, as `look` keeps them, with its warnings."""
    run = done.run
    summary = summarise(
        review.lines(),
        run.deals,
        run.bars.bars,
        run.terms,
        strategy_id=run.rules.strategy_id,
        initial_balance=run.initial_balance,
        final_equity=run.final_equity,
        data_sha256=done.plan.data_sha256,
    )
    seen = seen_until(done.models, done.plan.limits.from_ms)
    warnings = ([seen] if seen else []) + list(done.outside.warnings)
    warnings += strangers(done.models, done.settings.decision)
    warnings += done.plan.missing_minutes(done.settings.paper)
    if done.costs is not None:
        warnings += done.costs.words()
    return summary | {"warnings": warnings}


def _extended(found: Analysis, proven: dict[str, Any]) -> dict[str, Any]:
    return {
        "run": {"title": found.title, "currency": found.currency, "models": found.models},
        "proof": as_json(proven),
        "costs": as_json(found.costs.as_dict()),
        "groups": as_json({name: list(rows) for name, rows in found.groups.items()}),
        "denial_ledger": [
            as_json(row) | {"verdict": row.verdict} for row in found.denials
        ],
        "settings": as_json(
            {
                use.key: {"value": use.value, "state": use.state, "why": use.why}
                for use in found.settings
            }
        ),
    }  # fmt: skip


def _facts(done: DecidedRun, review: Review) -> Facts:
    run = done.run
    minutes = run.venue.terminal.feeds[run.bars.history.symbol].minutes
    return Facts(
        settings=done.settings.decision,
        denied=review.denied,
        intents=review.intents,
        asked=review.asked,
        closes=Counter(trade.close_type for trade in run.trades),
        bars=len(run.bars),
        capped=review.capped,
        slipped=_slipped(run),
        charged=sum(deal.swap != 0 for deal in run.deals),
        generated=isinstance(done.plan.market, GeneratedMarket),
        calendar=done.settings.ml.features.calendar is not None,
        onchain=done.settings.ml.features.onchain is not None,
        account=done.settings.account is not None,
        inside=None if minutes is None else minutes.told,
    )


def _slipped(run: BacktestRun) -> int:
    return sum(answer.price not in (0.0, answer.ask, answer.bid) for _, answer, _ in run.answers)


def _models(done: DecidedRun) -> tuple[str, ...]:
    return model_lines(done.models, done.settings.decision, has_m1=done.plan.m1 is not None)


def _title(done: DecidedRun) -> str:
    bars = done.run.bars.bars
    first, last = utc_text(int(bars.open_ms[0])), utc_text(int(bars.close_ms[-1]))
    return f"{done.settings.symbol}, {done.plan.source}, {first} to {last} UTC"
