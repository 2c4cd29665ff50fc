"""Phase report: what a run came to, as Markdown and JSON in `reports/`, and told on Telegram.

The verdict comes first, then what it rests on. A run that failed gets the same report.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ml.hub.store import write_whole
from retrain.comparison import comparison
from retrain.notify import tell
from retrain.phase import PhaseResult, Run
from retrain.report_page import page, telegram_text
from retrain.runs import read_facts
from retrain.store import PhaseRecord, PhaseStore
from retrain.verdict import Verdict, verdict_of


def report(run: Run) -> PhaseResult:
    """`markdown`, `json`: the files; `headline`: the verdict; `told`: what came of telling it."""
    verdict, path = written(run)
    told = _told(run, verdict)
    figures = {
        "markdown": path.name,
        "json": path.with_suffix(".json").name,
        "headline": verdict.headline,
        "told": told,
    }
    return PhaseResult(figures, (verdict.headline, f"report: {path}", told))


def report_failure(run: Run) -> None:
    """The same for a run that stops at a phase; said, and never a failure itself."""
    verdict, path = written(run)
    run.say(f"report: {path}")
    run.say(_told(run, verdict))


def written(run: Run) -> tuple[Verdict, Path]:
    """Writes both files, Markdown last: it is the newest for whoever looks for a report."""
    records = PhaseStore(run.folder).all()
    verdict = verdict_of(records)
    stem = run.root / "reports" / f"weekly_{run.symbol.lower()}_{run.folder.name}"
    path = stem.with_suffix(".md")
    told = _as_dict(run, verdict, records)
    write_whole(path.with_suffix(".json"), (json.dumps(told, indent=1) + "\n").encode())
    write_whole(path, page(told).encode())
    return verdict, path


def _as_dict(run: Run, verdict: Verdict, records: Mapping[str, PhaseRecord]) -> dict[str, Any]:
    facts = read_facts(run.folder)
    return {
        "symbol": run.symbol,
        "run": run.folder.name,
        "started_ms": facts.started_ms,
        "options": facts.options,
        "headline": verdict.headline,
        "why": list(verdict.why),
        "next": list(verdict.next),
        "comparison": comparison(run, records),
        "phases": [
            {
                "name": each.name, "state": each.state, "started_ms": each.started_ms,
                "seconds": each.seconds, "words": list(each.words), "figures": each.figures,
            }
            for each in records.values()
        ],
    }  # fmt: skip


def _told(run: Run, verdict: Verdict) -> str:
    if not run.settings.weekly.notify:
        return "not sent to Telegram: weekly.notify is false"
    name = f"{run.symbol.lower()}_{run.folder.name}"
    return tell(run.root, name, telegram_text(run.symbol, run.folder.name, verdict))
