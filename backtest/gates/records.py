"""What a gate says."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that a gate needs. `proof`: what would prove it; empty where it is met."""

    name: str
    needed: str
    seen: str
    met: bool
    proof: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name, "needed": self.needed, "seen": self.seen, "met": self.met,
            "proof": self.proof,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class GateResult:
    """Every criterion of a gate, in fixed order. `warnings`: what a person should know anyway."""

    gate: str
    criteria: tuple[Criterion, ...]
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(each.met for each in self.criteria)

    @property
    def missing(self) -> tuple[Criterion, ...]:
        return tuple(each for each in self.criteria if not each.met)


def criterion(name: str, needed: str, seen: str, met: bool, proof: str) -> Criterion:
    """A criterion whose proof is only said where it is missing."""
    return Criterion(name, needed, seen, met, "" if met else proof)
