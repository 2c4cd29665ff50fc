"""The audit itself: each kind of broken ledger is found, and a sound one is not."""

from dataclasses import replace
from typing import Any

import pytest

from broker.contract.constants import DealEntry, DealReason, DealType
from broker.contract.messages import Deal
from tests.builders import make_deal
from tests.chaos.audit import Ledgers, NakedSpan, Span, audit, losses_over_gaps

MAGIC = 7719 << 32 | 5


def entry(ticket: int = 2, **fields: Any) -> Deal:
    return make_deal(ticket, 1000, magic=MAGIC, position_id=2, order=2, **fields)


def exit_(ticket: int = 3, **fields: Any) -> Deal:
    words: dict[str, Any] = {
        "type": DealType.SELL, "entry": DealEntry.OUT, "reason": DealReason.SL, "magic": 0,
        "position_id": 2, "order": 3, "profit": -100.0,
    }  # fmt: skip
    return make_deal(ticket, 2000, **(words | fields))


def deposit(**fields: Any) -> Deal:
    words: dict[str, Any] = {
        "type": DealType.BALANCE, "magic": 0, "position_id": 0, "profit": 1000.0, "volume": 0.0,
        "reason": DealReason.CLIENT,
    }  # fmt: skip
    return make_deal(1, 0, **(words | fields))


def sound(**fields: Any) -> Ledgers:
    """One trade of 0.1 lot that lost at its stop what was planned: 1,000 a lot."""
    deals = (deposit(), entry(), exit_())
    words: dict[str, Any] = {
        "broker": deals, "journal": deals, "planned_loss": {MAGIC: 1000.0},
        "close_types": {2: "SL_HIT"}, "balance": 900.0,
    }  # fmt: skip
    return Ledgers(7719, **(words | fields))


def test_sound_books_have_no_breach() -> None:
    found = audit(sound())
    assert found.breaches == ()
    assert (found.entries, found.closes) == (1, 1)


def test_second_order_of_an_intent_is_a_duplicate() -> None:
    twice = (entry(), entry(9), make_deal(10, 1000, magic=MAGIC, position_id=10, order=10))
    assert audit(sound(broker=twice, journal=twice)).duplicates == 1


def test_parts_of_one_order_are_no_duplicate() -> None:
    parts = (entry(volume=0.06), entry(9, volume=0.04), exit_())
    assert audit(sound(broker=parts, journal=parts)).duplicates == 0


def test_later_try_of_an_intent_that_was_filled_before_is_a_duplicate() -> None:
    twice = (entry(), make_deal(9, 1000, magic=MAGIC + 1, position_id=9, order=9))
    roots = {MAGIC: "a", MAGIC + 1: "a"}
    assert audit(sound(broker=twice, journal=twice, roots=roots)).duplicates == 1
    assert audit(sound(broker=twice, journal=twice)).duplicates == 0


def test_positions_of_other_programs_are_not_ours_to_keep() -> None:
    foreign = [make_deal(n, 500, magic=777, position_id=n, order=n) for n in (7, 8)]
    found = audit(sound(broker=(*sound().broker, *foreign), balance=None))
    assert found.breaches == ()
    assert found.entries == 1


def test_deal_that_the_journal_lacks_is_found() -> None:
    assert audit(sound(journal=(deposit(), entry()))).deals_missing_in_journal == 1


def test_deposit_that_the_journal_lacks_is_found() -> None:
    assert audit(sound(journal=(entry(), exit_()))).deals_missing_in_journal == 1


def test_deal_that_only_the_journal_has_is_found() -> None:
    more = (*sound().journal, make_deal(99, 5))
    assert audit(sound(journal=more)).deals_unknown_to_broker == 1


def test_deal_that_the_journal_has_otherwise_is_found() -> None:
    wrong = (deposit(), entry(), replace(exit_(), profit=-99.0))
    assert audit(sound(journal=wrong)).deals_that_differ == 1
    reworded = (deposit(), entry(), replace(exit_(), comment="", time_msc=5))
    assert audit(sound(journal=reworded)).deals_that_differ == 0


@pytest.mark.parametrize("word", ["PENDING", "", "SL_NEAR"])
def test_close_without_a_final_type_is_found(word: str) -> None:
    assert audit(sound(close_types={2: word} if word else {})).closes_without_final_type == 1


def test_open_position_needs_no_close_type() -> None:
    still = (deposit(), entry())
    found = audit(sound(broker=still, journal=still, close_types={}, balance=None))
    assert found.closes_without_final_type == found.closes == 0


@pytest.mark.parametrize(("profit", "beyond"), [(-150.0, 0), (-150.02, 1), (50.0, 0)])
def test_loss_beyond_one_and_a_half_plans_is_found(profit: float, beyond: int) -> None:
    deals = (deposit(), entry(), exit_(profit=profit))
    found = audit(sound(broker=deals, journal=deals, balance=None))
    assert found.losses_beyond_plan == beyond


def test_commission_counts_as_loss() -> None:
    deals = (deposit(), entry(commission=-60.0), exit_())
    assert audit(sound(broker=deals, journal=deals, balance=None)).losses_beyond_plan == 1


def test_part_of_a_volume_may_lose_that_part_of_the_plan() -> None:
    deals = (deposit(), entry(volume=0.05), exit_(volume=0.05, profit=-100.0))
    assert audit(sound(broker=deals, journal=deals, balance=None)).losses_beyond_plan == 1


def test_loss_over_a_gap_is_explained() -> None:
    deals = (deposit(), entry(), exit_(profit=-900.0))
    ledgers = sound(broker=deals, journal=deals, balance=None, gapped=frozenset((2,)))
    assert audit(ledgers).losses_beyond_plan == 0
    assert losses_over_gaps(ledgers) == 1
    assert losses_over_gaps(sound(gapped=frozenset((2,)))) == 0


def test_loss_of_an_entry_without_a_plan_is_found() -> None:
    assert audit(sound(planned_loss={})).losses_beyond_plan == 1


def test_naked_time_counts_only_while_somebody_could_act() -> None:
    naked = (NakedSpan(2, Span(0, 30_000)), NakedSpan(2, Span(40_000, 45_000)))
    outages = (Span(5_000, 20_000), Span(10_000, 25_000), Span(90_000, 99_000))
    found = audit(sound(naked=naked, outages=outages))
    assert found.naked_max_s == found.naked_total_s == 15.0
    assert len(found.breaches) == 2


def test_naked_seconds_of_positions_add_up() -> None:
    naked = (NakedSpan(2, Span(0, 6_000)), NakedSpan(3, Span(0, 5_000)))
    found = audit(sound(naked=naked))
    assert (found.naked_max_s, found.naked_total_s) == (6.0, 11.0)
    assert found.breaches == ("naked_total_s: at most 10 is allowed, 11 came",)


def test_balance_that_is_not_the_sum_of_deals_is_found() -> None:
    assert audit(sound(balance=899.0)).balance_off == -1.0


def test_intent_left_open_is_found() -> None:
    assert audit(sound(open_intents=1)).breaches == ("open_intents: at most 0 is allowed, 1 came",)
