"""The optimisation loop: which groups of features stay, and which parameters.

SHAP and the score of out-of-fold trades decide about groups, a study proposes parameters, and a
last training shows whether they help. Nothing at or after the cutoff is looked at, and nothing is
applied. Every step's result is kept, so that a loop that was stopped goes on where it stopped.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from backtest.gate_settings import RetrainSettings
from market.whole_file import whole_file
from ml.training.study_settings import GroupRules

Groups = tuple[str, ...]
Params = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """One trained candidate. `score` of its out-of-fold trades, None where not comparable; `shap`:
    the largest mean |SHAP| of each group's features that may be pruned, none for a group that has
    no such feature."""

    score: float | None
    trades: int
    shap: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a study found: sections of `ml_config.json`; None where nothing is worth trying."""

    params: dict[str, Any] | None
    said: list[str]


class Bench(Protocol):
    """Trains and tunes; every call may take hours."""

    def measure(self, groups: Groups, params: Params) -> Measured:
        """Trains on these groups with these sections over the settings', and judges."""

    def tune(self, groups: Groups) -> Proposal:
        """A study with these groups."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One question that was decided, with its figures in words."""

    step: str
    kept: bool
    why: str


@dataclass(frozen=True, slots=True)
class LoopOutcome:
    """`sections`: what `ml_config.json` would get; empty where nothing is better."""

    groups: Groups
    score_before: float | None
    score_after: float | None
    verdicts: tuple[Verdict, ...]
    sections: dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoopRules:
    """`shap_below`: `study.prune_below`. `retrain`: by how much parameters must improve."""

    groups: GroupRules
    shap_below: float
    retrain: RetrainSettings


