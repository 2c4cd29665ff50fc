"""From trades to labelled states, from them to a regressor, and what its sizes earn on others."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bars import Float64s, Int64s
from ml.training.audit import require_ended
from ml.training.models import TrainingError
from ml.training.regressor import Regressor, fit_regressor
from ml.training.regressor_export import bounded_multiplier
from ml.training.risk_folds import RiskFold
from ml.training.risk_labels import (
    RiskTrades,
    account_states,
    best_multipliers,
    growth_share,
    joined,
    risk_samples,
)
from ml.training.risk_scores import RiskTest, earned, errors, growth_of, pooled
from ml.training.risk_task import RiskTraining
from ml.training.signal_task import utc_iso
from ml.training.weights import recency


@dataclass(frozen=True, slots=True, eq=False)
class LabelledStates:
    """States (n, 7) float32 with their multipliers; `opened_ms` of the trades they are before.

    `ended_ms`: when the last trade that a label looks at had closed.
    `share`: the share of equity that multiplier 1 stands for in these labels (`growth_share`).
    """

    rows: NDArray[np.float32]
    label: Float64s
    opened_ms: Int64s
    ended_ms: Int64s
    share: float


def labelled(
    task: RiskTraining, sources: list[RiskTrades], share: float | None = None
) -> LabelledStates:
    """States of these trades alone, and the multiplier of what followed each; `share`: another's.

    Raises `TrainingError` where no gate has as many trades as a label looks ahead.
    """
    signal, settings = task.signal, task.settings
    share = growth_share(sources, task.risk_share) if share is None else share
    samples = risk_samples(
        sources, risk_share=task.risk_share, share=share, next_trades=settings.next_trades,
        augmented=settings.augmented, seed=signal.training.seed,
    )  # fmt: skip
    if len(samples) == 0:
        raise TrainingError(
            f"risk trades: a label looks {settings.next_trades} trades ahead "
            f"(risk_training.next_trades), at most {max(map(len, sources))} came in a part: use a "
            "longer history, larger risk_training.gate_factors or fewer training.n_splits"
        )
    label = best_multipliers(samples.growth)
    rows = samples.rows.astype(np.float32)
    return LabelledStates(rows, label, samples.opened_ms, samples.ended_ms, share)


def fit_states(task: RiskTraining, states: LabelledStates) -> Regressor:
    """Labels overlap alike, each looks at as many trades: only recency makes weights differ."""
    weight = recency(states.opened_ms, task.signal.training.recency_half_life_days)
    return fit_regressor(states.rows, states.label, weight / weight.mean(), task.params)


def judged(task: RiskTraining, fold: RiskFold) -> tuple[RiskTest, dict[str, Any]]:
    """A model of the fold's training trades on its test trades, in the order they were made."""
    closed_ms, opened_ms = joined(fold.train).closed_ms, joined(fold.test).opened_ms
    require_ended(closed_ms, opened_ms, task.embargo_ms)
    train = labelled(task, fold.train)
    require_ended(train.ended_ms, opened_ms, task.embargo_ms)
    test = labelled(task, fold.test, train.share)
    model = fit_states(task, train)
    said = bounded_multiplier(model.predict(test.rows))[:, 0]
    tested = pooled(
        [_grown(task, model, trades, traded=gate == 0) for gate, trades in enumerate(fold.test)]
    )
    return tested, {
        "test_from": utc_iso(fold.test_from_ms),
        "train_trades": [len(each) for each in fold.train],
        "test_trades": [len(each) for each in fold.test],
        **errors(said, test.label, float(train.label.mean())),
        "multiplier_1_is_percent": 100 * train.share,
        "mean_multiplier": float(said.mean()),
        "said": [float(said.min()), float(said.max())],
        **earned(tested),
    }


def _grown(task: RiskTraining, model: Regressor, trades: RiskTrades, *, traded: bool) -> RiskTest:
    """What one account made of real trades, sized three ways; its states are those of size 1.

    The constant size is the mean of the model's own: the same risk, in other places.
    """
    share = task.risk_share
    rows = np.hstack([account_states(trades.r, share), trades.market]).astype(np.float32)
    said = np.empty(0) if len(trades) == 0 else bounded_multiplier(model.predict(rows))[:, 0]
    return RiskTest(
        model=growth_of(said, trades.r, share),
        constant=growth_of(float(said.mean()) if len(said) else 1.0, trades.r, share),
        unchanged=growth_of(1.0, trades.r, share),
        multiplier=said,
        traded=np.full(len(trades), traded),
        opened_ms=trades.opened_ms,
    )
