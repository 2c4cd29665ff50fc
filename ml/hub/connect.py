"""The hub that the settings name. A store's library is imported only when it is the one."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ml.hub.hub import Hub, utc_now
from ml.hub.secrets import Secrets
from ml.hub.settings import HubSettings
from ml.hub.store import LocalStore, Store
from ml.predictors.settings import PROJECT_ROOT


def open_hub(
    settings: HubSettings, *, root: Path = PROJECT_ROOT, now: Callable[[], datetime] = utc_now
) -> Hub:
    """Raises `HubError` where a name or a key is missing. Nothing is asked of the store yet.

    `now` dates new releases.
    """
    return Hub(_store(settings, root), now=now)


def _store(settings: HubSettings, root: Path) -> Store:
    if settings.store == "s3":
        from ml.hub.s3_store import S3Store

        return S3Store(settings, Secrets.read(root))
    if settings.store == "huggingface":
        from ml.hub.hf_store import HuggingFaceStore

        return HuggingFaceStore(settings, Secrets.read(root))
    return LocalStore(root / settings.folder)
