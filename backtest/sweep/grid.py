"""What a sweep tries: every point of its grids, or a random draw of them."""

import json
import random
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from backtest.sweep.errors import SweepError
from backtest.sweep.settings import Overrides

# One grid: key → the values that are tried.
Grid = Mapping[str, Sequence[Any]]


def expand(grids: Sequence[Grid]) -> list[Overrides]:
    """Every point of every grid, in order, each once. Keys of a grid vary from the last one on."""
    points: dict[str, Overrides] = {}
    for grid in grids:
        _require_values(grid)
        for values in product(*grid.values()):
            point = dict(zip(grid, values, strict=True))
            points.setdefault(json.dumps(point, sort_keys=True), point)
    return list(points.values())


def draw(points: Sequence[Overrides], count: int, *, seed: int) -> list[Overrides]:
    """`count` of the points without replacement, in the order of the grid; all if there are fewer.

    The first `count` of a shuffle, so that a larger draw of the same seed holds the smaller one.
    """
    if count < 1:
        raise SweepError(f"random: 1 or more settings are allowed, {count} came")
    places = list(range(len(points)))
    random.Random(seed).shuffle(places)
    return [points[place] for place in sorted(places[:count])]


def axes(points: Sequence[Overrides]) -> dict[str, list[Any]]:
    """Keys that take two values or more, with these values in the order of their appearance."""
    found: dict[str, list[Any]] = {}
    for point in points:
        for key, value in point.items():
            values = found.setdefault(key, [])
            if value not in values:
                values.append(value)
    return {key: values for key, values in found.items() if len(values) > 1}


class Target(BaseModel):
    """One entry of `config/sweeps.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    about: str
    grids: tuple[dict[str, list[Any]], ...]


def read_grids(file: Path, target: str) -> tuple[Grid, ...]:
    """The grids that a file has under a name. Raises `SweepError`."""
    try:
        tree = json.loads(file.read_text(encoding="utf-8"))
        targets = {name: Target.model_validate(each) for name, each in tree.items()}
    except FileNotFoundError:
        raise SweepError(f"{file}: the file with the grids is needed, there is none") from None
    except (json.JSONDecodeError, ValidationError) as error:
        raise SweepError(f"{file}: {error}; correct the file") from None
    if target not in targets:
        known = ", ".join(targets)
        raise SweepError(f"{file}: {known} are there, {target} came; name one, or add it")
    return targets[target].grids


def parse_axis(text: str) -> tuple[str, list[Any]]:
    """`key=v1,v2,…` of a command line; values are JSON or plain text. Raises `SweepError`."""
    key, sign, raw = text.partition("=")
    if not sign or not key or not raw:
        raise SweepError(f"--axis: KEY=V1,V2 is allowed, {text!r} came")
    return key, [_value(each) for each in raw.split(",")]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _require_values(grid: Grid) -> None:
    for key, values in grid.items():
        if not values:
            raise SweepError(f"sweep: {key}: at least one value is allowed, none came")
