"""Releases in a model repository on Hugging Face; each push is one commit."""

import os
import tempfile
from pathlib import Path
from typing import Any

from ml.hub.errors import HubError, HubUnavailable, ReleaseMissing
from ml.hub.secrets import Secrets
from ml.hub.settings import HubSettings
from ml.hub.store import Contents, at_most


class HuggingFaceStore:
    """A repository `owner/name`, branch main."""

    def __init__(self, settings: HubSettings, secrets: Secrets) -> None:
        if not settings.repo:
            raise HubError("hub.repo: owner/name of a model repository is needed in ml_config.json")
        self._repo = settings.repo
        self._secrets = secrets
        self._api = _api(settings, secrets)

    @property
    def name(self) -> str:
        return f"the repository {self._repo}"

    def listed(self) -> list[str]:
        try:
            return [str(each) for each in self._api.list_repo_files(self._repo)]
        except _failures() as error:
            raise self._failed(error, "cannot be listed") from None

    def read(self, key: str, most_bytes: int) -> bytes:
        from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

        with tempfile.TemporaryDirectory(prefix="novosky-hub-") as folder:
            try:
                path = self._api.hf_hub_download(self._repo, key, local_dir=folder)
            except LocalEntryNotFoundError as error:
                raise self._failed(error.__cause__ or error, f"{key} cannot be read") from None
            except RemoteEntryNotFoundError:
                raise ReleaseMissing(f"{self.name}: {key} is not there") from None
            except _failures() as error:
                raise self._failed(error, f"{key} cannot be read") from None
            with Path(path).open("rb") as file:
                return at_most(file.read(most_bytes + 1), most_bytes, f"{self.name}: {key}")

    def write(self, contents: Contents, message: str) -> None:
        from huggingface_hub import CommitOperationAdd

        added = [CommitOperationAdd(path_in_repo=key, path_or_fileobj=c) for key, c in contents]
        try:
            self._api.create_commit(self._repo, added, commit_message=message)
        except _failures() as error:
            raise self._failed(error, "cannot be written") from None

    def _failed(self, error: BaseException, what: str) -> HubUnavailable:
        response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
        status = getattr(response, "status_code", None)
        if status in (401, 403):
            hint = f"the token is not let in; check {Secrets.HF_TOKEN} and hub.repo"
        elif status == 404:
            hint = "there is no such repository; create it, private, or mend hub.repo"
        else:
            hint = "check hub.huggingface_url and the network"
        said = " ".join(self._secrets.hidden(str(error)).split())
        return HubUnavailable(f"{self.name}: {what}: {hint} ({said[:300]})")


def _api(settings: HubSettings, secrets: Secrets) -> Any:
    """The library reads its surroundings once, when it is imported."""
    os.environ.setdefault("HF_ENDPOINT", settings.huggingface_url)
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_HUB_DOWNLOAD_TIMEOUT"] = str(round(settings.timeout_s))
    from huggingface_hub import HfApi

    return HfApi(endpoint=settings.huggingface_url, token=secrets.hugging_face())


def _failures() -> tuple[type[Exception], ...]:
    """An upload that fails is a RuntimeError there, with the answer as its cause."""
    from huggingface_hub.errors import HTTPError

    return HTTPError, OSError, ValueError, RuntimeError
