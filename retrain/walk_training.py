"""Trains the models of one cutoff after the other; what was finished is not trained again."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from backtest.walk_forward.blocks import Block
from ml.predictors.settings import PROJECT_ROOT
from ml.train_inputs import TrainInputs, read_inputs, settings_of
from ml.train_options import TrainOptions
from ml.train_pipeline import train_models
from ml.training.models import TrainingError
from ml.training.signal_task import Progress
from ml.training.splits import SplitError
from retrain.block_store import BlockStore, key_of, source_sha256
from retrain.errors import ActFirst
from retrain.walk_options import WalkOptions

_TRAINS = ("ml/train_pipeline.py",)


class Trainings:
    """Those of a run, one for each block; `say` hears what a person should know."""

    def __init__(
        self, options: WalkOptions, store: BlockStore, *,
        progress_of: Callable[[str], Progress], say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._options, self._store = options, store
        self._progress_of, self._say = progress_of, say
        self._read: dict[Block, TrainInputs] = {}
        self._keys: dict[Block, str] = {}

    def key(self, block: Block) -> str:
        """Of the folder in the store that the block's models lie in."""
        if block not in self._keys:
            self._keys[block] = self._key_anew(block)
        return self._keys[block]

    def done(self, block: Block) -> str:
        """Trains what is missing; the key of the folder. `ActFirst` without a signal model."""
        key = self.key(block)
        self._store.clear(key)
        for kind in self._options.kinds:
            if kind in self._store.finished(key):
                continue
            inputs = self._inputs_of(block)
            options = replace(inputs.options, kinds=(kind,), models=self._store.models(key))
            self._store.finish(key, kind, self._train(replace(inputs, options=options), block))
        return key

    def _train(self, inputs: TrainInputs, block: Block) -> str:
        """Empty words, or why there is no such model. Without a signal model there is nothing."""
        kind = inputs.options.kinds[0]
        progress = self._progress_of(f"{block.name} {kind}")
        try:
            list(train_models(inputs, lambda _: progress, self._say))
        except (TrainingError, SplitError) as error:
            progress("not made", 1, 1)  # its line would run on beside those of later models
            if kind == "signal":
                raise ActFirst(f"{block.name}: no signal model: {error}; a later --first has more "
                               "history before it") from error  # fmt: skip
            self._say(f"{block.name}: no {kind} model: {error}")
            return str(error)
        return ""

    def _key_anew(self, block: Block) -> str:
        inputs = self._inputs_of(block)
        ml = inputs.settings.ml.model_dump(mode="json", exclude={"paths", "hub", "study"})
        return key_of(
            self._options.kinds, self._options.profile, block.cutoff_ms, inputs.bars.sha256(),
            None if inputs.m1 is None else inputs.m1.sha256(), inputs.sources.files,
            inputs.settings.symbol, ml, inputs.settings.decision.model_dump(mode="json"),
            inputs.settings.paper.model_dump(mode="json"), self._source,
        )  # fmt: skip

    def _inputs_of(self, block: Block) -> TrainInputs:
        if block not in self._read:
            self._read.clear()  # bars of one cutoff at a time
            self._read[block] = self._read_anew(block)
        return self._read[block]

    def _read_anew(self, block: Block) -> TrainInputs:
        asked = self._options
        options = TrainOptions(
            kinds=asked.kinds, symbol=asked.symbol, profile=asked.profile, device=asked.device,
            from_ms=asked.from_ms, to_ms=block.cutoff_ms, data=asked.data, m1=asked.m1,
            calendar=asked.calendar, warm_start=False, with_report=False,
            overrides=asked.train_overrides,
        )  # fmt: skip
        return read_inputs(options, settings_of(options))

    @cached_property
    def _source(self) -> str:
        return source_sha256(PROJECT_ROOT, *_TRAINS)
