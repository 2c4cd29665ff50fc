"""Who may do what: one token per scope, from the environment or from a file only its owner reads.

`read` asks, `trade` asks and trades, `admin` asks and starts or stops the terminal. They are
compared in constant time, all of them each time.
"""

import hmac
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

SHORTEST = 16
VARIABLES = {
    "read": "MT5API_READ_TOKEN", "trade": "MT5API_TOKEN", "admin": "MT5API_ADMIN_TOKEN",
}  # fmt: skip


class Scope(Enum):
    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


_GIVES = {
    Scope.READ: frozenset((Scope.READ,)),
    Scope.TRADE: frozenset((Scope.READ, Scope.TRADE)),
    Scope.ADMIN: frozenset((Scope.READ, Scope.ADMIN)),
}
NOTHING: frozenset[Scope] = frozenset()


class TokenError(ValueError):
    """Tokens that cannot be used. Says what to do."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by scope; an empty one opens nothing. None at all lets everybody read and trade."""

    read: str = ""
    trade: str = ""
    admin: str = ""

    def __post_init__(self) -> None:
        given = [each for each in (self.read, self.trade, self.admin) if each]
        if len(set(given)) < len(given):
            raise TokenError("tokens: each scope needs its own, two are the same")

    def __bool__(self) -> bool:
        return bool(self.read or self.trade or self.admin)

    def rights(self, authorization: bytes) -> frozenset[Scope] | None:
        """What the header's token gives; None for a missing or wrong one."""
        if not self:
            return _GIVES[Scope.TRADE]
        found = None
        for scope in Scope:
            token = str(getattr(self, scope.value))
            same = hmac.compare_digest(authorization, f"Bearer {token}".encode())
            if token and same:
                found = _GIVES[scope]
        return found

    def require_strong(self) -> None:
        """For a live bridge: a trade token there must be, and none that can be guessed."""
        if not self.trade:
            raise TokenError(
                f"token: a live bridge needs one; without it anybody could trade. Set "
                f"{VARIABLES['trade']} or name --token-file"
            )
        for scope in Scope:
            token = str(getattr(self, scope.value))
            if token and len(token) < SHORTEST:
                raise TokenError(
                    f"token: {scope.value}: {SHORTEST} characters or more are allowed, "
                    f"{len(token)} came; `python -c 'import secrets; print(secrets.token_hex())'` "
                    "makes one"
                )


def tokens_from(environment: Mapping[str, str], file: Path | None) -> Tokens:
    """The file's tokens (a JSON object by scope), and what the environment sets over them."""
    given = _read(file) if file else {}
    for scope, variable in VARIABLES.items():
        if environment.get(variable):
            given[scope] = environment[variable]
    return Tokens(**given)


def _read(file: Path) -> dict[str, str]:
    try:
        mode = file.stat().st_mode
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise TokenError(f"--token-file {file}: {error.strerror}") from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise TokenError(
            f"--token-file {file}: only its owner may read it, mode {stat.S_IMODE(mode):o} came; "
            f"chmod 600 {file}"
        )
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
        raise TokenError(f'--token-file {file}: {{"trade": "…", "read": "…"}} is allowed')
    unknown = sorted(set(found) - set(VARIABLES))
    if unknown:
        raise TokenError(
            f"--token-file {file}: {', '.join(VARIABLES)} are allowed, {unknown[0]!r} came"
        )
    return found
