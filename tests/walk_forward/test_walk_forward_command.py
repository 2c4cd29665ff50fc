"""`scripts/walk_forward.py` on the generated market: trained, traded, pooled, stopped, resumed."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.progress import Progress

from market.bars import utc_text
from market.instruments import INSTRUMENTS
from market.sources.generated import generated_bars
from ml.train_inputs import TrainInputs
from ml.training import progress
from ml.training.models import TrainingError
from ml.training.refresh import write_bars
from ml.training.trials import TrialLedger
from retrain import walk_forward as rounds
from retrain import walk_training
from retrain.block_store import BlockStore, source_sha256
from retrain.errors import ActFirst
from retrain.lock import held
from scripts import walk_forward
from tests.builders import MONDAY_MS
from tests.retrain.costs import dear_costs
from tests.tiny_models import write_models

ROOT = Path(__file__).resolve().parents[2]
DAY_MS = 86_400_000
TINY = (
    "training.n_splits=2", "training.calibration_days=10", "training.embargo_bars=24",
    "labeling.lookahead_candles=24", "rf_params.n_estimators=20", "rf_params.max_leaf_nodes=8",
    "xgb_params.n_estimators=10", "lgb_params.n_estimators=10",
    "prediction.quantile.lookback_days=2", "prediction.quantile.top_share=0.5",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A folder with settings and 24 weeks of bars, of which the last two are traded."""

    folder: Path
    flags: tuple[str, ...]

    @property
    def looks(self) -> int:
        return TrialLedger(self.folder / "ledger.sqlite").count("look")

    @property
    def trainings(self) -> int:
        return TrialLedger(self.folder / "ledger.sqlite").count("train")

    def told(self, stem: str = "reports/walk_forward_btcusd") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / f"{stem}.json").read_text())
        return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name in ("config.json", "ml_config.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    to_ms = MONDAY_MS + 168 * DAY_MS
    bars = generated_bars(INSTRUMENTS["BTCUSD"], seed=7, from_ms=MONDAY_MS, to_ms=to_ms)
    write_bars(tmp_path / "bars.parquet", bars)
    first = utc_text(to_ms - 14 * DAY_MS)[:10]
    own = f"study.ledger={tmp_path / 'ledger.sqlite'}"
    overrides = [word for each in (*TINY, own) for word in ("--train-override", each)]
    monkeypatch.chdir(tmp_path)
    flags = ("--ensemble", "--data", "bars.parquet", "--first", first, "--every-weeks", "1",
             "--device", "cpu", "--window-days", "5", "--headline", "71.7,5.46")  # fmt: skip
    return Place(tmp_path, (*flags, *overrides))


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Training in no time: models by hand are put down; the names of those that were asked for."""
    asked: list[str] = []
    for each in (rounds, walk_training):
        monkeypatch.setattr(each, "source_sha256", lambda root, *entries: "")

    def train_models(inputs: TrainInputs, *_: Any) -> Iterator[None]:
        asked.extend(inputs.options.kinds)
        if inputs.options.kinds == ("position",):
            raise TrainingError("too few trades")
        folder = inputs.options.models
        assert folder is not None
        write_models(folder, ("signal",))
        return iter(())

    monkeypatch.setattr(walk_training, "train_models", train_models)
    return asked


def test_models_are_trained_at_each_cutoff_and_trade_what_follows(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert walk_forward.main([*place.flags, "--twins", "1"]) == 0
    told = place.told()
    assert place.trainings == 2
    assert place.looks == 3  # each block, and the pool
    assert len({block["cutoff"] for block in told["blocks"]}) == 2
    assert told["pool"]["trades"] == sum(block["trades"] for block in told["blocks"])
    assert told["pool"]["trials"] == 5
    for block in told["blocks"]:
        assert 1 / 3 <= block["confidence"]["median"] <= block["confidence"]["most"] <= 1
    assert told["windows"]["count"] == 10
    assert told["twins"]["trades"] > 0
    assert [gate["passed"] for gate in told["gates"]] == [False, False]  # two weeks prove nothing
    rows = pq.read_table(place.folder / "reports/walk_forward_btcusd_windows.parquet")
    assert rows.num_rows == 20
    for end in (".md", ".png", "_windows.csv"):
        assert (place.folder / f"reports/walk_forward_btcusd{end}").stat().st_size > 0
    assert "Windows that reach win rate 71.7%" in capsys.readouterr().out
    ratios = [row.result["sharpe"] for row in TrialLedger(Path("ledger.sqlite")).rows("look")]
    assert ratios[:2] == [None, None]
    assert ratios[2] == told["pool"]["sharpe"]["value"]


def test_ledger_that_is_another_one_now_is_told_of_the_kept_work_once(
    place: Place, instant: list[str]
) -> None:
    assert walk_forward.main([*place.flags]) == 0
    counted = place.trainings, place.looks
    for file in place.folder.glob("ledger.sqlite*"):
        file.unlink()
    for _ in range(2):
        assert walk_forward.main([*place.flags]) == 0
        assert (place.trainings, place.looks) == (1, 2)  # both blocks have the same models here
    assert counted == (1, 3)
    assert place.told()["pool"]["trials"] == 3


def test_walk_of_settings_that_sweeps_have_chosen_has_no_pbo(
    place: Place, instant: list[str]
) -> None:
    ledger = TrialLedger(place.folder / "ledger.sqlite")
    for _ in range(9):
        ledger.record("sweep", what={"symbol": "BTCUSD"}, data_sha256="d", result={})
    assert walk_forward.main([*place.flags]) == 0
    proof = {each["name"]: each for each in place.told()["gates"][1]["criteria"]}
    assert proof["PBO of the sweep"]["met"] is False
    assert proof["PBO of the sweep"]["seen"] == "not measured; 9 settings were compared"


class _Killed(BaseException):
    """What no code handles."""


def _dies_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends at its first durable write: before it (0) or after it (1)."""
    so_far = iter(range(1000))

    def dying(name: str) -> Callable[..., Any]:
        write = getattr(BlockStore, name)

        def written(*args: Any) -> Any:
            if next(so_far) == step:
                raise _Killed
            found = write(*args)
            if next(so_far) == step:
                raise _Killed
            return found

        return written

    for name in ("finish", "keep", "once"):
        monkeypatch.setattr(BlockStore, name, dying(name))


@pytest.mark.usefixtures("instant")
def test_killed_before_or_after_each_write_it_comes_to_the_same(place: Place) -> None:
    assert walk_forward.main([*place.flags, "--state", "undisturbed", "--out", "whole"]) == 0
    looks = place.looks
    for step in (0, 1) * 5:  # two blocks, each trained and traded, and the pool
        with pytest.MonkeyPatch.context() as patch, pytest.raises(_Killed):
            _dies_at(step, patch)
            walk_forward.main([*place.flags, "--out", "killed"])
    assert walk_forward.main([*place.flags, "--out", "killed"]) == 0
    whole, killed = place.told("whole"), place.told("killed")
    counted = ("trials", "trials_with_sharpe", "deflated_sharpe", "days_needed")
    for told in (whole, killed):
        del told["gates"]  # they count trials, too
        for figures in (told["pool"], *told["blocks"]):
            for name in counted:
                del figures[name]
    assert killed == whole
    assert place.looks >= 2 * looks  # a kill may add a row, and never leaves one out


def test_what_is_finished_is_not_made_again(place: Place, instant: list[str]) -> None:
    assert walk_forward.main([*place.flags]) == 0
    assert walk_forward.main([*place.flags]) == 0
    assert (instant, place.looks) == (["signal", "signal"], 3)


def test_another_setting_for_trading_trades_anew_and_trains_nothing(
    place: Place, instant: list[str]
) -> None:
    assert walk_forward.main([*place.flags]) == 0
    assert walk_forward.main([*place.flags, "--override", "risk_percent=0.5"]) == 0
    assert (instant, place.looks) == (["signal", "signal"], 6)


def test_costs_of_a_file_are_paid_and_said_and_train_nothing_anew(
    place: Place, instant: list[str]
) -> None:
    assert walk_forward.main([*place.flags]) == 0
    free = place.told()
    dear_costs(place.folder / "costs.json")
    assert walk_forward.main([*place.flags, "--costs", "costs.json"]) == 0
    paid = place.told()
    assert instant == ["signal", "signal"]
    assert (free["costs"], paid["costs"]) == (None, "costs.json")
    assert paid["pool"]["costs"]["commission"] > free["pool"]["costs"]["commission"] == 0
    assert paid["notes"][0] == "costs learnt from 40 deals and 500 quotes"


@pytest.mark.parametrize(
    ("symbol", "more", "message"),
    [
        ("EURUSD", (), "symbol BTCUSD is allowed, EURUSD came"),
        ("BTCUSD", ("--override", "paper.slippage_points=3"), "both came: each sets the same"),
    ],
    ids=["another symbol", "slippage twice"],
)
def test_costs_that_do_not_fit_are_refused_before_any_training(
    symbol: str, more: Sequence[str], message: str, place: Place, instant: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    dear_costs(place.folder / "costs.json", symbol=symbol)
    assert walk_forward.main([*place.flags, "--costs", "costs.json", *more]) == 2
    assert message in capsys.readouterr().err
    assert instant == []


def test_a_model_that_cannot_be_had_is_named_and_left_out(place: Place, instant: list[str]) -> None:
    assert walk_forward.main([*place.flags, "--position"]) == 0
    assert instant == ["signal", "position"] * 2
    assert [note.split(": ", 1)[1] for note in place.told()["notes"]] == [
        "no position model: too few trades"
    ] * 2


@pytest.mark.usefixtures("instant")
def test_progress_of_a_model_that_cannot_be_had_comes_to_its_end(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Progress] = []
    whole = progress.progress_bars

    def progress_bars(console: Any) -> Progress:
        shown.append(whole(console))
        return shown[0]

    monkeypatch.setattr(progress, "progress_bars", progress_bars)
    assert walk_forward.main([*place.flags, "--position"]) == 0
    ended = [task.description for task in shown[0].tasks if task.finished]
    assert sum(name.endswith(" position: not made") for name in ended) == 2


@pytest.mark.usefixtures("instant")
def test_dry_run_names_the_blocks_and_makes_none(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert walk_forward.main([*place.flags, "--dry-run"]) == 0
    assert capsys.readouterr().out.count("to be made") == 2
    assert place.looks == 0


@pytest.mark.parametrize("state", ["state/walk_forward", "own"], ids=["usual folder", "--state"])
def test_held_lock_is_status_2_and_nothing_is_trained(
    state: str, place: Place, instant: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    given = [*place.flags, "--state", state]
    with held(place.folder / state / "lock", "a walk-forward run"):
        assert walk_forward.main(given) == 2
        said = capsys.readouterr().err
        assert f"a walk-forward run is under way (process {os.getpid()})" in said
        assert walk_forward.main([*given, "--dry-run"]) == 0  # changes nothing
    assert (instant, place.looks) == ([], 0)
    assert walk_forward.main(given) == 0


@pytest.mark.usefixtures("instant")
def test_lock_is_held_to_the_end_of_the_last_block(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, refused = BlockStore.once, []

    def once(*given: Any) -> None:
        with pytest.raises(ActFirst), held(place.folder / "state/walk_forward/lock"):
            pass
        refused.append(whole(*given))

    monkeypatch.setattr(BlockStore, "once", once)
    assert walk_forward.main([*place.flags]) == 0
    assert len(refused) == 1  # the pool's look, the last write


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--first", "2030-01-01"), "--first: a date inside the bars"),
        (("--first", "2020-01-01"), "--first: a date inside the bars"),
    ],
    ids=["after the bars", "before the bars"],
)
def test_a_first_cutoff_outside_the_bars_says_which_are_there(
    given: Sequence[str], message: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    assert walk_forward.main([*place.flags, *given]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--risk", "--data", "x"), "--ensemble is needed"),
        (("--ensemble", "--data", "x", "--every-weeks", "0"), "--every-weeks: 1 or more"),
        (("--ensemble", "--data", "x", "--window-days", "1"), "--window-days: 2 or more"),
        (("--ensemble", "--data", "x", "--headline", "5.46"), "71.7,5.46"),
        (("--ensemble", "--data", "x", "--headline", "171,5"), "71.7,5.46"),
    ],
    ids=["no signal model", "weeks", "days", "headline alone", "headline above 100 %"],
)
def test_options_that_cannot_be_are_a_usage_error(
    given: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        walk_forward.main(given)
    assert caught.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_source_of_a_training_holds_what_it_imports_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    import b\n")
    (tmp_path / "b.py").write_text("X = 1\n")
    (tmp_path / "c.py").write_text("X = 1\n")
    before = source_sha256(tmp_path, "a.py")
    (tmp_path / "c.py").write_text("X = 2\n")
    assert source_sha256(tmp_path, "a.py") == before
    (tmp_path / "b.py").write_text("X = 2\n")
    assert source_sha256(tmp_path, "a.py") != before
