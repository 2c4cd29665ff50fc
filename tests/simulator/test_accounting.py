"""B12–B17: profit, equity, margin, stop-out, swap and commission."""

from dataclasses import replace
from decimal import Decimal

import pytest

from broker.contract.constants import DealReason, DealType, MarginMode, TradeAction
from broker.simulator.records import TradeRequest
from broker.simulator.settings import AccountTerms, PaperSettings
from broker.simulator.terminal import SimulatedTerminal
from broker.simulator.units import Factor, SymbolUnits, round_ratio
from market.instrument import CalcMode, SwapMode
from market.instruments import instrument
from tests.builders import MONDAY_MS, make_bars
from tests.simulator.terminals import (
    QUIET,
    UNIT,
    at,
    buy,
    last_deal,
    make_terminal,
    only_position,
    sell,
    set_levels,
)

CENT = {"currency": "USC", "units_per_base": 100}
EUR = replace(instrument("EURUSD"), symbol="BTCUSD")


def test_b12_cent_account_golden():
    # 0.01 lot of BTCUSD, +250.00 in price: +250.00 USC, which is 2.50 USD
    rows = [(84_000.0, 84_000.0, 84_000.0, 84_000.0), (84_250.0, 84_250.0, 84_250.0, 84_250.0)]
    for terms, profit in ((CENT, 250.0), ({}, 2.5)):
        terminal = make_terminal(rows, start_row=0, terms=terms)
        ticket = buy(terminal, 0.01).order
        terminal.advance(at(1))
        sell(terminal, 0.01, position=ticket)
        assert terminal.deals()[-1].profit == profit


def test_b12_one_lot_one_dollar_is_a_hundred_usc():
    terminal = make_terminal([QUIET, (101, 101, 101, 101)], start_row=0, terms=CENT)
    buy(terminal)
    terminal.advance(at(1))
    assert terminal.account().profit == 100.0


def test_b12_forex_profit_is_contract_size_times_distance():
    rows = [(1.1, 1.1, 1.1, 1.1), (1.1025, 1.1025, 1.1025, 1.1025)]
    spec = replace(EUR, sessions=UNIT.sessions)
    terminal = make_terminal(rows, start_row=0, spec=spec)
    sell(terminal, 0.5)
    terminal.advance(at(1))
    assert terminal.account().profit == -125.0  # 0.0025 · 100,000 · 0.5


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [(5, 10, 0), (15, 10, 2), (25, 10, 2), (-5, 10, 0), (-15, 10, -2), (-16, 10, -2), (7, 7, 1)],
)
def test_b12_each_deal_rounds_half_to_even(numerator, denominator, rounded):
    assert round_ratio(numerator, denominator) == rounded


@pytest.mark.parametrize("factor", ["0.5", "-0.5", "0.35", "-3.5", "1", "0", "0.0001", "-2.25"])
def test_b12_factor_rounds_every_product_as_a_ratio_is_rounded(factor):
    numerator, denominator = Decimal(factor).as_integer_ratio()
    of = Factor(Decimal(factor)).of
    amounts = range(-300, 301)
    assert [of(n) for n in amounts] == [round_ratio(n * numerator, denominator) for n in amounts]


def test_b13_equity_is_balance_profit_and_swap_without_commission():
    spec = replace(UNIT, commission_per_lot=0.5, swap_mode=SwapMode.CURRENCY_DEPOSIT,
                   swap_long=-1.25)  # fmt: skip
    terminal = make_terminal([QUIET] * 100, spec=spec, spread_points=30)
    buy(terminal, 2.0)
    terminal.advance(at(97))
    account = terminal.account()
    assert account.balance == 10_000 - 1.0
    assert account.profit == -0.60 - 2.50
    assert account.equity == account.balance + account.profit


def test_b13_net_of_a_trade_is_the_sum_over_its_position_id():
    spec = replace(UNIT, commission_per_lot=0.5)
    terminal = make_terminal([QUIET] * 4, spec=spec, spread_points=30)
    ticket = buy(terminal, 2.0).order
    sell(terminal, 2.0, position=ticket)
    own = [deal for deal in terminal.ledger.deals if deal.position_id == ticket]
    net = sum(deal.profit + deal.swap + deal.commission for deal in own)
    assert net == -60 - 200
    assert terminal.balance == 10_000 + net / 100


@pytest.mark.parametrize(
    ("mode", "margin"),
    [
        (CalcMode.FOREX, 0.5 * 100_000 * 1.1 / 100), (CalcMode.FOREX_NO_LEVERAGE, 55_000.0),
        (CalcMode.CFD, 55_000.0), (CalcMode.CFD_LEVERAGE, 550.0),
    ],
)  # fmt: skip
def test_b14_margin_by_calculation_mode(mode, margin):
    units = SymbolUnits(replace(EUR, calc_mode=mode), leverage=100, currency_digits=2)
    assert units.margin(units.steps(0.5), units.ticks(1.1)) == round(margin * 100)


