"""Why a close was asked for, as the journal knows it: by the magic that its deal bears."""

import json
import re

from trading.execution.intents import Kind
from trading.journal_reads import JournalReads

_FLAT = re.compile(r"^flat-(?P<reason>.+)-\d+$")
_LEG = re.compile(r"-(?P<leg>\d+)$")


def close_reason(journal: JournalReads, magic: int) -> str:
    """The word of the rule that decided it; `emergency_close` where an entry stood without stops;
    empty for a close that the journal does not know."""
    intent = journal.close_of_magic(magic)
    if intent is None:
        return ""
    flat = _FLAT.match(intent.parent)
    if flat:
        return flat["reason"]
    served = journal.find_intent(intent.parent)
    if served is not None and served.kind is Kind.ENTRY:
        return "emergency_close"
    leg = _LEG.search(intent.parent)
    line = journal.decision_line(intent.request.symbol, intent.bar_open_ms)
    if leg is None or line is None:
        return ""
    return _reason_of_leg(line, int(leg["leg"]))


def _reason_of_leg(line: str, leg: int) -> str:
    """The reason of one intent of a decision line; each is {name: its fields}."""
    intents = json.loads(line)["intents"]
    fields = next(iter(intents[leg].values())) if leg < len(intents) else {}
    return str(fields.get("reason", ""))
