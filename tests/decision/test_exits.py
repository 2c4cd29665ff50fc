"""What becomes of one open trade, bar by bar: exits, partial closes, stops that follow."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_input
from tests.decision.tape import IDLE, Tape, long, short
from trading.decision import exits
from trading.decision.decide import decide
from trading.decision.management_settings import (
    ActiveManagement,
    MlTrailingStop,
    PartialClose,
    PositionOptimization,
)
from trading.decision.records import (
    Close,
    ExitForecast,
    Forecast,
    HeldTrade,
    Modify,
    OpenTrade,
    Partial,
    Side,
)
from trading.decision.settings import DecisionSettings

EXIT = ExitForecast(0.1, 0.85, 0.05, (1, 1, 0))
PARTIAL = DecisionSettings(
    ml_active_management=ActiveManagement(enabled=False, partial_close=PartialClose(enabled=True))
)
TRAIL = DecisionSettings(
    ml_active_management=ActiveManagement(
        enabled=False,
        ml_trailing_stop=MlTrailingStop(enabled=True, low_confidence_widen=0),
    )
)


def test_position_models_exit_closes_once_the_trade_is_old_enough() -> None:
    tape = Tape(DecisionSettings(), long())
    rows = [(1010, 990, 1000), (1020, 990, 1010), (1020, 990, 1005), (1010, 980, 990)]
    said = [tape.bar(*row, said=EXIT).intents for row in rows]
    assert said == [(), (), (), (Close(7, "position_exit"),)]


@pytest.mark.parametrize(
    ("said", "closes"),
    [
        (ExitForecast(0.10, 0.85, 0.05, (1, 1, 0)), True),
        (ExitForecast(0.10, 0.85, 0.05, (1, 1, 1)), True),
        (ExitForecast(0.10, 0.85, 0.05, (1, 0, 0)), False),  # no majority
        (ExitForecast(0.10, 0.85, 0.05, (1, 2, 2)), False),
        (ExitForecast(0.15, 0.80, 0.05, (1, 1, 0)), True),
        (ExitForecast(0.16, 0.79, 0.05, (1, 1, 0)), False),  # exit_threshold 0.80
        (None, False),
    ],
)
def test_exit_wants_majority_and_threshold(said: ExitForecast | None, closes: bool) -> None:
    tape = Tape(DecisionSettings(), long(), bars_held=9)
    assert bool(tape.bar(1010, 990, 1000, said=said).intents) is closes


def test_exit_wants_a_clear_lead() -> None:
    settings = DecisionSettings(
        position_optimization=PositionOptimization(exit_threshold=0.4, min_prob_diff=0.25)
    )
    for p_hold, p_add, closes in ((0.3, 0.2, False), (0.2, 0.3, False), (0.25, 0.25, True)):
        said = ExitForecast(p_hold, 0.5, p_add, (1, 1, 0))
        tape = Tape(settings, long(), bars_held=9)
        assert bool(tape.bar(1010, 990, 1000, said=said).intents) is closes


def test_exit_is_not_taken_where_the_position_model_is_switched_off() -> None:
    settings = DecisionSettings(ml_active_management=ActiveManagement(enabled=False))
    assert Tape(settings, long(), bars_held=9).bar(1010, 990, 1000, said=EXIT).intents == ()


def test_partial_close_takes_half_once_and_the_rest_costs_nothing_any_more() -> None:
    tape = Tape(PARTIAL, long())
    said = [
        tape.bar(*row).intents
        for row in [(1090, 990, 1080), (1110, 1080, 1100), (1150, 1090, 1140), (1120, 999, 1050)]
    ]
    taken = (Partial(7, 0.5, "partial_close"), Modify(7, 1000.0, 1100.0, "break_even"))
    assert said == [(), taken, (), ()]
    assert tape.trade is None  # the last bar's low took the rest out at 1,000
    assert tape.balance == 10_050.0


def test_partial_close_of_a_short_mirrors_it() -> None:
    said = Tape(PARTIAL, short()).bar(1000, 880, 889).intents  # it would leave at 899
    assert said == (Partial(7, 0.5, "partial_close"), Modify(7, 1000.0, 900.0, "break_even"))


def test_partial_close_leaves_no_part_below_the_smallest_lot() -> None:
    for lots, taken in ((0.01, ()), (0.02, (0.01,)), (0.03, (0.01,))):
        said = Tape(PARTIAL, long(volume_lots=lots)).bar(1110, 1000, 1100).intents
        assert tuple(each.volume_lots for each in said if isinstance(each, Partial)) == taken


def test_partial_close_leaves_no_rest_below_the_smallest_lot() -> None:
    rule = PartialClose(enabled=True, close_share=0.8)
    settings = DecisionSettings(ml_active_management=ActiveManagement(partial_close=rule))
    for lots, taken in ((0.15, 0), (0.5, 1)):
        decision = Tape(settings, long(volume_lots=lots)).bar(
            1110, 1000, 1100, instrument={"volume_min": 0.1}
        )
        assert sum(isinstance(each, Partial) for each in decision.intents) == taken


def test_a_tie_of_four_models_is_no_majority() -> None:
    four = ExitForecast(0.1, 0.85, 0.05, (1, 1, 0, 0))  # type: ignore[arg-type]
    assert not exits.has_majority(four, exits.EXIT)


@pytest.mark.parametrize("settings", [PARTIAL, TRAIL], ids=["partial", "trailing"])
@pytest.mark.parametrize("unknown", ["atr_entry", "best_price"])
def test_trade_whose_past_is_not_known_is_left_alone(
    settings: DecisionSettings, unknown: str
) -> None:
    held = replace(HeldTrade(7, 9, 1200.0, 100.0, 1.0), atr_entry=float("nan"))
    if unknown == "best_price":
        held = HeldTrade(7, 9, float("nan"), 100.0, 1.0)
    quote = replace(make_input().quote, bid=1050.0, ask=1060.0)
    now = make_input(open_trades=(long(),), held=(held,), quote=quote, forecast=IDLE)
    assert decide(now, settings).intents == ()


def test_break_even_pays_the_commission_and_waits_while_the_price_is_behind_it() -> None:
    now = make_input(quote=replace(make_input().quote, bid=1004.0, ask=1005.0),
                     instrument={"commission_per_lot": 2.5})  # fmt: skip
    assert exits.break_even(long(), now) is None  # 1,005.00 is above the bid
    now = replace(now, quote=replace(now.quote, bid=1006.0, ask=1007.0))
    assert exits.break_even(long(), now) == Modify(7, 1005.0, 1100.0, "break_even")
    assert exits.break_even(long(sl=1005.0), now) is None


def test_trailing_stop_follows_the_best_price_from_its_threshold_on_and_never_goes_back() -> None:
    tape = Tape(TRAIL, long(tp=2000.0))
    rows_and_stops = [
        ((1070, 990, 1060), None),  # best 70: below 0.8 ATR
        ((1080, 1050, 1060), 960.0),  # 1,080 − 1.2 · 100
        ((1085, 1050, 1080), None),  # 965: less than a step of 0.1 ATR
        ((1090, 1050, 1085), 970.0),
        ((1200, 1080, 1190), 1080.0),
        ((1190, 1100, 1110), None),  # the best price stays
    ]
    for row, stop in rows_and_stops:
        said = tape.bar(*row).intents
        assert said == ((Modify(7, stop, 2000.0, "trailing_stop"),) if stop else ())


def test_trailing_stop_of_a_short_follows_the_ask() -> None:
    said = Tape(TRAIL, short()).bar(1000, 890, 905).intents  # best ask 900
    assert said == (Modify(7, 1020.0, 900.0, "trailing_stop"),)


def test_trailing_stop_stays_outside_the_venues_stops_level() -> None:
    tape = Tape(TRAIL, long(tp=2000.0))
    (modify,) = tape.bar(1300, 1000, 1100).intents
    assert isinstance(modify, Modify)
    assert modify.sl == 1099.99  # 1,180 would be beyond the bid of 1,100


@pytest.mark.parametrize(
    ("forecast", "momentum_decay", "multiple"),
    [
        (Forecast(0.6, 0.0, 0.4, (1, 1, 1)), 0.0, 1.2),  # sure of the side: the base
        (Forecast(0.3, 0.3, 0.4, (0, 0, 0)), 0.0, 1.5),  # 1.2 · (1 + 0.5 · 0.5)
        (None, 0.0, 1.5),
        (Forecast(0.0, 0.6, 0.4, (-1, -1, 0)), 0.0, 1.8),
        (Forecast(0.6, 0.0, 0.4, (1, 1, 1)), 1.0, 1.2),  # momentum with the trade
        (Forecast(0.6, 0.0, 0.4, (1, 1, 1)), -1.0, 1.8),
        (Forecast(0.0, 0.6, 0.4, (-1, -1, 0)), -1.0, 2.4),
        (Forecast(0.6, 0.0, 0.4, (1, 1, 1)), float("nan"), 1.2),
    ],
)
def test_trail_widens_with_low_confidence_and_adverse_momentum(
    forecast: Forecast | None, momentum_decay: float, multiple: float
) -> None:
    now = make_input(forecast=forecast, market={"momentum_decay": momentum_decay})
    assert exits.trail_multiple(Side.BUY, now, MlTrailingStop()) == pytest.approx(multiple)


def test_trailing_stop_needs_an_atr() -> None:
    said = Tape(TRAIL, long(tp=2000.0)).bar(1200, 1000, 1190, market={"atr": float("nan")})
    assert said.intents == ()


@given(
    side=st.sampled_from([Side.BUY, Side.SELL]),
    sl=st.integers(50_000, 150_000),
    best=st.integers(60_000, 140_000),
    price=st.integers(60_000, 140_000),
    atr=st.floats(0.5, 500),
    decay=st.floats(-1, 1),
    level=st.integers(0, 5000),
)
def test_a_moved_stop_is_always_better_and_never_beyond_the_price(
    side: Side, sl: int, best: int, price: int, atr: float, decay: float, level: int
) -> None:
    trade = OpenTrade(7, side, 1.0, 1000.0, sl / 100, 0.0, 0, 0.0, 0.0)
    held = HeldTrade(7, 9, best / 100, 100.0, 1.0)
    now = make_input(
        open_trades=(trade,), held=(held,), forecast=IDLE,
        market={"atr": atr, "momentum_decay": decay},
        quote=replace(make_input().quote, bid=price / 100, ask=price / 100),
        instrument={"stops_level_points": level},
    )  # fmt: skip
    for settings in (TRAIL, PARTIAL):
        for moved in decide(now, settings).intents:
            if isinstance(moved, Modify):
                assert (moved.sl - trade.sl) * side > 0
                assert (price / 100 - moved.sl) * side >= max(level, 1) / 100 - 1e-9