def test_b14_margin_in_the_profit_currency_does_not_depend_on_the_price():
    spec = replace(EUR, currency_margin="USD")
    units = SymbolUnits(spec, leverage=100, currency_digits=2)
    assert units.margin(units.steps(1.0), units.ticks(1.1)) == 100_000
    assert units.margin(units.steps(1.0), units.ticks(2.2)) == 100_000


def test_b14_order_is_refused_when_nothing_would_be_free():
    terminal = make_terminal([QUIET] * 3, balance=100.0)
    assert buy(terminal, 100.0).retcode == 10009  # margin 100 · 100 / 100
    assert terminal.account().margin_free == 0.0
    assert buy(terminal, 0.01).retcode == 10019


def test_b14_of_opposite_positions_the_larger_side_needs_margin():
    terminal = make_terminal([QUIET] * 3)
    buy(terminal, 3.0)
    sell(terminal, 2.0)
    assert terminal.account().margin == 3.0


def test_b14_margin_level_is_zero_while_flat():
    assert make_terminal([QUIET] * 3).account().margin_level == 0.0


def test_b14_futures_margin_is_refused_at_the_start():
    with pytest.raises(ValueError, match="FUTURES"):
        SymbolUnits(replace(EUR, calc_mode=CalcMode.FUTURES), leverage=1, currency_digits=2)


# 100 lots at 100.00 need 100.00; 20 % of it is left when the price has fallen by 0.80
def test_b15_stop_out_at_the_worst_extreme_inside_a_bar():
    terminal = make_terminal([QUIET, (100, 100, 99.20, 100), QUIET], balance=100.0)
    buy(terminal, 100.0)
    terminal.advance(at(2))
    deal = last_deal(terminal)
    assert (deal.reason, deal.price_ticks, deal.time_ms) == (DealReason.SO, 9920, at(2) - 1)
    assert terminal.balance == 20.0


def test_b15_stop_out_spares_an_account_one_tick_above_the_level():
    terminal = make_terminal([QUIET, (100, 100, 99.21, 100), QUIET], balance=100.0)
    buy(terminal, 100.0)
    terminal.advance(at(2))
    assert len(terminal.book.positions) == 1


def test_b15_gap_can_make_the_balance_negative():
    terminal = make_terminal([QUIET, QUIET, (90, 90, 90, 90), QUIET], balance=100.0)
    buy(terminal, 100.0)
    terminal.advance(at(2))
    assert (last_deal(terminal).reason, last_deal(terminal).time_ms) == (DealReason.SO, at(2))
    assert terminal.balance == -900.0


def test_b15_largest_loser_goes_first_and_the_rest_is_checked_again():
    # 40 lots at 100 and 60 at 101 need 100.60; at 99.70 equity is 10: below 20 % of both, but
    # above 20 % of the first alone
    rows = [(100, 100, 100, 100), (101, 101, 99.7, 101), QUIET]
    terminal = make_terminal(rows, start_row=0, balance=100.0)
    small = buy(terminal, 40.0).order
    terminal.advance(at(1))
    large = buy(terminal, 60.0).order
    terminal.advance(at(2))
    closed = [deal.position_id for deal in terminal.ledger.deals if deal.reason is DealReason.SO]
    assert closed == [large]
    assert list(terminal.book.positions) == [small]


def test_b15_a_stop_that_lies_nearer_fills_before_the_stop_out():
    terminal = make_terminal([QUIET, (100, 100, 90, 100), QUIET], balance=100.0)
    buy(terminal, 100.0, sl=99.5)
    terminal.advance(at(2))
    assert last_deal(terminal).reason is DealReason.SL
    assert terminal.balance == 50.0


@pytest.mark.parametrize(("balance", "closed"), [(150.0, ["OTHER"]), (160.0, [])])
def test_b15_all_symbols_count_together(balance, closed):
    # both need 150.00 together; at their worst they lose 25 and 100
    terminal = SimulatedTerminal(
        bars={
            "BTCUSD": make_bars([QUIET] * 4),
            "OTHER": make_bars([QUIET, (100, 100, 99, 100), QUIET, QUIET], symbol="OTHER"),
        },
        instruments={"BTCUSD": UNIT, "OTHER": replace(UNIT, symbol="OTHER")},
        account=AccountTerms(balance=balance), start_ms=at(1), seed=1,
    )  # fmt: skip
    buy(terminal, 50.0)
    terminal.order_send(TradeRequest(TradeAction.DEAL, "OTHER", 100.0))
    terminal.advance(at(3))
    assert closed == [d.symbol for d in terminal.ledger.deals if d.reason is DealReason.SO]


