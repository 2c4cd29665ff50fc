"""What a symbol's specification says about an order, without asking the trade server.

Margin, sessions and the server's own limits stay unknown: this dialect has no `order_check`.
"""

from types import SimpleNamespace
from typing import Any

from broker.client.httpapi.bodies import Row
from broker.contract.constants import Filling, OrderType
from broker.contract.retcodes import CHECK_PASSED
from market.instrument import FILL_FOK_BIT, FILL_IOC_BIT, TradeMode

_INVALID_VOLUME, _INVALID_STOPS, _TRADE_DISABLED, _INVALID_FILL = 10014, 10016, 10017, 10030
_LONG_ONLY, _SHORT_ONLY, _CLOSE_ONLY = 10042, 10043, 10044
_BUYS = (OrderType.BUY, OrderType.BUY_LIMIT, OrderType.BUY_STOP, OrderType.BUY_STOP_LIMIT)
_NEARLY_WHOLE = 1e-6
_BITS = {Filling.FOK: FILL_FOK_BIT, Filling.IOC: FILL_IOC_BIT}


def check_order(request: dict[str, Any], spec: Row) -> SimpleNamespace:
    """`order_check`'s answer as far as it can be known here; 0 where nothing is wrong."""
    checks = (_mode(request, spec), _volume(request, spec), _filling(request, spec),
              _stops(request))  # fmt: skip
    code = next((code for code in checks if code), CHECK_PASSED)
    return SimpleNamespace(retcode=code, comment="by the specification; the server was not asked")


def _mode(request: dict[str, Any], spec: Row) -> int:
    buys, closes = request["type"] in _BUYS, "position" in request
    refused = {
        TradeMode.DISABLED: _TRADE_DISABLED,
        TradeMode.LONG_ONLY: 0 if buys or closes else _LONG_ONLY,
        TradeMode.SHORT_ONLY: _SHORT_ONLY if buys and not closes else 0,
        TradeMode.CLOSE_ONLY: 0 if closes else _CLOSE_ONLY,
    }
    return refused.get(spec.trade_mode, 0)


def _volume(request: dict[str, Any], spec: Row) -> int:
    volume = request["volume"]
    steps = volume / spec.volume_step
    is_whole = abs(steps - round(steps)) < _NEARLY_WHOLE
    return 0 if spec.volume_min <= volume <= spec.volume_max and is_whole else _INVALID_VOLUME


def _filling(request: dict[str, Any], spec: Row) -> int:
    bit = _BITS.get(request["type_filling"])
    allowed = spec.filling_mode & bit if bit else not spec.filling_mode
    return 0 if allowed else _INVALID_FILL


def _stops(request: dict[str, Any]) -> int:
    """Levels on the wrong side of the price."""
    side = 1 if request["type"] in _BUYS else -1
    price, sl, tp = (request.get(name, 0.0) for name in ("price", "sl", "tp"))
    wrong = (sl and (price - sl) * side <= 0) or (tp and (tp - price) * side <= 0)
    return _INVALID_STOPS if price and wrong else 0
