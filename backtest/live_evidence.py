"""Answers a live daemon's question for evidence: `trading.permission.Examiner`.

The file is read at each ruling. Light to import: a trading host reads evidence, it makes none.
"""

from collections.abc import Sequence
from pathlib import Path

from backtest.evidence import (
    Evidence,
    EvidenceError,
    System,
    changes,
    differences,
    evidence_sha256,
    read_evidence,
    system_of,
)
from backtest.forecast_band import BackToPaper, CutRisk, watch_band
from backtest.gate_settings import GoLiveSettings
from backtest.go_live import (
    Go,
    Missing,
    Refusal,
    missing_proof,
    override_sentence,
    require_evidence,
    require_override,
)
from broker.contract.constants import AccountTradeMode
from broker.contract.messages import Account
from ml.predictors.model_set import ModelSet
from trading.decision.records import ClosedTrade
from trading.decision.settings import DecisionSettings
from trading.permission import Ruling, Standing

_NO_MONEY = (AccountTradeMode.DEMO, AccountTradeMode.CONTEST)


class EvidenceExaminer:
    """One account and one evidence file.

    `typed`: the override's sentence, None where none was typed. It holds for the system that it
    was first granted for; less risk is no other system. `sends`: False where nothing is sent.
    `slippage_points`: what a market order is taken to pay here.
    """

    def __init__(
        self, path: Path, account: Account, models: ModelSet, limits: GoLiveSettings, *,
        typed: str | None = None, sends: bool = True, slippage_points: int = 0,
    ) -> None:  # fmt: skip
        self._path = path
        self._account = account
        self._models = models
        self._limits = limits
        self._typed = typed
        self._sends = sends
        self._slippage_points = slippage_points
        self._granted: System | None = None
        self._evidence: Evidence | None = None

    def serve(self, models: ModelSet) -> None:
        self._models = models

    def rule(self, settings: DecisionSettings, now_ms: int) -> Ruling:
        here = system_of(self._models, settings)
        evidence, broken = self._read()
        fits = evidence is not None and not differences(evidence, here)
        self._evidence = evidence if fits else None
        proven = not broken and not missing_proof(
            evidence, here, self._limits, slippage_points=self._slippage_points
        )
        sha256 = evidence_sha256(evidence) if evidence is not None and fits else ""
        answer = self._answer(evidence, broken, here, now_ms)
        if isinstance(answer, Refusal):
            halt = "no evidence for real money: " + "; ".join(m.what for m in answer.missing)
            return Ruling(self._told(answer), halt, sha256, True)
        override = None if answer.override is None else answer.override.as_dict()
        return Ruling(answer.note, "", sha256, self._has_money, override, proven)

    def standing(
        self, trades: Sequence[ClosedTrade], *, since_ms: int, now_ms: int, balance: float
    ) -> Standing:
        if self._evidence is None:
            return Standing()
        found = watch_band(
            self._evidence.band, trades, since_ms=since_ms, now_ms=now_ms, balance=balance
        )
        match found:
            case CutRisk(reasons, share):
                return Standing("cut_risk", reasons, share)
            case BackToPaper(reasons):
                return Standing("back_to_paper", reasons)
            case _:
                return Standing()

    @property
    def _has_money(self) -> bool:
        """A trade mode that is not known counts as real."""
        return self._sends and self._account.trade_mode not in _NO_MONEY

    def _read(self) -> tuple[Evidence | None, str]:
        try:
            return read_evidence(self._path), ""
        except EvidenceError as error:
            return None, str(error)

    def _answer(
        self, evidence: Evidence | None, broken: str, here: System, now_ms: int
    ) -> Go | Refusal:
        mode = self._account.trade_mode
        if not self._has_money:
            return self._free(evidence, broken, here)
        answer = self._judged(mode, evidence, here)
        if isinstance(answer, Refusal) and broken:
            answer = Refusal((Missing(broken, "python scripts/evidence.py --data FILE"),))
        if isinstance(answer, Go) or self._typed is None:
            return answer
        return self._overridden(self._typed, answer, here, now_ms)

    def _judged(self, mode: int, evidence: Evidence | None, here: System) -> Go | Refusal:
        return require_evidence(
            mode, evidence, here, self._limits, slippage_points=self._slippage_points
        )

    def _free(self, evidence: Evidence | None, broken: str, here: System) -> Go:
        """Nothing is at stake: one line says what is proven of it."""
        mode = self._account.trade_mode
        mode = mode if mode in _NO_MONEY else AccountTradeMode.DEMO
        answer = self._judged(mode, evidence, here)
        assert isinstance(answer, Go)
        note = answer.note.replace("there is no evidence file", broken) if broken else answer.note
        if self._account.trade_mode in _NO_MONEY:
            return Go(note)
        return Go(note.replace("demo account:", "real-money account, dry run, nothing is sent:"))

    def _overridden(self, typed: str, refusal: Refusal, here: System, now_ms: int) -> Go | Refusal:
        granted = self._granted
        if granted is not None and (others := changes(granted, here)):
            what = "; ".join(f"{each.name} is another one" for each in others)
            again = Missing(
                f"the override was typed for another system ({what})", "a start with it typed again"
            )
            return Refusal((*refusal.missing, again))
        answer = require_override(typed, self._account.login, refusal, here, now_ms=now_ms)
        if isinstance(answer, Go) and granted is None:
            self._granted = here
        return answer

    def _told(self, refusal: Refusal) -> str:
        if self._typed is not None:
            return refusal.text
        sentence = override_sentence(self._account.login)
        return (
            f"{refusal.text}\nopen trades are managed as before; to trade without proof: "
            f'--override-evidence "{sentence}"'
        )
