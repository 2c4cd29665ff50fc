"""Models, their hashes and features; what the features know; when exits may be the model's."""

from collections.abc import Callable, Iterable

from market.bars import utc_text
from ml.features.catalogue import LOOKBACK_MS, names
from ml.features.matrix import feature_matrix
from ml.features.settings import FeatureSettings
from ml.features.truncation import FutureLeakError, require_known_at_close
from ml.hub import Hub, HubError
from ml.predictors.checked import CheckedPredictor
from ml.predictors.compat import (
    Kind,
    ModelError,
    ModelMissing,
    read_entry,
    read_manifest,
    train_command,
)
from ml.predictors.ensemble import EnsemblePredictor
from ml.predictors.model_set import learned_from
from ml.predictors.position import PositionPredictor
from ml.predictors.risk import RiskPredictor
from ml.predictors.settings import ModelFiles, ModelPaths
from ml.predictors.sltp import SltpPredictor
from trading.decision.preconditions import exit_evidence, missing, preconditions, table
from trading.decision.records import ClosedTrade
from trading.decision.settings import DecisionSettings
from trading.doctor.bedside import Bedside
from trading.doctor.check import Finding, NotLooked, bad, good, judged, note
from trading.model import is_used
from trading.outside import Outside
from trading.primary_exit import exit_precision

KINDS: tuple[Kind, ...] = ("signal", "position", "sltp", "risk")
_PULL = "or pull a release: python ml/local_hub.py --pull (docs/hub.md)"


def model(
    kind: Kind, paths: ModelPaths, features: FeatureSettings, symbol: str, hub: Callable[[], Hub],
    decision: DecisionSettings,
) -> Finding:  # fmt: skip
    """One model: its files by size and hash, its features, its symbol, its graph, and whether it
    learned from the signal model that is there, which it need not where it is switched off.

    `hub`: where the daemon would pull models from, were there none at all.
    """
    fix = f"{train_command(kind)} --symbol {symbol}, {_PULL}"
    try:
        if kind != "signal" and _files(paths, kind).graph.name not in _listed(paths):
            return note("none: not in the manifest")
        found = _loaded(kind, paths, features)
        entry = found.metadata
    except ModelMissing as error:
        tag = "" if kind != "signal" or paths.graph.exists() else _released(hub)
        if tag:
            return note(f"none here yet; the daemon pulls {tag} at its start")
        return bad(str(error), fix)
    except ModelError as error:
        return bad(str(error), fix)
    seen = f"{entry.graph.file} for {entry.symbol}, learned until {utc_text(entry.train_cutoff_ms)}"
    if entry.symbol == symbol and kind != "signal" and _is_stranger(found, paths):
        seen += ", from another signal model than the one that is there"
        return bad(seen, fix) if is_used(kind, decision) else note(seen, fix)
    return judged(entry.symbol == symbol, seen, fix)


def truncation(look: Bedside, features: FeatureSettings, outside: Callable[[], Outside]) -> Finding:
    """Whether any feature sees the future, on the account's own bars."""
    patient, groups = look.patient, features.groups
    to_ms = look.health().utc_msc - patient.timeframe.ms + 1
    look.recent_bars()
    bars = patient.broker.rates(
        look.symbol, patient.timeframe, from_ms=to_ms - _HISTORY_MS, to_ms=to_ms
    )
    known = outside()
    calendar = known.calendar.at(int(bars.close_ms[-1])).events
    try:
        require_known_at_close(
            bars,
            lambda part, first: feature_matrix(
                part, groups=groups, round_step=patient.instrument.round_step, calendar=calendar,
                onchain=known.onchain, first_row=first,
            ),
            names(groups),
        )  # fmt: skip
    except FutureLeakError as error:
        return bad(
            str(error),
            "nothing may be traded on such a feature: use the program version that the model was "
            "made with, and report it",
        )
    return good(f"{len(names(groups))} features on {len(bars)} bars")


def primary_exit(
    is_on: bool, paths: ModelPaths, features: FeatureSettings,
    closed: Callable[[], tuple[ClosedTrade, ...]],
) -> Finding:  # fmt: skip
    """The preconditions of `position_as_primary_exit`, as a table."""
    if not is_on:
        return note("position_as_primary_exit is off")
    try:
        precision = exit_precision(_loaded("position", paths, features).notes)
    except ModelError as error:
        return bad(str(error), f"{train_command('position')}, {_PULL}")
    evidence = exit_evidence(closed(), precision)
    return judged(
        not missing(evidence), table(preconditions(evidence)),
        "switch ml_active_management.position_as_primary_exit.enabled off until all of them are "
        "met; trade on paper or demo with the position model on to gather them",
    )  # fmt: skip


_HISTORY_MS = LOOKBACK_MS + 30 * 86_400_000


def _loaded(kind: Kind, paths: ModelPaths, features: FeatureSettings) -> CheckedPredictor:
    match kind:
        case "signal":
            return EnsemblePredictor(paths, features).load()
        case "position":
            return PositionPredictor(paths, features).load()
        case "sltp":
            return SltpPredictor(paths, features).load()
        case "risk":
            return RiskPredictor(paths).load()


def _is_stranger(model: CheckedPredictor, paths: ModelPaths) -> bool:
    """False where the signal model is not listed: its own check says so."""
    try:
        return learned_from(model) != read_entry(paths.manifest, paths.signal.graph).graph.sha256
    except ModelError:
        return False


def _files(paths: ModelPaths, kind: Kind) -> ModelFiles:
    files: ModelFiles = getattr(paths, kind)
    return files


def _listed(paths: ModelPaths) -> Iterable[str]:
    try:
        return read_manifest(paths.manifest).models
    except ModelMissing:
        raise NotLooked("there is no manifest") from None


def _released(hub: Callable[[], Hub]) -> str:
    """The hub's current tag; empty where there is none."""
    try:
        return hub().current_tag()
    except HubError:
        return ""
