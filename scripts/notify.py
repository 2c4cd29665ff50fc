"""Sends a message to the Telegram chat of `.env`.

python scripts/notify.py "the weekly report is ready"
make check 2>&1 | tail -5 | python scripts/notify.py -      from standard input
python scripts/notify.py --photo equity.png "this week"

Token and chat: NOVOSKY_TELEGRAM_TOKEN and NOVOSKY_TELEGRAM_CHAT, from the environment or `.env`;
`telegram.base_url` of config.json. It sends whether `telegram.enabled` is true or not, and does not
take the token from a daemon that polls it. Exit status: 0 Telegram has taken it; 1 Telegram could
not be reached or refused it, try again; 2 a person must mend the call, the settings or `.env`.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("PTB_TIMEDELTA", "1")  # before the import: waiting times as timedelta

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

from trading.command_line import needing_packages  # noqa: E402

with needing_packages():
    from telegram import Bot
    from telegram.error import BadRequest, Forbidden, InvalidToken, TelegramError
    from telegram.request import HTTPXRequest

    from settings import SettingsError, load_settings
    from trading.errors import DaemonError
    from trading.secrets import redacted, secret
    from trading.telegram_settings import (
        CHAT_VARIABLE,
        TOKEN_VARIABLE,
        TelegramSecrets,
        telegram_secrets,
    )
    from trading.telegram_text import LONGEST, LONGEST_CAPTION, cut

_TIMEOUT_S = 20.0


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    token = secret(TOKEN_VARIABLE, _ROOT / ".env")
    try:
        text = sys.stdin.read() if given.text == "-" else given.text
        if not text.strip():
            raise DaemonError("the message: some text is needed, nothing came")
        picture = None if given.photo is None else given.photo.read_bytes()
        chat = secret(CHAT_VARIABLE, _ROOT / ".env")
        secrets = telegram_secrets(token, chat, needed="to send a message")
        base_url = load_settings(_ROOT, overrides=given.override).telegram.base_url
        asyncio.run(send(base_url, secrets, text, picture))
    except (DaemonError, SettingsError, OSError, InvalidToken, Forbidden, BadRequest) as error:
        return _said(error, token, 2)
    except TelegramError as error:
        return _said(error, token, 1)
    return 0


async def send(base_url: str, secrets: TelegramSecrets, text: str, picture: bytes | None) -> None:
    """One message as plain text, cut where it is too long. Raises `TelegramError`."""
    request = HTTPXRequest(read_timeout=_TIMEOUT_S, connect_timeout=_TIMEOUT_S)
    bot = Bot(secrets.token, base_url=base_url, request=request)
    try:
        if picture is None:
            await bot.send_message(secrets.chat, cut(text, LONGEST))
        else:
            caption = cut(text, LONGEST_CAPTION)
            await bot.send_photo(secrets.chat, picture, caption=caption)
    finally:
        await request.shutdown()


def _said(error: Exception, token: str, status: int) -> int:
    print(f"error: {redacted(str(error), [token])}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", help="what to say; - reads standard input")
    parser.add_argument("--photo", type=Path, metavar="FILE", help="a picture that goes with it")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE",
                        help="a setting, as trading.py takes it (repeatable)")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
