"""What a person answers at the first run, as edits of the settings files and secrets of `.env`."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from broker.client.settings import BridgeSettings
from settings.accounts import ACCOUNTS, TERMINALS
from settings.editing import Edit
from settings.load import CONFIG, ML_CONFIG
from settings.risk_profiles import RiskProfile

KINDS = ("demo", "real", "prop")
PHASES = ("challenge", "verification", "funded")
HUBS = ("local", "s3", "huggingface")

_SHORTEST_TOKEN = 16
_BOT_TOKEN = re.compile(r"^\d{5,}:[A-Za-z0-9_-]{20,}$")
_CHAT = re.compile(r"^-?\d+$")
_HTTP = re.compile(r"^https?://[^\s/]+")
_ACCOUNT = re.compile(r"^[A-Za-z0-9_-]{1,40}$")
_UNITS = {"standard": 1.0, "cent": 0.01}


class AnswerError(ValueError):
    """Answers that cannot be. The text has a line for each; no secret is in it."""


@dataclass(frozen=True, slots=True)
class Answers:
    """None or an empty text: left as it is. Money is in the account's currency.

    `account`: an entry of `config/accounts.json` that gets risk and bridge; empty: the one account
    of `config.json`. `account_type`, `broker`: of that entry; `terminal`: its key in
    `config/terminals.json`. `hub_place`: folder, bucket or
    repository.
    """

    bridge_url: str = ""
    dialect: str = ""
    server_timezone: str = ""
    token: str = field(default="", repr=False)
    account_kind: str = ""
    login: int | None = None
    server: str = ""
    symbol: str = ""
    risk: str = ""
    prop: str = ""
    prop_balance: float = 0.0
    prop_phase: str = ""
    telegram_token: str = field(default="", repr=False)
    telegram_chat: str = field(default="", repr=False)
    supabase_url: str = field(default="", repr=False)
    supabase_key: str = field(default="", repr=False)
    hub: str = ""
    hub_place: str = ""
    hub_endpoint: str = ""
    hub_key_id: str = field(default="", repr=False)
    hub_key: str = field(default="", repr=False)
    account: str = ""
    account_type: str = "standard"
    broker: str = "broker"
    terminal: str = ""

    @property
    def terminal_key(self) -> str:
        return self.terminal or f"terminal-{self.account}"


def require_sound(
    answers: Answers, risks: Collection[str], prop_profiles: Mapping[str, Collection[str]]
) -> None:
    """Raises `AnswerError` with every problem. `prop_profiles`: the phases of each."""
    problems = [
        *_of_the_bridge(answers), *_of_the_account(answers, risks, prop_profiles),
        *_of_services(answers),
    ]  # fmt: skip
    if problems:
        raise AnswerError("\n".join(problems))


def edits_of(answers: Answers, risk: RiskProfile | None) -> tuple[Edit, ...]:
    """`risk`: the profile that `answers.risk` names."""
    return (
        *_bridge_edits(answers), *_entry_edits(answers, risk), *_risk_edits(answers, risk),
        *_prop_edits(answers), *_service_edits(answers),
    )  # fmt: skip


def secrets_of(answers: Answers) -> dict[str, str]:
    """Values of `.env` by their names; those that were given."""
    is_s3, is_hf = answers.hub == "s3", answers.hub == "huggingface"
    named = {
        "NOVOSKY_BRIDGE_TOKEN": answers.token,
        "NOVOSKY_TELEGRAM_TOKEN": answers.telegram_token,
        "NOVOSKY_TELEGRAM_CHAT": answers.telegram_chat,
        "NOVOSKY_SUPABASE_URL": answers.supabase_url,
        "NOVOSKY_SUPABASE_KEY": answers.supabase_key,
        "NOVOSKY_S3_ACCESS_KEY_ID": answers.hub_key_id if is_s3 else "",
        "NOVOSKY_S3_SECRET_ACCESS_KEY": answers.hub_key if is_s3 else "",
        "NOVOSKY_HF_TOKEN": answers.hub_key if is_hf else "",
    }
    return {name: value for name, value in named.items() if value}


def _of_the_bridge(answers: Answers) -> Iterator[str]:
    given = {
        "api_base_url": answers.bridge_url, "dialect": answers.dialect,
        "server_timezone": answers.server_timezone,
    }  # fmt: skip
    try:
        BridgeSettings.model_validate({key: value for key, value in given.items() if value})
    except ValidationError as error:
        for each in error.errors():
            said = each["msg"].removeprefix("Value error, ")
            yield f"bridge.{'.'.join(map(str, each['loc']))}: {said}"
    if answers.token and len(answers.token) < _SHORTEST_TOKEN:
        yield f"token: {_SHORTEST_TOKEN} characters or more are allowed, {len(answers.token)} came"
    if answers.login is not None and answers.login < 1:
        yield f"login: the account's number is allowed, {answers.login} came"


def _of_the_account(
    answers: Answers, risks: Collection[str], prop_profiles: Mapping[str, Collection[str]]
) -> Iterator[str]:
    if answers.account and not _ACCOUNT.match(answers.account):
        yield f"account: letters, digits, _ and - are allowed, {answers.account!r} came"
    yield from _one_of("account type", answers.account_type, tuple(_UNITS))
    yield from _one_of("account kind", answers.account_kind, KINDS)
    yield from _one_of("risk", answers.risk, risks)
    is_prop = answers.account_kind == "prop"
    if not is_prop:
        if answers.prop:
            yield f"prop: account kind prop is needed for it, {answers.account_kind!r} came"
        return
    yield from _one_of("prop", answers.prop or "nothing", prop_profiles)
    phases = prop_profiles.get(answers.prop, PHASES)
    yield from _one_of("prop phase", answers.prop_phase or "challenge", phases)
    if not answers.prop_balance > 0:
        yield f"prop balance: the account's initial balance is needed, {answers.prop_balance} came"


def _of_services(answers: Answers) -> Iterator[str]:
    if bool(answers.telegram_token) != bool(answers.telegram_chat):
        yield "Telegram: token and chat are needed, one of them came"
    if answers.telegram_token and not _BOT_TOKEN.match(answers.telegram_token):
        yield "Telegram: a bot's token looks like 123456:ABC…, something else came"
    if answers.telegram_chat and not _CHAT.match(answers.telegram_chat):
        yield "Telegram: a chat is a whole number, something else came"
    if bool(answers.supabase_url) != bool(answers.supabase_key):
        yield "Supabase: URL and key are needed, one of them came"
    if answers.supabase_url and not _HTTP.match(answers.supabase_url):
        yield "Supabase: the project's URL begins with https://, something else came"
    yield from _one_of("hub", answers.hub, HUBS)
    if answers.hub in ("s3", "huggingface") and not answers.hub_place:
        what = "bucket" if answers.hub == "s3" else "repository (owner/name)"
        yield f"hub: the {what} is needed, nothing came"


def _one_of(what: str, given: str, allowed: Collection[str]) -> Iterator[str]:
    if given and given not in allowed:
        yield f"{what}: {' or '.join(allowed)} is allowed, {given!r} came"


def _bridge_edits(answers: Answers) -> Iterator[Edit]:
    kind = None if answers.account_kind == "prop" else answers.account_kind
    words = {
        "dialect": answers.dialect, "server_timezone": answers.server_timezone,
        "server": answers.server,
    }  # fmt: skip
    at: tuple[str, ...] = ("terminals", answers.terminal_key)
    file, where, url = (
        (TERMINALS, at, "url") if answers.account else (CONFIG, ("bridge",), "api_base_url")
    )
    if answers.bridge_url:
        yield Edit(file, (*where, url), answers.bridge_url.rstrip("/"))
    for key, value in words.items():
        if value:
            yield Edit(file, (*where, key), value)
    if answers.login is not None:
        yield Edit(file, (*where, "login"), answers.login)
    if answers.account_kind:
        yield Edit(file, (*where, "account_kind"), kind)
    if answers.symbol:
        path = ("accounts", answers.account, "symbol") if answers.account else ("symbol",)
        yield Edit(ACCOUNTS if answers.account else CONFIG, path, answers.symbol)


def _entry_edits(answers: Answers, risk: RiskProfile | None) -> Iterator[Edit]:
    """What an entry of `config/accounts.json` needs; what it has already stays, but for the risk
    that was chosen."""
    if not answers.account:
        return
    given = {
        "broker_id": answers.broker, "terminal_key": answers.terminal_key,
        "account_type": answers.account_type,
        "currency_multiplier": _UNITS[answers.account_type],
        "risk_pct": risk.sets["risk_percent"] if risk else 2.0, "max_lot": 1.0,
        "state_file": f"state_{answers.account}.json",
    }  # fmt: skip
    for key, value in given.items():
        stays = key != "risk_pct" or risk is None
        yield Edit(ACCOUNTS, ("accounts", answers.account, key), value, if_missing=stays)


def _risk_edits(answers: Answers, risk: RiskProfile | None) -> Iterator[Edit]:
    """The rest of a profile is shared by all accounts: an entry's own risk leaves it alone."""
    if risk is not None and not answers.account:
        for path, value in risk.sets.items():
            yield Edit.of(CONFIG, path, value)


def _prop_edits(answers: Answers) -> Iterator[Edit]:
    """The one account's being of another kind takes the firm's rules off."""
    if answers.prop or (answers.account_kind and not answers.account):
        yield Edit.of(CONFIG, "prop.profile", answers.prop)
    if answers.prop:
        yield Edit.of(CONFIG, "prop.initial_balance", answers.prop_balance)
        yield Edit.of(CONFIG, "prop.phase", answers.prop_phase or "challenge")


def _service_edits(answers: Answers) -> Iterator[Edit]:
    if answers.telegram_token:
        yield Edit.of(CONFIG, "telegram.enabled", True)
    if answers.supabase_key:
        yield Edit.of(CONFIG, "supabase.enabled", True)
    if not answers.hub:
        return
    yield Edit.of(ML_CONFIG, "hub.store", answers.hub)
    place = {"local": "folder", "s3": "bucket", "huggingface": "repo"}[answers.hub]
    if answers.hub_place:
        yield Edit.of(ML_CONFIG, f"hub.{place}", answers.hub_place)
    if answers.hub_endpoint:
        yield Edit.of(ML_CONFIG, "hub.endpoint_url", answers.hub_endpoint)
