"""`symbol_info`: an instrument in the package's words."""

from typing import Any

from broker.simulator.native_words import SymbolInfo
from broker.simulator.terminal import SimulatedTerminal
from market.instrument import Instrument

_EXPIRATION_GTC_DAY_SPECIFIED = 1 | 2 | 4
_ORDER_KINDS = 1 | 2 | 4 | 16 | 32  # market, limit, stop, SL, TP; no stop-limit, no close-by


def symbol_info(terminal: SimulatedTerminal, symbol: str) -> SymbolInfo:
    """All fields of `SymbolInfo`; those this terminal knows nothing of are zero or empty."""
    blank: dict[str, Any] = dict.fromkeys(SymbolInfo._fields, 0)
    blank |= dict.fromkeys(("bank", "exchange", "formula", "isin", "page", "basis", "category"), "")
    instrument = terminal.instruments[symbol]
    return SymbolInfo(**(blank | _fixed(instrument) | _moving(terminal, symbol)))


def _fixed(inst: Instrument) -> dict[str, Any]:
    return {
        "custom": False, "select": True, "visible": True, "digits": inst.digits,
        "spread_float": True, "trade_calc_mode": int(inst.calc_mode),
        "trade_mode": int(inst.trade_mode), "trade_stops_level": inst.stops_level_points,
        "trade_freeze_level": inst.freeze_level_points, "trade_exemode": int(inst.execution),
        "swap_mode": int(inst.swap_mode), "swap_rollover3days": _triple_day(inst),
        "margin_hedged_use_leg": True, "expiration_mode": _EXPIRATION_GTC_DAY_SPECIFIED,
        "filling_mode": inst.filling_bits, "order_mode": _ORDER_KINDS, "point": inst.point,
        "trade_tick_value": inst.tick_value, "trade_tick_value_profit": inst.tick_value,
        "trade_tick_value_loss": inst.tick_value, "trade_tick_size": inst.tick_size,
        "trade_contract_size": inst.contract_size, "volume_min": inst.volume_min,
        "volume_max": inst.volume_max, "volume_step": inst.volume_step,
        "volume_limit": inst.volume_limit, "swap_long": inst.swap_long,
        "swap_short": inst.swap_short, "margin_initial": 0.0, "margin_maintenance": 0.0,
        "margin_hedged": 0.0, "currency_base": inst.currency_base,
        "currency_profit": inst.currency_profit, "currency_margin": inst.currency_margin,
        "description": inst.description, "name": inst.symbol, "path": inst.symbol,
    }  # fmt: skip


def _moving(terminal: SimulatedTerminal, symbol: str) -> dict[str, Any]:
    tick, quote = terminal.tick(symbol), terminal.quote_ticks(symbol)
    if tick is None or quote is None:
        return {"bid": 0.0, "ask": 0.0, "last": 0.0}
    instrument = terminal.instruments[symbol]
    spread = (quote.ask - quote.bid) * instrument.tick_size / instrument.point
    return {
        "time": terminal.server_clock.to_server_s(tick.time_msc), "bid": tick.bid,
        "ask": tick.ask, "last": 0.0, "spread": round(spread),
    }  # fmt: skip


def _triple_day(inst: Instrument) -> int:
    """The package's weekday (Sunday 0) of the triple night; Wednesday where there is none."""
    nights = inst.swap_days
    monday_first = nights.index(3) if 3 in nights else 2
    return (monday_first + 1) % 7
