"""What the trial ledger says of one system: whether it can be the one that its models were made
beside, which bars were seen, and which sweeps its settings were chosen from.
"""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from market.bars import utc_text
from ml.predictors.compat import ModelEntry
from ml.training.trials import Head, Trial, TrialLedger, TrialLedgerError

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Swept:
    """The sweeps that a system's settings may have been chosen from.

    `settings`: how many were compared in them (in all sweeps of the symbol, where none is of this
    system), 1 where nothing was; `pbo`: the largest of theirs, None where one is not known; `why`:
    why it is not known.
    """

    settings: int
    pbo: float | None = None
    why: str = ""


def ledger_gaps(
    ledger: TrialLedger, models: Sequence[ModelEntry], noted: Sequence[Head] = ()
) -> tuple[str, ...]:
    """In words, why this cannot be the ledger that counted what led to these models.

    It must hold the training of each graph with the cutoff that the model names, and the rows that
    were `noted` elsewhere. Empty where nothing is missing. Raises `TrialLedgerError` where it was
    edited.
    """
    ledger.verify()
    trained = {row.what.get("graph_sha256"): row for row in ledger.rows("train")}
    missing = [each.kind for each in models if each.graph.sha256 not in trained]
    found = [f"the training of {', '.join(missing)} is not in it"] if missing else []
    found += [gap for each in models if (gap := _moved(each, trained.get(each.graph.sha256)))]
    for head in noted:
        try:
            ledger.verify(head)
        except TrialLedgerError:
            found.append(f"row {head.id}, which an earlier evidence names, is missing or another")
    return tuple(found)


def _moved(model: ModelEntry, row: Trial | None) -> str:
    cutoff_ms = model.train_cutoff_ms if row is None else row.what.get("train_cutoff_ms")
    if cutoff_ms == model.train_cutoff_ms:
        return ""
    by_ledger = "an unknown time" if cutoff_ms is None else f"{utc_text(cutoff_ms)} UTC"
    return (
        f"the {model.kind} model learned until {by_ledger} by the ledger, until "
        f"{utc_text(model.train_cutoff_ms)} UTC by its manifest"
    )


def window_gaps(
    ledger: TrialLedger, *, graphs: Mapping[str, str], train_cutoff_ms: int, from_ms: int,
    to_ms: int, data_to_ms: int,
) -> tuple[str, ...]:  # fmt: skip
    """In words, which unseen bars a measurement over [from_ms, to_ms) leaves out, but for a day.

    It may begin where the models' training ends, or a sweep of these graphs that came before
    anybody looked at later bars; and must go on to the end of the data, and of every look and sweep
    of these graphs that the ledger knows.
    """
    begin_ms, last_ms, seen_ms = train_cutoff_ms, data_to_ms, train_cutoff_ms
    for row in ledger.rows("look", "sweep"):
        if row.what.get("graphs") != dict(graphs) or "to_ms" not in row.what:
            continue
        end_ms = int(row.what["to_ms"])
        if row.kind == "sweep" and max(seen_ms, begin_ms) <= end_ms <= from_ms + _DAY_MS:
            begin_ms = end_ms
        seen_ms, last_ms = max(seen_ms, end_ms), max(last_ms, end_ms)
    return tuple(
        f"{(until_ms - since_ms) / _DAY_MS:.1f} days from {utc_text(since_ms)} UTC"
        for since_ms, until_ms in ((begin_ms, from_ms), (to_ms, last_ms))
        if until_ms - since_ms > _DAY_MS
    )


def swept_for(
    ledger: TrialLedger, *, symbol: str, graphs: Mapping[str, str], settings: Mapping[str, Any],
    named: Sequence[str] = (),
) -> Swept:  # fmt: skip
    """The sweeps of these graphs, those whose best setting is in force (`settings`, flat), and
    those that are `named`.

    A sweep over several spans (a surface) has no PBO and is left to the count of trials.
    """
    rows = [row for row in ledger.rows("sweep") if row.what.get("symbol") == symbol]
    if not rows and not named:
        return Swept(1)
    whole = {row.what.get("sweep"): row for row in rows if row.what.get("whole_sweep")}
    mine = {row.what.get("sweep") for row in rows if row.what.get("graphs") == dict(graphs)}
    mine |= {name for name, row in whole.items() if _in_force(row.result, settings)}
    mine = (mine - _surfaces(rows)) | set(named)
    if lost := sorted(set(named) - {row.what.get("sweep") for row in rows}):
        return Swept(max(2, len(rows)), why=f"sweep {', '.join(lost)} is not in the ledger")
    if not mine:
        return Swept(len(rows), why="none of them is of these models")
    if stopped := _stopped(rows, mine - whole.keys(), whole.keys()):
        return Swept(len(rows), why=f"sweep {', '.join(stopped)} was stopped: finish it")
    found = [whole[name].result for name in mine & whole.keys()]
    count = sum(int(each["settings"]) for each in found)
    known = [float(each["pbo"]) for each in found if each["pbo"] is not None]
    if len(known) < len(found):
        return Swept(count, why="a sweep needs two settings and 32 days or more")
    return Swept(count, max(known))


def _in_force(result: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Whether a sweep's best setting is what holds."""
    best = result.get("overrides") or {}
    known = {key: value for key, value in best.items() if key in settings}
    return bool(known) and all(settings[key] == value for key, value in known.items())


def _stopped(rows: Sequence[Trial], names: Set[Any], whole: Set[Any]) -> list[str]:
    """Sweeps that did not end, but for those whose settings a sweep that ended tried, too."""
    tried: dict[Any, set[str]] = {}
    for row in rows:
        text = json.dumps(row.what.get("overrides"), sort_keys=True)
        tried.setdefault(row.what.get("sweep"), set()).add(text)
    again = {text for name in whole for text in tried[name]}
    return sorted(str(name) for name in names if not tried[name] <= again)


def _surfaces(rows: Sequence[Trial]) -> set[Any]:
    spans: dict[Any, set[tuple[int, int]]] = {}
    for row in rows:
        if "from_ms" in row.what:
            span = (int(row.what["from_ms"]), int(row.what["to_ms"]))
            spans.setdefault(row.what.get("sweep"), set()).add(span)
    return {name for name, seen in spans.items() if len(seen) > 1}
