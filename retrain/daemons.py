"""Daemons of this machine that serve what was replaced: each is asked for the swap.

It is made between two bars, as `python trading.py --swap-model` does it. A daemon that refuses or
does not answer keeps its models until it is started again; that is said, and no failure.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from broker.contract.constants import AccountTradeMode
from trading.errors import DaemonError
from trading.journal_reads import JournalReads
from trading.model_source import ANSWER, SwapRequest
from trading.outbox import open_read_only
from trading.pins import ACCOUNT_TRADE_MODE
from trading.state_folder import StateFolder
from trading.swap_command import wait_for_answer

# A paper run that swaps would be another run after its next start; a shadow is no daemon.
_NOT_ASKED = ("paper-", "shadow-")
_PATIENCE_S = 150.0
_WITHOUT_MONEY = (str(AccountTradeMode.DEMO), str(AccountTradeMode.CONTEST))


def serving(state: Path, graphs: dict[str, str]) -> list[Path]:
    """State folders of running daemons that serve exactly these graphs, by their journals."""
    found = [
        folder.parent
        for folder in sorted(state.glob("*/journal.sqlite"))
        if not folder.parent.name.startswith(_NOT_ASKED) and StateFolder.is_held(folder.parent)
    ]
    return [folder for folder in found if _served(folder) == graphs]


def ask(
    folder: Path, request: SwapRequest, *, proven: bool = False, patience_s: float = _PATIENCE_S
) -> str:
    """Asks one daemon for the swap; what came of it, in words.

    One that trades real money is not asked: a person decides that. `proven`: the evidence that
    came with the models passes the go-live gate.
    """
    if _trade_mode(folder) not in _WITHOUT_MONEY:
        keeps = "trades real money and is not asked: it keeps its models until it is started again"
        return f"{folder.name}: {keeps}{_how(request, proven=proven)}"
    (folder / ANSWER).unlink(missing_ok=True)
    request.write(folder)
    try:
        answer = wait_for_answer(folder, patience_s)
    except DaemonError as error:
        return f"{folder.name}: {error}"
    if answer["kind"] == "models_swapped":
        return f"{folder.name}: serves {request.tag} from its next bar on"
    return f"{folder.name}: keeps its models until it is started again: {answer['why']}"


def _how(request: SwapRequest, *, proven: bool) -> str:
    """How a person lets it serve a release; empty for what was given back."""
    if not request.kept:
        return ""
    has = "the evidence that came with them passes the go-live gate: "
    lacks = "it opens nothing on the new ones without evidence: scripts/evidence.py, then "
    return f"; {has if proven else lacks}python trading.py --swap-model {request.tag}"


def _trade_mode(folder: Path) -> str | None:
    """Of the account that the journal belongs to, as the daemon has pinned it; None before that."""
    with closing(JournalReads(open_read_only(folder / "journal.sqlite"))) as journal:
        return journal.meta(ACCOUNT_TRADE_MODE)


def _served(folder: Path) -> dict[str, str]:
    """The graphs of the journal's last start or swap; empty where none can be read."""
    graphs: dict[str, Any] = {}
    try:
        with closing(JournalReads(open_read_only(folder / "journal.sqlite"))) as journal:
            for kind, _, payload in journal.events():
                if kind in ("models_served", "models_swapped"):
                    graphs = payload["graphs"]
    except sqlite3.Error:
        return {}
    return {str(kind): str(sha256) for kind, sha256 in graphs.items()}
