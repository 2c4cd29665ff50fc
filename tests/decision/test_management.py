"""Several wishes at once: their order, what shuts what out, additions within the budget."""

from dataclasses import replace

import pytest

from tests.builders import make_input
from tests.decision.tape import HOLD, IDLE, Tape, long
from trading.decision.decide import decide
from trading.decision.management_settings import (
    ActiveManagement,
    AddToTrade,
    KellyLotSizing,
    MlTrailingStop,
    PartialClose,
)
from trading.decision.records import (
    Add,
    Close,
    DecisionInput,
    Denial,
    ExitForecast,
    HeldTrade,
    Modify,
    NewsEvent,
    Partial,
    Quote,
    Side,
)
from trading.decision.settings import DecisionSettings

EXIT = ExitForecast(0.1, 0.85, 0.05, (1, 1, 0))
ADD = ExitForecast(0.05, 0.05, 0.9, (2, 2, 0))
ALL = DecisionSettings(
    max_open_positions=9,
    ml_active_management=ActiveManagement(
        partial_close=PartialClose(enabled=True, break_even=False),
        ml_trailing_stop=MlTrailingStop(enabled=True, low_confidence_widen=0),
    ),
)
ADDING = DecisionSettings(ml_active_management=ActiveManagement(add=AddToTrade(enabled=True)))


def two_trades(now: DecisionInput, *said: ExitForecast) -> DecisionInput:
    trades = tuple(long(position_id=7 + i, tp=2000.0) for i in range(len(said)))
    held = tuple(
        HeldTrade(trade.position_id, 9, 1200.0, 100.0, 1.0, each)
        for trade, each in zip(trades, said, strict=True)
    )
    return replace(now, open_trades=trades, held=held)


def at(bid: float, **fields: object) -> DecisionInput:
    quote = Quote(make_input().quote.time_ms, bid, bid + 10)
    market = {"high": bid, "low": bid, "close": bid, "atr": 100.0}
    return make_input(market=market, quote=quote, **({"forecast": IDLE} | fields))


def test_closes_come_first_then_parts_then_levels() -> None:
    decision = decide(two_trades(at(1150.0), HOLD, EXIT), ALL)
    assert decision.intents == (
        Close(8, "position_exit"), Partial(7, 0.5, "partial_close"),
        Modify(7, 1080.0, 2000.0, "trailing_stop"),
    )  # fmt: skip


def test_an_entry_comes_after_what_becomes_of_open_trades() -> None:
    now = two_trades(at(1150.0, forecast=make_input().forecast), EXIT)
    kinds = [type(intent).__name__ for intent in decide(now, ALL).intents]
    assert kinds == ["Close", "Enter"]


@pytest.mark.parametrize(
    "fields",
    [{"halts": ("terminal: not connected",)}, {"unsettled": ("x",)}, {"recent_losses": 9},
     {"forecast": None, "missing_feature": "rsi_14"}],
    ids=["halted", "unsettled", "circuit breaker", "no forecast"],
)  # fmt: skip
def test_exits_work_while_entries_are_denied(fields: dict[str, object]) -> None:
    decision = decide(two_trades(at(1150.0, **fields), EXIT), ALL)
    assert decision.intents == (Close(7, "position_exit"),)
    assert decision.denials


def test_nothing_is_asked_of_a_market_that_cannot_fill_it() -> None:
    assert decide(two_trades(at(1150.0, session_open=False), EXIT), ALL).intents == ()
    stale = replace(at(1150.0), quote=Quote(0, 1150.0, 1160.0))
    assert decide(two_trades(stale, EXIT), ALL).intents == ()


def test_held_facts_must_go_with_the_open_trades() -> None:
    now = two_trades(at(1150.0), HOLD, HOLD)
    with pytest.raises(ValueError, match="shorter"):
        decide(replace(now, held=now.held[:1]), ALL)


def test_each_switch_works_alone() -> None:
    off = ActiveManagement(enabled=False)
    now = two_trades(at(1150.0), EXIT)
    assert decide(now, DecisionSettings(ml_active_management=off)).intents == ()
    for change, kind in (
        ({"enabled": True}, Close),
        ({"partial_close": PartialClose(enabled=True)}, Partial),
        ({"ml_trailing_stop": MlTrailingStop(enabled=True)}, Modify),
    ):
        settings = DecisionSettings(ml_active_management=off.model_copy(update=change))
        assert isinstance(decide(now, settings).intents[0], kind)


def adding(sl: float, bid: float = 1150.0, **fields: object) -> DecisionInput:
    now = two_trades(at(bid, **fields), ADD)
    return replace(now, open_trades=(replace(now.open_trades[0], sl=sl),))


def test_addition_takes_what_the_open_trade_leaves_of_the_budget() -> None:
    # Budget 2 % of 10,000 = 200; 1 lot from 1,000 with its stop at 900 still risks 100.
    assert decide(adding(900.0), ADDING).intents == (
        Add(7, Side.BUY, 1.0, 100.0, 100.0, 100.0),
    )  # fmt: skip
    (half,) = decide(adding(950.0), ADDING).intents
    assert isinstance(half, Add)
    assert (half.volume_lots, half.risk_money) == (1.0, 150.0)  # max_lot 1
    wide = DecisionSettings(**(dict(ADDING) | {"max_lot": 5.0}))
    (half,) = decide(adding(950.0), wide).intents
    assert isinstance(half, Add)
    assert half.volume_lots == 1.5


