"""HTTP reads that give way: too fast, banned, broken or silent is tried again, after a pause.

Answers 429 and 418 wait as long as `Retry-After` says; 5xx, and no answer at all, wait longer each
time, with jitter. Any other answer is the caller's.
"""

import time
from collections.abc import Callable, Mapping

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from market.sources.errors import SourceError

ATTEMPTS = 6


class _TryAgain(Exception):
    """An answer that may be better the next time."""

    def __init__(self, said: str, retry_after_s: float | None = None) -> None:
        super().__init__(said)
        self.retry_after_s = retry_after_s


class PoliteClient:
    """Reads of one service over a given HTTP client. `sleep` takes seconds.

    `name` is what the service is called in the errors, which are of the class `error`.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        name: str,
        error: type[SourceError] = SourceError,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._name = name
        self._error = error
        self.sleep = sleep

    def get(self, url: str, params: Mapping[str, str | int]) -> httpx.Response:
        """The answer, of whatever other status; `error` after six failures in a row."""
        retrying = Retrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait_s,
            retry=retry_if_exception_type(_TryAgain),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return retrying(self._get_once, url, params)
        except _TryAgain as failure:
            raise self._error(
                f"{self._name}: {failure} after {ATTEMPTS} attempts; try again later"
            ) from failure

    def _get_once(self, url: str, params: Mapping[str, str | int]) -> httpx.Response:
        try:
            answer = self._client.get(url, params=dict(params))
        except httpx.TransportError as error:
            raise _TryAgain(f"no answer from {url} ({error})") from error
        if answer.status_code in (418, 429) or answer.status_code >= 500:
            raise _TryAgain(f"status {answer.status_code} from {url}", _retry_after_s(answer))
        return answer


def _retry_after_s(answer: httpx.Response) -> float | None:
    said = answer.headers.get("Retry-After", "")
    return float(said) if said.isdigit() else None


def _wait_s(state: RetryCallState) -> float:
    failure = state.outcome.exception() if state.outcome else None
    if isinstance(failure, _TryAgain) and failure.retry_after_s is not None:
        return failure.retry_after_s
    return wait_exponential_jitter(initial=1, max=60)(state)
