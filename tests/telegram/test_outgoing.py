"""What a run writes into the outbox: every trade, guard and day, once, also over restarts."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from broker.contract.constants import DealEntry, DealType
from tests.telegram.stand import ZONE, Stand, long_terminal
from tests.trading.doubles import AWAY, BAR_MS, FROM_MS
from trading.decision.settings import DecisionSettings
from trading.telegram_settings import TelegramSettings

MakeStand = Callable[..., Stand]

# A channel that is never started: rows are written and nobody takes them.
UNSENT = TelegramSettings(enabled=True)
MANAGED = DecisionSettings.model_validate({
    "dynamic_sltp": {"sl_atr_multiplier": 3.0, "tp_atr_multiplier": 9.0},
    "ml_active_management": {"enabled": True, "partial_close": {"enabled": True}},
})  # fmt: skip


@pytest.fixture
def make(stand: MakeStand) -> MakeStand:
    return lambda **fields: stand(**({"telegram": UNSENT} | fields))


def test_each_opening_and_closing_deal_is_told_once(make: MakeStand) -> None:
    done = make(bars=120, terminal=long_terminal()).run()
    seen = done.journal.deals()
    opened = [
        d for d in seen if d.entry is DealEntry.IN and d.type in (DealType.BUY, DealType.SELL)
    ]
    assert [each.payload["deal"] for each in done.rows("entry")] == [d.ticket for d in opened]
    told = [(e.payload["position"], e.payload["net_profit"], e.payload["close_type"])
            for e in done.rows("exit")]  # fmt: skip
    assert told == [(t.position_id, t.net_profit, t.close_type) for t in done.books.book.closed]
    assert len(told) > 10


def test_an_entry_says_what_was_ordered_and_why(make: MakeStand) -> None:
    done = make(bars=40, terminal=long_terminal()).run()
    row = done.rows("entry")[0].payload
    intent = done.journal.find_intent(row["client_id"])
    assert intent is not None
    assert (row["sl"], row["tp"]) == (intent.request.sl, intent.request.tp)
    line = json.loads(done.journal.decision_line("BTCUSD", row["bar_open_ms"]) or "")
    assert row["forecast"] == line["forecast"]
    assert row["risk_pct"] == line["intents"][0]["enter"]["risk_pct"]
    assert {"buy": 1, "sell": -1}[row["side"]] == line["intents"][0]["enter"]["side"]


def test_stopped_and_started_again_tells_the_same_rows(make: MakeStand) -> None:
    whole = make(bars=120, terminal=long_terminal()).run()
    expected = [(each.kind, each.key, each.payload) for each in whole.rows()]
    (whole.folder / "journal.sqlite").rename(whole.folder / "whole.sqlite")
    first = make(bars=120, stop_after=50, terminal=long_terminal()).run()
    second = make(bars=120, terminal=first.terminal).run()
    again = [(each.kind, each.key, each.payload) for each in second.rows()]
    assert without_times(again) == without_times(expected)


def test_changed_levels_and_parts_are_told_and_the_exit_has_the_last_levels(
    make: MakeStand,
) -> None:
    done = make(bars=160, terminal=long_terminal(), decision=MANAGED).run()
    levels = [each.payload for each in done.rows("modify") if each.payload["what"] == "levels"]
    parts = [each.payload for each in done.rows("modify") if each.payload["what"] == "part"]
    assert levels and parts
    last = {each["position"]: each["sl"] for each in levels}
    exits = [each.payload for each in done.rows("exit") if each.payload["position"] in last]
    assert exits
    assert all(each["sl"] == last[each["position"]] for each in exits)


def test_a_guard_is_told_when_it_begins_and_when_it_is_over(make: MakeStand) -> None:
    strict = DecisionSettings.model_validate(
        {"circuit_breaker": {"enabled": True, "max_consecutive_losses": 1}}
    )
    done = make(bars=200, terminal=long_terminal(), decision=strict).run()
    told = [each.payload["state"] for each in done.rows("guard")
            if each.payload["rule"] == "circuit_breaker"]  # fmt: skip
    refused = ['"circuit_breaker"' in line for line in done.lines]
    changes = [b for a, b in zip([False, *refused], refused, strict=False) if a != b]
    assert told == ["began" if each else "over" for each in changes]
    assert len(told) >= 2


def test_a_guard_that_holds_over_a_restart_is_not_told_again(make: MakeStand) -> None:
    strict = DecisionSettings.model_validate(
        {"circuit_breaker": {"enabled": True, "max_consecutive_losses": 1}}
    )
    whole = make(bars=120, terminal=long_terminal(), decision=strict).run()
    refused = ['"circuit_breaker"' in line for line in whole.lines]
    stop_after = next(i for i in range(1, 119) if refused[i - 1] and refused[i])
    expected = [each.key for each in whole.rows("guard")]
    (whole.folder / "journal.sqlite").rename(whole.folder / "whole.sqlite")
    first = make(bars=120, stop_after=stop_after, terminal=long_terminal(), decision=strict).run()
    second = make(bars=120, terminal=first.terminal, decision=strict).run()
    assert [each.key for each in second.rows("guard")] == expected


def test_snapshots_name_positions_by_their_numbers(make: MakeStand) -> None:
    done = make(bars=60, terminal=long_terminal()).run()
    rows = done.rows("snapshot")
    assert [each.payload["close_ms"] for each in rows] == [
        FROM_MS + (place + 1) * BAR_MS for place in range(60)
    ]
    shown = [trade["position"] for each in rows for trade in each.payload["open_trades"]]
    told = {each.payload["position"] for each in done.rows("entry")}
    assert shown
    assert set(shown) <= told


def test_a_day_is_reported_at_the_local_midnight(make: MakeStand) -> None:
    done = make(bars=300, terminal=long_terminal()).run()
    rows = done.rows("daily")
    assert len(rows) == 3
    for row in rows:
        local = datetime.fromtimestamp(row.event_ms / 1000, UTC).astimezone(ZoneInfo(ZONE))
        assert (local.hour, local.minute) == (0, 0)
        assert row.payload["date"] == f"{local - timedelta(days=1):%F}"
    whole_day = rows[1].payload
    assert whole_day["decided"] == 96
    ended = [
        trade.net_profit for trade in done.books.book.closed
        if whole_day["from_ms"] <= trade.closed_ms < whole_day["to_ms"]
    ]  # fmt: skip
    assert whole_day["trades"] == len(ended) > 0
    assert whole_day["net"] == pytest.approx(sum(ended))


def test_a_midnight_that_passed_while_nothing_ran_is_reported_at_the_next_start(
    make: MakeStand,
) -> None:
    first = make(bars=300, stop_after=60, terminal=long_terminal()).run()
    before = [each.key for each in first.rows("daily")]
    first.terminal.advance(first.terminal.now_ms + 96 * BAR_MS)
    second = make(bars=120, terminal=first.terminal).run()
    keys = [each.key for each in second.rows("daily")]
    assert keys[: len(before)] == before
    assert len(keys) == len(set(keys)) > len(before)


def test_pages_and_their_end_are_told(make: MakeStand) -> None:
    cut = make(bars=20, terminal=long_terminal())
    cut.reporter.on_bar = lambda n: cut.broker.fail("snapshot", AWAY, times=4) if n == 5 else None
    cut.run()
    told = [(each.payload["key"], each.payload["state"]) for each in cut.rows("page")]
    assert told == [("cycles", "open"), ("cycles", "over")]


def test_a_found_position_is_told_as_such_and_its_exit_too(make: MakeStand) -> None:
    first = make(bars=60, terminal=long_terminal())
    first.reporter.on_bar = lambda _: _stop_when_held(first)
    first.run()
    (first.folder / "journal.sqlite").unlink()
    second = make(bars=60, terminal=first.terminal).run()
    entry = second.rows("entry")[0]
    assert entry.key.startswith("entry-") and entry.payload["position"]
    positions = [each.payload["position"] for each in second.rows("exit")]
    assert entry.payload["position"] in positions


def without_times(rows: list[tuple[str, str, dict[str, object]]]) -> list[object]:
    """Without what the host's clock measured."""
    return [
        (kind, key, {k: v for k, v in words.items() if not k.startswith("decision_ms")})
        for kind, key, words in rows
    ]


def _stop_when_held(stand: Stand) -> None:
    if stand.board.now.positions:
        stand.stop.requested = True
