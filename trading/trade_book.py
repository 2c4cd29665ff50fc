"""Our own trades as a fold over the venue's deals: what is open, what is over and how it ended."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from broker.contract.constants import DealEntry, DealReason, DealType
from broker.contract.marks import strategy_of
from broker.contract.messages import Deal
from market.bars import utc_text
from market.quick import quick
from trading.decision.records import ClosedTrade, OpenTrade, Side

_LEAST_VOLUME = 1e-6
# Sums of minor units are whole in it: rounding to it drops what float addition left.
_GRAIN = 1e8
_SERVER_REASONS = (DealReason.ROLLOVER, DealReason.VMARGIN, DealReason.SPLIT)
# Bound once: an enumeration's member costs ten times a plain name, several times a trade.
_IN, _INOUT, _ROLLOVER = DealEntry.IN, DealEntry.INOUT, DealReason.ROLLOVER
_SL, _TP, _SO, _EXPERT = DealReason.SL, DealReason.TP, DealReason.SO, DealReason.EXPERT
_BUYS, _LONG, _SHORT = DealType.BUY, Side.BUY, Side.SELL


def is_ours(magic: int, strategy_id: int) -> bool:
    """Whether an order, position or opening deal bears this strategy's mark."""
    return strategy_of(magic) == strategy_id


@quick
@dataclass(slots=True)
class _Ledger:
    """The deals of one of our positions so far. `price_in`: of the first one. `adopted`: its
    opening deal is not known."""

    side: Side
    opened_ms: int
    price_in: float
    volume: float = 0.0
    cost_in: float = 0.0
    closed_volume: float = 0.0
    cost_out: float = 0.0
    net: float = 0.0
    fees_in: float = 0.0
    adopted: bool = False

    @property
    def left(self) -> float:
        return self.volume - self.closed_volume


