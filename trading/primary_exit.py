"""What speaks for letting the position model's exits be the first ones, said at every start."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ml.predictors.model_set import ModelSet
from trading.decision.preconditions import exit_evidence, missing, preconditions, table
from trading.decision.records import ClosedTrade
from trading.decision.settings import DecisionSettings


def primary_exit_lines(
    models: ModelSet, settings: DecisionSettings, closed: Callable[[], Sequence[ClosedTrade]]
) -> tuple[str, ...]:
    """The preconditions of `position_as_primary_exit` as a table, and what is missing.

    Empty where the mode is off. `closed`: the account's own finished trades. The mode is not
    refused for them: on paper and demo it is how they are gathered.
    """
    if not settings.ml_active_management.position_as_primary_exit.enabled:
        return ()
    notes = {} if models.position is None else models.position.notes
    evidence = exit_evidence(closed(), exit_precision(notes))
    unmet = ", ".join(each.name for each in missing(evidence))
    verdict = f"warning: not met yet: {unmet}" if unmet else "all of them are met"
    return "position_as_primary_exit is on", table(preconditions(evidence)), verdict


def exit_precision(notes: Mapping[str, Any]) -> float:
    """Share of EXIT forecasts on unseen trades that were right, by the position model's metadata;
    NaN where nobody measured it."""
    precision = notes.get("walk_forward", {}).get("exit", {}).get("precision")
    return math.nan if precision is None else float(precision)
