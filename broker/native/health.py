"""What a terminal's and an account's state mean for trading."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from broker.contract.messages import Health, MarketHealth, TerminalHealth

CONTRACT_VERSION = "1.0"


def health_of(
    terminal: Any, account: Any, *, mode: str, boot_id: str, uptime_s: float,
    market: tuple[MarketHealth, ...], utc_msc: int, utc_offset_s: int,
) -> Health:  # fmt: skip
    """Health from `terminal_info` and `account_info`; either may be None."""
    return Health(
        status=_status(terminal, account),
        contract_version=CONTRACT_VERSION,
        bridge_version=_own_version(),
        dialect="native",
        mode=mode,
        boot_id=boot_id,
        uptime_s=uptime_s,
        terminal=_terminal_health(terminal),
        login=account.login if account else 0,
        server=account.server if account else "",
        account_trade_allowed=bool(account and account.trade_allowed),
        account_trade_expert=bool(account and account.trade_expert),
        margin_mode=account.margin_mode if account else 0,
        currency=account.currency if account else "",
        market=market,
        utc_msc=utc_msc,
        server_msc=utc_msc + utc_offset_s * 1000,
        utc_offset_s=utc_offset_s,
        offset_source="tzrule",
        clock_skew_ms=0,
        queue_depth=0,
    )


def nothing_known(boot_id: str, utc_msc: int, uptime_s: float) -> Health:
    """The health of a live bridge whose terminal has not answered."""
    return health_of(
        None, None, mode="live", boot_id=boot_id, uptime_s=round(uptime_s, 3), market=(),
        utc_msc=utc_msc, utc_offset_s=0,
    )  # fmt: skip


def _status(terminal: Any, account: Any) -> str:
    if terminal is None or account is None:
        return "down"
    may_trade = terminal.trade_allowed and account.trade_allowed and account.trade_expert
    return "ok" if terminal.connected and may_trade else "degraded"


def _terminal_health(terminal: Any) -> TerminalHealth:
    if terminal is None:
        return TerminalHealth(False, False, True, 0, 0, "")
    return TerminalHealth(
        connected=bool(terminal.connected),
        trade_allowed=bool(terminal.trade_allowed),
        tradeapi_disabled=bool(terminal.tradeapi_disabled),
        build=int(terminal.build),
        ping_last_us=int(terminal.ping_last),
        company=str(terminal.company),
    )


def _own_version() -> str:
    try:
        return version("novosky")
    except PackageNotFoundError:
        return "0.1.0"
