"""Intervals over weeks, and words that do not promise more than they hold."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ml.training.intervals import _aucs, _draws, score_intervals, signal_verdict
from ml.training.oof import OofForecasts
from ml.training.scores import auc

WEEK_ROWS = 7 * 96


def forecasts(strength: float, weeks: int = 20, seed: int = 3) -> OofForecasts:
    """Forecasts whose margin foretells direction with a given strength."""
    rng = np.random.default_rng(seed)
    n = weeks * WEEK_ROWS
    drift = rng.normal(size=n)
    up = rng.random(n) < 0.5 + strength * np.tanh(drift)
    label = np.where(rng.random(n) < 0.2, 2, np.where(up, 0, 1)).astype(np.int8)
    margin = 0.05 * np.tanh(drift)
    probabilities = np.column_stack([0.4 + margin, 0.4 - margin, np.full(n, 0.2)])
    return OofForecasts(
        np.arange(n) * 900_000, probabilities, np.zeros((n, 3), np.int8), np.zeros(n, np.int16),
        "a" * 64, np.repeat(probabilities[:, None], 3, axis=1), label,
    )  # fmt: skip


def mean_of(said: OofForecasts) -> dict[str, Any]:
    directed = said.label != 2
    score = said.probabilities[:, 0] - said.probabilities[:, 1]
    loss = -np.log(said.probabilities[np.arange(len(said)), said.label]).mean()
    return {
        "direction_auc": auc(score[directed], said.label[directed] == 0),
        "log_loss": float(loss),
        "baseline": {"log_loss": 1.0},
    }


def test_the_draw_of_each_week_once_gives_the_plain_auc() -> None:
    said = forecasts(0.1)
    week = said.open_ms // (7 * 86_400_000)
    score = np.round(said.probabilities[:, 0] - said.probabilities[:, 1], 3)  # with ties
    up = said.label == 0
    once = _aucs(score, up, week, np.ones((1, 20), dtype=np.int64))
    assert once[0] == pytest.approx(auc(score, up), abs=1e-12)


def test_a_drawn_week_counts_as_often_as_it_was_drawn() -> None:
    said = forecasts(0.1, weeks=3)
    week = said.open_ms // (7 * 86_400_000)
    score, up = said.probabilities[:, 0], said.label == 0
    drawn = np.array([[2, 0, 1]])
    rows = np.concatenate([np.flatnonzero(week == w) for w in (0, 0, 2)])
    assert _aucs(score, up, week, drawn)[0] == pytest.approx(auc(score[rows], up[rows]))


def test_draws_have_as_many_weeks_as_there_are() -> None:
    assert (_draws(20).sum(axis=1) == 20).all()
    assert np.array_equal(_draws(20), _draws(20))


def test_limits_hold_the_score_and_tell_skill_from_none() -> None:
    skilled, blind = forecasts(0.15), forecasts(0.0)
    for said in (skilled, blind):
        limits = score_intervals(said)
        low, high = limits["direction_auc"]
        assert low < mean_of(said)["direction_auc"] < high
        assert limits["weeks"] == 20
    assert score_intervals(skilled)["direction_auc"][0] > 0.5
    low, high = score_intervals(blind)["direction_auc"]
    assert low < 0.5 < high


def test_words_follow_the_limits() -> None:
    skilled, blind = forecasts(0.15), forecasts(0.0)
    words = signal_verdict(mean_of(skilled), score_intervals(skilled))
    assert words.startswith("The signal model foretells direction a little better than chance")
    assert "does not beat class shares" in words
    words = signal_verdict(mean_of(blind), score_intervals(blind))
    assert "is not shown to foretell direction better than chance" in words


def test_rows_without_direction_give_no_verdict() -> None:
    said = forecasts(0.1)
    flat = replace(said, label=np.full(len(said), 2, dtype=np.int8))
    limits = score_intervals(flat)
    assert "direction_auc" not in limits
    mean = {**mean_of(said), "direction_auc": None}
    assert signal_verdict(mean, limits).startswith("No verdict")
