"""What trading cost in a run: spread, commission, swap and slippage, and their share of profit."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from backtest.driver import BacktestRun
from backtest.statistics import cost_share, spread_cost
from broker.contract import retcodes
from broker.contract.constants import DealType, OrderType
from broker.contract.messages import Deal, OrderRequest
from broker.simulator.records import SendResult
from market.bars import Float64s
from trading.decision.records import ClosedTrade
from trading.execution.intents import TradeRequest
from trading.risk_state import net_profits

_FILLED = (retcodes.DONE, retcodes.DONE_PARTIAL)


@dataclass(frozen=True, slots=True)
class RunCosts:
    """Deposit currency; above 0 is what was paid. Slippage is in the fills, so in the net profit.

    `share_of_gross`: spread, commission and swap of finished trades over what the winners earned
    before them; NaN without one. `slipped_points`: mean of fills, above 0 is worse than the quote.
    `rejected`: requests that the terminal refused.
    """

    spread: float
    commission: float
    swap: float
    slippage: float
    share_of_gross: float
    slipped_points: float
    requests: int
    rejected: int

    @property
    def total(self) -> float:
        return self.spread + self.commission + self.swap + self.slippage

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"total": self.total}


def run_costs(run: BacktestRun) -> RunCosts:
    """The costs of a run's own deals and requests."""
    deals, spreads = _traded(run)
    fills = _fills(run.answers)
    per_price = run.terms.tick_value / run.terms.tick_size
    slipped = [worse for worse, _ in fills]
    refused = sum(answer.retcode not in _FILLED for _, answer, _ in run.answers)
    return RunCosts(
        spread=float(spreads.sum()),
        commission=0.0 - math.fsum(deal.commission + deal.fee for deal in deals),
        swap=0.0 - math.fsum(deal.swap for deal in deals),
        slippage=math.fsum(worse * answer.volume * per_price for worse, answer in fills),
        share_of_gross=cost_share(net_profits(run.trades), _paid(run.trades, deals, spreads)),
        slipped_points=float(np.mean(slipped)) / run.terms.point if slipped else 0.0,
        requests=len(run.answers),
        rejected=refused,
    )


def trade_costs(run: BacktestRun) -> Float64s:
    """What each finished trade paid in spread, commission and swap, (n,) in deposit currency."""
    return _paid(run.trades, *_traded(run))


def _traded(run: BacktestRun) -> tuple[list[Deal], Float64s]:
    """The run's own deals (n,) that bought or sold, and what the spread cost each (n,)."""
    deals = [deal for deal in run.deals if deal.type in (DealType.BUY, DealType.SELL)]
    return deals, spread_cost(deals, run.bars.history, run.terms) if deals else np.zeros(0)


def _fills(
    answers: Sequence[tuple[TradeRequest, SendResult, int]],
) -> list[tuple[float, SendResult]]:
    """How much worse each filled market order was than the quote, in price units."""
    return [
        (_worse(request, answer), answer)
        for request, answer, _ in answers
        if isinstance(request, OrderRequest) and answer.retcode in _FILLED
    ]


def _worse(request: OrderRequest, answer: SendResult) -> float:
    buys = request.type is OrderType.BUY
    return answer.price - answer.ask if buys else answer.bid - answer.price


def _paid(trades: Sequence[ClosedTrade], deals: Sequence[Deal], spreads: Float64s) -> Float64s:
    """What each trade paid in spread, commission and swap, from what its deals paid."""
    paid: dict[int, float] = defaultdict(float)
    for deal, spread in zip(deals, spreads.tolist(), strict=True):
        paid[deal.position_id] += spread - deal.commission - deal.fee - deal.swap
    return np.array([paid[trade.position_id] for trade in trades], dtype=np.float64)
