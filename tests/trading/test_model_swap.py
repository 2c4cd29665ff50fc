"""Another release between two bars: the daemon goes on as one that had started with it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker.native import NativeBroker
from broker.simulator.native import NativeTerminal
from broker.simulator.terminal import SimulatedTerminal
from market.server_clock import ServerClock
from market.store import BarStore
from ml.features.settings import FeatureSettings
from ml.hub import Hub, HubUnavailable
from ml.hub.folder import ModelFolder
from ml.hub.install import loads, stage
from ml.hub.store import LocalStore
from ml.predictors.compat import ModelMissing
from ml.predictors.model_set import ModelSet, load_models
from ml.predictors.settings import ModelPaths
from tests.hub.models import make_models
from tests.tiny_models import learned_from_another, write_models
from tests.trading.doubles import Recorder, StepClock
from tests.trading.paper_runs import BAR_MS, BTC, Case, backtest_of, make_case, settings_of
from trading.assemble import assemble
from trading.clock import StopFlag
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.journal import Journal
from trading.model import beside
from trading.model_source import ANSWER, REQUEST, SwapRequest, SwapTerms, load_or_pull
from trading.permission import Examiner, Ruling, Standing
from trading.report import BarReport
from trading.state_folder import StateFolder
from trading.swap_command import wait_for_answer

BARS, ASKED_AFTER = 150, 40
DECISION = settings_of(
    ml_active_management={"enabled": True}, risk_model={"enabled": True},
    dynamic_sltp={"use_model": True},
)  # fmt: skip


class Asking(Recorder):
    """Asks for a swap after so many decided bars."""

    def __init__(self, stop: StopFlag, state: Path, request: SwapRequest | bytes) -> None:
        super().__init__(stop, None)
        self._state = state
        self._request = request

    def bar(self, report: BarReport) -> None:
        super().bar(report)
        if report.count != ASKED_AFTER:
            return
        if isinstance(self._request, bytes):
            (self._state / REQUEST).write_bytes(self._request)
        else:
            self._request.write(self._state)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(tmp_path_factory.mktemp("case"), DECISION, bars=BARS)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    """v20261101 never trades; v20261102 has four models that do; the risk model of v20261031
    learned from another signal model."""
    root = tmp_path_factory.mktemp("hub")
    made = Hub(LocalStore(root / "store"))
    learned_from_another(write_models(root / "odd"), "risk")
    made.push(root / "odd", "v20261031")
    made.push(make_models(root / "idle", scale=1), "v20261101")
    write_models(root / "four")
    made.push(root / "four", "v20261102")
    return made


class Run:
    """A paper run over idle models in a folder of its own, which is asked to swap."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self.state = folder / "state"
        self.models = ModelFolder(folder / "models")
        make_models(self.models.path, scale=1)
        self.paths = ModelPaths().in_folder(self.models.path)

    def staged(self, hub: Hub, tag: str) -> SwapRequest:
        release, kept = stage(hub, tag, self.models, loads(self.paths, FeatureSettings()))
        return SwapRequest(release.tag, kept.name)

    def go(self, request: SwapRequest | bytes, examiner: Examiner | None = None) -> "Run":
        plan, idle = self.case.plan, load_models(self.paths, FeatureSettings())
        terminal = SimulatedTerminal(
            bars={"BTCUSD": plan.bars}, instruments={"BTCUSD": BTC},
            account=self.case.paper.account_terms(), start_ms=plan.limits.from_ms,
            seed=self.case.paper.seed, slippage_points=self.case.paper.slippage_points,
            minutes={"BTCUSD": plan.m1} if plan.m1 is not None else None,
        )  # fmt: skip
        broker = NativeBroker(
            NativeTerminal(terminal), ServerClock("UTC"), now_ms=lambda: terminal.now_ms,
            mode="paper",
        )  # fmt: skip
        terms = SwapTerms(
            self.state, idle, self.paths, FeatureSettings(), "BTCUSD", self.case.decision, beside
        )
        stop = StopFlag()
        with StateFolder(self.state) as folder:
            journal, store = Journal(folder.journal), BarStore(folder.bars)
            self.reporter = Asking(stop, self.state, request)
            assemble(
                self.case.trade,
                broker=broker,
                clock=StepClock(terminal),
                stop=stop,
                reporter=self.reporter,
                journal=journal,
                store=store,
                predictor=idle.signal,
                beside=beside(idle),
                limits=plan.limits,
                outside=self.case.outside,
                swap=terms,
                examiner=examiner,
            ).run()
            self.lines = list(journal.decision_lines("BTCUSD"))
            self.events = list(journal.events())
            journal.close()
            store.close()
        return self

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [payload for name, _, payload in self.events if name == kind]


