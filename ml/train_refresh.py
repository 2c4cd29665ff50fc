"""`--refresh`: brings the files in `datasets/` up to date and trains on them."""

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from market.instruments import INSTRUMENTS
from market.sources.binance import Binance
from market.timeframe import Timeframe
from ml.predictors.settings import PROJECT_ROOT
from ml.train_options import TrainOptions
from ml.training.models import TrainingError
from ml.training.refresh import (
    PAIRS,
    BarSource,
    BinanceBars,
    BridgeBars,
    RefreshError,
    refresh_bars,
    refresh_onchain,
)
from trading.live_command import bridge_token

if TYPE_CHECKING:
    from settings import Settings

DAY_MS = 86_400_000
_TIMEOUT_S = 30.0


def refresh(options: TrainOptions, settings: "Settings", console: Any) -> TrainOptions:
    """The options with the refreshed files in the places that were left open.

    On-chain data is a must where features.groups has it; else a failure is a line and no more.
    """
    now_ms = time.time_ns() // 1_000_000
    folder = PROJECT_ROOT / "datasets"
    if settings.symbol not in INSTRUMENTS:
        known = ", ".join(INSTRUMENTS)
        raise TrainingError(f"symbol: one of {known} is allowed, {settings.symbol} came")
    with httpx.Client(timeout=_TIMEOUT_S) as client:
        source = _source(options, settings, client)
        m15 = _bars(source, settings, Timeframe.M15, folder, options, now_ms, console)
        m1 = options.m1 or _bars(source, settings, Timeframe.M1, folder, options, now_ms, console)
        onchain = options.onchain or _onchain(client, settings, folder, now_ms, console)
    has_group = "onchain" in settings.ml.features.groups
    return replace(options, data=m15, m1=m1, onchain=onchain if has_group else options.onchain)


def _source(options: TrainOptions, settings: "Settings", client: httpx.Client) -> BarSource:
    """The bridge where its token is set, else Binance; or what `--refresh-from` says."""
    token = bridge_token()
    asked = options.refresh_from or ("bridge" if token else "binance")
    if asked == "binance":
        return BinanceBars(Binance(client))
    from broker.client.connect import connect

    return BridgeBars(connect(settings.bridge, token))


def _bars(
    source: BarSource,
    settings: "Settings",
    timeframe: Timeframe,
    folder: Path,
    options: TrainOptions,
    now_ms: int,
    console: Any,
) -> Path:
    training = settings.ml.training
    days = training.refresh_days if timeframe is Timeframe.M15 else training.refresh_m1_days
    from_ms = timeframe.floor_ms(now_ms - days * DAY_MS)
    if options.from_ms is not None:
        from_ms = options.from_ms if timeframe is Timeframe.M15 else max(from_ms, options.from_ms)
    with console.status(f"{settings.symbol} {timeframe.name} from {source.name}") as status:
        path = refresh_bars(
            source, INSTRUMENTS[settings.symbol], timeframe, folder,
            from_ms=from_ms, now_ms=now_ms,
            said=lambda what, added: status.update(f"{what}: {added:,} new bars"),
        )  # fmt: skip
    console.print(f"refreshed: {path}")
    return path


def _onchain(
    client: httpx.Client, settings: "Settings", folder: Path, now_ms: int, console: Any
) -> Path | None:
    if settings.symbol not in PAIRS:
        return None
    from_ms = now_ms - settings.ml.training.refresh_days * DAY_MS
    target = folder / "onchain"
    try:
        refresh_onchain(client, target, settings.symbol, from_ms=from_ms, now_ms=now_ms)
    except RefreshError as error:
        if "onchain" in settings.ml.features.groups:
            raise
        console.print(f"warning: {error} (features.groups does not need it)")
        return None
    console.print(f"refreshed: {target}")
    return target
