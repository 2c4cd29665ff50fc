"""Quick records are frozen dataclasses in every respect but the speed of their constructor."""

import copy
import inspect
import math
import pickle
from dataclasses import dataclass, field, fields, replace

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from market.quick import quick, values


@dataclass(frozen=True, slots=True)
class Plain:
    ticket: int
    price: float
    comment: str = "none"


@quick
@dataclass(frozen=True, slots=True)
class Quick:
    ticket: int
    price: float
    comment: str = "none"


def test_it_is_made_compared_hashed_and_shown_like_a_frozen_dataclass() -> None:
    one = Quick(1, price=2.5)
    assert (one.ticket, one.price, one.comment) == (1, 2.5, "none")
    assert one == Quick(1, 2.5, "none") != Quick(2, 2.5)
    assert not one != Quick(1, 2.5, "none")  # noqa: SIM202
    assert one != Plain(1, 2.5)
    assert Quick(1, math.nan) == Quick(1, math.nan)  # one object, as in a tuple
    assert type(one) is Quick
    assert hash(one) == hash(Plain(1, 2.5))
    assert repr(one) == repr(Plain(1, 2.5)).replace("Plain", "Quick")
    assert [each.name for each in fields(one)] == ["ticket", "price", "comment"]


@quick
@dataclass(slots=True, eq=False)
class Counter:
    name: str
    count: int = 0

    def up(self) -> None:
        self.count += 1


def test_it_is_replaced_and_copied() -> None:
    one = Quick(1, 2.5)
    assert replace(one, price=3.0) == Quick(1, 3.0)
    assert copy.copy(one) == copy.deepcopy(one) == one


def test_it_is_frozen() -> None:
    one = Quick(1, 2.5)
    with pytest.raises(AttributeError, match="immutable"):
        one.ticket = 2  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del one.ticket
    with pytest.raises(AttributeError):
        one.lots = 3  # type: ignore[attr-defined]
    assert one == Quick(1, 2.5)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="price"):
        Quick(1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="lots"):
        Quick(1, 2.5, lots=3)  # type: ignore[call-arg]


def test_heirs_bases_and_default_factories_are_refused() -> None:
    with pytest.raises(TypeError, match="no heirs"):

        class Heir(Quick):  # type: ignore[misc]
            pass

    @dataclass(frozen=True, slots=True)
    class Listed:
        tickets: list[int] = field(default_factory=list)

    for record in (dataclass(frozen=True, slots=True)(type("Child", (Plain,), {})), Listed):
        with pytest.raises(TypeError, match="plain fields"):
            quick(record)


def test_it_is_pickled() -> None:
    assert pickle.loads(pickle.dumps(Quick(1, 2.5))) == Quick(1, 2.5)  # noqa: S301


def test_its_constructor_shows_its_fields() -> None:
    assert list(inspect.signature(Quick).parameters) == ["ticket", "price", "comment"]


def test_record_that_is_not_frozen_is_changed_and_may_be_compared_by_identity() -> None:
    one, other = Counter("a"), Counter("a")
    one.up()
    assert (one.count, other.count) == (1, 0)
    other.up()
    assert one != other
    assert {one, other} == {other, one}


def test_its_values_come_in_the_order_of_its_fields() -> None:
    assert values(Quick(1, price=2.5)) == (1, 2.5, "none")


def test_pydantic_reads_it_by_the_rules_it_was_given() -> None:
    with_config(ConfigDict(extra="forbid"))(Quick)
    reader = TypeAdapter(tuple[Quick, ...])
    assert reader.validate_json('[{"ticket": 1, "price": 2.5}]') == (Quick(1, 2.5),)
    with pytest.raises(ValidationError, match="lots"):
        reader.validate_json('[{"ticket": 1, "price": 2.5, "lots": 3}]')
