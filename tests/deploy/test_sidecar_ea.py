"""`NovoskySidecar.mq5` as far as it can be judged without MetaEditor."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mt5api.live.sidecar import HEARTBEAT, OUR_HEARTBEAT

ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / "deploy" / "mql5" / "NovoskySidecar.mq5").read_text(encoding="ascii")
_FUNCTION = re.compile(r"^(?:void|int|long|ENUM_\w+) \w+\((?:[^{;]*)\)(?=\s*\{)", re.MULTILINE)


def test_it_is_short() -> None:
    assert len(SOURCE.splitlines()) < 300


def test_words_and_types_pass_a_cpp_compiler_with_mql5s_names(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        why = "g++ is not on this machine, so the sidecar's syntax is not checked"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    body = re.sub(r"^#property.*$", "", SOURCE, flags=re.MULTILINE)
    body = body.replace("string names[];", "std::vector<string> names;").replace("%I64", "%ll")
    prototypes = "".join(f"{each};\n" for each in _FUNCTION.findall(body))
    file = tmp_path / "sidecar.cpp"
    file.write_text(prototypes + body, encoding="ascii")
    words = ROOT / "tests" / "deploy" / "mql5_words.h"
    done = subprocess.run(
        ["g++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
         "-Wno-unused-parameter", "-Wno-unused-variable", "-include", str(words), str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_it_sends_in_one_place_and_only_about_open_positions() -> None:
    assert len(re.findall(r"\bOrderSend\(", SOURCE)) == 1
    requests = SOURCE.split("ZeroMemory(request);")[1:]
    assert len(requests) == 2
    for each in requests:
        assert "request.position = ticket;" in each.split("Send(request")[0]
    assert "TRADE_ACTION_PENDING" not in SOURCE
    assert not re.search(r"OrderSendAsync|CTrade|Trade\.mqh", SOURCE)


def test_it_leaves_positions_of_others_alone() -> None:
    loop = SOURCE.split("void Guard(")[1].split("void GiveStop(")[0]
    assert "PositionGetInteger(POSITION_MAGIC) < OURS_FROM" in loop
    assert f"OURS_FROM       {1 << 32}" in SOURCE


def test_both_sides_use_the_same_files_and_words() -> None:
    assert f'"{HEARTBEAT}"' in SOURCE
    assert f"\\\\{OUR_HEARTBEAT}" in SOURCE
    assert '"sessions_" + symbol + ".csv"' in SOURCE
    for word in ("time_gmt=", "time_trade_server="):
        assert word in SOURCE