class StepLog:
    """Results of steps by name, in one JSON file that is whole after each of them.

    `identity`: of everything the steps depend on; the file of another loop is begun anew.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path, self._identity = path, identity
        self._done: dict[str, Any] = {}
        if path.exists():
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored.get("identity") == identity:
                self._done = stored["done"]

    def __contains__(self, name: str) -> bool:
        return name in self._done

    def step(self, name: str, run: Callable[[], Any]) -> Any:
        """What the step came to, now or before."""
        if name not in self._done:
            self._done[name] = run()
            self._write()
        return self._done[name]

    def _write(self) -> None:
        text = json.dumps({"identity": self._identity, "done": self._done}, indent=1)
        with whole_file(self._path) as part:
            part.write_text(text + "\n", encoding="utf-8")


def optimise(
    bench: Bench, present: Groups, rules: LoopRules, log: StepLog,
    say: Callable[[str], None] = lambda line: None,
) -> LoopOutcome:  # fmt: skip
    """Runs the loop: groups first, then parameters for the groups that stay."""
    return _Loop(bench, rules, log, say).run(present)


class _Loop:
    def __init__(
        self, bench: Bench, rules: LoopRules, log: StepLog, say: Callable[[str], None]
    ) -> None:
        self._bench, self._rules, self._log, self._say = bench, rules, log, say
        self._verdicts: list[Verdict] = []

    def run(self, present: Groups) -> LoopOutcome:
        before = self._measured(present)
        groups, now = present, before
        candidates: Groups = self._rules.groups.candidates
        for group in candidates:
            if group not in groups:
                groups, now = self._tried_with(group, groups, now)
        for group in present:
            if len(groups) > 1:
                groups, now = self._tried_without(group, groups, now)
        sections: dict[str, Any] = {} if groups == present else {"features": {"groups": groups}}
        params, now = self._tuned(groups, now)
        return LoopOutcome(
            groups, before.score, now.score, tuple(self._verdicts), {**sections, **params}
        )

    def _tried_with(self, group: str, groups: Groups, now: Measured) -> tuple[Groups, Measured]:
        wider = (*groups, group)
        made, needed = self._measured(wider), self._rules.groups.margin_of(group)
        shap, below = made.shap.get(group, 0.0), self._rules.shap_below
        keeps = shap >= below and _reaches(made.score, now.score, needed)
        self._decided(
            f"add {group}", keeps,
            f"score {_text(now.score)} -> {_text(made.score)}, {needed:g} more is needed; largest "
            f"mean |SHAP| {shap:.5f}, {below:g} is needed",
        )  # fmt: skip
        return (wider, made) if keeps else (groups, now)

    def _tried_without(self, group: str, groups: Groups, now: Measured) -> tuple[Groups, Measured]:
        """Trains without a group only where its features say nothing."""
        shap, below = now.shap.get(group), self._rules.shap_below
        if shap is None or shap >= below:
            return groups, now
        narrower = tuple(each for each in groups if each != group)
        made = self._measured(narrower)
        drops = _reaches(made.score, now.score, 0.0)
        self._decided(
            f"drop {group}", drops,
            f"largest mean |SHAP| {shap:.5f} is below {below:g}; score {_text(now.score)} -> "
            f"{_text(made.score)} without it",
        )  # fmt: skip
        return (narrower, made) if drops else (groups, now)

    def _tuned(self, groups: Groups, now: Measured) -> tuple[dict[str, Any], Measured]:
        name = f"tune {_joined(groups)}"
        self._announce(name)
        found = Proposal(**self._log.step(name, lambda: asdict(self._bench.tune(groups))))
        if found.params is None:
            self._decided("parameters", False, "; ".join(found.said))
            return {}, now
        made, margin = self._measured(groups, found.params), self._rules.retrain
        needed = max(margin.margin, margin.margin_share * abs(now.score or 0.0))
        keeps = _reaches(made.score, now.score, needed)
        self._decided(
            "parameters", keeps,
            f"score {_text(now.score)} -> {_text(made.score)} trained on everything before the "
            f"cutoff, {needed:g} more is needed",
        )  # fmt: skip
        return (dict(found.params), made) if keeps else ({}, now)

    def _measured(self, groups: Groups, params: Params | None = None) -> Measured:
        name = f"train {_joined(groups)}" + (" tuned" if params else "")
        self._announce(name)
        kept = self._log.step(name, lambda: asdict(self._bench.measure(groups, params or {})))
        return Measured(**kept)

    def _announce(self, name: str) -> None:
        self._say(f"{name}: done before" if name in self._log else name)

    def _decided(self, step: str, kept: bool, why: str) -> None:
        self._verdicts.append(Verdict(step, kept, why))
        self._say(f"{step}: {'yes' if kept else 'no'}: {why}")


def planned_steps(present: Groups, rules: LoopRules) -> list[str]:
    """What the loop would do at most, for a dry run."""
    more = [group for group in rules.groups.candidates if group not in present]
    tries = [f"train with {group}; keep it at +{rules.groups.margin_of(group):g} score and "
             f"mean |SHAP| {rules.shap_below:g}" for group in more]  # fmt: skip
    drops = [f"train without {group} if its mean |SHAP| is below {rules.shap_below:g}; drop it if "
             "the score does not fall" for group in present if len(present) > 1]  # fmt: skip
    return [
        f"train {_joined(present)}, explain it (SHAP), judge its out-of-fold trades", *tries,
        *drops, "tune what stays",
        f"train with the parameters found; keep them at +max({rules.retrain.margin:g}, "
        f"{rules.retrain.margin_share:.0%}) score",
    ]  # fmt: skip


def largest_shap(features: Sequence[Mapping[str, Any]], group_of: Mapping[str, str]) -> dict[
    str, float
]:  # fmt: skip
    """Of `shap_summary.json`'s features, the largest mean |SHAP| of each group; protected ones
    are left out."""
    found: dict[str, float] = {}
    for each in features:
        if not each["protected"]:
            group = group_of[each["name"]]
            found[group] = max(found.get(group, 0.0), float(each["mean_abs_shap"]))
    return found


def _reaches(score: float | None, before: float | None, margin: float) -> bool:
    """A score that is not comparable never wins, and any comparable one beats it."""
    if score is None:
        return False
    return before is None or score >= before + margin


def _joined(groups: Groups) -> str:
    return "+".join(groups)


def _text(score: float | None) -> str:
    return "not comparable" if score is None else f"{score:.2f}"
