"""The loop's steps with the project's own commands: train, explain, judge, tune."""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ml.predictors.settings import PROJECT_ROOT
from ml.tune.loop import Groups, Measured, Params, Proposal, largest_shap

if TYPE_CHECKING:
    from market.bars import Bars
    from ml.training.oof import OofForecasts
    from ml.tune.judge import Judged
    from trading.forecasts import ForecastColumns


class StepFailed(Exception):
    """A command of the loop ended with an error; its own words are above."""


class CommandBench:
    """Each training in a process and a folder of its own, under `folder`."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self._given, self._folder = given, folder

    def measure(self, groups: Groups, params: Params) -> Measured:
        from ml.features.catalogue import CATALOGUE

        models = self._folder / _name(groups, params)
        overrides = _overrides(groups, params)
        self._run(
            "train_ml_model.py", "--ensemble", "--no-warmstart", "--no-report",
            *self._data_files(), *self._market(models, overrides),
        )  # fmt: skip
        self._run("ml/shap_analysis.py", *self._market(models, self._files_as(overrides)))
        summary = json.loads((models / "shap_summary.json").read_text(encoding="utf-8"))["signal"]
        group_of = {each.name: each.group for each in CATALOGUE}
        judged = self._judged(models, self._files_as(overrides))
        shap = largest_shap(summary["features"], group_of)
        return Measured(judged.score.value, judged.score.trades, shap)

    def tune(self, groups: Groups) -> Proposal:
        out = self._folder / f"tune_{_name(groups, {})}.json"
        trials = [] if self._given.trials is None else ["--trials", str(self._given.trials)]
        overrides = self._files_as(_overrides(groups, {}))
        self._run(
            "ml/tune/hyperparams.py", "--out", str(out), *trials,
            *self._market(self._folder / _name(groups, {}), overrides),
        )  # fmt: skip
        found = json.loads(out.read_text(encoding="utf-8"))
        better = found["value"] is not None and (
            found["present_value"] is None or found["value"] > found["present_value"]
        )
        return Proposal(found["ml_config"] if better else None, found["words"])

    def _judged(self, models: Path, overrides: Sequence[str]) -> "Judged":
        """The out-of-fold trades of a training, through the gate with costs."""
        from ml.train_inputs import read_inputs, settings_of, trading_rules
        from ml.train_options import TrainOptions
        from ml.training.oof import OofForecasts, oof_path
        from ml.tune.judge import judge, trade_forecasts

        given = self._given
        options = TrainOptions(
            kinds=("signal",), symbol=given.symbol, profile=given.profile, from_ms=given.from_ms,
            to_ms=given.to_ms, data=given.data, models=models, seed=given.seed,
            overrides=tuple(overrides),
        )  # fmt: skip
        inputs = read_inputs(options, settings_of(options))
        bars = inputs.bars.between(int(inputs.bars.open_ms[0]), inputs.cutoff_ms)
        oof = OofForecasts.load(oof_path(inputs.paths, bars.symbol))
        forecasts = _forecasts(bars, oof, tuple(inputs.settings.ml.features.groups))
        run = trade_forecasts(bars, forecasts, trading_rules(inputs.settings))
        return judge([run], seed=inputs.settings.ml.training.seed)

    def _market(self, models: Path, overrides: Sequence[str]) -> list[str]:
        from market.bars import utc_text

        given = self._given
        words = ["--profile", given.profile, "--models", str(models.resolve())]
        for flag, value in (("--data", given.data and given.data.resolve()),
                            ("--symbol", given.symbol), ("--seed", given.seed)):  # fmt: skip
            words += [] if value is None else [flag, str(value)]
        for flag, at_ms in (("--from", given.from_ms), ("--to", given.to_ms)):
            words += [] if at_ms is None else [flag, utc_text(at_ms).replace(" ", "T")]
        for override in (*given.override, *overrides):
            words += ["--override", override]
        return words

    def _data_files(self) -> list[str]:
        words = []
        for flag in ("calendar", "onchain"):
            path = getattr(self._given, flag)
            words += [] if path is None else [f"--{flag}", str(path.resolve())]
        return words

    def _files_as(self, overrides: Sequence[str]) -> list[str]:
        """With the files behind the features: the study's commands take them as settings."""
        paths = {flag: getattr(self._given, flag) for flag in ("calendar", "onchain")}
        files = [f"features.{flag}={path.resolve()}" for flag, path in paths.items() if path]
        return [*files, *overrides]

    def _run(self, command: str, *words: str) -> None:
        done = subprocess.run(
            [sys.executable, str(PROJECT_ROOT / command), *words], cwd=PROJECT_ROOT, check=False
        )
        if done.returncode == 130:
            raise KeyboardInterrupt
        if done.returncode:
            raise StepFailed(
                f"{command} ended with status {done.returncode}; mend what it says and give the "
                "same command again: the loop goes on there"
            )


def _forecasts(bars: "Bars", oof: "OofForecasts", groups: Groups) -> "ForecastColumns":
    from ml.features.catalogue import names
    from ml.tune.judge import forecasts_of

    rows = bars.open_ms.searchsorted(oof.open_ms)
    return forecasts_of(bars, rows, oof.probabilities, oof.votes, names(groups))


def _overrides(groups: Groups, params: Params) -> list[str]:
    sections = {"features.groups": list(groups), **params}
    return [f"{key}={json.dumps(value)}" for key, value in sections.items()]


def _name(groups: Groups, params: Params) -> str:
    text = json.dumps(params, sort_keys=True).encode()
    return "+".join(groups) + (f"-{hashlib.sha256(text).hexdigest()[:8]}" if params else "")
