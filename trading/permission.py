"""Whether an account may open positions, and how much it may risk.

Ruled at the start, after a swap of models and after a change of settings; own closed trades are
held against the forecast of the evidence after each of them. Who knows the evidence is passed in
(`Examiner`). Exits, stops and guards go on whatever is ruled here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from ml.predictors.model_set import ModelSet
from trading.decision.records import ClosedTrade
from trading.decision.settings import DecisionSettings
from trading.journal import Journal
from trading.observer import Seen
from trading.pager import Pager
from trading.report import Reporter
from trading.status_board import StatusBoard

BandState = Literal["inside", "cut_risk", "back_to_paper"]
_DAY_MS = 86_400_000
_REFUSED, _OVERRIDDEN = "evidence", "evidence override"


@dataclass(frozen=True, slots=True)
class Ruling:
    """`halt`: why nothing may be opened, on one line, empty where it may; `text`: all that a person
    is told. `evidence_sha256`: of evidence for exactly this system, empty where there is none.
    `real_money`: whether its forecast is acted on. `override`: what a person typed instead.
    `proven`: the evidence passes the go-live gate."""

    text: str
    halt: str = ""
    evidence_sha256: str = ""
    real_money: bool = False
    override: Mapping[str, Any] | None = None
    proven: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """Own trades beside the forecast. `risk_share`: what is left of the risk while `cut_risk`."""

    state: BandState = "inside"
    reasons: tuple[str, ...] = ()
    risk_share: float = 1.0


class Examiner(Protocol):
    """Knows the evidence; `backtest.live_evidence.EvidenceExaminer` is one."""

    def serve(self, models: ModelSet) -> None:
        """These models serve from now on."""
        ...

    def rule(self, settings: DecisionSettings, now_ms: int) -> Ruling: ...

    def standing(
        self, trades: Sequence[ClosedTrade], *, since_ms: int, now_ms: int, balance: float
    ) -> Standing:
        """By the forecast of the evidence that the last ruling named."""
        ...


class Permission:
    """One daemon's permission. Rulings are journal events `evidence`, standings `forecast_band`."""

    def __init__(
        self, examiner: Examiner, *,
        journal: Journal, reporter: Reporter, pager: Pager, board: StatusBoard,
    ) -> None:  # fmt: skip
        self._examiner = examiner
        self._journal = journal
        self._reporter = reporter
        self._pager = pager
        self._board = board
        self._ruled: DecisionSettings | None = None
        self._ruling = Ruling("")
        self._standing = Standing()
        self._since: tuple[int, float] = (0, 0.0)
        self._watched: tuple[int, int] | None = None
        self._cut: tuple[DecisionSettings, DecisionSettings] | None = None

    def serve(self, models: ModelSet) -> None:
        """Other models: the next check rules anew."""
        self._examiner.serve(models)
        self._ruled = None

    def rule(self, settings: DecisionSettings, balance: float, now_ms: int) -> None:
        """Asks the examiner, keeps and says what it ruled. `balance`: deposit currency, now."""
        ruling = self._examiner.rule(settings, now_ms)
        self._ruled, self._ruling, self._watched = settings, ruling, None
        self._journal.record(
            "evidence", now_ms, text=ruling.text, halt=ruling.halt, balance=balance,
            evidence_sha256=ruling.evidence_sha256, real_money=ruling.real_money,
            override=None if ruling.override is None else dict(ruling.override),
        )  # fmt: skip
        self._since = self._began()
        self._standing = self._kept_standing()
        self._say(ruling)

    def check(
        self, seen: Seen, settings: DecisionSettings, trades: Sequence[ClosedTrade], now_ms: int
    ) -> tuple[Seen, DecisionSettings]:
        """What was seen with the halts of this permission, and the settings that hold under it.

        `settings`: those in force without it; `trades`: own closed ones, in order of closing.
        """
        if settings is not self._ruled and settings != self._ruled:
            self.rule(settings, seen.snapshot.account.balance, now_ms)
        self._watch(trades, now_ms)
        if halts := self._halts():
            seen = replace(seen, halts=seen.halts + halts)
            self._board.change(halts=seen.halts)
        return seen, self._under_it(settings)

    def _halts(self) -> tuple[str, ...]:
        if self._ruling.halt:
            return (self._ruling.halt,)
        if self._ruling.real_money and self._standing.state == "back_to_paper":
            return (_words(self._standing),)
        return ()

    def _under_it(self, settings: DecisionSettings) -> DecisionSettings:
        """A volume is the smaller of what `risk_percent` and `max_lot` allow: both are cut, so that
        it is never more than its share. The journal keeps these settings beside the decision."""
        if not self._ruling.real_money or self._standing.state != "cut_risk":
            self._cut = None
            return settings
        if self._cut is None or self._cut[0] is not settings:
            share = self._standing.risk_share
            cut = settings.model_copy(update={
                "risk_percent": settings.risk_percent * share, "max_lot": settings.max_lot * share,
            })  # fmt: skip
            self._cut = settings, cut
            self._board.change(settings=cut)
        return self._cut[1]

    def _began(self) -> tuple[int, float]:
        """When entries were allowed on the evidence in force without a break, and the balance."""
        sha256, since = "", self._since
        for _, at_ms, words in self._journal.events("evidence"):
            allowed = "" if words["halt"] else words["evidence_sha256"]
            if allowed != sha256:
                sha256, since = allowed, (at_ms, float(words["balance"]))
        return since

    def _kept_standing(self) -> Standing:
        """Back to paper holds until there is other evidence, restarts or not."""
        for _, _, words in self._journal.events("forecast_band"):
            mine = words["evidence_sha256"] == self._ruling.evidence_sha256
            if mine and words["state"] == "back_to_paper":
                kept = Standing("back_to_paper", tuple(words["reasons"]))
                self._page(kept)
                return kept
        return Standing()

    def _watch(self, trades: Sequence[ClosedTrade], now_ms: int) -> None:
        """After each closed trade and on each day."""
        at = len(trades), now_ms // _DAY_MS
        ruling, before = self._ruling, self._standing
        if at == self._watched or ruling.halt or not ruling.evidence_sha256:
            return
        self._watched = at
        if before.state == "back_to_paper":
            return
        since_ms, balance = self._since
        found = self._examiner.standing(
            trades, since_ms=since_ms, now_ms=now_ms + 1, balance=balance
        )
        if found.state == before.state:
            return
        self._standing = found
        self._journal.record(
            "forecast_band", now_ms, evidence_sha256=ruling.evidence_sha256, state=found.state,
            reasons=list(found.reasons), risk_share=found.risk_share,
        )  # fmt: skip
        self._pager.over("own trades are no longer there", key=f"forecast band {before.state}")
        self._page(found)

    def _page(self, standing: Standing) -> None:
        if standing.state == "inside":
            self._reporter.note("own trades are inside the forecast band again")
            return
        acts = "" if self._ruling.real_money else " (no real money: nothing changes)"
        self._pager.page(_words(standing) + acts, key=f"forecast band {standing.state}")

    def _say(self, ruling: Ruling) -> None:
        self._reporter.note(ruling.text)
        if ruling.halt:
            self._pager.page(ruling.text, key=_REFUSED)
        else:
            self._pager.over("entries are allowed again: the evidence is here", key=_REFUSED)
        if ruling.override is not None:
            self._pager.page(ruling.text, key=_OVERRIDDEN)


def _words(standing: Standing) -> str:
    what = (
        "nothing is opened with money until there is new evidence"
        if standing.state == "back_to_paper"
        else f"{standing.risk_share:g} of the risk until they are inside again"
    )
    return f"own trades have left the forecast band: {'; '.join(standing.reasons)}: {what}"
