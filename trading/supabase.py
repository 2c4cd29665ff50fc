"""Supabase's client library behind the `Store` port: the only place that knows it.

It is imported when a store is made, so a daemon without Supabase never loads it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import httpx

from trading.secrets import redacted
from trading.supabase_settings import SupabaseSecrets
from trading.supabase_sync import RowRefused, StoreAway, StoreError, StoreRefuses

if TYPE_CHECKING:
    from postgrest.exceptions import APIError

_NO_ANSWER = 599
_BUSY = {408, 425, 429}
_KEY = {401, 403, 407}
_MIGRATE = "scripts/supabase_migrate.py brings the tables up to date"


class SupabaseStore:
    """The tables of one project, over HTTP."""

    def __init__(self, secrets: SupabaseSecrets, *, timeout_s: float) -> None:
        from postgrest.types import ReturnMethod
        from supabase import ClientOptions, create_client

        self._secrets = secrets
        self._nothing = ReturnMethod.minimal
        self._status = 0
        self._http = httpx.Client(timeout=timeout_s, event_hooks={"response": [self._saw]})
        options = ClientOptions(
            auto_refresh_token=False, persist_session=False, httpx_client=self._http
        )
        self._client = create_client(secrets.url, secrets.key, options)

    def insert(
        self, table: str, rows: Sequence[dict[str, Any]], unique: Sequence[str], *, merge: bool
    ) -> None:
        self._execute(self._client.table(table).upsert(
            list(rows), on_conflict=",".join(unique), ignore_duplicates=not merge,
            returning=self._nothing,
        ))  # fmt: skip

    def change(self, table: str, values: dict[str, Any], where: dict[str, Any]) -> None:
        self._execute(
            self._client.table(table).update(values, returning=self._nothing).match(where)
        )

    def clear(self, table: str, where: dict[str, Any], keep: Sequence[int] | None) -> None:
        rows = self._client.table(table).delete(returning=self._nothing).match(where)
        self._execute(rows.not_.in_("position_id", keep) if keep else rows)

    def check(self) -> None:
        """Asks for one row of `accounts`. Raises a `StoreError` that says what is wrong."""
        self._execute(self._client.table("accounts").select("id").limit(1))

    def close(self) -> None:
        self._http.close()

    def _saw(self, response: httpx.Response) -> None:
        """Keeps the status: the library's error does not always tell it. A page, as a hotel's
        network serves one in place of every answer, is no answer."""
        is_page = "html" in response.headers.get("content-type", "")
        self._status = _NO_ANSWER if is_page and response.is_success else response.status_code

    def _execute(self, request: Any) -> None:
        from postgrest.exceptions import APIError

        self._status = 0
        try:
            request.execute()
        except httpx.HTTPError as error:
            raise StoreAway(self._clean(f"{type(error).__name__}: {error}")) from None
        except ValueError as error:  # a number that JSON has not
            raise RowRefused(self._clean(f"{type(error).__name__}: {error}")) from None
        except APIError as error:
            raise self._judged(error) from None
        if self._status == _NO_ANSWER:
            raise StoreAway("a web page came in place of an answer")

    def _judged(self, error: "APIError") -> StoreError:
        status, code = self._status, error.code or ""
        text = self._clean(f"{status} {code}: {error.message} {error.details or ''}".strip())
        if status >= 500 or status in _BUSY or status < 400:
            return StoreAway(text)
        if status in _KEY or code.startswith("PGRST3"):
            return StoreRefuses(f"the key is not accepted, or may not write: {text}")
        if status == 404 or code.startswith(("42", "PGRST2")):
            return StoreRefuses(f"the tables are not as they must be; {_MIGRATE}: {text}")
        return RowRefused(text)

    def _clean(self, text: str) -> str:
        return redacted(text, (self._secrets.key, self._secrets.url))[:500]
