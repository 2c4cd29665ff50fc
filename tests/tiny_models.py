"""Four small graphs written by hand, and a folder that holds them as training would leave them.

Only sums, products, comparisons and clipping: a row alone has the bits it has in any batch.
"""

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from ml.features.catalogue import feature_hash, names
from ml.features.position import position_names
from ml.features.risk import RISK_FEATURES
from ml.predictors.compat import FileStamp, Kind, Manifest, ModelEntry, read_manifest
from ml.predictors.session import OPTIONS, RUNTIME_VERSION
from ml.predictors.settings import ModelFiles, ModelPaths

GROUPS = ("base", "regime")
ALL: tuple[Kind, ...] = ("signal", "position", "sltp", "risk")


class Sketch:
    """A graph over `features` (n, k), built column by column; a column is a name."""

    def __init__(self, features: Sequence[str]) -> None:
        self._features = list(features)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._put("Cast", ["features"], "wide", to=TensorProto.DOUBLE)

    def feature(self, name: str) -> str:
        """A feature's column (n, 1)."""
        place = self._constant(np.array([self._features.index(name)], dtype=np.int64))
        return self._put("Gather", ["wide", place], axis=1)

    def number(self, value: float) -> str:
        return self._constant(np.array(value, dtype=np.float64))

    def linear(self, offset: float, **weights: float) -> str:
        """offset + Σ weight · feature, each feature clipped to ±1 first."""
        total = self.number(offset)
        for name, weight in weights.items():
            part = self._put("Mul", [self.clip(self.feature(name), -1, 1), self.number(weight)])
            total = self._put("Add", [total, part])
        return total

    def clip(self, of: str, low: float, high: float) -> str:
        return self._put("Clip", [of, self.number(low), self.number(high)])

    def add(self, *of: str) -> str:
        total = of[0]
        for each in of[1:]:
            total = self._put("Add", [total, each])
        return total

    def less(self, of: str, take: str) -> str:
        return self._put("Sub", [of, take])

    def sign(self, of: str) -> str:
        return self._put("Sign", [of])

    def above(self, of: str, limit: float) -> str:
        """1.0 where a column is above a limit, else 0.0."""
        found = self._put("Greater", [of, self.number(limit)])
        return self._put("Cast", [found], to=TensorProto.DOUBLE)

    def times(self, of: str, factor: float) -> str:
        return self._put("Mul", [of, self.number(factor)])

    def columns(self, name: str, of: Sequence[str]) -> None:
        """Output `name` (n, len(of))."""
        self._put("Concat", list(of), name, axis=1)

    def votes(self, of: Sequence[str]) -> None:
        joined = self._put("Concat", list(of), axis=1)
        self._put("Cast", [joined], "votes", to=TensorProto.INT8)

    def each_model(self, count: int) -> None:
        """Output `model_probabilities`: every model says what the ensemble says."""
        shape = self._constant(np.array([-1, 1, 3], dtype=np.int64))
        one = self._put("Reshape", ["probabilities", shape])
        self._put("Concat", [one] * count, "model_probabilities", axis=1)

    def graph(self, outputs: dict[str, list[int | None]]) -> bytes:
        kinds = {"votes": TensorProto.INT8}
        told = [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.DOUBLE), shape)
            for name, shape in outputs.items()
        ]
        width = [None, len(self._features)]
        features = helper.make_tensor_value_info("features", TensorProto.FLOAT, width)
        graph = helper.make_graph(self._nodes, "tiny", [features], told, self._constants)
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=9)
        return bytes(model.SerializeToString(deterministic=True))

    def _constant(self, value: np.ndarray) -> str:
        name = f"c{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def _put(self, op: str, of: list[str], name: str = "", **how: Any) -> str:
        name = name or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, of, [name], **how))
        return name


def signal_graph(groups: Sequence[str] = GROUPS) -> bytes:
    """Follows three returns; each is one model's vote."""
    s = Sketch(names(groups))
    buy = s.linear(0.45, return_1=0.13, hourly_return=0.13, return_4h=0.13)
    hold = s.number(0.1)
    sell = s.less(s.number(0.9), buy)
    s.columns("probabilities", [buy, sell, s.less(s.add(buy, hold), buy)])
    s.each_model(3)
    s.votes([s.sign(s.feature(each)) for each in ("return_1", "hourly_return", "return_4h")])
    return s.graph(
        {"probabilities": [None, 3], "model_probabilities": [None, 3, 3], "votes": [None, 3]}
    )


