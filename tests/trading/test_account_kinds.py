"""The loop on accounts of every kind: dollar, cent, FOK or IOC alone, netting, small (D27-D29)."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker.contract.constants import DealEntry, DealType, Filling, MarginMode
from broker.contract.messages import Deal
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.instrument import FILL_FOK_BIT, FILL_IOC_BIT
from tests.trading.doubles import BTC, FROM_MS, Desk, walk
from trading.canonical import parse_decision, parse_input
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError

MakeDesk = Callable[..., Desk]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[MakeDesk]:
    made: list[Desk] = []

    def make(**fields: Any) -> Desk:
        made.append(Desk(tmp_path / str(len(made)), **fields))
        return made[-1]

    yield make
    for each in made:
        each.close()


def make_terminal(account: AccountTerms, **instrument: Any) -> SimulatedTerminal:
    return SimulatedTerminal(
        bars={"BTCUSD": walk()}, instruments={"BTCUSD": replace(BTC, **instrument)},
        account=account, start_ms=FROM_MS, seed=7, slippage_points=50,
    )  # fmt: skip


def trades(desk: Desk) -> list[Deal]:
    kinds = (DealType.BUY, DealType.SELL)
    return [deal for deal in desk.terminal.deals() if deal.type in kinds]


def test_cent_and_dollar_account_trade_the_same_lots_for_the_same_share(desk: MakeDesk) -> None:
    dollars = AccountTerms(balance=500.0)
    cents = AccountTerms(balance=50_000.0, currency="USC", units_per_base=100)
    every_trade = DecisionSettings(max_daily_loss_pct=0)
    usd, usc = (
        desk(terminal=make_terminal(each), bars=40, decision=every_trade).run()
        for each in (dollars, cents)
    )
    assert len(trades(usd)) >= 10
    assert [d.volume for d in trades(usd)] == [d.volume for d in trades(usc)]
    assert [d.price for d in trades(usd)] == [d.price for d in trades(usc)]
    assert [round(d.profit, 2) for d in trades(usd)] == pytest.approx(
        [d.profit / 100 for d in trades(usc)], abs=0.005
    )
    _risk_is_within(usd, 0.02)
    _risk_is_within(usc, 0.02)


@pytest.mark.parametrize(
    ("bits", "policy"), [(FILL_FOK_BIT, Filling.FOK), (FILL_IOC_BIT, Filling.IOC)]
)
def test_symbol_with_one_filling_policy_is_entered_by_it(
    desk: MakeDesk, bits: int, policy: Filling
) -> None:
    terminal = make_terminal(AccountTerms(balance=1e4), filling_bits=bits)
    done = desk(terminal=terminal, bars=20).run()
    assert len(trades(done)) >= 4
    assert set(done.journal.intent_counts()) <= {"protected", "closed"}
    requests = [r for bar in done.reporter.bars for r, _ in _intents_of(done, bar)]
    assert {request.type_filling for request in requests} == {policy}


def test_netting_account_is_traded_one_position_at_a_time(desk: MakeDesk) -> None:
    netting = AccountTerms(balance=1e4, margin_mode=MarginMode.NETTING)
    done = desk(terminal=make_terminal(netting), bars=40).run()
    hedging = desk(terminal=make_terminal(AccountTerms(balance=1e4)), bars=40).run()
    assert [_facts(d) for d in trades(done)] == [_facts(d) for d in trades(hedging)]
    assert done.lines == hedging.lines
    assert all(not parse_input(line).halts for line in done.lines)


def test_more_than_one_position_on_a_netting_account_is_refused(desk: MakeDesk) -> None:
    netting = AccountTerms(balance=1e4, margin_mode=MarginMode.NETTING)
    two = DecisionSettings(max_open_positions=2)
    with pytest.raises(DaemonError, match="max_open_positions: 1 is allowed"):
        desk(terminal=make_terminal(netting), decision=two).run()


def test_smallest_lot_above_the_risk_is_never_traded(desk: MakeDesk) -> None:
    terminal = make_terminal(AccountTerms(balance=200.0), volume_min=0.1)
    done = desk(terminal=terminal, bars=20).run()
    rules = {d.rule for line in done.lines for d in parse_decision(line).denials}
    assert "risk_too_small" in rules
    assert trades(done) == []


def _risk_is_within(desk: Desk, share: float) -> None:
    """No entry's loss at its stop is above the share of the equity it was decided on."""
    for line in desk.lines:
        now = parse_input(line)
        for intent in parse_decision(line).intents:
            assert intent.risk_money <= share * now.account.equity * 1.0001  # type: ignore[union-attr]


def _intents_of(desk: Desk, report: Any) -> list[Any]:
    return desk.journal.intents_of_bar(report.input.market.open_ms)


def _facts(deal: Deal) -> tuple[Any, ...]:
    return (deal.time_msc, deal.type, deal.entry is DealEntry.IN, deal.volume, deal.price)