class IdleOnly:
    """An examiner that has evidence for the idle models alone."""

    def __init__(self) -> None:
        self.halt = ""

    def serve(self, models: ModelSet) -> None:
        self.halt = "no evidence for these models"

    def rule(self, settings: DecisionSettings, now_ms: int) -> Ruling:
        return Ruling("ruled", self.halt, real_money=True)

    def standing(self, trades: Any, **at: Any) -> Standing:
        raise AssertionError("there is no band")


def test_models_that_are_swapped_in_without_evidence_open_nothing(
    case: Case, hub: Hub, tmp_path: Path
) -> None:
    run = Run(case, tmp_path)
    run.go(run.staged(hub, "v20261102"), IdleOnly())
    halts = [tuple(json.loads(line)["halts"]) for line in run.lines]
    after = BARS - ASKED_AFTER
    assert halts == [()] * ASKED_AFTER + [("no evidence for these models",)] * after
    assert not any("enter" in each for line in run.lines for each in json.loads(line)["intents"])
    assert [each["halt"] for each in run.told("evidence")] == ["", halts[-1][0]]


def test_model_of_another_signal_model_that_is_swapped_in_pages(
    case: Case, hub: Hub, tmp_path: Path
) -> None:
    run = Run(case, tmp_path)
    run.go(run.staged(hub, "v20261031"))
    assert len(run.told("models_swapped")) == 1
    (paged,) = (each["text"] for each in run.told("page"))
    assert paged.startswith("the risk model learned from another signal model")


def without_guard(line: str) -> dict[str, Any]:
    return {name: value for name, value in json.loads(line).items() if name != "guard"}


