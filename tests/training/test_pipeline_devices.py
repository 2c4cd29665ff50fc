"""The GPU where it is usable, the CPU otherwise, and one line that says which."""

import subprocess
from typing import Any

import pytest

from ml.training import devices
from ml.training.devices import CPU, Devices, choose, probe_in_process
from ml.training.models import TrainingError


def here() -> bool:
    return True


def nowhere() -> bool:
    return False


def works_on(*usable: str) -> Any:
    return lambda name, device: "" if f"{name}:{device}" in usable else "no such luck"


def test_cpu_is_not_questioned() -> None:
    assert choose("cpu", has_gpu=here, probe=works_on("xgb:cuda")) is CPU


def test_auto_without_a_gpu_asks_no_library() -> None:
    def never(name: str, device: str) -> str:
        raise AssertionError((name, device))

    chosen = choose("auto", has_gpu=nowhere, probe=never)
    assert chosen.by_name == {"xgb": "cpu", "lgb": "cpu"}
    assert "no NVIDIA GPU is visible" in chosen.said


def test_each_library_gets_the_first_device_that_runs_a_tiny_fit() -> None:
    chosen = choose("auto", has_gpu=here, probe=works_on("xgb:cuda", "lgb:gpu"))
    assert chosen.by_name == {"xgb": "cuda", "lgb": "gpu"}
    assert chosen.said == ("devices: XGBoost on the GPU (cuda), LightGBM on the GPU (gpu)")


def test_auto_falls_back_and_says_why() -> None:
    chosen = choose("auto", has_gpu=here, probe=works_on("xgb:cuda"))
    assert chosen.by_name == {"xgb": "cuda", "lgb": "cpu"}
    assert "LightGBM on the CPU (cuda: no such luck; gpu: no such luck)" in chosen.said


def test_a_gpu_that_was_asked_for_and_is_not_usable_is_an_error() -> None:
    with pytest.raises(TrainingError, match="no NVIDIA GPU is visible"):
        choose("cuda", has_gpu=nowhere)
    with pytest.raises(TrainingError, match="neither library can use the GPU"):
        choose("cuda", has_gpu=here, probe=works_on())


def test_devices_reach_the_parameters_of_the_boosters_alone() -> None:
    params: dict[str, dict[str, Any]] = {"rf": {}, "xgb": {"max_depth": 3}, "lgb": {}}
    placed = Devices("cuda", "gpu", "").applied(params)
    assert placed == {
        "rf": {}, "xgb": {"max_depth": 3, "device": "cuda"}, "lgb": {"device_type": "gpu"},
    }  # fmt: skip
    assert CPU.applied(params) == params


def test_the_cpu_build_of_xgboost_is_told_by_its_own_probe() -> None:
    import xgboost

    if xgboost.build_info().get("USE_CUDA"):
        pytest.skip("this XGBoost has CUDA")
    assert "built without CUDA" in probe_in_process("xgb", "cuda")


def test_a_probe_that_hangs_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: Any, timeout: float, **__: Any) -> None:
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setattr(devices.subprocess, "run", hang)
    assert "did not end within" in probe_in_process("lgb", "gpu")
