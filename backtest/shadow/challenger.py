"""The challenger: a candidate that passed all gates, and now decides live bars without orders.

    models/challenger/btcusd -> .btcusd-3f9a1c0d2b7e     renamed over in one step
    models/challenger/.btcusd-3f9a1c0d2b7e/              its models, as a models folder has them
        challenger.json                                  what it was judged with

The weekly pipeline places it, `scripts/shadow.py` lets it decide (its journal lies in
`shadow_folder`), and the next weekly run asks how it stands: docs/shadow.md.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from backtest.forecast_band import ForecastBand
from ml.hub.release import MANIFEST, next_tag, release_of
from ml.hub.store import write_whole
from ml.predictors.compat import read_manifest
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError

SCHEMA = 1
_FOLDER = "challenger"
_FILE = "challenger.json"
_INCOMING = ".incoming-"


class ChallengerError(DaemonError):
    """A challenger cannot be placed or read. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Challenger:
    """`folder`: its models, as a models folder has them. `name` tells it from every other one: its
    graphs and settings. `graphs`: SHA-256 by kind of model. `decision`: the rules that it was
    judged by, and decides by. `band`: what its backtest forecasts."""

    folder: Path
    name: str
    symbol: str
    graphs: Mapping[str, str]
    decision: DecisionSettings
    band: ForecastBand
    placed_ms: int


def place(
    candidate: Path, models_dir: Path, *, symbol: str, decision: DecisionSettings,
    band: ForecastBand, now_ms: int,
) -> Challenger:  # fmt: skip
    """Makes the models of a folder the challenger of a symbol, in place of one that is there.

    `candidate`: a models folder with its manifest; every file of a kind that a release may hold is
    copied, and checked against the manifest first. The same models with the same settings again
    change nothing, `placed_ms` included. A kill leaves the old challenger or the new one. Raises
    `ModelError` where files are missing or wrong.
    """
    there = read_challenger(models_dir, symbol)
    graphs = _graphs(candidate, symbol)
    name = _name(graphs, decision)
    parent = models_dir / _FOLDER
    parent.mkdir(parents=True, exist_ok=True)
    _clear_leavings(parent)
    if there is not None and there.name == name:
        _forget_others(parent, symbol, name)
        return there
    incoming = Path(tempfile.mkdtemp(prefix=_INCOMING, dir=parent))
    day = datetime.fromtimestamp(now_ms / 1000, UTC)
    _, contents = release_of(candidate, next_tag(day.date(), ()), day)
    facts = {
        "schema": SCHEMA, "name": name, "symbol": symbol, "graphs": dict(graphs),
        "decision": decision.model_dump(mode="json"), "band": band.as_dict(), "placed_ms": now_ms,
    }  # fmt: skip
    for file, content in contents.items():
        write_whole(incoming / file, content)
    write_whole(incoming / _FILE, json.dumps(facts, indent=1, allow_nan=False).encode())
    _show(parent, symbol, incoming, name)
    _forget_others(parent, symbol, name)
    placed = read_challenger(models_dir, symbol)
    assert placed is not None
    return placed


def read_challenger(models_dir: Path, symbol: str) -> Challenger | None:
    """The challenger of a symbol; None where there is none. Raises `ChallengerError` for a file
    that another program wrote."""
    link = models_dir / _FOLDER / symbol.lower()
    if not link.is_dir():
        return None
    file = link / _FILE
    try:
        told: dict[str, Any] = json.loads(file.read_bytes())
        if told["schema"] != SCHEMA:
            raise ValueError(f"schema {SCHEMA} is allowed, {told['schema']} came")
        return Challenger(
            _kept(link.parent.resolve(), symbol, told["name"]), told["name"], told["symbol"],
            told["graphs"], DecisionSettings.model_validate(told["decision"]),
            ForecastBand.from_dict(told["band"]), int(told["placed_ms"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ChallengerError(
            f"{file}: what `place` writes is needed: {error}; remove {link}, or place it anew"
        ) from error


def drop(models_dir: Path, symbol: str) -> None:
    """There is no challenger any more; its journal stays. Nothing happens where there was none."""
    parent = models_dir / _FOLDER
    (parent / symbol.lower()).unlink(missing_ok=True)
    if parent.is_dir():
        _forget_others(parent, symbol, "")


def shadow_folder(state: Path, challenger: Challenger) -> Path:
    """Where the journal of a challenger lies, below the folder of all states."""
    return state / shadow_name(challenger.symbol, challenger.graphs, challenger.decision)


def shadow_name(symbol: str, graphs: Mapping[str, str], decision: DecisionSettings) -> str:
    """The state folder of a shadow: other graphs or other rules have another one."""
    return f"shadow-{symbol.lower()}-{_name(graphs, decision)}"


def _graphs(candidate: Path, symbol: str) -> dict[str, str]:
    listed = read_manifest(candidate / MANIFEST).models.values()
    found: dict[str, str] = {
        each.kind: each.graph.sha256 for each in listed if each.symbol == symbol
    }
    if "signal" not in found:
        raise ChallengerError(
            f"{candidate / MANIFEST}: a signal model of {symbol} is needed, "
            f"{', '.join(sorted(found)) or 'nothing'} came; train one: train_ml_model.py --ensemble"
        )
    return found


def _name(graphs: Mapping[str, str], decision: DecisionSettings) -> str:
    text = json.dumps([dict(graphs), decision.model_dump(mode="json")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _kept(parent: Path, symbol: str, name: str) -> Path:
    return parent / f".{symbol.lower()}-{name}"


def _show(parent: Path, symbol: str, incoming: Path, name: str) -> None:
    """The folder under its own name, then the link: each in one step."""
    kept = _kept(parent, symbol, name)
    if kept.exists():  # a kill came between the two steps
        shutil.rmtree(kept)
    incoming.replace(kept)
    link = parent / f"{_INCOMING}{symbol.lower()}"
    link.symlink_to(kept.name)
    link.replace(parent / symbol.lower())


def _forget_others(parent: Path, symbol: str, name: str) -> None:
    for each in parent.glob(f".{symbol.lower()}-*"):
        if each != _kept(parent, symbol, name):
            shutil.rmtree(each)


def _clear_leavings(parent: Path) -> None:
    for each in parent.glob(f"{_INCOMING}*"):
        if each.is_symlink():
            each.unlink()
        else:
            shutil.rmtree(each)