def position_graph(groups: Sequence[str] = GROUPS) -> bytes:
    """Leaves what gave back half an ATR, adds to what is half an ATR ahead."""
    s = Sketch(position_names(groups))
    behind = s.above(s.feature("give_back_atr"), 0.5)
    ahead = s.times(s.above(s.feature("open_profit_atr"), 0.5), 0.9)
    odd = s.linear(0.0, m1_rsi_9=0.01, trade_direction=0.01, bars_held=0.01)
    leave = s.clip(s.add(s.times(behind, 0.88), odd), 0.01, 0.95)
    more = s.clip(s.less(ahead, s.times(leave, 0.9)), 0.02, 0.94)
    hold = s.less(s.number(1.0), s.add(leave, more))
    s.columns("probabilities", [hold, leave, more])
    s.each_model(3)
    vote = s.add(s.above(leave, 0.5), s.times(s.above(more, 0.5), 2.0))
    s.votes([vote, vote, vote])
    return s.graph(
        {"probabilities": [None, 3], "model_probabilities": [None, 3, 3], "votes": [None, 3]}
    )


def sltp_graph(groups: Sequence[str] = GROUPS) -> bytes:
    """A stop of 0.9 to 1.3 ATR, and a target half an ATR and more beyond it."""
    s = Sketch(names(groups))
    stop = s.linear(1.1, volatility_regime=0.1, return_1=0.1)
    s.columns("multiples", [stop, s.add(stop, s.linear(0.7, hourly_return=0.2))])
    return s.graph({"multiples": [None, 2]})


def risk_graph() -> bytes:
    """Less after losses and in a drawdown."""
    s = Sketch(RISK_FEATURES)
    wanted = s.linear(0.9, win_rate_recent=0.4, consecutive_losses=-0.3, drawdown_pct=-0.2)
    s.columns("multiplier", [s.clip(wanted, 0.10, 1.25)])
    return s.graph({"multiplier": [None, 1]})


_GRAPHS: dict[Kind, Callable[[], bytes]] = {
    "signal": signal_graph, "position": position_graph, "sltp": sltp_graph, "risk": risk_graph,
}  # fmt: skip
_FEATURES: dict[Kind, tuple[str, ...]] = {
    "signal": names(GROUPS), "position": position_names(GROUPS), "sltp": names(GROUPS),
    "risk": RISK_FEATURES,
}  # fmt: skip
_CLASSES: dict[Kind, tuple[str, ...]] = {
    "signal": ("BUY", "SELL", "HOLD"), "position": ("HOLD", "EXIT", "ADD"), "sltp": (), "risk": (),
}  # fmt: skip


def files_of(paths: ModelPaths, kind: Kind) -> ModelFiles:
    files: ModelFiles = getattr(paths, kind)
    return files


def write_models(
    folder: Path, kinds: Sequence[Kind] = ALL, *, symbol: str = "BTCUSD", m1: bool = True
) -> ModelPaths:
    """The tiny models of these kinds in a folder, with their manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = ModelPaths().for_symbol(symbol).in_folder(folder)
    entries = {}
    for kind in kinds:
        files = files_of(paths, kind)
        files.graph.write_bytes(_GRAPHS[kind]())
        notes = {"kind": kind, "m1": m1}
        if kind != "signal":
            notes["signal_graph_sha256"] = sha256(signal_graph()).hexdigest()
        files.metadata.write_text(json.dumps(notes))
        entries[files.graph.name] = entry_of(files, kind, symbol)
    paths.manifest.write_text(Manifest(models=entries).text())
    return paths


def learned_from_another(paths: ModelPaths, kind: Kind) -> None:
    """Makes a model beside the signal model one of another signal graph."""
    files = files_of(paths, kind)
    notes = json.loads(files.metadata.read_text()) | {"signal_graph_sha256": "0" * 64}
    files.metadata.write_text(json.dumps(notes))
    listed = dict(read_manifest(paths.manifest).models)
    listed[files.graph.name] = listed[files.graph.name].model_copy(
        update={"metadata": FileStamp.of(files.metadata)}
    )
    paths.manifest.write_text(Manifest(models=listed).text())


def entry_of(files: ModelFiles, kind: Kind, symbol: str = "BTCUSD") -> ModelEntry:
    """The manifest's entry of files that lie there."""
    return ModelEntry(
        kind=kind, symbol=symbol, timeframe="M15", classes=_CLASSES[kind],
        feature_names=_FEATURES[kind], feature_hash=feature_hash(_FEATURES[kind]),
        train_cutoff_date="2020-01-01T00:00:00+00:00", train_cutoff_ms=1_577_836_800_000,
        graph=FileStamp.of(files.graph), metadata=FileStamp.of(files.metadata),
        opset={"": 17}, onnxruntime_version=RUNTIME_VERSION, onnxruntime_options=OPTIONS,
    )  # fmt: skip
