"""Bridge, token, terminal, and whose account is logged in."""

from broker.contract.constants import AccountTradeMode, MarginMode
from broker.contract.errors import BrokerError
from trading.account_terms import KIND_MODES
from trading.doctor.bedside import Bedside
from trading.doctor.check import Finding, NotLooked, bad, good, judged, note
from trading.health import describe_account

_START = "start the bridge, or correct bridge.api_base_url in config.json"
_TOKEN = (
    "put the bridge's trade token into .env as NOVOSKY_BRIDGE_TOKEN (the bridge keeps it in "
    "tokens.json)"
)


def bridge(look: Bedside) -> Finding:
    """Whether anything answers, and has a terminal behind it."""
    url = look.patient.bridge.api_base_url
    try:
        status = look.status
    except BrokerError as error:
        return bad(str(error), _START)
    if status == 401:
        return good(f"{url} answers")
    if status == 404:
        return bad(f"{url}: HTTP 404", "correct bridge.dialect or the path in bridge.api_base_url")
    health = look.health()
    text = f"{health.mode}, dialect {health.dialect}, version {health.bridge_version}"
    return judged(
        health.status != "down", text if health.status != "down" else f"{text}: down",
        "start the terminal and log it in to the account; the bridge's log says why it is down",
    )  # fmt: skip


def token(look: Bedside) -> Finding:
    """A bridge that lets everybody in is noted; the read token is not enough."""
    try:
        status = look.status
    except BrokerError:
        raise NotLooked("the bridge does not answer") from None
    if status == 401:
        return bad("the bridge does not accept it", _TOKEN)
    if look.patient.bridge.dialect == "native" and look.trading_status == 403:
        return bad("it may ask, not trade", f"this is the read token: {_TOKEN}")
    return good("accepted")


def connection(look: Bedside) -> Finding:
    terminal = look.health().terminal
    text = f"{terminal.company}, build {terminal.build}, ping {terminal.ping_last_us / 1000:g} ms"
    return judged(
        terminal.connected, text if terminal.connected else f"{text}: offline",
        "the terminal has no link to the broker: look at its network, its login and the server",
    )  # fmt: skip


def algo_trading(look: Bedside) -> Finding:
    health = look.health()
    switches = (
        (health.terminal.trade_allowed, "Algo Trading", "switch Algo Trading on in the toolbar"),
        (
            not health.terminal.tradeapi_disabled, "the Python interface",
            "Tools, Options, Expert Advisors: allow trading via the Python API",
        ),
        (health.account_trade_allowed, "the account", "the broker must let the account trade"),
        (
            health.account_trade_expert, "programs on the account",
            "the broker must let programs trade on this account",
        ),
    )  # fmt: skip
    missing = [(what, fix) for is_on, what, fix in switches if not is_on]
    if not missing:
        return good("allowed")
    return bad(
        f"switched off: {', '.join(what for what, _ in missing)}",
        "; ".join(fix for _, fix in missing),
    )


def login(look: Bedside) -> Finding:
    """Against `bridge.login`, else against the journal's pin."""
    wanted = look.patient.bridge.login or _pinned(look)[0]
    return _same("login", wanted, look.health().login)


def server(look: Bedside) -> Finding:
    wanted = look.patient.bridge.server or _pinned(look)[1]
    return _same("server", wanted, look.health().server)


def account_kind(look: Bedside) -> Finding:
    """Demo or real, against `bridge.account_kind`, else against the journal's pin."""
    account, kind = look.account(), look.patient.bridge.account_kind
    text = describe_account(account.login, account.server, account.trade_mode)
    pinned = look.patient.known.trade_mode
    if kind is None and pinned is None:
        return note(f"{text}; it is pinned at the first start", _SAY_KIND)
    is_right = account.trade_mode in KIND_MODES[kind] if kind else str(account.trade_mode) == pinned
    wanted = kind or _mode_name(pinned or "")
    return judged(
        is_right, text if is_right else f"{text}, {wanted} is wanted",
        f"log the terminal in to the {wanted} account, or set bridge.account_kind to what you "
        "mean and start with --accept-account",
    )  # fmt: skip


def position_mode(look: Bedside) -> Finding:
    """Where positions net, a symbol has one."""
    account, decision = look.account(), look.patient.decision
    if account.margin_mode == MarginMode.HEDGING:
        return good("hedging")
    adds = decision.ml_active_management.add.enabled
    if decision.max_open_positions > 1 or adds:
        key = "ml_active_management.add.enabled to false" if adds else "max_open_positions to 1"
        return bad(
            "netting: one position per symbol, the settings want more",
            f"set {key}, or use a hedging account",
        )
    return note("netting: one position per symbol, whoever opened it; trade no other program here")


def units(look: Bedside) -> Finding:
    """Cent accounts count a hundred to the dollar: both are shown, so that nobody is surprised."""
    account, said = look.account(), look.patient.account_type
    base = account.equity * account.unit_to_base
    text = f"equity {account.equity:.2f} {account.currency} = {base:.2f} {account.base_currency}"
    is_cent = account.unit_to_base != 1.0
    return judged(
        not said or (said == "cent") == is_cent, text,
        f"account_type in config/accounts.json says {said}: correct it, or log in to that account",
    )  # fmt: skip


_SAY_KIND = "to be told of a mix-up before it, set bridge.login, bridge.server, bridge.account_kind"


def _same(what: str, wanted: str | int | None, came: str | int) -> Finding:
    if not (wanted or came):
        raise NotLooked("nobody is logged in")
    if not wanted:
        return note(f"{came}; it is pinned at the first start", _SAY_KIND)
    return judged(
        str(wanted) == str(came), f"{came}" if str(wanted) == str(came) else
        f"{came or 'nobody'}, {wanted} is wanted",
        f"log the terminal in to {what} {wanted}, or correct bridge.{what}; if the change is "
        "meant, start with --accept-account",
    )  # fmt: skip


def _pinned(look: Bedside) -> tuple[str, str]:
    login, _, server = (look.patient.known.account or "").partition(" on ")
    return login, server


def _mode_name(mode: str) -> str:
    modes = {str(int(each)): each.name.lower() for each in AccountTradeMode}
    return modes.get(mode, f"trade mode {mode}")
