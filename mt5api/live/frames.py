"""What the package takes and gives, as bytes between two processes of ours.

JSON with three additions: tuples, named tuples (the package's and ours alike) and record arrays.
"""

import base64
import json
from collections import namedtuple
from functools import lru_cache
from typing import Any

import numpy as np


def pack(value: Any) -> bytes:
    return json.dumps(_plain(value), separators=(",", ":")).encode()


def unpack(frame: bytes) -> Any:
    return _rich(json.loads(frame))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        data = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"array": value.dtype.descr, "data": data}
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "_asdict"):
        fields = value._asdict()
        values = [_plain(each) for each in fields.values()]
        return {"record": type(value).__name__, "names": list(fields), "values": values}
    if isinstance(value, tuple | list):
        return {"tuple": [_plain(each) for each in value]}
    if isinstance(value, dict):
        return {"dict": {name: _plain(each) for name, each in value.items()}}
    return value


def _rich(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        dtype = np.dtype([(name, kind) for name, kind in value["array"]])
        return np.frombuffer(base64.b64decode(value["data"]), dtype=dtype)
    if "record" in value:
        kind = _record(value["record"], tuple(value["names"]))
        return kind(*map(_rich, value["values"]))
    if "tuple" in value:
        return tuple(_rich(each) for each in value["tuple"])
    return {name: _rich(each) for name, each in value["dict"].items()}


@lru_cache(maxsize=64)
def _record(name: str, names: tuple[str, ...]) -> Any:
    return namedtuple(name, names)
