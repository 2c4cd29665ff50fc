"""Where the daemon's models come from: the folder, the hub where it is empty, and, while the daemon
runs, a release that a person asked for.

A swap is asked for by a file in the state folder (`trading.swap_command` writes it) and made
between bars. The new models are loaded and forecast the gate's look-back before anything changes;
then the folder serves them, then the daemon. A refused swap changes nothing and says why.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.contract.port import Broker
from ml.features.catalogue import names
from ml.features.settings import FeatureSettings
from ml.hub import Hub, HubError, ReleaseMissing
from ml.hub.install import folder_of, install, loads
from ml.hub.store import write_whole
from ml.predictors.checked import FeatureRowError
from ml.predictors.compat import ModelError, ModelMissing
from ml.predictors.model_set import ModelSet
from ml.predictors.settings import ModelPaths
from trading.advice import Adviser, BesideModels
from trading.decision.settings import DecisionSettings
from trading.decision_inputs import DecisionInputs
from trading.errors import DaemonError
from trading.feed import BarFeed
from trading.forecaster import Forecaster
from trading.journal import Journal
from trading.minutes import BrokerMinutes
from trading.model import load_for, strangers
from trading.pager import Pager
from trading.schedule import Schedule
from trading.status_board import StatusBoard

REQUEST = "swap_models.json"
ANSWER = "swap_models_answer.json"
# A swap takes a second or two; it is not begun when a bar is about to close.
_QUIET_MS = 20_000
_REFUSALS = (ModelError, HubError, DaemonError, FeatureRowError, OSError, ValueError)


def load_or_pull(
    paths: ModelPaths, features: FeatureSettings, symbol: str, hub: Callable[[], Hub],
    say: Callable[[str], None],
) -> ModelSet:  # fmt: skip
    """The models of the folder; where there are none at all, the hub's current release first.

    Raises `ModelMissing` where neither has any, and `HubError` where the hub cannot be asked.
    """
    try:
        return load_for(paths, features, symbol)
    except ModelMissing as missing:
        if paths.graph.exists():
            raise  # some files are there: a person must see what is missing
        try:
            release = install(hub(), None, folder_of(paths), loads(paths, features))
        except ReleaseMissing as error:
            raise ModelMissing(f"{missing}; or pull one, but {error}") from None
    say(f"no model yet: pulled {release.tag}")
    return load_for(paths, features, symbol)


@dataclass(frozen=True, slots=True)
class SwapRequest:
    """What `swap_models.json` says: a release that was fetched and checked as folder `kept`. An
    empty `kept`: the models that the paths show already."""

    tag: str
    kept: str

    def write(self, state: Path) -> None:
        text = json.dumps({"tag": self.tag, "kept": self.kept})
        write_whole(state / REQUEST, text.encode())

    @staticmethod
    def read(state: Path) -> "SwapRequest | None":
        """None without a file; `ValueError` for one that says something else."""
        try:
            content = (state / REQUEST).read_bytes()
        except FileNotFoundError:
            return None
        try:
            told = json.loads(content)
            return SwapRequest(str(told["tag"]), str(told["kept"]))
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{state / REQUEST}: tag and kept are needed") from None


@dataclass(frozen=True, slots=True)
class SwapTerms:
    """What a swap needs to know beside the daemon's parts.

    `state`: the folder in which a request lies. `models`: those that serve now. `beside_of`: the
    models beside the signal model, as decisions ask them.
    """

    state: Path
    models: ModelSet
    paths: ModelPaths
    features: FeatureSettings
    symbol: str
    decision: DecisionSettings
    beside_of: Callable[[ModelSet], BesideModels]


class ModelSwap:
    """Serves another release between two bars, where a person asked for one; `served` hears of
    it."""

    def __init__(
        self,
        terms: SwapTerms,
        *,
        broker: Broker,
        forecaster: Forecaster,
        feed: BarFeed,
        inputs: DecisionInputs,
        schedule: Schedule,
        journal: Journal,
        pager: Pager,
        board: StatusBoard,
        served: Callable[[ModelSet], None] = lambda models: None,
    ) -> None:
        self._terms = terms
        self._served = served
        self._board = board
        self._serving = graphs_of(terms.models)
        self._broker = broker
        self._forecaster = forecaster
        self._feed = feed
        self._inputs = inputs
        self._schedule = schedule
        self._journal = journal
        self._pager = pager

    def started(self, now_ms: int) -> None:
        """Keeps which graphs serve from this start on."""
        self._journal.record("models_served", now_ms, graphs=self._serving)
        self._board.change(models=self._serving)
        self._journal.record("model_scores", now_ms, models=_scores_of(self._terms.models))
        self._warn(self._terms.models)

    def between_bars(self, now_ms: int) -> None:
        """Makes the swap that was asked for, if there is time before the next close."""
        state = self._terms.state
        if not (state / REQUEST).exists() or self._schedule.next_close_ms - now_ms < _QUIET_MS:
            return
        tag = ""
        try:
            request = SwapRequest.read(state)
            if request is None:
                return
            tag = request.tag
            models = self._swap(request)
        except _REFUSALS as error:
            self._answer(now_ms, "model_swap_refused", tag=tag, why=str(error))
            self._pager.page(f"models stay as they are: {tag} is refused: {error}", key="models")
            return
        self._served(models)
        served = graphs_of(models)
        before, self._serving = self._serving, served
        self._board.change(models=served)
        self._answer(now_ms, "models_swapped", tag=tag, before=before, graphs=served)
        self._journal.record("model_scores", now_ms, models=_scores_of(models))
        self._pager.over(f"models swapped to {tag}", key="models")
        self._warn(models)

    def _swap(self, request: SwapRequest) -> ModelSet:
        """Everything that can fail comes before the first change."""
        terms, paths = self._terms, self._terms.paths
        folder = folder_of(paths)
        kept = folder.kept(request.kept) if request.kept else None
        asked = paths if kept is None else paths.in_folder(kept)
        models = load_for(asked, terms.features, terms.symbol)
        beside = terms.beside_of(models)
        adviser = Adviser(beside, terms.decision, names(terms.features.groups))
        first_ms = self._schedule.next_open_ms
        history = self._feed.history(need_from_ms=first_ms - self._forecaster.history_ms)
        fresh = self._forecaster.with_predictor(models.signal, history, first_ms)
        if kept is not None:
            with folder.locked():
                folder.serve(kept)
        self._forecaster.take_over(fresh)
        minutes = BrokerMinutes(self._broker, terms.symbol) if beside.minutes else None
        self._inputs.ask(adviser, minutes)
        return models

    def _warn(self, models: ModelSet) -> None:
        for text in strangers(models, self._terms.decision):
            self._pager.page(text, key=text)

    def _answer(self, now_ms: int, kind: str, **payload: Any) -> None:
        """Into the journal, and into a file for whoever asked; then the request is over."""
        self._journal.record(kind, now_ms, **payload)
        told = json.dumps({"kind": kind, **payload})
        write_whole(self._terms.state / ANSWER, told.encode())
        (self._terms.state / REQUEST).unlink()


def graphs_of(models: ModelSet) -> dict[str, str]:
    """SHA-256 of each graph, by the model's kind."""
    return {each.metadata.kind: each.metadata.graph.sha256 for each in models.all}


def _scores_of(models: ModelSet) -> dict[str, dict[str, Any]]:
    """What each model's trainer measured out of sample, by the model's kind; only ever shown, so a
    release whose trainer wrote no such thing serves all the same."""
    return {
        each.metadata.kind: {
            "graph_sha256": each.metadata.graph.sha256,
            "trained_at": each.notes.get("trained_at", each.metadata.train_cutoff_date),
            "scores": each.notes.get("walk_forward", {}),
        }
        for each in models.all
    }
