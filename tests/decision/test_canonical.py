"""Canonical lines: equal decisions, equal lines; a line's input can be decided again."""

import json
import math
from dataclasses import replace

import pytest

from tests.builders import make_deal, make_input
from trading import canonical
from trading.decision.decide import decide
from trading.decision.records import (
    Add,
    Close,
    DayState,
    Decision,
    DecisionInput,
    Denial,
    Enter,
    ExitForecast,
    Forecast,
    GuardState,
    HeldTrade,
    Intent,
    Modify,
    NewsEvent,
    OpenTrade,
    Partial,
    PropState,
    Quote,
    Side,
    StopForecast,
)
from trading.decision.settings import DecisionSettings

SETTINGS = DecisionSettings()
TRADES = (
    OpenTrade(900, Side.SELL, 0.1, 1e5 + 0.1, 101_000.0, 99_000.0, 5, -1.25, -0.2),
    OpenTrade(901, Side.BUY, 0.2, 1e5 + 0.2, 99_000.0, 101_000.0, 6, 1 / 3, 0.0),
)
DAY = DayState(0, 10_000.0, 9_999.5)
HELD = (
    HeldTrade(900, 4, 99_500.5, 250.25, 0.2, ExitForecast(0.2, 0.5, 0.3, (1, 0, 1))),
    HeldTrade(901, 1, math.nan, math.nan, 0.2, None, "m1_rsi_9"),
)
GUARD = GuardState(
    DAY, replace(DAY, low_equity=9_500.25), 3, (-1.5, 2.0),
    PropState(replace(DAY, start_ms=7), 10_000.0, 10_400.0, 2, 400.0, 350.5),
)  # fmt: skip
INPUTS = {
    "managed": make_input(
        open_trades=TRADES,
        held=HELD,
        guard=GUARD,
        stops=StopForecast(0.75, 1.5),
        risk_multiplier=0.3,
        break_ms=5,
        market={"adx": 0.31, "trending": True},
        news=(NewsEvent(5, "USD", 3, 'CPI "core" inflation'),),
        news_unknown="feed is 9 h old",
    ),
    "guard without a firm": make_input(guard=replace(GUARD, prop=None, recent_net=())),
    "entry": make_input(),
    "idle": make_input(forecast=Forecast(0.1 + 0.2, 0.3, 0.4, (0, -1, 0))),
    "no forecast": make_input(forecast=None, missing_feature="rsi_14"),
    "held": make_input(open_trades=TRADES, recent_losses=2, unsettled=("a", "b")),
    "halted": make_input(halts=("terminal: not connected",)),
    "stale": make_input(quote=Quote(1, 99.99, 100.01), session_open=False),
}


@pytest.mark.parametrize("now", INPUTS.values(), ids=INPUTS)
def test_a_lines_input_and_decision_parse_back_equal(now: DecisionInput) -> None:
    decision = decide(now, SETTINGS)
    line = canonical.decision_line(now, decision)
    again = canonical.parse_input(line)
    assert again == canonical.canonical_input(now)
    assert canonical.parse_decision(line) == decision
    assert canonical.decision_line(again, decide(again, SETTINGS)) == line


@pytest.mark.parametrize("now", INPUTS.values(), ids=INPUTS)
def test_text_is_what_a_general_encoder_writes(now: DecisionInput) -> None:
    now = replace(now, missing_feature='é "quoted" nan')
    for decision in (decide(now, SETTINGS), Decision("BTCUSD", 0, (), (Denial("a", 1, 1e-7),))):
        line = canonical.decision_line(now, decision)
        assert json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")) == line


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    now = make_input(quote=Quote(1, number, 100.01))
    with pytest.raises(ValueError, match="Expecting value"):
        canonical.decision_line(now, Decision("BTCUSD", 0, (), ()))


def test_nan_is_null_and_comes_back_as_nan() -> None:
    now = make_input(market={"margin_floor": math.nan})
    line = canonical.decision_line(now, decide(now, SETTINGS))
    assert json.loads(line)["market"]["margin_floor"] is None
    assert math.isnan(canonical.parse_input(line).market.margin_floor)


EVERY_INTENT: tuple[Intent, ...] = (
    Close(900, "exit"), Partial(901, 0.1, "partial_close"), Modify(901, 0.1 + 0.2, 0.0, "x"),
    Enter(Side.SELL, 0.1, 250.0, 251.0, 25.5, 0.5, 0.25, 0.102),
    Enter(Side.BUY, 0.1, 1.0, 1.0, 2.0),
    Add(901, Side.BUY, 0.1, 250.0, 251.0, 25.0),
)  # fmt: skip


