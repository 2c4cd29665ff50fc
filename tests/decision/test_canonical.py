"""Canonical lines: equal decisions, equal lines; a line's input can be decided again."""

import json
import math
from dataclasses import replace

import pytest

from tests.builders import make_deal, make_input
from trading import canonical
from trading.decision.decide import decide
from trading.decision.records import (
    Close,
    Decision,
    DecisionInput,
    Denial,
    Forecast,
    OpenTrade,
    Quote,
    Side,
)
from trading.decision.settings import DecisionSettings

SETTINGS = DecisionSettings()
TRADES = (
    OpenTrade(900, Side.SELL, 0.1, 1e5 + 0.1, 101_000.0, 99_000.0, 5, -1.25, -0.2),
    OpenTrade(901, Side.BUY, 0.2, 1e5 + 0.2, 99_000.0, 101_000.0, 6, 1 / 3, 0.0),
)
INPUTS = {
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
