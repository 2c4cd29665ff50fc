"""What a trial ledger proves of one system, and which cheats with it show."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ml.predictors.compat import FileStamp, ModelEntry
from ml.training.ledger_proof import Swept, ledger_gaps, swept_for, window_gaps
from ml.training.trials import Head, TrialLedger
from tests.tiny_models import entry_of, write_models

DAY_MS = 86_400_000
GRAPHS = {"signal": "a" * 64}
CUTOFF, FIRST, LAST = 100 * DAY_MS, 100 * DAY_MS, 300 * DAY_MS
SETTINGS = {"prediction.gate": "quantile", "prediction.quantile.top_share": 0.02}


@dataclass(frozen=True)
class Made:
    ledger: TrialLedger

    def look(self, to_ms: int, graphs: dict[str, str] = GRAPHS) -> None:
        what = {"symbol": "BTCUSD", "graphs": graphs, "to_ms": to_ms}
        self.ledger.record("look", what=what, data_sha256="d", result={})

    def sweep(
        self, name: str, pbo: float | None = 0.1, *, to_ms: int = LAST, settings: int = 3,
        graphs: dict[str, str] = GRAPHS, best: dict[str, Any] | None = None, finished: bool = True,
        spans: int = 1,
    ) -> None:  # fmt: skip
        what = {"symbol": "BTCUSD", "sweep": name, "graphs": graphs}
        for at in range(settings):
            span = {"from_ms": CUTOFF, "to_ms": to_ms - (at % spans) * DAY_MS,
                    "overrides": {"risk_percent": at}}  # fmt: skip
            self.ledger.record("sweep", what=what | span, data_sha256="d", result={})
        if finished:
            result = {"settings": settings, "pbo": pbo, "overrides": best}
            self.ledger.record("sweep", what=what | {"whole_sweep": True}, data_sha256="d",
                               result=result)  # fmt: skip

    def window(self, from_ms: int = FIRST, to_ms: int = LAST) -> tuple[str, ...]:
        return window_gaps(self.ledger, graphs=GRAPHS, train_cutoff_ms=CUTOFF, from_ms=from_ms,
                           to_ms=to_ms, data_to_ms=LAST)  # fmt: skip

    def swept(self, settings: dict[str, Any] = SETTINGS) -> Swept:
        return swept_for(self.ledger, symbol="BTCUSD", graphs=GRAPHS, settings=settings)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(TrialLedger(tmp_path / "trials.sqlite", now_ms=lambda: 1))


def test_window_from_the_cutoff_to_the_end_of_the_data_leaves_nothing_out(made: Made) -> None:
    made.look(LAST)
    assert made.window() == ()


def test_window_that_begins_late_or_ends_early_says_how_many_days_it_leaves_out(made: Made) -> None:
    assert made.window(FIRST + 30 * DAY_MS) == ("30.0 days from 1970-04-11 00:00 UTC",)
    assert made.window(to_ms=LAST - 9 * DAY_MS) == ("9.0 days from 1970-10-19 00:00 UTC",)


def test_data_that_were_cut_shorter_than_an_earlier_look_show(made: Made) -> None:
    made.look(LAST + 20 * DAY_MS)
    assert made.window() == ("20.0 days from 1970-10-28 00:00 UTC",)
    other = {"signal": "b" * 64}
    made.look(LAST + 90 * DAY_MS, other)
    assert len(made.window()) == 1


def test_window_may_begin_after_the_bars_that_a_sweep_was_tried_on(made: Made) -> None:
    made.sweep("s", to_ms=FIRST + 30 * DAY_MS)
    assert made.window(FIRST + 30 * DAY_MS) == ()
    assert len(made.window(FIRST + 60 * DAY_MS)) == 1


def test_sweep_after_a_look_at_later_bars_moves_no_window(made: Made) -> None:
    made.look(LAST)
    made.sweep("excuse", to_ms=FIRST + 30 * DAY_MS)
    assert made.window(FIRST + 30 * DAY_MS) == ("30.0 days from 1970-04-11 00:00 UTC",)


def test_nothing_that_was_swept_needs_no_pbo(made: Made) -> None:
    made.look(LAST)
    assert made.swept() == Swept(1)


def test_pbo_is_the_largest_of_the_sweeps_of_these_graphs(made: Made) -> None:
    made.sweep("one", 0.1, settings=6)
    made.sweep("two", 0.4, settings=2)
    made.sweep("other", 0.9, graphs={"signal": "b" * 64})
    assert made.swept() == Swept(8, 0.4)


def test_sweep_of_other_models_whose_best_is_in_force_counts(made: Made) -> None:
    best = {"prediction.quantile.top_share": 0.02}
    made.sweep("before", 0.7, settings=5, graphs={"signal": "b" * 64}, best=best)
    made.sweep("excuse", 0.0, settings=2)
    assert made.swept() == Swept(7, 0.7)
    assert made.swept({"prediction.quantile.top_share": 0.05}) == Swept(2, 0.0)


def test_sweeps_of_other_models_alone_leave_the_pbo_unknown(made: Made) -> None:
    made.sweep("other", 0.1, graphs={"signal": "b" * 64})
    assert made.swept() == Swept(4, None, "none of them is of these models")


def test_sweep_that_was_stopped_leaves_the_pbo_unknown_until_it_is_finished(made: Made) -> None:
    made.sweep("half", finished=False)
    assert made.swept() == Swept(3, None, "sweep half was stopped: finish it")


def test_sweep_that_was_stopped_and_begun_anew_is_the_new_one(made: Made) -> None:
    made.sweep("half", settings=2, finished=False)
    made.sweep("anew", 0.1)
    assert made.swept() == Swept(3, 0.1)


def test_sweep_without_a_pbo_leaves_it_unknown_and_a_surface_needs_none(made: Made) -> None:
    made.sweep("short", None)
    assert made.swept() == Swept(3, None, "a sweep needs two settings and 32 days or more")


def test_surface_is_left_to_the_count_of_trials(made: Made) -> None:
    made.sweep("good", 0.1, settings=8)
    made.sweep("surface", None, settings=9, spans=3)
    assert made.swept() == Swept(8, 0.1)


@pytest.fixture
def model(tmp_path: Path) -> ModelEntry:
    paths = write_models(tmp_path / "models", ["signal"])
    return entry_of(paths.signal, "signal")


def train(made: Made, model: ModelEntry, **other: Any) -> None:
    what = {"symbol": "BTCUSD", "graph_sha256": model.graph.sha256,
            "train_cutoff_ms": model.train_cutoff_ms}  # fmt: skip
    made.ledger.record("train", what=what | other, data_sha256="d", result={})


def test_ledger_that_counted_the_training_has_no_gap(made: Made, model: ModelEntry) -> None:
    train(made, model)
    assert ledger_gaps(made.ledger, [model]) == ()


def test_ledger_that_was_deleted_or_is_another_lacks_the_training(
    made: Made, model: ModelEntry
) -> None:
    assert ledger_gaps(made.ledger, [model]) == ("the training of signal is not in it",)
    stamp = FileStamp(file="x.onnx", sha256="0" * 64, size_bytes=1)
    train(made, model.model_copy(update={"graph": stamp}))
    assert len(ledger_gaps(made.ledger, [model])) == 1


def test_cutoff_that_was_moved_back_in_the_manifest_shows(made: Made, model: ModelEntry) -> None:
    train(made, model, train_cutoff_ms=1_717_200_000_000)
    (gap,) = ledger_gaps(made.ledger, [model])
    assert "until 2024-06-01 00:00 UTC by the ledger, until 2020-01-01 00:00 UTC by" in gap


def test_ledger_cut_back_to_before_an_earlier_evidence_shows(made: Made, model: ModelEntry) -> None:
    train(made, model)
    noted = made.ledger.head()
    assert ledger_gaps(made.ledger, [model], [noted]) == ()
    later = Head(noted.id + 4, "f" * 64)
    another = Head(noted.id, "f" * 64)
    assert len(ledger_gaps(made.ledger, [model], [later, another])) == 2
