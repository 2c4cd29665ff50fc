"""The evidence file: what was shown of a system, bound by hash to exactly that system.

A real-money account trades only what its evidence was made of. `docs/evaluation.md` says where the
functions are called. Light to import: a trading host reads evidence, it does not make it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from backtest.forecast_band import ForecastBand
from backtest.gates import GoLiveFigures
from market.whole_file import whole_file
from ml.predictors.model_set import ModelSet
from trading.decision.settings import DecisionSettings

SCHEMA = 2
# A spread is never the same twice: less than this share of what a shadow saw is too cheap.
_SAME_SPREAD = 0.9


class EvidenceError(Exception):
    """An evidence file cannot be read. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class System:
    """What a system is made of. `graphs`, `features`: SHA-256 by kind of model; `settings`: the
    decision's, flat (`prediction.gate` → value)."""

    symbol: str
    graphs: Mapping[str, str]
    features: Mapping[str, str]
    settings: Mapping[str, Any]

    @property
    def settings_sha256(self) -> str:
        return _sha256(dict(self.settings))


@dataclass(frozen=True, slots=True)
class ChargedCosts:
    """What trades paid. `file`: a cost file's name, with its SHA-256 and the deals that it rests
    on; empty and 0: the bars' spreads, and commission and swap of the instrument's specification.
    `slippage_points`: of every market order; None: drawn from the file. `spread_points`: mean of
    the decided bars."""

    slippage_points: int | None
    spread_points: float
    file: str = ""
    sha256: str = ""
    deals: int = 0

    @property
    def text(self) -> str:
        """In plain words."""
        spread = f"a mean spread of {self.spread_points:,.0f} points"
        points = f", {self.slippage_points} points of slippage"
        if not self.file:
            return f"{spread}{points}, the instrument's specification"
        also = "" if self.slippage_points is None else points
        learnt = f"costs learnt from {self.deals} deals"
        return f"{learnt} ({self.file}, sha256 {self.sha256[:12]}): {spread}{also}"

    def gaps(self, seen_points: float) -> tuple[str, ...]:
        """What was charged below a mean spread that was seen; `cost_gaps` of the figures."""
        if self.spread_points >= _SAME_SPREAD * seen_points:
            return ()
        return (
            f"{self.spread_points:,.0f} points of spread a bar were charged, the shadow saw "
            f"{seen_points:,.0f}",
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured of `system` on out-of-sample bars [from_ms, to_ms) of `data_sha256`, at
    `costs`.

    `ledger_id`, `ledger_hash`: the trial ledger's last row then; `TrialLedger.verify` takes it.
    """

    system: System
    data_sha256: str
    from_ms: int
    to_ms: int
    made_ms: int
    figures: GoLiveFigures
    band: ForecastBand
    ledger_id: int
    ledger_hash: str
    costs: ChargedCosts


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not what the evidence was made of."""

    name: str
    evidence: str
    here: str

    @property
    def text(self) -> str:
        return f"{self.name}: the evidence is for {self.evidence}, {self.here} is here"


def evidence_path(models: Path, symbol: str) -> Path:
    """Where the evidence of the models in a folder lies."""
    return models / f"evidence_{symbol.lower()}.json"


def evidence_sha256(evidence: Evidence) -> str:
    """The SHA-256 that its file holds."""
    return _sha256(_as_dict(evidence))


def system_of(models: ModelSet, decision: DecisionSettings) -> System:
    """The system that would trade now: loaded models and the decision's settings in force."""
    entries = [model.metadata for model in models.all]
    return System(
        models.signal.metadata.symbol,
        {entry.kind: entry.graph.sha256 for entry in entries},
        {entry.kind: entry.feature_hash for entry in entries},
        flat(decision.model_dump(mode="json")),
    )


def flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A settings tree as `section.key` → value, sorted by name."""
    found: dict[str, Any] = {}
    for key in sorted(tree):
        value, name = tree[key], f"{above}{key}"
        found |= flat(value, f"{name}.") if isinstance(value, Mapping) and value else {name: value}
    return found


def differences(
    evidence: Evidence, here: System, data_sha256: str | None = None
) -> tuple[Difference, ...]:
    """Everything in which a system (and, where it is given, the data) is another one.

    A smaller `risk_percent` or `max_lot` is not another system: less risk needs no new evidence.
    """
    found = list(changes(evidence.system, here))
    if data_sha256 is not None and data_sha256 != evidence.data_sha256:
        found.append(Difference("data", _shown(evidence.data_sha256), _shown(data_sha256)))
    return tuple(found)


def changes(of: System, here: System) -> tuple[Difference, ...]:
    """As `differences`, between two systems."""
    found = [Difference("symbol", of.symbol, here.symbol)] if of.symbol != here.symbol else []
    for what, theirs, ours in (
        ("model graph", of.graphs, here.graphs),
        ("features of the model", of.features, here.features),
        ("setting", of.settings, here.settings),
    ):
        for name in sorted(theirs.keys() | ours.keys()):
            before, now = theirs.get(name, _NONE), ours.get(name, _NONE)
            if before != now and not _less_risk(name, before, now):
                found.append(Difference(f"{what} {name}", _shown(before), _shown(now)))
    return tuple(found)


def write_evidence(path: Path, evidence: Evidence) -> str:
    """Writes the file, whole or not at all, and returns its SHA-256 (the one inside it)."""
    with whole_file(path) as part:
        part.write_text(evidence_text(evidence), encoding="utf-8")
    return evidence_sha256(evidence)


def evidence_text(evidence: Evidence) -> str:
    """What its file holds."""
    content = _as_dict(evidence) | {"sha256": evidence_sha256(evidence)}
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_evidence(path: Path) -> Evidence | None:
    """The evidence, None where there is no such file. Raises `EvidenceError`.

    The hash inside shows an edit; it is no signature: who can write the file can write its hash.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise EvidenceError(f"{path}: JSON is allowed: {error}; {_AGAIN}") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        came = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise EvidenceError(f"{path}: schema {SCHEMA} is allowed, {came!r} came; {_AGAIN}")
    own = content.pop("sha256", None)
    if own != _sha256(content):
        raise EvidenceError(
            f"{path}: was changed after it was written: its SHA-256 is {_sha256(content)[:12]}…, "
            f"{_shown(own)} is in it; {_AGAIN}"
        )
    try:
        return _from_dict(content)
    except (KeyError, TypeError, ValueError) as error:
        raise EvidenceError(f"{path}: {error!r}: another program wrote it; {_AGAIN}") from None


_AGAIN = "make the evidence again from the backtest"
_NONE = "nothing"
_MAY_SHRINK = ("risk_percent", "max_lot")


def _less_risk(setting: str, before: Any, now: Any) -> bool:
    return setting in _MAY_SHRINK and _NONE not in (before, now) and bool(0 < now < before)


def _as_dict(evidence: Evidence) -> dict[str, Any]:
    found = asdict(evidence) | {
        "schema": SCHEMA,
        "figures": evidence.figures.as_dict(),
        "band": evidence.band.as_dict(),
    }
    found["system"] |= {"settings_sha256": evidence.system.settings_sha256}
    return found


def _from_dict(content: dict[str, Any]) -> Evidence:
    rest = {key: value for key, value in content.items() if key != "schema"}
    system = {k: v for k, v in content["system"].items() if k != "settings_sha256"}
    return Evidence(
        **rest
        | {
            "system": System(**system),
            "figures": GoLiveFigures.from_dict(content["figures"]),
            "band": ForecastBand.from_dict(content["band"]),
            "costs": ChargedCosts(**content["costs"]),
        }
    )


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"{text[:12]}…" if len(text) == 64 else text


def _sha256(value: Any) -> str:
    text = json.dumps(
        value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
