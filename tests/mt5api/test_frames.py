"""What crosses between the bridge and the process of the package arrives as it was."""

import ast
import inspect
from typing import Any

import numpy as np
import pytest

from broker.simulator.native import NativeTerminal
from mt5api.live import host
from mt5api.live.frames import pack, unpack
from tests.broker.paper_bridge import make_terminal


@pytest.fixture(scope="module")
def native() -> NativeTerminal:
    return NativeTerminal(make_terminal())


@pytest.mark.parametrize("value", [None, True, 7, 0.1 + 0.2, 1e-300, "é", (), (1, "a"), {"a": 1}])
def test_plain_values_are_the_same(value: Any) -> None:
    assert unpack(pack(value)) == value


def test_named_tuples_keep_fields_and_values(native: NativeTerminal) -> None:
    for record in (native.account_info(), native.symbol_info("BTCUSD"), native.terminal_info()):
        there = unpack(pack(record))
        assert there == record
        assert there._asdict() == record._asdict()
        assert type(there).__name__ == type(record).__name__


def test_trade_answer_keeps_the_request_inside(native: NativeTerminal) -> None:
    answer = native.order_check({"action": 1, "symbol": "BTCUSD", "volume": 0.1, "type": 0})
    there = unpack(pack(answer))
    assert there.request == answer.request
    assert there.request.volume == 0.1


def test_record_arrays_keep_dtype_and_bits(native: NativeTerminal) -> None:
    rows = native.copy_rates_from_pos("BTCUSD", 15, 0, 20)
    assert rows is not None
    there = unpack(pack(rows))
    assert there.dtype == rows.dtype
    assert np.array_equal(there, rows)


def test_package_is_called_without_a_keyword_mapping_where_there_are_no_keywords() -> None:
    """`f(*args, **{})` is not `f(*args)` to the package's C functions; Python code cannot tell."""
    tree = ast.parse(inspect.getsource(host))
    (choice,) = (node for node in ast.walk(tree) if isinstance(node, ast.IfExp))
    unpacking = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and any(each.arg is None for each in node.keywords)
    ]
    assert unpacking == [choice.body]
    assert ast.unparse(choice.test) == "named"
    assert ast.unparse(choice.orelse) == "function(*args)"