@pytest.fixture(scope="module")
def swapped(case: Case, hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(case, tmp_path_factory.mktemp("swapped"))
    return run.go(run.staged(hub, "v20261102"))


def test_after_a_swap_decisions_are_those_of_a_backtest_of_the_new_models(
    swapped: Run, case: Case
) -> None:
    """The idle models left the account as it was, so both begin alike at the first bar after."""
    limits = replace(
        case.plan.limits, from_ms=case.plan.limits.from_ms + ASKED_AFTER * BAR_MS,
        bars=BARS - ASKED_AFTER,
    )  # fmt: skip
    tested = backtest_of(replace(case, plan=replace(case.plan, limits=limits)))
    after = swapped.lines[ASKED_AFTER:]
    assert len(after) == BARS - ASKED_AFTER
    expected = list(tested.lines())
    assert after[1:] == expected[1:]
    assert without_guard(after[0]) == without_guard(expected[0])  # it knows the bars before
    assert sum(bool(json.loads(line)["intents"]) for line in after) > 5
    assert not any(json.loads(line)["intents"] for line in swapped.lines[:ASKED_AFTER])


def test_a_swap_is_journalled_with_the_hashes_before_and_after(swapped: Run, hub: Hub) -> None:
    old = hub.release("v20261101").models[0].sha256
    new = {each.kind: each.sha256 for each in hub.release("v20261102").models}
    assert set(new) == {"signal", "position", "sltp", "risk"}
    assert swapped.told("models_served") == [{"graphs": {"signal": old}}]
    (told,) = swapped.told("models_swapped")
    assert told == {"tag": "v20261102", "before": {"signal": old}, "graphs": new}
    assert wait_for_answer(swapped.state, 0) == {"kind": "models_swapped", **told}


def test_the_folder_serves_the_release_from_then_on(swapped: Run, hub: Hub) -> None:
    assert swapped.models.installed() == hub.release("v20261102")
    assert not (swapped.state / REQUEST).exists()


def other_features(hub: Hub, folder: Path) -> None:
    """A release whose model reads another feature."""
    made = make_models(folder, scale=3)
    manifest = made / "model_compat.json"
    manifest.write_text(manifest.read_text().replace('"rsi_14"', '"rsi_15"'))
    hub.push(made, "v20261103")


def refused(case: Case, run: Run, request: SwapRequest | bytes, why: str) -> None:
    """The run goes on with its models to the end, and says why."""
    short = replace(case, plan=replace(case.plan, limits=replace(case.plan.limits, bars=44)))
    before = {each.name: each.read_bytes() for each in run.models.path.glob("*.*")}
    run.case = short
    run.go(request)
    assert len(run.lines) == 44
    (told,) = run.told("model_swap_refused")
    assert why in told["why"]
    assert run.told("models_swapped") == []
    assert any(why in page for page in run.reporter.pages)
    assert {each.name: each.read_bytes() for each in run.models.path.glob("*.*")} == before
    assert not (run.state / REQUEST).exists()


def test_a_release_for_other_features_is_refused_with_the_reason(
    case: Case, tmp_path: Path
) -> None:
    run, hub = Run(case, tmp_path), Hub(LocalStore(tmp_path / "store"))
    other_features(hub, tmp_path / "other")
    release, kept = stage(hub, "v20261103", run.models, lambda folder: None)  # looks away
    why = "feature 5 is rsi_15 in the model and rsi_14 in this code"
    refused(case, run, SwapRequest(release.tag, kept.name), why)


def test_a_tampered_folder_is_refused(case: Case, hub: Hub, tmp_path: Path) -> None:
    run = Run(case, tmp_path)
    request = run.staged(hub, "v20261102")
    graph = run.models.kept(request.kept) / "position_btcusd-live.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"!")
    refused(case, run, request, "is listed in the manifest")


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (SwapRequest("v20261102", "v20261102-gone"), "is not there any more; pull it again"),
        (SwapRequest("v20261102", "../../elsewhere"), "is not there any more; pull it again"),
        (b"half a fi", "tag and kept are needed"),
    ],
    ids=["gone", "outside", "damaged"],
)
def test_a_request_that_cannot_be_met_is_refused(
    case: Case, tmp_path: Path, request_: SwapRequest | bytes, why: str
) -> None:
    refused(case, Run(case, tmp_path), request_, why)


def test_an_answer_that_does_not_come_is_said(tmp_path: Path) -> None:
    SwapRequest("v20261102", "v20261102-abc").write(tmp_path)
    with pytest.raises(DaemonError, match="has not answered within 0 s"):
        wait_for_answer(tmp_path, 0)
    assert not (tmp_path / ANSWER).exists()


def test_an_empty_folder_is_filled_from_the_hub_at_start(hub: Hub, tmp_path: Path) -> None:
    paths, said = ModelPaths().in_folder(tmp_path / "models"), []
    models = load_or_pull(paths, FeatureSettings(), "BTCUSD", lambda: hub, said.append)
    assert [each.metadata.kind for each in models.all] == ["signal", "position", "sltp", "risk"]
    assert said == ["no model yet: pulled v20261102"]


def test_models_that_are_there_are_not_pulled(hub: Hub, tmp_path: Path) -> None:
    make_models(tmp_path / "models", scale=9)
    paths = ModelPaths().in_folder(tmp_path / "models")

    def away() -> Hub:
        raise HubUnavailable("away")

    assert len(load_or_pull(paths, FeatureSettings(), "BTCUSD", away, print).all) == 1
    paths.metadata.unlink()
    with pytest.raises(ModelMissing, match=r"metadata\.json: no such file"):
        load_or_pull(paths, FeatureSettings(), "BTCUSD", away, print)


def test_without_models_and_releases_the_error_says_both(tmp_path: Path) -> None:
    paths = ModelPaths().in_folder(tmp_path / "models")
    empty = Hub(LocalStore(tmp_path / "store"))
    with pytest.raises(ModelMissing, match=r"train a model first: python .* no release yet"):
        load_or_pull(paths, FeatureSettings(), "BTCUSD", lambda: empty, print)
