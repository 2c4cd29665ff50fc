"""Phase swap: the champion stays, the challenger is promoted, or the candidate serves or is placed.

What is to be done is decided once and written down (`swap.json`); a killed run does that, whatever
it would decide now. A snapshot is taken before anything changes. Every step may be made twice.
"""

import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from backtest.evidence import Evidence
from ml.hub.errors import HubError
from ml.hub.install import folder_of
from ml.hub.release import MANIFEST
from ml.hub.store import write_whole
from ml.predictors.compat import ModelError, read_manifest
from retrain import challenging, daemons, snapshot
from retrain.errors import PhaseFailed
from retrain.install import copy_beside, require_served, serve, serving_graphs, stage
from retrain.judging import go_live_of
from retrain.phase import PhaseResult, Run
from retrain.runs import read_facts, tag_of
from settings.strategy_params import FILE as PARAMS
from trading.model_source import SwapRequest

GATES = ("calibration_and_parity", "walk_forward_gate", "score_gate")
Action = Literal["keep", "serve", "place"]
_PLAN = "swap.json"


@dataclass(frozen=True, slots=True)
class SwapPlan:
    """`source`: the folder of the models that will serve; `kept`: their folder in `installed/` once
    they are there. `origin`: the run that has trained them. `before`: graphs that serve until then.
    `challenger`: what becomes of the one in shadow, with its figures."""

    action: Action
    decided_ms: int
    before: dict[str, str]
    source: str = ""
    origin: str = ""
    kept: str = ""
    drops: bool = False
    challenger: dict[str, Any] = field(default_factory=dict)
    words: tuple[str, ...] = ()


def swap(run: Run) -> PhaseResult:
    """`action`: keep, serve or place; `before` and `after`: graphs that serve, by kind; `go_live`:
    what the go-live gate says of what serves now."""
    plan, go_live = _planned(run), dict[str, Any]()
    if plan.action != "keep" or plan.drops:
        snapshot.take(run.folder / "snapshot", _models(run))
    words = list(plan.words)
    if plan.action == "serve":
        plan = _serve(run, plan)
        go_live = go_live_of(_kept(run, plan), run)
        request = SwapRequest(tag_of(run.folder.name), plan.kept)
        proven = bool(go_live.get("passed"))
        words += [*go_live["words"], *_ask_daemons(run, plan.before, request, proven=proven)]
    if plan.drops:
        challenging.drop_challenger(run)
    placed = {}
    if plan.action == "place":
        placed = challenging.place_candidate(run, plan.before, plan.decided_ms)
    figures = {
        "action": plan.action,
        "origin": plan.origin,
        "kept": plan.kept,
        "tag": tag_of(run.folder.name) if plan.action == "serve" else None,
        "before": plan.before,
        "after": serving_graphs(run.paths, run.symbol),
        "settings": _settings(run, plan),
        "go_live": go_live,
        "challenger": plan.challenger,
        "placed": placed,
    }
    return PhaseResult(figures, tuple(words))


def roll_back(run: Run) -> list[str]:
    """Gives back what served before a run, and asks running daemons for it. Raises
    `SnapshotError` where it has no snapshot."""
    taken_back = serving_graphs(run.paths, run.symbol)
    snapshot.give_back(run.folder / "snapshot", _models(run), tag=tag_of(run.folder.name))
    graphs = serving_graphs(run.paths, run.symbol)
    found = [f"{_models(run)}: as before run {run.folder.name}"]
    found += [f"{kind}: {sha256[:12]}" for kind, sha256 in graphs.items()]
    if graphs and graphs != taken_back:
        request = SwapRequest(f"what served before {tag_of(run.folder.name)}", "")
        found += _ask_daemons(run, taken_back, request, proven=False)
    return [*found, "any other daemon keeps its models until it is started again"]


def undo_killed(run: Run) -> list[str]:
    """For a run that is given up in its phase swap: what it has shown is taken back.

    Nothing is done where other models serve, which a person has then chosen.
    """
    if not (run.folder / _PLAN).exists():
        return []
    plan = _planned(run)
    manifest = _kept(run, plan) / MANIFEST
    if not plan.kept or not manifest.exists():
        return []
    shows_new = read_manifest(_models(run) / MANIFEST) == read_manifest(manifest)
    return roll_back(run) if shows_new else []


def _planned(run: Run) -> SwapPlan:
    path = run.folder / _PLAN
    if path.exists():
        told = json.loads(path.read_bytes())
        return SwapPlan(**{**told, "words": tuple(told["words"])})
    plan = _decided(run)
    _write(run, plan)
    return plan