def test_b15_only_a_position_whose_market_has_a_quote_is_closed():
    # BTCUSD lost most, but its bars pause; at 99.50 of OTHER equity is 20 of 30 needed
    paused = make_bars([QUIET, (100, 100, 98.4, 98.4)]).followed_by(
        make_bars([(98.4, 98.4, 98.4, 98.4)], start_ms=at(6))
    )
    rows = [QUIET, (100, 100, 100, 100), (100, 100, 99.5, 100), (100, 100, 100, 100)]
    terminal = SimulatedTerminal(
        bars={"BTCUSD": paused, "OTHER": make_bars(rows, symbol="OTHER")},
        instruments={"BTCUSD": UNIT, "OTHER": replace(UNIT, symbol="OTHER")},
        account=AccountTerms(balance=150.0), start_ms=at(1), seed=1,
    )  # fmt: skip
    buy(terminal, 50.0)
    terminal.order_send(TradeRequest(TradeAction.DEAL, "OTHER", 100.0))
    terminal.advance(at(4))
    closed = [d.symbol for d in terminal.ledger.deals if d.reason is DealReason.SO]
    assert closed == ["OTHER"]


def test_b15_removing_a_stop_lets_the_stop_out_happen():
    terminal = make_terminal([QUIET, QUIET, (100, 100, 90, 100), QUIET], balance=100.0)
    ticket = buy(terminal, 100.0, sl=99.4).order
    terminal.advance(at(2))
    set_levels(terminal, ticket, tp=200.0)
    terminal.advance(at(3))
    assert last_deal(terminal).reason is DealReason.SO


SWAPS = [
    # 2 lots at 100.00 closing on 100.00, contract 1, one night
    (SwapMode.POINTS, -5.0, -0.10),
    (SwapMode.CURRENCY_SYMBOL, -0.5, -100.0),
    (SwapMode.CURRENCY_MARGIN, -0.5, -1.0),
    (SwapMode.CURRENCY_DEPOSIT, -0.5, -1.0),
    (SwapMode.INTEREST_CURRENT, -36.0, -0.20),
    (SwapMode.INTEREST_OPEN, -36.0, -0.20),
    (SwapMode.DISABLED, -36.0, 0.0),
]


@pytest.mark.parametrize(("mode", "rate", "swap"), SWAPS)
def test_b16_swap_by_mode_at_server_midnight(mode, rate, swap):
    spec = replace(UNIT, swap_mode=mode, swap_long=rate, swap_days=(1,) * 7)
    terminal = make_terminal([QUIET] * 200, spec=spec)
    buy(terminal, 2.0)
    terminal.advance(at(96) - 1)
    assert terminal.positions()[0].swap == 0.0
    terminal.advance(at(96))
    assert terminal.positions()[0].swap == swap


def test_b16_a_year_of_interest_has_360_days():
    spec = replace(UNIT, swap_mode=SwapMode.INTEREST_OPEN, swap_short=-36.0, swap_days=(1,) * 7)
    terminal = make_terminal([QUIET] * 100, spec=spec)
    sell(terminal, 90.0)
    terminal.advance(at(96))
    assert terminal.positions()[0].swap == -9.0  # 9,000 · 36 % / 360


def test_b16_interest_uses_the_current_or_the_opening_price():
    rows = [QUIET] * 50 + [(200, 200, 200, 200)] * 50
    for mode, swap in ((SwapMode.INTEREST_CURRENT, -0.20), (SwapMode.INTEREST_OPEN, -0.10)):
        spec = replace(UNIT, swap_mode=mode, swap_long=-36.0, swap_days=(1,) * 7)
        terminal = make_terminal(rows, spec=spec)
        buy(terminal)
        terminal.advance(at(96))
        assert terminal.positions()[0].swap == swap


def test_b16_triple_night_is_the_one_that_ends_wednesday():
    spec = replace(UNIT, swap_mode=SwapMode.CURRENCY_DEPOSIT, swap_short=-1.0,
                   swap_days=(1, 1, 3, 1, 1, 0, 0))  # fmt: skip
    terminal = make_terminal([QUIET] * (96 * 7 + 1), spec=spec)
    sell(terminal)
    swaps = []
    for day in range(1, 8):
        terminal.advance(at(96 * day))
        swaps.append(terminal.positions()[0].swap)
    assert swaps == [-1.0, -2.0, -5.0, -6.0, -7.0, -7.0, -7.0]


