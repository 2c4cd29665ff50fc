"""What a venue says and hears. Frozen, valid from birth; JSON at the edge only (`wire`).

All `*_msc` are epoch milliseconds in UTC; prices are absolute; volumes are lots; money is in the
account's deposit currency.
"""

from dataclasses import dataclass

from broker.contract.constants import (
    DealEntry,
    DealReason,
    DealType,
    Filling,
    OrderType,
    PositionType,
)
from market.quick import quick


@dataclass(frozen=True, slots=True)
class Account:
    """`account_info`. `margin_level` is 0.0 while nothing is open. `unit_to_base`: 0.01 for USC."""

    login: int
    server: str
    name: str
    company: str
    currency: str
    currency_digits: int
    balance: float
    credit: float
    profit: float
    equity: float
    margin: float
    margin_free: float
    margin_level: float
    margin_mode: int
    margin_so_mode: int
    margin_so_call: float
    margin_so_so: float
    trade_mode: int
    leverage: int
    limit_orders: int
    trade_allowed: bool
    trade_expert: bool
    base_currency: str
    unit_to_base: float


@dataclass(frozen=True, slots=True)
class SymbolSpec:
    """`symbol_info`. `filling_mode` is the bitmask FOK = 1, IOC = 2; levels are in points."""

    symbol: str
    description: str
    digits: int
    point: float
    trade_tick_size: float
    trade_tick_value: float
    trade_contract_size: float
    volume_min: float
    volume_max: float
    volume_step: float
    volume_limit: float
    trade_stops_level: int
    trade_freeze_level: int
    trade_mode: int
    trade_exemode: int
    filling_mode: int
    trade_calc_mode: int
    swap_mode: int
    swap_long: float
    swap_short: float
    swap_rollover3days: int
    margin_initial: float
    currency_base: str
    currency_profit: str
    currency_margin: str
    spec_hash: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A quote. It holds until the next one."""

    time_msc: int
    bid: float
    ask: float
    last: float
    volume: int
    flags: int


@quick
@dataclass(frozen=True, slots=True)
class Position:
    """An open position. `identifier` never changes; `ticket` may (swap by re-open, netting)."""

    ticket: int
    identifier: int
    time_msc: int
    time_update_msc: int
    type: PositionType
    magic: int
    reason: int
    volume: float
    price_open: float
    sl: float
    tp: float
    price_current: float
    swap: float
    profit: float
    symbol: str
    comment: str


@dataclass(frozen=True, slots=True)
class Order:
    """A working or historical order."""

    ticket: int
    time_setup_msc: int
    time_done_msc: int
    type: OrderType
    state: int
    magic: int
    position_id: int
    reason: int
    type_filling: int
    volume_initial: float
    volume_current: float
    price_open: float
    sl: float
    tp: float
    symbol: str
    comment: str


@quick
@dataclass(frozen=True, slots=True)
class Deal:
    """One execution or balance operation. Net of a trade: sum over its `position_id`."""

    ticket: int
    order: int
    time_msc: int
    type: DealType
    entry: DealEntry
    magic: int
    position_id: int
    reason: DealReason
    volume: float
    price: float
    commission: float
    swap: float
    profit: float
    fee: float
    symbol: str
    comment: str


@dataclass(frozen=True, slots=True)
class Expect:
    """The account that a request is meant for."""

    login: int
    server: str


@quick
@dataclass(frozen=True, slots=True)
class OrderRequest:
    """POST /orders. `position` set means: close (part of) that position.

    `client_id` names the intent; the bridge fills it at most once. `valid_until_msc` lets the
    bridge drop a request that waited too long; with `expect` it refuses another account.
    """

    symbol: str
    type: OrderType
    volume: float
    client_id: str
    magic: int
    comment: str
    type_filling: Filling
    price: float | None = None
    sl: float | None = None
    tp: float | None = None
    deviation: int | None = None
    position: int | None = None
    valid_until_msc: int | None = None
    max_spread_points: int | None = None
    expect: Expect | None = None


@dataclass(frozen=True, slots=True)
class TradeResult:
    """The trade server's answer. `outcome`: filled, placed, partial, rejected or not_sent."""

    retcode: int
    retcode_name: str
    outcome: str
    order: int
    deal: int
    position: int
    volume: float
    price: float
    bid: float
    ask: float
    comment: str
    client_id: str
    request_id: int
    sent_msc: int
    done_msc: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Account, positions and quote at one instant, read under one lock."""

    as_of_msc: int
    account: Account
    positions: tuple[Position, ...]
    tick: Tick


@dataclass(frozen=True, slots=True)
class TerminalHealth:
    connected: bool
    trade_allowed: bool
    tradeapi_disabled: bool
    build: int
    ping_last_us: int
    company: str


@dataclass(frozen=True, slots=True)
class MarketHealth:
    symbol: str
    tick_time_msc: int
    tick_age_ms: int
    session_open: bool


@dataclass(frozen=True, slots=True)
class Health:
    """GET /health. `status`: ok, degraded or down. `mode`: live or paper."""

    status: str
    contract_version: str
    bridge_version: str
    dialect: str
    mode: str
    boot_id: str
    uptime_s: float
    terminal: TerminalHealth
    login: int
    server: str
    account_trade_allowed: bool
    account_trade_expert: bool
    margin_mode: int
    currency: str
    market: tuple[MarketHealth, ...]
    utc_msc: int
    server_msc: int
    utc_offset_s: int
    offset_source: str
    clock_skew_ms: int
    queue_depth: int


@dataclass(frozen=True, slots=True)
class IntentReport:
    """GET /intents/{client_id}. `state`: unknown, in_flight, filled, partial or rejected."""

    client_id: str
    state: str
    result: TradeResult | None
    position: int
    deals: tuple[Deal, ...]
