"""Where XGBoost and LightGBM train: on an NVIDIA GPU where one is really usable, else on the CPU.

A library may be built without GPU support, a driver may be too old, a card may be full: only a fit
tells. A tiny one is tried in a process of its own, because LightGBM ends its process where OpenCL
fails. The bits of a GPU's trees differ from the CPU's, so the metadata names the devices.
"""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ml.training.models import TrainingError

Asked = Literal["auto", "cpu", "cuda"]
# What each library's own device parameter is tried with, in this order.
CANDIDATES = {"xgb": ("cuda",), "lgb": ("cuda", "gpu")}
PARAMETER = {"xgb": "device", "lgb": "device_type"}
_TIMEOUT_S = 90.0

# (library, device) -> an empty string if a tiny fit ran there, else why not, in one line.
Probe = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Devices:
    """The device of each booster, `cpu`, `cuda` or `gpu` (OpenCL), and why, in one line."""

    xgb: str = "cpu"
    lgb: str = "cpu"
    said: str = "devices: XGBoost and LightGBM on the CPU, as asked"

    @property
    def by_name(self) -> dict[str, str]:
        return {"xgb": self.xgb, "lgb": self.lgb}

    def applied(self, params: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Model parameters with each booster's device, where it is not the CPU."""
        placed = {name: dict(given) for name, given in params.items()}
        for name, device in self.by_name.items():
            if name in placed and device != "cpu":
                placed[name][PARAMETER[name]] = device
        return placed


CPU = Devices()


def choose(
    asked: Asked, *, probe: Probe | None = None, has_gpu: Callable[[], bool] | None = None
) -> Devices:
    """The devices to train on. `auto` falls back to the CPU; `cuda` raises `TrainingError` where
    neither library can use a GPU.
    """
    if asked == "cpu":
        return CPU
    if not (has_gpu or _has_nvidia)():
        if asked == "cuda":
            raise TrainingError(
                "--device cuda: no NVIDIA GPU is visible on this machine (/dev/nvidia0 is not "
                "there); check the driver, or use --device auto"
            )
        return Devices(said="devices: XGBoost and LightGBM on the CPU, no NVIDIA GPU is visible")
    found = {name: _first_usable(name, probe or probe_in_process) for name in CANDIDATES}
    used = {name: device for name, (device, _) in found.items()}
    said = "devices: " + ", ".join(f"{_LIBRARY[name]} {why}" for name, (_, why) in found.items())
    if asked == "cuda" and set(used.values()) == {"cpu"}:
        raise TrainingError(f"--device cuda: neither library can use the GPU ({said})")
    return Devices(used["xgb"], used["lgb"], said)


_LIBRARY = {"xgb": "XGBoost", "lgb": "LightGBM"}


def _first_usable(name: str, probe: Probe) -> tuple[str, str]:
    """(device, why) of one library: the first on which the tiny fit ran."""
    failures = []
    for device in CANDIDATES[name]:
        failure = probe(name, device)
        if not failure:
            return device, f"on the GPU ({device})"
        failures.append(f"{device}: {failure}")
    return "cpu", f"on the CPU ({'; '.join(failures)})"


def _has_nvidia() -> bool:
    return Path("/dev/nvidia0").exists()


def probe_in_process(name: str, device: str) -> str:
    """Fits a few trees in a process of its own; empty if that worked, else its last words."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPTS[name], device],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"a tiny fit did not end within {_TIMEOUT_S:.0f} s"
    if done.returncode == 0:
        return ""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return (lines[-1] if lines else f"the tiny fit ended with status {done.returncode}")[:160]


_ROWS = (
    "import sys, numpy as np; device = sys.argv[1]; rng = np.random.default_rng(0); "
    "rows = rng.normal(size=(600, 8)).astype('f4'); label = rng.integers(0, 3, 600); "
)
# XGBoost only warns where it was built without CUDA, and goes on on the CPU.
_SCRIPTS = {
    "xgb": _ROWS + "import warnings, xgboost; warnings.simplefilter('error'); "
    "ok = xgboost.build_info().get('USE_CUDA'); "
    "ok or sys.exit('this XGBoost was built without CUDA (requirements-gpu.txt has the other)'); "
    "xgboost.XGBClassifier(n_estimators=2, device=device).fit(rows, label)",
    "lgb": _ROWS
    + "import lightgbm; lightgbm.LGBMClassifier(n_estimators=2, device_type=device, verbose=-1)"
    ".fit(rows, label)",
}
