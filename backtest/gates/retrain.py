"""The retrain gate: may the newly trained model replace the one that is there?"""

from backtest.gate_settings import RetrainSettings
from backtest.gates.records import Criterion, GateResult, criterion
from backtest.statistics import Score

_ANOTHER = "train on other data or settings; the old model stays until then"


def retrain_gate(
    new: Score, old: Score | None, *, weeks: float, settings: RetrainSettings
) -> GateResult:
    """new ≥ old + max(margin, margin_share · |old|), both on the same pooled out-of-sample window.

    `old` is None where there is no model yet. One that is not comparable can be replaced by any
    that is. Not passed: roll back.
    """
    return GateResult(
        "retrain gate",
        (
            criterion(
                "window", f"at least {settings.min_weeks:g} weeks out of sample",
                f"{weeks:.1f} weeks", weeks >= settings.min_weeks,
                f"{settings.min_weeks - weeks:.1f} more weeks of bars that no model has seen",
            ),
            _comparable(new),
            _better(new, old, settings),
        ),
    )  # fmt: skip


def _comparable(new: Score) -> Criterion:
    seen = new.why_not or f"{new.trades} trades, score {new.value:.1f}"
    proof = f"a longer window or a lower threshold; {_ANOTHER}"
    return criterion("new score", "a score", seen, new.value is not None, proof)


def _better(new: Score, old: Score | None, settings: RetrainSettings) -> Criterion:
    seen = "none" if new.value is None else f"{new.value:.1f}"
    if old is None or old.value is None:
        why = "no old model" if old is None else f"the old one has no score ({old.why_not})"
        return criterion("better than the old", why, seen, new.value is not None, _ANOTHER)
    least = old.value + max(settings.margin, settings.margin_share * abs(old.value))
    met = new.value is not None and new.value >= least
    needed = f"at least {least:.1f} (old {old.value:.1f})"
    short = "" if new.value is None else f"{least - new.value:.1f} more; "
    return criterion("better than the old", needed, seen, met, short + _ANOTHER)
