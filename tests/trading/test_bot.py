"""The loop over an in-process terminal: one decision a bar, and nothing lost on the way."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from broker.contract.constants import DealEntry, DealType
from broker.contract.errors import BrokerRefused, OutcomeUnknown
from broker.contract.messages import Health
from market.bars import Bars, utc_text
from tests.trading.doubles import (
    AWAY,
    BAR_MS,
    FIRST_ROW,
    FROM_MS,
    Desk,
    StepClock,
    make_terminal,
    walk,
)
from trading.canonical import parse_decision
from trading.errors import JournalError
from trading.execution.intents import IntentState

MakeDesk = Callable[..., Desk]


def entries(desk: Desk) -> int:
    """How many positions the broker opened."""
    return sum(
        deal.entry is DealEntry.IN and deal.type in (DealType.BUY, DealType.SELL)
        for deal in desk.terminal.deals()
    )


def test_each_closed_bar_is_decided_once(desk: MakeDesk) -> None:
    done = desk(bars=40).run()
    opened = [report.input.market.open_ms for report in done.reporter.bars]
    assert opened == [FROM_MS + row * BAR_MS for row in range(40)]
    assert len(done.lines) == 40


def test_decisions_are_made_at_the_close_on_a_quote_of_the_close(desk: MakeDesk) -> None:
    for report in desk(bars=20).run().reporter.bars:
        assert report.now_ms == report.input.market.close_ms
        assert report.input.quote.time_ms == report.now_ms


def test_orders_are_sent_and_their_deals_reach_the_journal(desk: MakeDesk) -> None:
    done = desk(bars=60).run()
    assert entries(done) >= 5
    assert len(done.broker.sent) == len(set(done.broker.sent)) == entries(done)
    seen = {deal.ticket for deal in done.journal.deals()}
    before_last = [deal for deal in done.terminal.deals() if deal.time_msc < done.clock.now_ms()]
    assert seen >= {deal.ticket for deal in before_last}


def test_dry_run_decides_the_same_first_entry_and_sends_nothing(desk: MakeDesk) -> None:
    wet = desk(bars=6).run()
    first = next(line for line in wet.lines if parse_decision(line).intents)
    (wet.folder / "journal.sqlite").rename(wet.folder / "wet.sqlite")
    dry = desk(bars=6, dry=True).run()
    assert first in dry.lines
    assert dry.broker.sent == []
    assert set(dry.journal.intent_counts()) == {"dry"}


def test_stopped_and_started_again_equals_one_run(desk: MakeDesk) -> None:
    whole = desk(bars=60).run()
    expected, deals = whole.lines, whole.terminal.deals()
    (whole.folder / "journal.sqlite").rename(whole.folder / "whole.sqlite")
    first = desk(bars=60, stop_after=25).run()
    assert len(first.lines) == 25
    second = desk(bars=60, terminal=first.terminal).run()
    assert second.lines == expected
    assert second.terminal.deals() == deals


def test_killed_between_commit_and_send_sends_once_after_restart(
    desk: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = desk(bars=30).run()
    expected, deals = whole.lines, whole.terminal.deals()
    (whole.folder / "journal.sqlite").rename(whole.folder / "whole.sqlite")
    killed = desk(bars=30)
    monkeypatch.setattr(killed.journal, "set_state", _die)
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    (intent,) = killed.journal.open_intents()
    assert intent.state is IntentState.PENDING
    again = desk(bars=30, terminal=killed.terminal).run()
    assert again.broker.sent.count(intent.request.client_id) == 1
    assert (again.lines, again.terminal.deals()) == (expected, deals)


def test_killed_before_the_bridge_had_it_sends_again_only_where_ids_are_kept(
    desk: MakeDesk,
) -> None:
    whole = desk(bars=30).run()
    expected, deals = whole.lines, whole.terminal.deals()
    (whole.folder / "journal.sqlite").rename(whole.folder / "whole.sqlite")
    killed = desk(bars=30)
    killed.broker.before_send = _die
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    (intent,) = killed.journal.open_intents()
    assert intent.state is IntentState.SENT
    again = desk(bars=30, terminal=killed.terminal).run()
    client_id = intent.request.client_id
    if again.dialect == "native":
        assert again.broker.sent.count(client_id) == 1
        assert (again.lines, again.terminal.deals()) == (expected, deals)
    else:
        assert client_id not in again.broker.sent
        assert again.journal.intent_state(client_id) is IntentState.NOT_EXECUTED


def test_killed_between_send_and_answer_asks_instead_of_sending(desk: MakeDesk) -> None:
    whole = desk(bars=30).run()
    expected, deals = whole.lines, whole.terminal.deals()
    (whole.folder / "journal.sqlite").rename(whole.folder / "whole.sqlite")
    killed = desk(bars=30)
    killed.broker.after_send = _die
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    (intent,) = killed.journal.open_intents()
    again = desk(bars=30, terminal=killed.terminal).run()
    assert intent.request.client_id not in again.broker.sent
    assert again.journal.intent_state(intent.request.client_id) is IntentState.PROTECTED
    assert (again.lines, again.terminal.deals()) == (expected, deals)


@pytest.mark.parametrize("read", ["rates", "snapshot", "symbol", "deals"])
def test_bridge_away_for_a_while_changes_no_decision(desk: MakeDesk, read: str) -> None:
    whole = desk(bars=20).run()
    expected = whole.lines
    (whole.folder / "journal.sqlite").rename(whole.folder / "whole.sqlite")
    shaken = desk(bars=20)
    shaken.reporter.on_bar = lambda count: count == 4 and shaken.broker.fail(read, AWAY, times=5)
    shaken.run()
    assert shaken.lines == expected
    (away,) = shaken.journal.events("bridge_away")
    assert away[2]["text"] == "the bridge is away"
    assert [event[2]["failures"] for event in shaken.journal.events("bridge_back")] == [5]
    assert shaken.clock.paused_s == sorted(shaken.clock.paused_s)
    assert shaken.reporter.troubles[-1] == ""


def test_bridge_that_is_away_at_start_stops_the_start(desk: MakeDesk) -> None:
    absent = desk()
    absent.broker.fail("account", AWAY)
    with pytest.raises(type(AWAY)):
        absent.run()


def test_unknown_outcome_is_asked_about_every_few_seconds_until_it_is_settled(
    desk: MakeDesk,
) -> None:
    shaken = desk(bars=12)
    shaken.broker.fail("send", OutcomeUnknown("no answer in time"))
    shaken.run()
    client_id = shaken.broker.sent[0]
    assert shaken.journal.intent_state(client_id) is IntentState.NOT_EXECUTED
    ((_, unknown_ms, _),) = shaken.journal.events("order_unknown")
    ((_, settled_ms, _),) = shaken.journal.events("order_not_executed")
    assert 120_000 <= settled_ms - unknown_ms <= 123_000
    assert len(shaken.broker.sent) > 1, "after two silent looks entries are allowed again"
    assert len(set(shaken.broker.sent)) == len(shaken.broker.sent)


def test_unknown_outcome_freezes_entries(desk: MakeDesk) -> None:
    shaken = desk(bars=12)
    shaken.broker.fail("send", OutcomeUnknown("no answer in time"))
    shaken.reporter.on_bar = lambda _: _lose_the_server_once_sent(shaken)
    shaken.run()
    sent_row = next(row for row, line in enumerate(shaken.lines) if parse_decision(line).intents)
    frozen = parse_decision(shaken.lines[sent_row + 1])
    assert not frozen.intents
    assert any("outcome unknown" in str(denial.observed) for denial in frozen.denials)
    assert len(shaken.broker.sent) == 1


@pytest.mark.parametrize("desk", ["native"], indirect=True)
def test_outcome_that_stays_unknown_is_looked_for_at_every_beat_after_eleven_minutes(
    desk: MakeDesk,
) -> None:
    shaken = desk(bars=4)
    shaken.broker.fail("send", OutcomeUnknown("no answer in time"))
    shaken.reporter.on_bar = lambda _: _lose_the_server_once_sent(shaken)
    looks: list[int] = []
    snapshot = shaken.broker.snapshot
    vars(shaken.broker)["snapshot"] = lambda symbol: (
        looks.append(shaken.clock.now_ms()) or snapshot(symbol)
    )
    shaken.run()
    ((_, unknown_ms, _),) = shaken.journal.events("order_unknown")
    steps = list(pairwise(sorted({each for each in looks if each >= unknown_ms})))
    assert {late - early for early, late in steps if late - unknown_ms <= 660_000} == {3_000}
    later = [late - early for early, late in steps if late - unknown_ms > 663_000]
    assert max(later) == 60_000
    assert len(later) <= 2 * BAR_MS // 60_000, "a close may come sooner than a beat"


def test_unknown_outcome_that_was_executed_is_adopted_and_never_sent_again(desk: MakeDesk) -> None:
    shaken = desk(bars=12)
    shaken.broker.after_send = _lose_the_answer(shaken)
    shaken.run()
    client_id = shaken.broker.sent[0]
    assert shaken.broker.sent.count(client_id) == 1
    assert shaken.journal.intent_state(client_id) is IntentState.PROTECTED
    assert entries(shaken) == len(shaken.broker.sent)


def test_refused_request_is_journalled_and_trading_goes_on(desk: MakeDesk) -> None:
    shaken = desk(bars=30)
    shaken.broker.fail("send", BrokerRefused("no rights"))
    shaken.run()
    assert shaken.journal.intent_state(shaken.broker.sent[0]) is IntentState.REJECTED
    assert shaken.journal.intent_counts()["protected"] >= 1


def test_bar_that_does_not_exist_has_no_decision(desk: MakeDesk) -> None:
    done = desk(bars=20, terminal=make_terminal(_without(walk(), row=5307))).run()
    opened = [report.input.market.open_ms for report in done.reporter.bars]
    assert FROM_MS + 7 * BAR_MS not in opened
    assert len(opened) == 20
    after = done.reporter.bars[6].decision
    assert "stale_quote" in [denial.rule for denial in after.denials]


def test_bars_that_closed_while_nobody_looked_are_missed_with_a_reason(desk: MakeDesk) -> None:
    terminal = make_terminal()
    terminal.advance(FROM_MS + 4 * BAR_MS)
    done = desk(bars=3, terminal=terminal).run()
    missed = [event[2] for event in done.journal.events("bar_missed")]
    assert [each["bar_open_ms"] for each in missed] == [FROM_MS + row * BAR_MS for row in range(3)]
    assert "300 s are allowed" in missed[0]["why"]
    assert done.forecaster.skipped == [each["bar_open_ms"] for each in missed]
    assert done.reporter.bars[0].input.market.open_ms == FROM_MS + 3 * BAR_MS


def test_bar_revised_while_the_daemon_was_away_is_told_once(desk: MakeDesk) -> None:
    bars = walk()
    terminal = make_terminal(bars)
    desk(bars=20, stop_after=8, terminal=terminal).run()
    bars.close[FIRST_ROW + 6] = bars.low[FIRST_ROW + 6]
    again = desk(bars=20, terminal=terminal).run()
    (told,) = [words["revision"] for _, _, words in again.journal.events("bar_revised")]
    assert told.startswith(f"bar {utc_text(FROM_MS + 6 * BAR_MS)} UTC was ")
    assert len(again.lines) == 20


def test_run_ends_with_the_markets_data(desk: MakeDesk) -> None:
    done = desk(bars=None).run()
    assert len(done.lines) == 120
    assert done.bot.finished


def test_journal_of_another_account_is_refused(desk: MakeDesk) -> None:
    desk(bars=2).run()
    other = desk(bars=4)
    other.journal.set_meta(account="5 on Elsewhere")
    with pytest.raises(JournalError, match="belongs to account 5 on Elsewhere"):
        other.run()


def test_beats_between_closes_only_look(desk: MakeDesk) -> None:
    terminal = make_terminal()
    clock = StepClock(terminal)
    clock.beats = True
    watched = desk(bars=5, terminal=terminal, clock=clock).run()
    assert len(watched.reporter.beats) == 5 * 14
    lines = watched.lines
    (watched.folder / "journal.sqlite").rename(watched.folder / "beats.sqlite")
    assert desk(bars=5).run().lines == lines


def _lose_the_server_once_sent(desk: Desk) -> None:
    """From then on no absence may be believed."""
    broker = vars(desk.broker)
    if desk.broker.sent and "health" not in broker:
        ask = desk.broker.health
        broker["health"] = lambda: _without_server(ask())


def _without_server(health: Health) -> Health:
    return replace(health, terminal=replace(health.terminal, connected=False))


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def _lose_the_answer(desk: Desk) -> Callable[[], None]:
    def lose() -> None:
        desk.broker.after_send = lambda: None
        raise OutcomeUnknown("the answer was lost")

    return lose


def _without(bars: Bars, row: int) -> Bars:
    return bars.rows(0, row).followed_by(bars.rows(row + 1, len(bars)))
