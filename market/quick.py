"""Records that are made in a fraction of the time, for those made on every bar.

A frozen dataclass stores each field through `object.__setattr__`, a call per field. `quick` turns
one into a struct of msgspec with the same fields and methods, whose constructor is written in C.
"""

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar, cast

import msgspec
from pydantic_core import core_schema

_T = TypeVar("_T")

# What a struct brings itself.
_OF_THE_STRUCT = {
    "__init__", "__eq__", "__slots__", "__getstate__", "__setstate__", "__annotations__",
}  # fmt: skip


def quick(record: type[_T]) -> type[_T]:
    """Decorates a `@dataclass(slots=True)`, frozen or not, of plain fields that nothing inherits.

    `TypeError` if it has a base, `__post_init__` or a default factory. Values may not refer back to
    the record: the cycle collector does not look at it.
    """
    each = fields(record)  # type: ignore[arg-type]
    made_otherwise = any(f.default_factory is not MISSING or f.kw_only for f in each)
    if record.__bases__ != (object,) or hasattr(record, "__post_init__") or made_otherwise:
        raise TypeError(f"{record.__name__}: a record of plain fields without a base is allowed")
    rules = record.__dataclass_params__  # type: ignore[attr-defined]
    left_out = _OF_THE_STRUCT | {f.name for f in each}
    body = {name: value for name, value in vars(record).items() if name not in left_out}
    body["__init_subclass__"] = classmethod(_refuse_heirs)
    body["__get_pydantic_core_schema__"] = classmethod(_schema_by(record))
    struct = msgspec.defstruct(
        record.__name__,
        [(f.name, f.type) if f.default is MISSING else (f.name, f.type, f.default) for f in each],
        namespace=body, module=record.__module__, frozen=rules.frozen, eq=rules.eq, gc=False,
    )  # fmt: skip
    return cast("type[_T]", struct)


def values(record: object) -> tuple[Any, ...]:
    """The values of a quick record, in the order of its fields."""
    return msgspec.structs.astuple(cast("msgspec.Struct", record))


def _refuse_heirs(cls: type) -> None:
    raise TypeError(f"{cls.__name__}: a quick record has no heirs")


def _schema_by(record: type) -> Callable[..., core_schema.CoreSchema]:
    """Pydantic fills an instance that it did not construct, which a struct does not allow: it reads
    the dataclass, and the struct is made of that."""

    def schema(cls: type, _: object, handler: Callable[[type], Any]) -> core_schema.CoreSchema:
        names = cls.__match_args__  # type: ignore[attr-defined]
        if hasattr(cls, "__pydantic_config__"):
            record.__pydantic_config__ = cls.__pydantic_config__  # type: ignore[attr-defined]
        return core_schema.no_info_after_validator_function(
            lambda read: cls(*[getattr(read, name) for name in names]), handler(record)
        )

    return schema
