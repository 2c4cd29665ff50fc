"""A terminal that answers what a test tells it, with the MetaTrader5 package's shapes."""

from collections import namedtuple
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.builders import MONDAY_MS

NOW_MS = MONDAY_MS + 10 * 3_600_000

RATES = np.dtype(
    [("time", "i8"), ("open", "f8"), ("high", "f8"), ("low", "f8"), ("close", "f8"),
     ("tick_volume", "u8"), ("spread", "i4"), ("real_volume", "u8")]
)  # fmt: skip

SendResult = namedtuple(
    "SendResult",
    "retcode deal order volume price bid ask comment request_id retcode_external request",
)

ACCOUNT = SimpleNamespace(
    login=7, server="Demo", name="N", company="C", currency="USC", currency_digits=2,
    balance=50_000.0, credit=0.0, profit=0.0, equity=50_000.0, margin=0.0, margin_free=50_000.0,
    margin_level=0.0, margin_mode=2, margin_so_mode=0, margin_so_call=70.0, margin_so_so=20.0,
    trade_mode=0, leverage=100, limit_orders=0, trade_allowed=True, trade_expert=True,
)  # fmt: skip

TERMINAL = SimpleNamespace(
    connected=True, trade_allowed=True, tradeapi_disabled=False, build=5602, ping_last=35_000,
    company="C",
)  # fmt: skip

SPEC = SimpleNamespace(
    name="BTCUSD", description="Bitcoin", digits=2, point=0.01, trade_tick_size=0.01,
    trade_tick_value=1.0, trade_contract_size=1.0, volume_min=0.01, volume_max=100.0,
    volume_step=0.01, volume_limit=0.0, trade_stops_level=0, trade_freeze_level=0, trade_mode=4,
    trade_exemode=2, filling_mode=3, trade_calc_mode=4, swap_mode=0, swap_long=0.0,
    swap_short=0.0, swap_rollover3days=3, margin_initial=0.0, currency_base="BTC",
    currency_profit="USD", currency_margin="USD",
)  # fmt: skip


def server_tick(server_ms: int, *, bid: float = 100.0, ask: float = 100.1) -> SimpleNamespace:
    return SimpleNamespace(
        time=server_ms // 1000, time_msc=server_ms, bid=bid, ask=ask, last=0.0, volume=0, flags=6
    )


def server_position(ticket: int, *, magic: int = 0, identifier: int = 0) -> SimpleNamespace:
    return SimpleNamespace(
        ticket=ticket, identifier=identifier or ticket, time_msc=NOW_MS, time_update_msc=NOW_MS,
        type=0, magic=magic, reason=3, volume=0.02, price_open=100.1, sl=99.0, tp=102.0,
        price_current=100.0, swap=0.0, profit=-0.2, symbol="BTCUSD", comment="",
    )  # fmt: skip


def server_deal(ticket: int, *, magic: int, time_msc: int = NOW_MS, **given: Any) -> Any:
    fields = {
        "order": ticket + 100, "type": 0, "entry": 0, "position_id": 55, "reason": 3,
        "volume": 0.02, "price": 100.1, "commission": 0.0, "swap": 0.0, "profit": 0.0, "fee": 0.0,
        "symbol": "BTCUSD", "comment": "",
    }  # fmt: skip
    return SimpleNamespace(ticket=ticket, magic=magic, time_msc=time_msc, **(fields | given))


def sent(retcode: int = 10009, **given: Any) -> SendResult:
    fields: dict[str, Any] = {
        "deal": 1, "order": 2, "volume": 0.02, "price": 100.1, "bid": 100.0, "ask": 100.1,
        "comment": "", "request_id": 3, "retcode_external": 0, "request": None,
    }  # fmt: skip
    return SendResult(retcode=retcode, **(fields | given))


class StandIn:
    """Attributes are the answers; `answer_order` decides what `order_send` gives."""

    def __init__(self) -> None:
        self.error = (1, "Success")
        self.account: Any = ACCOUNT
        self.terminal: Any = TERMINAL
        self.spec: Any = SPEC
        self.tick: Any = server_tick(NOW_MS)
        self.rates: Any = np.empty(0, dtype=RATES)
        self.positions: Any = ()
        self.orders: Any = ()
        self.deals: Any = ()
        self.history_orders: Any = ()
        self.answer_order: Callable[[dict[str, Any]], Any] = lambda _: sent()
        self.sent: list[dict[str, Any]] = []
        self.asked: list[tuple[Any, ...]] = []

    def last_error(self) -> tuple[int, str]:
        return self.error

    def terminal_info(self) -> Any:
        return self.terminal

    def account_info(self) -> Any:
        return self.account

    def symbols_get(self) -> Any:
        return (self.spec,)

    def symbol_info(self, symbol: str) -> Any:
        return self.spec if symbol == "BTCUSD" else None

    def symbol_select(self, symbol: str, enable: bool) -> bool:
        self.asked.append(("symbol_select", symbol, enable))
        return True

    def symbol_info_tick(self, symbol: str) -> Any:
        return self.tick

    def copy_rates_range(self, symbol: str, timeframe: int, first_s: int, last_s: int) -> Any:
        self.asked.append(("copy_rates_range", symbol, timeframe, first_s, last_s))
        if self.rates is None:
            return None
        return self.rates[(self.rates["time"] >= first_s) & (self.rates["time"] <= last_s)]

    def positions_get(self, *, symbol: str = "", ticket: int = 0) -> Any:
        return self.positions

    def orders_get(self, *, symbol: str = "") -> Any:
        return self.orders

    def history_deals_get(self, first_s: int, last_s: int) -> Any:
        self.asked.append(("history_deals_get", first_s, last_s))
        return self.deals

    def history_orders_get(self, first_s: int, last_s: int) -> Any:
        return self.history_orders

    def order_check(self, request: dict[str, Any]) -> Any:
        return sent(0, comment="Done")

    def order_send(self, request: dict[str, Any]) -> Any:
        self.sent.append(request)
        return self.answer_order(request)