def test_every_intent_parses_back_with_its_position_by_place() -> None:
    now = make_input(open_trades=TRADES)
    line = canonical.decision_line(now, Decision("BTCUSD", 0, EVERY_INTENT, ()))
    places = {900: 0, 901: 1}
    named = tuple(
        each if isinstance(each, Enter) else replace(each, position_id=places[each.position_id])
        for each in EVERY_INTENT
    )
    assert canonical.parse_decision(line).intents == named
    assert json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")) == line


def test_unknown_intent_of_a_line_is_refused() -> None:
    line = canonical.decision_line(make_input(), Decision("BTCUSD", 0, (), ()))
    with pytest.raises(ValueError, match="close, partial, modify, enter or add is allowed, 'hold'"):
        canonical.parse_decision(line.replace('"intents":[]', '"intents":[{"hold":{}}]'))


SCHEMA_2 = (
    '{"account":{"balance":10000.0,"equity":10000.0,"margin_free":10000.0},"bar":1735516800000,'
    '"denials":[],"forecast":{"p_buy":0.5,"p_hold":0.2,"p_sell":0.3,"votes":[1,1,0]},"halts":[],'
    '"instrument":{"commission_per_lot":0.0,"digits":2,"margin_per_lot":1000.0,"point":0.01,'
    '"stops_level_points":0,"symbol":"BTCUSD","tick_size":0.01,"tick_value":0.01,'
    '"volume_max":100.0,"volume_min":0.01,"volume_step":0.01},"intents":[{"enter":'
    '{"risk_money":200.0,"side":1,"sl_distance":250.0,"tp_distance":250.0,"volume_lots":0.8}}],'
    '"market":{"atr":250.0,"close":100100.0,"close_ms":1735517700000,"ema200":100000.0,'
    '"high":100300.0,"low":99900.0,"margin_floor":0.1,"open":100000.0,"open_ms":1735516800000,'
    '"spread_points":1459,"symbol":"BTCUSD"},"missing_feature":"","open_trades":[],"quote":'
    '{"ask":100114.59,"bid":100100.0,"time_ms":1735517700000},"recent_losses":0,"schema":2,'
    '"session_open":true,"symbol":"BTCUSD","unsettled":[]}'
)


def test_line_of_an_older_schema_is_read_with_defaults_and_decided_alike() -> None:
    now = canonical.parse_input(SCHEMA_2)
    assert now == make_input(schema=2)
    assert canonical.parse_decision(SCHEMA_2).intents == (
        Enter(Side.BUY, 0.8, 250.0, 250.0, 200.0),
    )
    (entry,) = decide(now, SETTINGS).intents
    assert isinstance(entry, Enter)
    assert (entry.volume_lots, entry.sl_distance, entry.risk_money) == (0.8, 250.0, 200.0)
    first = json.loads(SCHEMA_2.replace('"halts":[],', "").replace('"schema":2', '"schema":1'))
    assert canonical.parse_input(json.dumps(first)) == make_input(schema=1)


def test_position_tickets_do_not_reach_the_line() -> None:
    now = make_input(open_trades=TRADES)
    other = replace(
        now, open_trades=tuple(replace(t, position_id=t.position_id + 7) for t in TRADES)
    )
    closes = [Decision("BTCUSD", 0, (Close(each, "exit"),), ()) for each in (901, 908)]
    lines = {canonical.decision_line(n, d) for n, d in zip((now, other), closes, strict=True)}
    assert len(lines) == 1
    assert '"close":{"position_id":1,"reason":"exit"}' in lines.pop()


def test_the_smallest_difference_changes_the_line() -> None:
    now = make_input()
    moved = make_input(market={"atr": math.nextafter(250.0, 251.0)})
    decision = decide(now, SETTINGS)
    assert canonical.decision_line(now, decision) != canonical.decision_line(moved, decision)


def test_deal_line_leaves_out_tickets_and_comments() -> None:
    one = make_deal(1, 10, order=3, position_id=3, comment="a")
    assert canonical.deal_line(one) == canonical.deal_line(make_deal(2, 10, comment="b"))
    assert canonical.deal_line(one) != canonical.deal_line(make_deal(1, 11))


def test_hash_depends_on_lines_and_their_order() -> None:
    hashes = {canonical.sha256_lines(lines) for lines in (["a", "b"], ["b", "a"], ["ab"], [])}
    assert len(hashes) == 4
