"""The order of events at an instant, and that time may be cut into any pieces."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.contract.constants import DealEntry, DealReason, Filling, OrderType, TradeAction
from broker.simulator.draws import draw_between
from broker.simulator.records import TradeRequest
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instrument import SwapMode
from tests.builders import MONDAY_MS, make_bars
from tests.simulator.terminals import (
    BAR_MS,
    QUIET,
    UNIT,
    at,
    buy,
    last_deal,
    make_terminal,
    only_position,
    sell,
)

ROWS = 240
RULES = settings(max_examples=40, deadline=None,
                 suppress_health_check=[HealthCheck.too_slow])  # fmt: skip


def test_interior_is_stamped_one_ms_before_the_close_and_the_first_tick_at_the_open():
    terminal = make_terminal([QUIET, (100, 100, 98, 98), (97, 97, 96, 96), QUIET])
    buy(terminal, sl=98.0)
    buy(terminal, sl=97.5)
    terminal.advance(at(2))
    assert [d.time_ms for d in terminal.ledger.deals[3:]] == [at(2) - 1, at(2)]
    assert [d.price_ticks for d in terminal.ledger.deals[3:]] == [9800, 9700]


def test_rollover_comes_after_the_interior_and_before_the_first_tick():
    spec = replace(UNIT, swap_mode=SwapMode.CURRENCY_DEPOSIT, swap_long=-1.0, swap_days=(1,) * 7)
    rows = [QUIET] * 95 + [(100, 100, 98, 98), (97, 97, 96, 96)]
    terminal = make_terminal(rows, spec=spec)
    inside, gapped = buy(terminal, sl=98.0).order, buy(terminal, sl=97.5).order
    terminal.advance(at(96))
    swap = {d.position_id: d.swap for d in terminal.ledger.deals if d.entry is DealEntry.OUT}
    assert swap == {inside: 0, gapped: -100}


def test_requests_come_after_all_events_of_the_instant():
    terminal = make_terminal([QUIET, QUIET, (95, 95, 95, 95), QUIET])
    buy(terminal, sl=99.0)
    terminal.advance(at(2))
    assert terminal.book.positions == {}
    assert buy(terminal).price == 95.0


def test_levels_set_in_the_middle_of_a_bar_see_its_interior_and_not_its_first_tick():
    terminal = make_terminal([QUIET, (95, 100, 94, 100), QUIET])
    ticket = buy(terminal).order
    terminal.advance(at(1) + 60_000)
    request = TradeRequest(TradeAction.SLTP, position=ticket, tp=99.0)
    assert terminal.order_send(request).retcode == 10009
    assert len(terminal.book.positions) == 1
    terminal.advance(at(2))
    assert last_deal(terminal).price_ticks == 9900


def test_what_is_ahead_of_an_instant_in_a_bar_and_in_a_hole():
    bars = make_bars([QUIET] * 2).followed_by(make_bars([QUIET], start_ms=at(5)))
    feed = make_terminal(bars).feeds["BTCUSD"]
    assert feed.ahead(at(0) - 1) == (0, False)
    assert feed.ahead(at(1)) == (1, True)
    assert feed.ahead(at(2) - 1) == (1, True)
    assert feed.ahead(at(2)) == (2, False)
    assert feed.ahead(at(5)) == (2, True)
    assert feed.ahead(at(6)) == (3, False)


def test_clock_never_goes_back():
    terminal = make_terminal([QUIET] * 3)
    with pytest.raises(ValueError, match="to_ms"):
        terminal.advance(at(0))


def test_end_of_data_leaves_positions_open_and_quotes_stale():
    terminal = make_terminal([QUIET] * 3)
    buy(terminal)
    terminal.advance(terminal.end_ms)
    assert terminal.end_ms == at(3)
    assert only_position(terminal)
    assert sell(terminal, position=1).retcode == 10021


def test_draws_depend_on_their_key_alone():
    assert draw_between(-5, 5, 7, "slippage", "a") == draw_between(-5, 5, 7, "slippage", "a")
    drawn = [draw_between(-2, 2, 7, "slippage", i) for i in range(2000)]
    assert set(drawn) == {-2, -1, 0, 1, 2}
    assert abs(np.mean(drawn)) < 0.1


def _market(seed: int, gaps: bool) -> Bars:
    """A jumpy market around 100 with gaps between bars, and holes when asked for."""
    random = np.random.default_rng(seed)
    close = 100 + np.cumsum(random.normal(0, 0.6, ROWS))
    opened = np.r_[100.0, close[:-1]] + random.normal(0, 0.2, ROWS)
    high = np.maximum(opened, close) + random.exponential(0.3, ROWS)
    low = np.minimum(opened, close) - random.exponential(0.3, ROWS)
    columns = [np.round(np.maximum(c, 5.0), 2) for c in (opened, high, low, close)]
    bars = make_bars(list(zip(*columns, strict=True)))
    bars.spread_points[:] = random.integers(0, 60, ROWS)
    if not gaps:
        return bars
    return Bars(bars.symbol, bars.timeframe, bars.open_ms + BAR_MS * np.cumsum(
        random.random(ROWS) < 0.05), bars.open, bars.high, bars.low, bars.close,
        bars.tick_volume, bars.spread_points)  # fmt: skip


def _terminal(seed: int, gaps: bool) -> SimulatedTerminal:
    spec = replace(UNIT, commission_per_lot=0.11, swap_mode=SwapMode.INTEREST_CURRENT,
                   swap_long=-250.0, swap_short=90.0, swap_days=(1, 1, 3, 1, 1, 1, 1))  # fmt: skip
    return SimulatedTerminal(
        bars={"BTCUSD": _market(seed, gaps)}, instruments={"BTCUSD": spec},
        account=AccountTerms(balance=60.0), start_ms=MONDAY_MS + 5 * BAR_MS, seed=seed,
        slippage_points=7, server_zone="America/New_York+7h",
    )  # fmt: skip


def _act(terminal: SimulatedTerminal, step: int, seed: int) -> None:
    """One request, keyed by its step: entries, closes, changes and pending orders."""

    def pick(low: int, high: int, what: str) -> int:
        return draw_between(low, high, seed, step, what)

    tick = terminal.tick("BTCUSD")
    open_now = list(terminal.book.positions.values())
    kind, away = pick(0, 4, "kind"), pick(30, 300, "away") / 100
    side = OrderType(pick(0, 1, "side"))
    sign = 1 if side is OrderType.BUY else -1
    sl, tp = round(tick.bid - sign * away, 2), round(tick.bid + sign * 1.3 * away, 2)
    fields = {"type_filling": Filling.IOC, "magic": step, "comment": f"s{step}"}
    if kind == 0 and open_now:
        first = open_now[0]
        steps = pick(1, first.steps, "part")
        terminal.order_send(TradeRequest(
            TradeAction.DEAL, "BTCUSD", terminal.units["BTCUSD"].lots(steps),
            OrderType.SELL if first.side > 0 else OrderType.BUY, position=first.ticket, **fields,
        ))  # fmt: skip
    elif kind == 1 and open_now:
        terminal.order_send(TradeRequest(TradeAction.SLTP, position=open_now[-1].ticket, sl=sl))
    elif kind == 2:
        limit = OrderType.BUY_LIMIT if sign > 0 else OrderType.SELL_LIMIT
        price = round(tick.bid - sign * away / 2, 2)
        terminal.order_send(TradeRequest(
            TradeAction.PENDING, "BTCUSD", 0.5, limit, price, round(price - sign * away, 2),
            type_filling=Filling.RETURN, magic=step,
        ))  # fmt: skip
    else:
        lots = pick(1, 20, "lots")
        bare = pick(0, 2, "bare") == 0
        terminal.order_send(TradeRequest(
            TradeAction.DEAL, "BTCUSD", lots, side, sl=0.0 if bare else sl,
            tp=0.0 if bare else tp, **fields,
        ))  # fmt: skip


def _drive(seed: int, gaps: bool, extra_stops: list[int]) -> SimulatedTerminal:
    """Requests every 7 bars; between them the clock also halts at `extra_stops` (minutes)."""
    terminal = _terminal(seed, gaps)
    halts = sorted({terminal.now_ms + minutes * 60_000 for minutes in extra_stops})
    for step in range(5, ROWS, 7):
        for halt in halts:
            if terminal.now_ms < halt < at(step):
                terminal.advance(halt)
        terminal.advance(at(step))
        _act(terminal, step, seed)
    terminal.advance(terminal.end_ms)
    return terminal


SEEDS = st.integers(0, 10_000)


@RULES
@given(seed=SEEDS, gaps=st.booleans(),
       minutes=st.lists(st.integers(1, ROWS * 15), max_size=60))  # fmt: skip
def test_any_partition_of_time_gives_the_same_ledger(seed, gaps, minutes):
    jumped = _drive(seed, gaps, [])
    cut = _drive(seed, gaps, minutes)
    assert cut.ledger.orders == jumped.ledger.orders
    assert cut.ledger.deals == jumped.ledger.deals
    assert cut.account() == jumped.account()


@RULES
@given(seed=SEEDS)
def test_bar_by_bar_equals_one_jump(seed):
    every_bar = [15 * bar for bar in range(ROWS)]
    assert _drive(seed, True, every_bar).ledger.sha256() == _drive(seed, True, []).ledger.sha256()


def test_same_seed_gives_the_same_ledger_and_another_seed_another():
    assert _drive(3, False, []).ledger.sha256() == _drive(3, False, []).ledger.sha256()
    assert _drive(3, False, []).ledger.sha256() != _drive(4, False, []).ledger.sha256()


@RULES
@given(seed=SEEDS, gaps=st.booleans())
def test_ledger_invariants_hold(seed, gaps):
    terminal = _drive(seed, gaps, [])
    deals = terminal.ledger.deals
    assert terminal.ledger.balance == sum(d.profit + d.swap + d.commission for d in deals)
    account = terminal.account()
    floating = sum(p.profit + p.swap for p in terminal.positions())
    assert account.equity == pytest.approx(account.balance + floating, abs=1e-6)
    assert account.margin_free == pytest.approx(account.equity - account.margin, abs=1e-6)
    for position_id in {d.position_id for d in deals} - {0}:
        own = [d for d in deals if d.position_id == position_id]
        assert own[0].entry is DealEntry.IN
        volume_in = sum(d.steps for d in own if d.entry is DealEntry.IN)
        volume_out = sum(d.steps for d in own if d.entry is DealEntry.OUT)
        still_open = sum(
            p.steps for p in terminal.book.positions.values() if p.identifier == position_id
        )
        assert volume_out + still_open == volume_in
    times = [d.time_ms for d in deals]
    assert times == sorted(times)
    assert [d.ticket for d in deals] == list(range(1, len(deals) + 1))


def test_the_random_drives_reach_every_way_out():
    reasons = {
        deal.reason
        for seed in range(12)
        for deal in _drive(seed, True, []).ledger.deals
        if deal.entry is DealEntry.OUT
    }
    assert reasons == {DealReason.EXPERT, DealReason.SL, DealReason.TP, DealReason.SO}
