"""What leaves and comes beside the bridge: Telegram, Supabase, news, hub; the prop profile."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import httpx
from pydantic import ValidationError

from ml.hub import Hub, HubError, ReleaseMissing
from trading.decision.prop_rules import PropRules, PropSettings
from trading.doctor.check import Finding, bad, good, judged, note
from trading.errors import DaemonError
from trading.secrets import redacted
from trading.supabase import SupabaseStore
from trading.supabase_settings import SupabaseSettings, supabase_secrets
from trading.supabase_sync import StoreAway, StoreError
from trading.telegram_settings import TelegramSecrets, TelegramSettings, telegram_secrets

MOST_PROFILE_DAYS = 90
_TIMEOUT_S = 10.0


def telegram(settings: TelegramSettings, token: str, chat: str) -> Finding:
    """Whether the bot is known (getMe) and may write to the chat (getChat)."""
    if not settings.enabled:
        return note("off (telegram.enabled)")
    try:
        secrets = telegram_secrets(token, chat)
    except DaemonError as error:
        return bad(str(error), "put NOVOSKY_TELEGRAM_TOKEN and NOVOSKY_TELEGRAM_CHAT into .env")
    try:
        me = _told(settings, secrets, "getMe")
        there = _told(settings, secrets, "getChat", chat_id=str(secrets.chat))
    except (httpx.HTTPError, ValueError) as error:
        text = redacted(f"{type(error).__name__}: {error}", (secrets.token,))
        return bad(text, "look at this machine's network, or at telegram.base_url")
    if not me.get("ok"):
        return bad(
            f"getMe: {me.get('description', 'refused')}",
            "make a new token with @BotFather and put it into .env as NOVOSKY_TELEGRAM_TOKEN",
        )
    if not there.get("ok"):
        return bad(
            f"getChat: {there.get('description', 'refused')}",
            "write /start to the bot from that chat, and set NOVOSKY_TELEGRAM_CHAT to its number",
        )
    return good(f"@{_bot_name(me)} may write to the chat")


def supabase(settings: SupabaseSettings, url: str, key: str) -> Finding:
    """Whether the tables answer, and take the key."""
    if not settings.enabled:
        return note("off (supabase.enabled)")
    try:
        secrets = supabase_secrets(url, key)
    except DaemonError as error:
        return bad(str(error), "put NOVOSKY_SUPABASE_URL and NOVOSKY_SUPABASE_KEY into .env")
    store = SupabaseStore(secrets, timeout_s=settings.timeout_s)
    try:
        store.check()
    except StoreAway as error:
        return bad(str(error), "look at NOVOSKY_SUPABASE_URL, the network and the project's state")
    except StoreError as error:
        return bad(
            str(error),
            "use the project's service_role key as NOVOSKY_SUPABASE_KEY, and bring the tables up "
            "to date: python scripts/supabase_migrate.py",
        )
    finally:
        store.close()
    return good("the tables answer")


def hub(open_hub: Callable[[], Hub]) -> Finding:
    try:
        there = open_hub()
        tag = there.current_tag()
    except ReleaseMissing as error:
        return note(str(error))
    except HubError as error:
        return bad(str(error), "look at section hub of ml_config.json and the hub's keys in .env")
    return good(f"{there.name}: {tag} is current")


def prop_profile(settings: PropSettings, rules: Path, today: date) -> Finding:
    """How long ago the rules of the profile in force were read."""
    if not settings.profile:
        return note("no prop firm's rules (prop.profile)")
    try:
        told = PropRules.model_validate_json(rules.read_text(encoding="utf-8"))
        as_of = date.fromisoformat(told.as_of)
        profile = told.profiles[settings.profile]
    except (ValidationError, KeyError, ValueError, OSError) as error:
        return bad(f"{rules}: {error}", "put config/prop_rules.json back from the repository")
    days = (today - as_of).days
    text = f"{profile.product}, {settings.phase}: read on {told.as_of}, {days} days ago"
    return judged(
        0 <= days <= MOST_PROFILE_DAYS, text,
        f"read the firm's page ({profile.sources[0]}), correct the profile, then set as_of in "
        f"{rules.name} to the day of reading",
    )  # fmt: skip


def _bot_name(me: dict[str, object]) -> str:
    result = me.get("result")
    return str(result.get("username", "?")) if isinstance(result, dict) else "?"


def _told(
    settings: TelegramSettings, secrets: TelegramSecrets, method: str, **given: str
) -> dict[str, object]:
    url = f"{settings.base_url}{secrets.token}/{method}"
    answer = httpx.get(url, params=given, timeout=_TIMEOUT_S).json()
    if not isinstance(answer, dict):
        raise ValueError(f"{method}: an object was expected")
    return answer
