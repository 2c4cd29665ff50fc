"""What a phase may raise that says itself what happened; anything else is a defect."""


def known_failures() -> tuple[type[Exception], ...]:
    """The errors of the rooms that phases call; their texts are for a person."""
    import sqlite3

    import httpx

    from backtest.columns import WarmUpError
    from backtest.evidence import EvidenceError
    from backtest.sweep.errors import SweepError
    from broker.contract.errors import BrokerError
    from market.bars import BarsError
    from market.sources.errors import SourceError
    from ml.hub.errors import HubError
    from ml.predictors.compat import ModelError
    from ml.training.models import TrainingError
    from ml.training.parity import ParityError
    from ml.training.refresh import RefreshError
    from ml.training.splits import SplitError
    from ml.training.trials import TrialLedgerError
    from retrain.errors import RunError
    from settings import SettingsError
    from trading.errors import DaemonError

    return (
        RunError, BarsError, SourceError, BrokerError, HubError, ModelError, TrainingError,
        SplitError, RefreshError, TrialLedgerError, EvidenceError, SweepError, SettingsError,
        DaemonError, WarmUpError, ParityError, httpx.HTTPError, sqlite3.Error, OSError,
    )  # fmt: skip