@pytest.mark.parametrize(
    ("sl", "denial"),
    [
        (800.0, Denial("add_risk", 200.0, 200.0)),
        (700.0, Denial("add_risk", 300.0, 200.0)),
        (0.0, Denial("add_risk", "a trade without a stop", "a stop on every trade")),
        (800.5, Denial("add_risk_too_small", pytest.approx(0.005), 0.01)),
    ],
)
def test_addition_beyond_the_budget_is_denied(sl: float, denial: Denial) -> None:
    decision = decide(adding(sl), ADDING)
    assert decision.intents == ()
    assert decision.denials[-1] == denial


def test_addition_is_not_paid_for_by_a_stop_in_profit() -> None:
    settings = DecisionSettings(**(dict(ADDING) | {"max_open_positions": 5}))
    now = adding(850.0)
    winner = replace(now.open_trades[0], position_id=8, sl=1100.0)
    now = replace(
        now,
        open_trades=(*now.open_trades, winner),
        held=(*now.held, replace(now.held[0], position_id=8, forecast=HOLD)),
    )
    (add,) = decide(now, settings).intents
    assert isinstance(add, Add)
    assert add.risk_money == 50.0  # 200 − 150, not 150 more


def test_addition_has_the_budget_that_kelly_could_have_given_an_entry() -> None:
    kelly = ADDING.ml_active_management.model_copy(
        update={"kelly_lot_sizing": KellyLotSizing(enabled=True)}
    )
    settings = DecisionSettings(ml_active_management=kelly)
    (add,) = decide(adding(950.0), settings).intents
    assert isinstance(add, Add)
    assert add.risk_money == 50.0  # half of 200, less 50
    (add,) = decide(adding(950.0, risk_multiplier=0.5), ADDING).intents
    assert isinstance(add, Add)
    assert add.risk_money == 50.0


def test_trade_that_is_part_closed_is_not_added_to_in_the_same_bar() -> None:
    both = ADDING.ml_active_management.model_copy(
        update={"partial_close": PartialClose(enabled=True)}
    )
    now = adding(950.0)
    decision = decide(now, DecisionSettings(ml_active_management=both))
    assert [type(each) for each in decision.intents] == [Partial, Modify]


def test_additions_are_counted() -> None:
    now = adding(1000.0)
    twice = replace(
        now,
        open_trades=(*now.open_trades, replace(now.open_trades[0], position_id=8)),
        held=(*now.held, replace(now.held[0], position_id=8)),
    )
    assert decide(twice, ADDING).denials[-1] == Denial("add_limit", 2, 2)


@pytest.mark.parametrize(
    "now",
    [
        adding(900.0, bid=1049.0),  # less than half an ATR ahead
        adding(900.0, halts=("terminal: not connected",)),
        adding(900.0, recent_losses=9),
    ],
    ids=["not far enough ahead", "halted", "circuit breaker"],
)
def test_addition_waits_for_profit_and_for_a_free_way(now: DecisionInput) -> None:
    assert decide(now, ADDING).intents == ()


@pytest.mark.parametrize(
    "said",
    [ExitForecast(0.05, 0.05, 0.9, (2, 0, 0)), ExitForecast(0.2, 0.05, 0.75, (2, 2, 2)), HOLD],
    ids=["no majority", "below the threshold", "hold"],
)
def test_addition_wants_the_model_to_be_sure(said: ExitForecast) -> None:
    now = adding(900.0)
    now = replace(now, held=(replace(now.held[0], forecast=said),))
    assert decide(now, ADDING).intents == ()


def test_addition_is_off_by_default() -> None:
    assert decide(adding(900.0), DecisionSettings()).intents == ()


def test_scenario_of_a_trade_that_is_trailed_and_then_given_up() -> None:
    settings = DecisionSettings(
        ml_active_management=ActiveManagement(
            ml_trailing_stop=MlTrailingStop(enabled=True, low_confidence_widen=0)
        )
    )
    tape = Tape(settings, long(tp=2000.0))
    table = [
        ((1050, 980, 1040), HOLD, None),
        ((1100, 1030, 1090), HOLD, Modify(7, 980.0, 2000.0, "trailing_stop")),
        ((1150, 1080, 1140), HOLD, Modify(7, 1030.0, 2000.0, "trailing_stop")),
        ((1150, 1090, 1100), EXIT, Close(7, "position_exit")),  # the fourth bar
        ((1110, 1090, 1100), EXIT, None),
    ]
    for row, said, wanted in table:
        assert tape.bar(*row, said=said).intents == ((wanted,) if wanted else ())
    assert tape.balance == 10_100.0


def test_news_does_not_stop_exits_of_an_own_account() -> None:
    event = NewsEvent(make_input().market.close_ms, "USD", 3, "CPI")
    settings = DecisionSettings(news_block_minutes=15)
    decision = decide(two_trades(at(1150.0, news=(event,)), EXIT), settings)
    assert decision.intents == (Close(7, "position_exit"),)
    assert "news_block" in {denial.rule for denial in decision.denials}
