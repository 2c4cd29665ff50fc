"""Is the model of a card the model that training makes again? Every number is compared."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml.training.card import ModelCard, shown

# What differs from run to run without saying anything about the model. The native forest adds its
# trees in the order in which threads end, so the last digit of the parity's difference varies.
_PASSING = frozenset({"trained_at", "libraries", "source", "start", "devices", "parity"})
# What a warm start leaves equal are the folds; the final model goes on from one that is not here.
_FINAL_MODEL = frozenset(
    {
        "warm_start", "warm_starts_in_a_row", "calibration_knots", "calibration_margin_quantiles",
        "signal_graph_sha256", "oof_sha256",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Difference:
    """One number or text that is not what the card says; `""` where one side has none."""

    name: str
    card: str
    again: str


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of training again. `compared`: how many values; `notes`: why some may differ."""

    compared: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]

    @property
    def is_equal(self) -> bool:
        return not self.differences


def compare_cards(card: ModelCard, again: ModelCard) -> Reproduction:
    """Every value of the card's metadata, and the graph's bytes, against the new training's.

    After a warm start the final model cannot be made again from the card alone: the folds, which
    are always trained from scratch, are compared, the graph is not.
    """
    skipped = _PASSING
    was_warm = bool(card.trained.get("warm_start"))
    if was_warm:
        skipped |= _FINAL_MODEL
    before = dict(_values(card.trained, skipped))
    now = dict(_values(again.trained, skipped))
    if not was_warm:
        before["graph.sha256"], now["graph.sha256"] = card.graph.sha256, again.graph.sha256
    names = list(dict.fromkeys([*before, *now]))
    differing = [
        Difference(name, before.get(name, ""), now.get(name, ""))
        for name in names
        if before.get(name) != now.get(name)
    ]
    return Reproduction(len(names), tuple(differing), tuple(_notes(card, again, was_warm)))


def _notes(card: ModelCard, again: ModelCard, was_warm: bool) -> Iterator[str]:
    if was_warm:
        yield (
            "the model came from a warm start: its folds are compared, its graph cannot be made "
            "again without the earlier model"
        )
    if card.code.sources_sha256 != again.code.sources_sha256:
        made_with = f"commit {card.code.commit[:12]}" if card.code.commit else "other sources"
        yield f"the code has changed since the card was written ({made_with})"
    before, now = card.trained["libraries"], again.trained["libraries"]
    for name in before:
        if before[name] != now.get(name):
            yield f"{name} was {before[name]} and is {now.get(name)}"
    if card.trained.get("devices") != again.trained.get("devices"):
        yield "the devices differ: a GPU's trees have other bits than the CPU's"


def _values(
    tree: Mapping[str, Any], skipped: frozenset[str], prefix: str = ""
) -> Iterator[tuple[str, str]]:
    for key, value in tree.items():
        if key in skipped and not prefix:
            continue
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _values(value, skipped, f"{name}.")
        elif _is_list_of_trees(value):
            for place, each in enumerate(value):
                yield from _values(each, skipped, f"{name}[{place}].")
        else:
            yield name, shown(value)


def _is_list_of_trees(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) > 0
        and all(isinstance(each, Mapping) for each in value)
    )