def test_b16_midnight_follows_the_server_zone_through_daylight_saving():
    # 2025-03-30: Athens goes from UTC+2 to UTC+3, so midnights are 22:00, then 21:00 UTC
    start = 1_743_120_000_000  # 2025-03-28 00:00 UTC
    spec = replace(UNIT, swap_mode=SwapMode.CURRENCY_DEPOSIT, swap_long=-1.0, swap_days=(1,) * 7)
    bars = make_bars([QUIET] * 400, start_ms=start)
    terminal = SimulatedTerminal(
        bars={"BTCUSD": bars}, instruments={"BTCUSD": spec}, account=AccountTerms(balance=1e4),
        start_ms=start, seed=1, server_zone="Europe/Athens",
    )  # fmt: skip
    buy(terminal)
    charged = []
    for hour in range(1, 72):
        before = terminal.positions()[0].swap
        terminal.advance(start + hour * 3_600_000)
        if terminal.positions()[0].swap != before:
            charged.append(hour % 24)
    assert charged == [22, 22, 21]


@pytest.mark.parametrize(("mode", "price"), [(SwapMode.REOPEN_CURRENT, 100.05),
                                             (SwapMode.REOPEN_BID, 100.05)])  # fmt: skip
def test_b16_reopening_changes_the_ticket_and_never_the_identifier(mode, price):
    spec = replace(UNIT, swap_mode=mode, swap_long=-5.0, swap_days=(1,) * 7)
    terminal = make_terminal([QUIET] * 200, spec=spec)
    identifier = buy(terminal).order
    terminal.advance(at(96))
    position = terminal.positions()[0]
    assert position.identifier == identifier != position.ticket
    assert position.price_open == price
    assert {d.position_id for d in terminal.ledger.deals[1:]} == {identifier}
    assert last_deal(terminal).reason is DealReason.ROLLOVER


def test_b16_swap_is_realised_in_proportion_on_a_partial_close():
    spec = replace(UNIT, swap_mode=SwapMode.CURRENCY_DEPOSIT, swap_long=-1.0, swap_days=(1,) * 7)
    terminal = make_terminal([QUIET] * 200, spec=spec)
    ticket = buy(terminal, 0.30).order
    terminal.advance(at(96))
    sell(terminal, 0.10, position=ticket)
    assert terminal.deals()[-1].swap == -0.10
    sell(terminal, 0.20, position=ticket)
    assert terminal.deals()[-1].swap == -0.20


def test_b17_commission_is_charged_per_side_at_the_deal():
    spec = replace(UNIT, commission_per_lot=3.5)
    terminal = make_terminal([QUIET] * 4, spec=spec, terms=CENT)
    ticket = buy(terminal, 0.10).order
    assert terminal.deals()[-1].commission == -35.0
    sell(terminal, 0.10, position=ticket)
    assert terminal.balance == 10_000 - 70.0


def test_b17_the_deposit_is_a_balance_operation():
    deal = make_terminal([QUIET] * 3, balance=250.0).deals()[0]
    assert (deal.type, deal.profit, deal.position_id, deal.symbol) == (
        DealType.BALANCE, 250.0, 0, "",
    )  # fmt: skip


def test_paper_settings_open_a_cent_account():
    terms = PaperSettings(currency="USC", balance=50_000.0).account_terms()
    assert (terms.units_per_base, terms.base_currency) == (100, "USD")
    with pytest.raises(ValueError, match="USD, USC"):
        PaperSettings(currency="EUR")
    with pytest.raises(ValueError, match="Mars"):
        PaperSettings(server_timezone="Mars/Base")


def test_paper_settings_open_a_netting_account():
    assert PaperSettings().account_terms().margin_mode is MarginMode.HEDGING
    terms = PaperSettings(account_mode="netting").account_terms()
    assert terms.margin_mode is MarginMode.NETTING


def test_account_terms_refuse_what_the_terminal_does_not_keep():
    with pytest.raises(ValueError, match="hedging"):
        AccountTerms(balance=1.0, margin_mode=MarginMode.EXCHANGE)
    with pytest.raises(ValueError, match="balance"):
        AccountTerms(balance=0.0)


def test_bars_without_an_instrument_are_refused():
    with pytest.raises(ValueError, match="NOPE"):
        SimulatedTerminal(
            bars={"NOPE": make_bars([QUIET])}, instruments={"BTCUSD": UNIT},
            account=AccountTerms(balance=1.0), start_ms=MONDAY_MS, seed=1,
        )  # fmt: skip


def test_position_keeps_margin_of_what_is_left():
    terminal = make_terminal([QUIET] * 3)
    ticket = buy(terminal, 2.0).order
    sell(terminal, 0.5, position=ticket)
    assert only_position(terminal).margin == 150
