"""Files edited under a running daemon: the safe keys hold from the next cycle on, nothing else."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from settings import SettingsFiles, load_settings
from settings.reload import edited_of
from tests.operations.conftest import Operated
from trading.commands import Command
from trading.redaction import Redactor

Operate = Callable[..., Operated]


def risks_of(lines: list[dict[str, Any]]) -> list[float]:
    """What each entry risked, in percent."""
    return [each["enter"]["risk_pct"] for line in lines for each in line["intents"]
            if "enter" in each]  # fmt: skip


def test_safe_key_holds_from_the_next_decision_with_old_and_new_value_told(
    operated: Operate,
) -> None:
    daemon = operated(bars=60)
    daemon.at_bar(20, lambda: daemon.edit(risk_percent=0.5))
    daemon.run()
    assert daemon.events("settings_changed") == [
        {"changes": {"risk_percent": [2.0, 0.5]}, "text": "settings: risk_percent 2.0 → 0.5"}
    ]
    assert "settings: risk_percent 2.0 → 0.5" in daemon.reporter.notes
    before, after = risks_of(daemon.lines[:20]), risks_of(daemon.lines[20:])
    assert before
    assert after
    assert max(after) <= 0.5 < max(before)


def test_change_is_in_the_outbox_for_those_who_are_elsewhere(operated: Operate) -> None:
    daemon = operated(bars=4)
    daemon.at_bar(2, lambda: daemon.edit(max_daily_loss_pct=1.5, max_lot=3.0))
    daemon.run()
    rows = daemon.journal._db.execute("SELECT payload FROM outbox WHERE kind = 'settings'")
    told = [json.loads(payload) for (payload,) in rows]
    assert {"max_daily_loss_pct": [3.0, 1.5]} in [each["changes"] for each in told]
    assert {"max_lot": [1.0, 3.0]} in [each["ignored"] for each in told]


def test_decision_names_the_settings_it_was_made_by(operated: Operate) -> None:
    daemon = operated(bars=4)
    daemon.at_bar(2, lambda: daemon.edit(risk_percent=0.5))
    daemon.run()
    opens = [line["market"]["open_ms"] for line in daemon.lines]
    kept = [daemon.journal.settings_of("BTCUSD", each) for each in opens]
    assert [each["risk_percent"] for each in kept if each] == [2.0, 2.0, 0.5, 0.5]


def test_what_was_edited_between_two_runs_is_told_at_the_start(operated: Operate) -> None:
    first = operated(bars=3).run()
    assert not first.events("settings_changed"), "a first run has nothing to compare with"
    first.edit(max_lot=3.0, bridge__api_base_url="http://h:1")
    first.close()
    second = operated(bars=6, terminal=first.terminal).run()
    (told,) = second.events("settings_changed")
    assert told["changes"] == {
        "bridge.api_base_url": ["http://127.0.0.1:6542", "http://h:1"], "max_lot": [1.0, 3.0],
    }  # fmt: skip
    assert second.reporter.notes[0] == (
        'settings since the last run: bridge.api_base_url "http://127.0.0.1:6542" → "http://h:1"; '
        "max_lot 1.0 → 3.0"
    )
    second.close()
    third = operated(bars=9, terminal=first.terminal).run()
    assert len(third.events("settings_changed")) == 1


def test_what_was_changed_while_it_ran_is_not_told_again_at_the_next_start(
    operated: Operate,
) -> None:
    first = operated(bars=6)
    first.at_bar(3, lambda: first.edit(risk_percent=0.5))
    first.run().close()
    second = operated(bars=9, terminal=first.terminal).run()
    assert [each["changes"] for each in second.events("settings_changed")] == [
        {"risk_percent": [2.0, 0.5]}
    ]
    assert second.reporter.notes == []


def test_password_in_an_address_is_neither_kept_nor_told_as_an_edit(operated: Operate) -> None:
    address = "http://user:hush-hush@h:1"
    first = operated(bars=3)
    first.edit(bridge__api_base_url=address)
    first.close()
    for bars in (3, 6):
        daemon = operated(bars=bars, terminal=first.terminal)
        daemon.journal.redact = Redactor(())
        daemon.run()
        assert "//[secret]@h:1" in (daemon.journal.meta("settings_held") or "")
        assert not daemon.events("settings_changed")
        daemon.close()


def test_unsafe_key_is_named_once_and_waits_for_a_restart(operated: Operate) -> None:
    daemon = operated(bars=10)
    daemon.at_bar(2, lambda: daemon.edit(max_lot=3.0, bridge__api_base_url="http://h:1"))
    daemon.at_bar(5, lambda: daemon.edit(symbol="XAUUSD"))
    daemon.at_bar(8, lambda: daemon.edit(symbol="BTCUSD"))
    daemon.run()
    ignored = [each["ignored"] for each in daemon.events("settings_ignored")]
    assert ignored == [
        {"max_lot": [1.0, 3.0],
         "bridge.api_base_url": ["http://127.0.0.1:6542", "http://h:1"]},
        {"symbol": ["BTCUSD", "XAUUSD"]},
    ]  # fmt: skip
    assert not daemon.events("settings_changed")
    assert "needs a restart" in daemon.reporter.notes[0]


def test_half_written_file_keeps_the_old_settings_and_says_so(operated: Operate) -> None:
    daemon = operated(bars=10)
    path = daemon.root / "config.json"
    whole = path.read_text()
    daemon.at_bar(2, lambda: path.write_text(whole[: len(whole) // 2]) and None)
    daemon.at_bar(6, lambda: path.write_text(whole) and None)
    daemon.run()
    (refused,) = daemon.events("settings_refused")
    assert "valid JSON" in refused["why"]
    assert daemon.reporter.pages[0].startswith("settings stay as they are: ")
    assert daemon.reporter.pages[1] == "the settings files can be read again"
    assert not daemon.events("settings_changed")
    assert len(daemon.lines) == 10


def test_bad_value_keeps_all_the_old_settings(operated: Operate) -> None:
    daemon = operated(bars=6)
    daemon.at_bar(2, lambda: daemon.edit(risk_percent=0.5, max_daily_loss_pct="three"))
    daemon.run()
    (refused,) = daemon.events("settings_refused")
    assert "max_daily_loss_pct" in refused["why"]
    assert daemon.bot._settings.risk_percent == 2.0


def test_file_written_again_with_the_same_content_is_no_edit(operated: Operate) -> None:
    daemon = operated(bars=6)
    path = daemon.root / "config.json"
    files = SettingsFiles.like(daemon.root)
    daemon.at_bar(2, lambda: path.write_text(path.read_text()) and None)
    daemon.run()
    assert files.poll() is None
    assert not [*daemon.events("settings_changed"), *daemon.events("settings_ignored")]


def test_kelly_changes_only_while_no_position_is_open(operated: Operate) -> None:
    wide = ("dynamic_sltp.sl_atr_multiplier=4", "dynamic_sltp.tp_atr_multiplier=4")
    daemon = operated(bars=120, overrides=wide)
    edited = {"at": 0}

    def edit_while_holding(count: int) -> None:
        if not edited["at"] and daemon.reporter.bars[-1].input.open_trades:
            edited["at"] = count
            daemon.edit(ml_active_management__kelly_lot_sizing__enabled=True)

    daemon.reporter.on_bar = edit_while_holding
    daemon.run()
    key = "ml_active_management.kelly_lot_sizing.enabled"
    (ignored,) = daemon.events("settings_ignored")
    assert ignored["ignored"] == {key: [False, True]}
    assert "only while no position is open" in ignored["text"]
    (changed,) = daemon.events("settings_changed")
    assert changed["changes"] == {key: [False, True]}
    used = [
        daemon.journal.settings_of("BTCUSD", line["market"]["open_ms"]) for line in daemon.lines
    ]
    first = next(
        row for row, each in enumerate(used)
        if each and each["ml_active_management"]["kelly_lot_sizing"]["enabled"]
    )  # fmt: skip
    assert first > edited["at"]
    assert not daemon.lines[first]["open_trades"]
    assert all(line["open_trades"] for line in daemon.lines[edited["at"] : first])


def test_guard_that_is_switched_on_knows_what_the_day_has_lost(operated: Operate) -> None:
    """From then on it is what it had been if it had been on from the start."""
    other_guards = ("max_weekly_drawdown_pct=0", "circuit_breaker.enabled=false")
    whole = operated(bars=90, overrides=other_guards, state="whole")
    whole.edit(max_daily_loss_pct=60.0)
    whole = operated(bars=90, overrides=other_guards, state="whole")
    expected = whole.run().guards
    whole.edit(max_daily_loss_pct=0)
    daemon = operated(bars=90, overrides=other_guards, state="switched")
    daemon.at_bar(60, lambda: daemon.edit(max_daily_loss_pct=60.0))
    guards = daemon.run().guards
    assert [each is not None for each in guards] == [False] * 60 + [True] * 30
    for guard, known in zip(guards[60:], expected[60:], strict=True):
        assert guard is not None
        assert known is not None
        assert guard["day"] == pytest.approx(known["day"], abs=1e-6)
        assert guard["trades_today"] == known["trades_today"]
    assert expected[60] is not None
    assert expected[60]["day"]["low_equity"] < 9_900, "a day that has lost something"
    assert len(daemon.bot._parts.observer.books.book.closed) > 1


def test_reload_command_reads_files_that_were_not_edited(operated: Operate) -> None:
    daemon = operated(bars=4)
    daemon.at_bar(2, lambda: daemon.channels.queue.put(Command("reload", "", "test", 0)))
    daemon.run()
    (done,) = daemon.events("command_done")
    assert done["text"] == "the settings are read again"
    assert not daemon.events("settings_changed")


def test_account_entry_is_watched_like_the_settings(operated: Operate) -> None:
    root = operated(bars=1).root
    files = SettingsFiles.like(root, account="exness_main")
    before = edited_of(load_settings(root, account="exness_main"))
    path = root / "config" / "accounts.json"
    assert files.poll() is None
    path.write_text(path.read_text().replace('"risk_pct": 3.0', '"risk_pct": 1.0'))
    edited = files.poll()
    assert edited is not None
    assert (before.decision.risk_percent, edited.decision.risk_percent) == (3.0, 1.0)
    assert files.poll() is None
