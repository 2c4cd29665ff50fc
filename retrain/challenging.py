"""The challenger in shadow, as phase swap sees it: how it stands, and how one is placed.

Beside the challenger lies what it was held against: one that was compared with other models than
those that serve now proves nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from backtest.evidence import Evidence, evidence_path, read_evidence
from backtest.forecast_band import ForecastBand
from backtest.shadow.challenger import Challenger, drop, place, read_challenger, shadow_folder
from backtest.shadow.standing import ShadowStanding, outside_of, standing
from market.bars import utc_text
from ml.hub.store import write_whole
from ml.predictors.model_set import load_models
from retrain.history import candidate_settings
from retrain.phase import Run
from retrain.runs import runs_folder
from trading.outside import NOTHING_OUTSIDE, Outside

Kind = Literal["none", "waits", "promoted", "dropped"]
_FILE = "challenger.json"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of the challenger. `folder`: its models; `run`: the run that placed it."""

    kind: Kind = "none"
    folder: Path | None = None
    run: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def rule(run: Run, serving: dict[str, str]) -> Ruling:
    """How the challenger of this symbol stands, and what follows. Nothing is changed."""
    days = run.settings.weekly.shadow_days
    challenger = read_challenger(_models(run), run.symbol)
    if challenger is None:
        return Ruling()
    if days == 0:
        left = "weekly.shadow_days is 0: the challenger that is there is left alone"
        return Ruling(words=(left,))
    against = _placed(run, challenger)
    stands = _standing(run, challenger)
    kind, why = _judged(stands, days, is_comparable=against.get("against") == serving)
    if stands.differing_rows:
        folder = shadow_folder(Path("state"), challenger)
        why += f"; find the cause: python -m backtest.parity DAY --state-folder {folder}"
    figures = {
        "name": challenger.name, "graphs": dict(challenger.graphs),
        "placed": utc_text(challenger.placed_ms), "days_needed": days, **asdict(stands),
        "outside": list(stands.outside),
    }  # fmt: skip
    said = f"challenger of {utc_text(challenger.placed_ms)} UTC: {kind}: {why}"
    return Ruling(kind, challenger.folder, str(against.get("run", "")), figures, (said,))


def shadowed(folder: Path, symbol: str, told: Mapping[str, Any], now_ms: int) -> Evidence | None:
    """The evidence in a challenger's folder with what its shadow has shown (`Ruling.figures`); None
    where it has none."""
    evidence = read_evidence(evidence_path(folder, symbol))
    if evidence is None:
        return None
    figures = replace(
        evidence.figures, shadow_days=told["days"], shadow_inside=told["inside"],
        feature_rows=told["compared_rows"],
        feature_differences=told["differing_rows"] if told["compared_rows"] else None,
        cost_gaps=evidence.costs.gaps(told["spread_points"]),
    )  # fmt: skip
    return replace(evidence, made_ms=now_ms, figures=figures)


def place_candidate(run: Run, serving: dict[str, str], now_ms: int) -> dict[str, Any]:
    """Makes the run's candidate the challenger; the same candidate again changes nothing."""
    made = place(
        run.candidate, _models(run), symbol=run.symbol, decision=candidate_settings(run).decision,
        band=band_of(run), now_ms=now_ms,
    )  # fmt: skip
    told = {"name": made.name, "against": serving, "run": run.folder.name}
    write_whole(_file(run), json.dumps(told, indent=1).encode())
    return {"name": made.name, "graphs": dict(made.graphs)}


def drop_challenger(run: Run) -> None:
    drop(_models(run), run.symbol)


def band_of(run: Run) -> ForecastBand:
    """The candidate's, from its evaluation."""
    return ForecastBand.from_dict(run.result("evaluate")["candidate"]["band"])


def has_band(run: Run) -> bool:
    return run.result("evaluate")["candidate"]["band"] is not None


def _judged(stands: ShadowStanding, days: int, *, is_comparable: bool) -> tuple[Kind, str]:
    if not is_comparable:
        return "dropped", "other models serve than those that it was held against"
    if stands.differing_rows:
        return "dropped", (
            f"{stands.differing_rows} of {stands.compared_rows} feature rows are not those of the "
            "batch"
        )
    if stands.inside is False:
        return "dropped", f"outside its forecast band: {'; '.join(stands.outside)}"
    if stands.nothing or stands.days < days:
        why = stands.nothing or "it goes on"
        return "waits", f"{stands.days:.1f} of {days} shadow days: {why}"
    return "promoted", (
        f"{stands.days:.1f} shadow days, {stands.trades} trades inside its forecast band, "
        f"{stands.compared_rows} feature rows as in the batch, {stands.missed_bars} bars missed"
    )


def _standing(run: Run, challenger: Challenger) -> ShadowStanding:
    return standing(
        challenger, shadow_folder(run.root / "state", challenger),
        strategy_id=run.settings.daemon.strategy_id, groups=tuple(run.settings.ml.features.groups),
        outside=_outside(run, challenger),
    )  # fmt: skip


def _outside(run: Run, challenger: Challenger) -> Outside:
    features, news = run.settings.ml.features, run.settings.news
    if features.calendar is None and features.onchain is None and not news.enabled:
        return NOTHING_OUTSIDE
    models = load_models(run.paths.in_folder(challenger.folder), features)
    return outside_of(models, shadow_folder(run.root / "state", challenger), features, news)


def _placed(run: Run, challenger: Challenger) -> dict[str, Any]:
    """What was noted when this challenger was placed; empty where another one was."""
    try:
        told: dict[str, Any] = json.loads(_file(run).read_bytes())
    except FileNotFoundError:
        return {}
    return told if told.get("name") == challenger.name else {}


def _file(run: Run) -> Path:
    return runs_folder(run.root, run.symbol) / _FILE


def _models(run: Run) -> Path:
    return run.paths.manifest.parent