def _write(run: Run, plan: SwapPlan) -> None:
    write_whole(run.folder / _PLAN, (json.dumps(asdict(plan), indent=1) + "\n").encode())


def _decided(run: Run) -> SwapPlan:
    before = serving_graphs(run.paths, run.symbol)
    _require_unchanged(run, before)
    ruling = challenging.rule(run, before)
    plan = SwapPlan(
        "keep", time.time_ns() // 1_000_000, before, drops=ruling.kind in ("promoted", "dropped"),
        challenger={"ruling": ruling.kind, **ruling.figures}, words=ruling.words,
    )  # fmt: skip
    if ruling.kind == "promoted":
        said = "the challenger serves; the candidate was held against the models before it"
        return _with(plan, said, action="serve", source=str(ruling.folder), origin=ruling.run)
    if refused := [name for name in GATES if not run.result(name)["passed"]]:
        stays = "the champion stays" if before else "no model serves, and the candidate shall not"
        return _with(plan, f"{stays}: not passed: {', '.join(refused)}")
    if ruling.kind == "waits":
        return _with(plan, "the candidate passed; it is not placed while a challenger is tried")
    if not before or run.settings.weekly.shadow_days == 0:
        why = "there was no model to protect" if not before else "weekly.shadow_days is 0"
        return _with(
            plan, f"the candidate serves: {why}", action="serve", source=str(run.candidate),
            origin=run.folder.name,
        )  # fmt: skip
    if not challenging.has_band(run):
        return _with(plan, "the champion stays: the candidate has no forecast band (eight judged "
                           "weeks are needed), so a shadow could not be judged")  # fmt: skip
    return _with(
        plan, "the candidate is the challenger now: python scripts/shadow.py lets it decide",
        action="place",
    )  # fmt: skip


def _with(plan: SwapPlan, said: str, **changes: Any) -> SwapPlan:
    return replace(plan, words=(*plan.words, said), **changes)


def _require_unchanged(run: Run, before: dict[str, str]) -> None:
    began = read_facts(run.folder).serving
    if before != began:
        raise PhaseFailed(
            f"{_models(run)}: other models serve than when this run began, so the candidate was "
            "not held against them; begin anew with --new"
        )


def _serve(run: Run, plan: SwapPlan) -> SwapPlan:
    """Kept, shown, loaded once more; the snapshot is given back where that fails."""
    tag = tag_of(run.folder.name)
    if not plan.kept or not _kept(run, plan).is_dir():
        kept = stage(
            run, Path(plan.source), tag=tag, made_ms=plan.decided_ms, evidence=_shadowed(run, plan)
        )
        plan = replace(plan, kept=kept.name)
        _write(run, plan)
    try:
        serve(run, _kept(run, plan))
        require_served(run, _kept(run, plan))
    except (ModelError, HubError, OSError) as error:
        roll_back(run)
        raise PhaseFailed(
            f"{_models(run)}: the new models could not be shown, the old ones are back: {error}; "
            "mend it and start the same command again"
        ) from error
    copy_beside(_trained(run, plan), _models(run))
    return plan


def _shadowed(run: Run, plan: SwapPlan) -> Evidence | None:
    """The promoted challenger's evidence with its days in shadow; None: the source's own serves."""
    told = plan.challenger
    if told["ruling"] != "promoted":
        return None
    return challenging.shadowed(Path(plan.source), run.symbol, told, plan.decided_ms)


def _settings(run: Run, plan: SwapPlan) -> dict[str, Any]:
    """What the models that serve now brought along in `strategy_params.json`."""
    path = _kept(run, plan) / PARAMS
    if not plan.kept or not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_bytes())["overrides"]
    return found


def _trained(run: Run, plan: SwapPlan) -> Path:
    """Where the models were trained; the folder may be gone by now."""
    return run.folder.parent / (plan.origin or run.folder.name) / "candidate"


def _ask_daemons(
    run: Run, graphs: dict[str, str], request: SwapRequest, *, proven: bool
) -> list[str]:  # fmt: skip
    """Those that serve these graphs; none where the run's models lie elsewhere than theirs."""
    if run.options.models is not None or not graphs:
        return []
    return [
        daemons.ask(folder, request, proven=proven)
        for folder in daemons.serving(run.root / "state", graphs)
    ]


def _kept(run: Run, plan: SwapPlan) -> Path:
    return _models(run) / "installed" / plan.kept


def _models(run: Run) -> Path:
    return folder_of(run.paths).path
