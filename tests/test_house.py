"""The house's rules: who may import whom, and what the trading host never does."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

_SETTINGS_SECTIONS = {
    "backtest", "broker.client", "broker.simulator", "ml.features", "ml.hub", "ml.predictors",
    "ml.training", "retrain",
    "trading", "trading.decision",
}  # fmt: skip

# Each room and the rooms it may import; a room always sees itself. Longest prefix names the room.
MAY_IMPORT: dict[str, set[str]] = {
    "market": set(),
    "broker": {"market"},
    "broker.contract": {"market"},
    "broker.native": {"market", "broker.contract"},
    "broker.simulator": {"market", "broker.contract"},
    "broker.client": {"market", "broker.contract", "broker.native"},
    "mt5api": {"market", "broker.contract", "broker.native", "broker.simulator"},
    "ml": {"ml.predictors"},
    "ml.features": {"market"},
    "ml.predictors": {"market", "ml.features"},
    "ml.hub": {"market", "ml.features", "ml.predictors"},
    "trading.decision": {"market"},
    "trading.execution": {"market", "broker.contract", "trading.decision"},
    "trading": {
        "market", "broker.contract", "broker.native", "broker.simulator", "broker.client",
        "mt5api", "ml.features", "ml.predictors", "ml.hub", "trading.decision", "trading.execution",
    },
}  # fmt: skip
MAY_IMPORT["backtest"] = MAY_IMPORT["trading"] | {"trading"}
MAY_IMPORT["ml.training"] = MAY_IMPORT["backtest"] | {"backtest", "ml"}
MAY_IMPORT["ml.tune"] = MAY_IMPORT["ml.training"] | {"ml.training"}
MAY_IMPORT["settings"] = {"market", *_SETTINGS_SECTIONS}
MAY_IMPORT["retrain"] = MAY_IMPORT["ml.tune"] | {"ml.tune", "settings"}

# Modules that read a command line: doors, wherever they live. They may import everything.
DOORS = {
    "trading.cli", "trading.command_line",
    "trading.doctor_command", "trading.live_command", "trading.paper_command",
    "trading.swap_command",
    "backtest.decided_run", "backtest.evidence_command", "backtest.evidence_figures",
    "backtest.evidence_gaps",
    "backtest.journalled", "backtest.looks",
    "backtest.lookahead",
    "backtest.parity", "backtest.prop_report", "backtest.recursive", "backtest.regime",
    "backtest.replay", "backtest.run", "backtest.shadow.command", "backtest.sweep.command",
    "ml.train",
    "ml.train_inputs", "ml.train_options", "ml.train_pipeline", "ml.train_refresh",
    "ml.train_reproduce", "ml.train_tuning", "mt5api.__main__",
    "ml.calibration_check", "ml.shap_analysis", "ml.tune.command", "ml.tune.hyperparams",
    "ml.tune.position",
    "ml.hub.door", "ml.local_hub", "ml.r2_hub", "ml.hf_hub",
}  # fmt: skip

# What would let a file run code when it is loaded.
UNPICKLERS = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
TRAINING_LIBRARIES = {"sklearn", "xgboost", "lightgbm", "skl2onnx", "onnxmltools", "optuna", "shap"}
TRADING_HOST = ("market", "broker", "mt5api", "trading", "ml.features", "ml.predictors", "ml.hub")


def _modules() -> list[tuple[str, Path]]:
    tops = {room.split(".")[0] for room in MAY_IMPORT}
    found = []
    for top in sorted(tops):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def _room(module: str) -> str | None:
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in MAY_IMPORT:
            return ".".join(parts[:length])
    return None


def _imports(path: Path) -> set[str]:
    """Every module a file imports, `from a import b` as `a.b` where that is a module."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative imports hide the room"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                is_module = (ROOT / Path(*whole.split("."))).with_suffix(".py").exists() or (
                    ROOT / Path(*whole.split(".")) / "__init__.py"
                ).exists()
                names.add(whole if is_module else node.module)
    return names


@pytest.mark.parametrize(("module", "path"), _modules(), ids=[name for name, _ in _modules()])
def test_module_imports_only_rooms_to_its_left(module: str, path: Path) -> None:
    if module in DOORS:
        return
    room = _room(module)
    assert room is not None
    allowed = MAY_IMPORT[room] | {room}
    for name in _imports(path):
        other = _room(name)
        assert other is None or other in allowed, (
            f"{module} (room {room}) imports {name} (room {other}); allowed: {sorted(allowed)}"
        )


@pytest.mark.parametrize(("module", "path"), _modules(), ids=[name for name, _ in _modules()])
def test_trading_host_never_unpickles_and_never_loads_training_libraries(
    module: str, path: Path
) -> None:
    if not module.startswith(TRADING_HOST):
        return
    tops = {name.split(".")[0] for name in _imports(path)}
    assert not tops & UNPICKLERS, f"{module} can run code from a file it loads"
    assert not tops & TRAINING_LIBRARIES, f"{module} needs a training library on the trading host"


def test_decision_core_touches_no_clock_file_or_socket() -> None:
    forbidden = {"os", "io", "time", "pathlib", "socket", "sqlite3", "httpx", "logging", "random"}
    for path in (ROOT / "trading" / "decision").glob("*.py"):
        assert not {name.split(".")[0] for name in _imports(path)} & forbidden, path.name


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_room_says_what_lives_there_and_what_it_may_import(room: str) -> None:
    folder = ROOT / Path(*room.split("."))
    if not folder.is_dir():
        assert folder.with_suffix(".py").exists()
        return
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert text is not None
    assert "import" in text, f"{room}/__init__.py does not say what it may import"
