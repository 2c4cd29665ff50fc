"""No secret leaves: neither into a log or the journal nor onto the terminal.

Secrets are the values of environment and `.env` whose names end in TOKEN, KEY, SECRET, PASSWORD or
URL. Besides those, whatever looks like one: user and password in a URL, a bearer token, a bot's
token, `token=…` in a query.
"""

import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType

from dotenv import dotenv_values

from trading.report import Relay, Reporter
from trading.secrets import redacted

_NAMES = re.compile(r"(TOKEN|KEY|SECRET|PASSWORD|URL)$")
# Of the environment only our own: it holds paths and addresses of the whole machine.
_OURS = ("NOVOSKY_", "SUPABASE_", "TELEGRAM_", "MT5API_", "HF_", "R2_", "AWS_")
_MASK = "[secret]"
_LOOKS_SECRET = re.compile(
    r"(?P<url>://)[^/\s:@\"\\]+:[^/\s@\"\\]+(?=@)"
    r"|(?P<bearer>\bBearer\s+)[^\s\"'\\,]+"
    r"|\b\d{6,12}:[A-Za-z0-9_-]{30,}"
    r"|(?P<query>[?&](?:token|key|apikey|password|secret)=)[^&\s\"\\]+",
    re.IGNORECASE,
)

Redact = Callable[[str], str]


def known_secrets(
    environ: Mapping[str, str] = os.environ, env_file: Path = Path(".env")
) -> tuple[str, ...]:
    """The values, the longest first: a secret may hold another one."""
    named = {name: value for name, value in environ.items() if name.startswith(_OURS)}
    named |= {name: value or "" for name, value in dotenv_values(env_file).items()}
    found = {value for name, value in named.items() if value and _NAMES.search(name)}
    return tuple(sorted(found, key=len, reverse=True))


class Redactor:
    """Replaces what is secret in a text, plain or JSON."""

    def __init__(self, secrets: Iterable[str]) -> None:
        as_json = [(each, json.dumps(each)[1:-1]) for each in secrets]
        self._secrets = tuple(dict.fromkeys(form for forms in as_json for form in forms))

    def __call__(self, text: str) -> str:
        return _LOOKS_SECRET.sub(_masked, redacted(text, self._secrets))

    def over_defects(self) -> "Redactor":
        """What ends the process with a traceback is printed redacted from now on."""

        def show(
            kind: type[BaseException], error: BaseException, trace: TracebackType | None
        ) -> None:
            text = "".join(traceback.format_exception(kind, error, trace))
            print(self(text), end="", file=sys.stderr)

        sys.excepthook = show
        return self


def _masked(found: re.Match[str]) -> str:
    kept = found["url"] or found["bearer"] or found["query"] or ""
    return f"{kept}{_MASK}"


class RedactedReporter(Relay):
    """In front of views and logs: their texts hold no secret."""

    def __init__(self, view: Reporter, redact: Redact) -> None:
        super().__init__(view)
        self._redact = redact

    def started(self, text: str) -> None:
        super().started(self._redact(text))

    def trouble(self, text: str) -> None:
        super().trouble(self._redact(text))

    def page(self, text: str) -> None:
        super().page(self._redact(text))

    def note(self, text: str) -> None:
        super().note(self._redact(text))
