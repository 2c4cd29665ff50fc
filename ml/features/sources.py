"""What features read besides bars: the economic calendar and the on-chain record, from files.

Training, backtest and daemon read them here, so that all three see the same.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from market.calendar import EconomicCalendar
from market.instrument import Instrument
from market.onchain import OnChain
from market.sources.calendar_files import read_calendar_file
from market.sources.errors import SourceError
from market.sources.onchain import onchain_files, read_onchain
from ml.features.settings import FeatureSettings


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSources:
    """`calendar` has only events of the instrument's currencies; `onchain` is None where the group
    is off; `files` names what was read and its SHA-256, for the metadata; of an archive, the hash
    of what it holds."""

    calendar: EconomicCalendar
    onchain: OnChain | None
    files: dict[str, str]

    @staticmethod
    def none() -> "FeatureSources":
        """No files: neutral news, no on-chain group."""
        return FeatureSources(EconomicCalendar.none(), None, {})


def read_sources(settings: FeatureSettings, instrument: Instrument, root: Path) -> FeatureSources:
    """Reads what the settings name; relative paths are meant from `root`.

    Raises `SourceError` where a file cannot be read, or where the group onchain is on and no folder
    is named.
    """
    hashes: dict[str, str] = {}
    calendar = EconomicCalendar.none()
    if settings.calendar is not None:
        file = read_calendar_file(root / settings.calendar)
        hashes[settings.calendar.name] = file.sha256
        calendar = file.events.only(instrument.currencies)
    onchain = None
    if "onchain" in settings.groups:
        folder = _onchain_folder(settings, root)
        three = onchain_files(folder)
        onchain = read_onchain(funding=three[0], open_interest=three[1], fear_greed=three[2])
        hashes |= {path.name: _sha256(path) for path in three}
    return FeatureSources(calendar, onchain, hashes)


def _onchain_folder(settings: FeatureSettings, root: Path) -> Path:
    if settings.onchain is None:
        raise SourceError(
            "features.onchain: the folder with funding, open_interest and fear_greed is needed, "
            "because features.groups has onchain; name it, or take the group out"
        )
    return root / settings.onchain


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
