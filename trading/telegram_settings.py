"""The section `telegram` of `config.json`, and the two secrets that go with it."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from trading.errors import DaemonError

TOKEN_VARIABLE = "NOVOSKY_TELEGRAM_TOKEN"
CHAT_VARIABLE = "NOVOSKY_TELEGRAM_CHAT"

MessageKind = Literal[
    "entry", "exit", "modify", "guard", "daily", "error", "settings", "command", "page", "start",
    "stop",
]  # fmt: skip
_ALL_KINDS: tuple[MessageKind, ...] = (
    "entry", "exit", "modify", "guard", "daily", "error", "settings", "command", "page", "start",
    "stop",
)  # fmt: skip


class TelegramSettings(BaseModel):
    """Key `telegram`. Token and chat are no settings: they come from the environment or `.env`.

    `commands`: whether commands are answered; a token has one owner, so only one daemon per token
    may do it. `chart`: a picture with every entry and exit. `messages`: the kinds that are sent.
    `paper`: whether paper runs use it, too. `confirm_s`: how long `/closeall` waits for its button.
    `base_url`: another Bot API server.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = False
    commands: bool = True
    chart: bool = True
    messages: tuple[MessageKind, ...] = _ALL_KINDS
    paper: bool = False
    confirm_s: float = Field(default=60.0, ge=5.0, le=600.0)
    base_url: str = Field(default="https://api.telegram.org/bot", pattern=r"^https?://.+")


@dataclass(frozen=True, slots=True)
class TelegramSecrets:
    """`token`: of the bot, from @BotFather. `chat`: the only chat that is heard and written to."""

    token: str = field(repr=False)
    chat: int


def telegram_secrets(
    token: str, chat: str, *, needed: str = "while telegram.enabled is true"
) -> TelegramSecrets:
    """Raises `DaemonError` that says which of the two is missing or wrong, never their values.
    `needed`: when or for what, in the error's words."""
    if not token:
        raise DaemonError(
            f"{TOKEN_VARIABLE}: a bot token of @BotFather is needed {needed}, nothing came; put it "
            "into .env"
        )
    if not chat.removeprefix("-").isdecimal():
        came = "something else" if chat else "nothing"
        raise DaemonError(
            f"{CHAT_VARIABLE}: the chat's number is needed {needed} (write to @userinfobot to "
            f"learn it), {came} came; put it into .env"
        )
    return TelegramSecrets(token, int(chat))
