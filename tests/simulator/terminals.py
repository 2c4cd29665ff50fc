"""A simulated terminal in one line, and the four things one does with it."""

from dataclasses import replace
from typing import Any

from broker.contract.constants import Filling, OrderType, TradeAction
from broker.simulator.records import DealRow, OpenPosition, SendResult, TradeRequest
from broker.simulator.settings import AccountTerms
from broker.simulator.terminal import SimulatedTerminal
from market.bars import Bars
from market.instrument import Instrument
from market.instruments import instrument
from tests.builders import MONDAY_MS, make_bars

BAR_MS = 900_000
QUIET = (100.0, 100.5, 99.5, 100.0)
# One lot is one unit, one tick is 0.01 and worth 0.01: profits can be read off the prices.
UNIT = replace(instrument("BTCUSD"), swap_long=0.0, swap_short=0.0)


def at(row: int) -> int:
    """When row `row` opens, which is when the row before closes."""
    return MONDAY_MS + row * BAR_MS


def make_terminal(
    rows: list[tuple[float, float, float, float]] | Bars,
    *,
    spread_points: int = 0,
    start_row: int = 1,
    spec: Instrument = UNIT,
    balance: float = 10_000.0,
    terms: dict[str, Any] | None = None,
    **settings: Any,
) -> SimulatedTerminal:
    """A terminal over contiguous M15 rows from Monday 00:00 UTC, at the open of `start_row`."""
    bars = rows if isinstance(rows, Bars) else make_bars(rows, spread_points=spread_points)
    return SimulatedTerminal(
        bars={spec.symbol: bars},
        instruments={spec.symbol: spec},
        account=AccountTerms(balance=balance, **(terms or {})),
        start_ms=at(start_row),
        seed=settings.pop("seed", 7),
        **settings,
    )


def market_order(
    terminal: SimulatedTerminal, kind: OrderType, lots: float = 1.0, **fields: Any
) -> SendResult:
    fields.setdefault("type_filling", Filling.IOC)
    return terminal.order_send(
        TradeRequest(TradeAction.DEAL, next(iter(terminal.instruments)), lots, kind, **fields)
    )


def buy(terminal: SimulatedTerminal, lots: float = 1.0, **fields: Any) -> SendResult:
    return market_order(terminal, OrderType.BUY, lots, **fields)


def sell(terminal: SimulatedTerminal, lots: float = 1.0, **fields: Any) -> SendResult:
    return market_order(terminal, OrderType.SELL, lots, **fields)


def set_levels(
    terminal: SimulatedTerminal, ticket: int, *, sl: float = 0.0, tp: float = 0.0
) -> SendResult:
    return terminal.order_send(TradeRequest(TradeAction.SLTP, position=ticket, sl=sl, tp=tp))


def place(
    terminal: SimulatedTerminal, kind: OrderType, price: float, lots: float = 1.0, **fields: Any
) -> SendResult:
    fields.setdefault("type_filling", Filling.RETURN)
    symbol = next(iter(terminal.instruments))
    return terminal.order_send(
        TradeRequest(TradeAction.PENDING, symbol, lots, kind, price, **fields)
    )


def only_position(terminal: SimulatedTerminal) -> OpenPosition:
    (position,) = terminal.book.positions.values()
    return position


def last_deal(terminal: SimulatedTerminal) -> DealRow:
    return terminal.ledger.deals[-1]
