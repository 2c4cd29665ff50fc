"""`--dry-run`: what a run would do, read from files alone. Nothing is changed."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from market.bars import utc_text
from market.sources.files import read_bars
from retrain import judged_costs, runs
from retrain.errors import PhaseFailed
from retrain.phase import Phase, Run
from retrain.store import PhaseStore
from retrain.window import instrument_of, window_of


def plan_lines(run: Run, phases: Sequence[Phase]) -> Iterator[str]:
    """`run.folder`: the folder of the symbol's runs."""
    found = runs.unfinished(run.folder)
    records = {} if found is None else PhaseStore(found.folder).all()
    if found is not None:
        yield f"run {found.facts.name} is unfinished; it would go on"
    yield from _window(run)
    for number, phase in enumerate(phases, start=1):
        record = records.get(phase.name)
        state = f"{record.state} before" if record and record.is_over else _skipped(run, phase.name)
        yield f"{number:>2}. {phase.name}: {state or phase.about}"
    yield from _configured(run)


def _skipped(run: Run, name: str) -> str:
    weekly = run.settings.weekly
    why = {
        "refresh": "--data names the bars" if run.options.data else "",
        "tune": "weekly.trials is 0" if weekly.trials == 0 else "",
        "sweep": "weekly.sweep_weeks is 0" if weekly.sweep_weeks == 0 else "",
        "push": "" if weekly.push else "weekly.push is false",
    }.get(name, "")
    why = f"--skip {name}" if name in run.options.skip else why
    return f"skipped: {why}" if why else ""


def _window(run: Run) -> Iterator[str]:
    data = run.options.data or run.root / "datasets" / f"{run.symbol.lower()}_m15.parquet"
    if not data.is_file():
        yield f"bars: {data.name} is not there yet; phase refresh brings it"
        return
    bars = read_bars(data, instrument_of(run), server_zone=run.settings.paper.server_timezone)
    from_ms = int(bars.open_ms[0]) if run.options.from_ms is None else run.options.from_ms
    to_ms = int(bars.close_ms[-1]) if run.options.to_ms is None else run.options.to_ms
    yield f"bars: {data.name} until {utc_text(to_ms)} UTC" + (
        "" if run.options.data else ", as it is now; phase refresh adds to it"
    )
    try:
        yield str(window_of(from_ms, to_ms, run.settings.weekly))
    except PhaseFailed as error:
        yield f"this run would fail: {error}"


def _configured(run: Run) -> Iterator[str]:
    yield f"profile {run.options.profile}, models {_serving(run)}"
    yield from judged_costs.told(run)["words"]
    days = run.settings.weekly.shadow_days
    yield (
        f"shadow: {days} days before a candidate serves"
        if days
        else "shadow: off, a candidate that passes serves at once"
    )
    yield f"hub: {_hub(run)}"
    yield f"Telegram: {_telegram(run)}"


def _serving(run: Run) -> str:
    from retrain.install import serving_graphs

    graphs = serving_graphs(run.paths, run.symbol)
    return ", ".join(f"{kind} {sha256[:12]}" for kind, sha256 in graphs.items()) or "none yet"


def _hub(run: Run) -> str:
    from ml.hub.connect import open_hub
    from ml.hub.errors import HubError

    if not run.settings.weekly.push:
        return "weekly.push is false"
    try:
        return open_hub(run.settings.ml.hub, root=run.root).name
    except HubError as error:
        return f"phase push would fail: {error}"


def _telegram(run: Run) -> str:
    from trading.secrets import secret
    from trading.telegram_settings import CHAT_VARIABLE, TOKEN_VARIABLE

    if not run.settings.weekly.notify:
        return "weekly.notify is false"
    env = Path(run.root / ".env")
    missing = [name for name in (TOKEN_VARIABLE, CHAT_VARIABLE) if not secret(name, env)]
    return f"not configured: {', '.join(missing)}" if missing else "configured"
