"""A peer's trades beside ours, one by one."""

from typing import Any

from benchmarks.peer import STILL_OPEN, Trades


def ended(trades: Trades) -> set[tuple[int, int, int, int]]:
    """(entry bar, side, exit bar, exit kind) of the trades that ended."""
    columns = (trades.entry_row, trades.side, trades.exit_row, trades.kind)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {row for row in rows if row[3] != STILL_OPEN}


def compared(peers: Trades, ours: Trades, departed: Trades) -> dict[str, Any]:
    """How many are equal, by entry bar, side, exit bar and exit kind.

    `equal_share`: of all trades that either has. `equal_share_explained`: the same against
    `departed`, our rules with the peer's known departure from them; 1.0 where it explains all.
    """
    equal = ended(peers) & ended(ours)
    entries = {row[:2] for row in ended(peers)} & {row[:2] for row in ended(ours)}
    return {
        "equal": len(equal),
        "equal_share": _share(ended(peers), ended(ours)),
        "other_exit": len(entries) - len(equal),
        "peer_alone": len(ended(peers)) - len(entries),
        "ours_alone": len(ended(ours)) - len(entries),
        "equal_share_explained": _share(ended(peers), ended(departed)),
    }


def _share(one: set[Any], other: set[Any]) -> float:
    return round(len(one & other) / max(1, len(one | other)), 5)
