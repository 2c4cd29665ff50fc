"""What must be so after every run, whatever went wrong."""

from tests.chaos.audit import duplicates
from tests.chaos.field import Field

DIALECTS = ("native", "mt5-httpapi")


def check_sound(field: Field) -> None:
    """No intent acted twice, no deal is unknown to the journal, no close lost its type, no
    position was naked for more than 10 s, and something was traded."""
    assert field.entries, "nothing was traded: the test shows nothing"
    assert duplicates(field.deals) == 0
    assert max_positions(field) <= 1
    known = {deal.ticket for deal in field.journal.deals()}
    looked_ms = field.terminal.now_ms
    assert {deal.ticket for deal in field.deals if deal.time_msc < looked_ms} <= known
    assert all(span.span.to_ms - span.span.from_ms <= 10_000 for span in field.naked_spans)


def max_positions(field: Field) -> int:
    """How many positions of ours were open at once."""
    held, most = set[int](), 0
    ours = {deal.position_id for deal in field.entries}
    for deal in field.deals:
        if deal.position_id not in ours:
            continue
        if deal.entry == 0:
            held.add(deal.position_id)
        else:
            held.discard(deal.position_id)
        most = max(most, len(held))
    return most


def entries_between(field: Field, from_bar: float, to_bar: float) -> int:
    """Opening deals in [from_bar, to_bar), in bars after the start of the run."""
    return sum(field.at(from_bar) <= deal.time_msc < field.at(to_bar) for deal in field.entries)