class TradeBook:
    """Our own trades as a fold over deals: feed each deal once or often, in (time, ticket) order.

    A position is ours if its opening deal bears our mark; closing deals made by the venue bear no
    magic and are attributed by `position_id`. Feeding a deal seen before changes nothing.

    `opened`: when our trades were opened; `cash`: when our deals were made, and what each earned
    or cost; both in the order in which they became known. `reason_of`: why a close that bears this
    magic was asked for; empty where nobody knows.
    """

    def __init__(
        self, strategy_id: int, *, reason_of: Callable[[int], str] = lambda magic: ""
    ) -> None:
        self.strategy_id = strategy_id
        self.closed: list[ClosedTrade] = []
        self.opened: list[int] = []
        self.cash: list[tuple[int, float]] = []
        self._reason_of = reason_of
        self._open: dict[int, _Ledger] = {}
        self._closed_at: dict[int, int] = {}
        self._seen: set[int] = set()

    def add(self, deals: Iterable[Deal]) -> None:
        for deal in deals:
            if deal.ticket not in self._seen:
                self._seen.add(deal.ticket)
                self._fold(deal)

    @property
    def held(self) -> dict[int, int]:
        """Positions that the deals leave open: identifier → when it opened."""
        return {each: ledger.opened_ms for each, ledger in self._open.items()}

    @property
    def adopted(self) -> frozenset[int]:
        """Open positions whose opening deal is not known."""
        return frozenset(each for each, ledger in self._open.items() if ledger.adopted)

    def has_closed(self, position_id: int) -> bool:
        """Whether the deals say that this position is over."""
        return position_id in self._closed_at

    def entry_volume(self, position_id: int) -> float:
        """Lots of an open position before any partial close; of an adopted one, those it was found
        with. `KeyError` for a position that is not held."""
        return self._open[position_id].volume

    def adopt(self, trade: OpenTrade) -> None:
        """Takes over a position of ours without its opening deal, which counts if it comes.

        A position that is known already, open or closed, is left alone.
        """
        if trade.position_id not in self._open and not self.has_closed(trade.position_id):
            volume = trade.volume_lots
            self._open[trade.position_id] = _Ledger(
                trade.side, trade.opened_ms, trade.price_open, volume, volume * trade.price_open,
                adopted=True,
            )  # fmt: skip
            self.opened.append(trade.opened_ms)

    def unsettled(self, positions: Sequence[OpenTrade]) -> tuple[str, ...]:
        """What deals and snapshot disagree about: positions without closing or opening deal."""
        if not (positions or self._open):
            return ()
        held = {trade.position_id: trade.opened_ms for trade in positions}
        if held.keys() == self._open.keys():
            return ()
        gone = {each: ledger.opened_ms for each, ledger in self._open.items() if each not in held}
        strange = {each: opened for each, opened in held.items() if each not in self._open}
        return tuple(
            [
                f"no closing deal of the position opened {utc_text(at)}"
                for at in sorted(gone.values())
            ]
            + [
                f"{self._why_strange(each)} the position of {utc_text(at)}"
                for each, at in sorted(strange.items(), key=lambda pair: pair[1])
            ]
        )

    def _fold(self, deal: Deal) -> None:
        opens = deal.entry is _IN
        ledger = self._open.get(deal.position_id)
        if ledger is None:
            if not opens or not is_ours(deal.magic, self.strategy_id):
                return
            if deal.position_id in self._closed_at:
                self._amend(deal)
                return
            ledger = self._open[deal.position_id] = _Ledger(_side(deal), deal.time_msc, deal.price)
            self.opened.append(deal.time_msc)
        cash = deal.profit + deal.swap + deal.commission + deal.fee
        ledger.net += cash
        self.cash.append((deal.time_msc, cash))
        if deal.reason is _ROLLOVER:  # swap by re-opening: the trade goes on
            return
        if deal.entry is _INOUT:
            self._reverse(ledger, deal)
            return
        if opens:
            if ledger.adopted:
                ledger.adopted, ledger.price_in = False, deal.price
                ledger.volume = ledger.cost_in = 0.0
            ledger.volume += deal.volume
            ledger.cost_in += deal.volume * deal.price
            ledger.fees_in += cash
            return
        ledger.closed_volume += deal.volume
        ledger.cost_out += deal.volume * deal.price
        if ledger.closed_volume > ledger.volume - _LEAST_VOLUME / 2:
            self._close(ledger, deal)

    def _reverse(self, ledger: _Ledger, deal: Deal) -> None:
        """A deal larger than the position (netting): it ends, the rest opens the other way."""
        rest = deal.volume - ledger.left
        ledger.cost_out += ledger.left * deal.price
        ledger.closed_volume = ledger.volume
        self._close(ledger, deal)
        if is_ours(deal.magic, self.strategy_id):
            self._open[deal.position_id] = _Ledger(
                _side(deal), deal.time_msc, deal.price, rest, rest * deal.price
            )
            self.opened.append(deal.time_msc)

    def _amend(self, opening: Deal) -> None:
        """The opening deal of an adopted trade came after its end: only its costs are new."""
        row = self._closed_at[opening.position_id]
        costs = opening.profit + opening.swap + opening.commission + opening.fee
        self.cash.append((opening.time_msc, costs))
        known = self.closed[row]
        self.closed[row] = replace(known, net_profit=round(known.net_profit + costs, 8))

    def _why_strange(self, position_id: int) -> str:
        closed = position_id in self._closed_at
        return "still shown after its closing deal:" if closed else "no opening deal of"

    def _close(self, ledger: _Ledger, last: Deal) -> None:
        del self._open[last.position_id]
        self._closed_at[last.position_id] = len(self.closed)
        net_profit = round(ledger.net * _GRAIN) / _GRAIN
        self.closed.append(
            ClosedTrade(
                last.position_id, ledger.side, ledger.volume, ledger.opened_ms, last.time_msc,
                _mean_price(ledger.cost_in, ledger.volume, ledger.price_in),
                _mean_price(ledger.cost_out, ledger.closed_volume, last.price),
                net_profit, self._close_type(ledger, last, net_profit),
            )
        )  # fmt: skip

    def _close_type(self, ledger: _Ledger, last: Deal, net_profit: float) -> str:
        """A stop after a partial close is judged by what it closed itself, with its share of the
        entry's costs: a loss on the rest stays a loss beside a larger win before."""
        if last.volume < ledger.volume - _LEAST_VOLUME / 2:
            share = last.volume / ledger.volume
            net_profit = last.profit + last.swap + last.commission + last.fee
            net_profit += share * ledger.fees_in
        reason = self._reason_of(last.magic) if last.reason == _EXPERT else ""
        return close_type(last, net_profit, self.strategy_id, reason)


def _mean_price(cost: float, volume: float, price: float) -> float:
    """What deals cost per lot; `price` where they cost what one deal at this price does."""
    return price if cost == volume * price else round(cost / volume, 8)


def _side(deal: Deal) -> Side:
    return _LONG if deal.type is _BUYS else _SHORT


def closed_trades(
    deals: Iterable[Deal], strategy_id: int, *, reason_of: Callable[[int], str] = lambda magic: ""
) -> tuple[ClosedTrade, ...]:
    """Our own finished trades, in the order of their last deals; `reason_of` as in `TradeBook`."""
    book = TradeBook(strategy_id, reason_of=reason_of)
    book.add(deals)
    return tuple(book.closed)


def close_type(deal: Deal, net_profit: float, strategy_id: int, reason: str = "") -> str:
    """Why a trade ended, from the closing deal's reason alone (B21); never from prices.

    `net_profit`: of what this deal closed. `reason`: the rule that asked for it, where that is
    known: a guard's name in capitals, e.g. PROP_FLATTEN; ML_EXIT for the position model's.
    """
    if deal.reason == _SL:
        return "SL_TRAIL" if net_profit > 0 else "SL_HIT"
    if deal.reason == _TP:
        return "TP_HIT"
    if deal.reason == _SO:
        return "STOP_OUT"
    if deal.reason == _EXPERT:
        if not is_ours(deal.magic, strategy_id):
            return "EXTERNAL_BOT"
        return "ML_EXIT" if reason in ("", "position_exit") else reason.upper()
    return "SERVER" if deal.reason in _SERVER_REASONS else "MANUAL"
