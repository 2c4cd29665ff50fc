"""`FaultyTerminal`: the MetaTrader5 package's functions of a terminal in trouble."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from broker.simulator.faults.calls import REQUEST, Call, call_of
from broker.simulator.faults.failures import TIMEOUT, Error, failure
from broker.simulator.faults.market import MarketFaults
from broker.simulator.faults.plan import FaultPlan
from broker.simulator.faults.sending import Sending
from broker.simulator.faults.shown import Shown
from broker.simulator.faults.specs import SymbolFaults
from broker.simulator.native import NativeTerminal

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def may_fail(
    function: Callable[Concatenate["FaultyTerminal", Given], Answer],
) -> Callable[Concatenate["FaultyTerminal", Given], Answer]:
    """The function of the same name of the terminal itself, while there are no faults."""
    name = function.__name__

    @wraps(function)
    def called(self: "FaultyTerminal", /, *args: Given.args, **given: Given.kwargs) -> Answer:
        if self.is_quiet():
            answer: Answer = getattr(self._native, name)(*args, **given)
            return answer
        return function(self, *args, **given)

    return called


def bridge_clock(plan: FaultPlan) -> Callable[[], int]:
    """The clock of the machine that the bridge runs on: the venue's, unless a fault skews it."""

    def now_ms() -> int:
        fault = plan.shows("clock_skew", REQUEST.get() or Call("", ""))
        return plan.now_ms + (fault.int_of("ms") if fault else 0)

    return now_ms


class FaultyTerminal:
    """`native` behind a plan of faults. With an empty plan every call goes straight through.

    Constants and functions without faults are those of `native`.
    """

    def __init__(self, native: NativeTerminal, plan: FaultPlan) -> None:
        self._native, self._plan = native, plan
        self.terminal = native.terminal
        self.market: MarketFaults = native.terminal.with_faults(plan)
        self._shown = Shown(native.terminal, plan)
        self._specs = SymbolFaults(native.terminal, plan)
        self._sending = Sending(native, self.market, self._specs)
        self._error: Error | None = None
        self._stale: dict[tuple[int, str, str], Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._native, name)

    def is_quiet(self) -> bool:
        """Whether the terminal can answer for itself: no faults, and no bars that never were."""
        return not (self._plan.names or self.market.is_altered)

    @may_fail
    def last_error(self) -> Error:
        return self._native.last_error() if self._error is None else self._error

    @may_fail
    def initialize(self, path: str = "", **given: Any) -> bool:
        return self._begin("initialize", lambda: self._native.initialize(path, **given))

    @may_fail
    def login(self, login: int, **given: Any) -> bool:
        return self._begin("login", lambda: self._native.login(login, **given))

    @may_fail
    def account_info(self) -> Any:
        return self._asked("account_info", "", self._account)

    @may_fail
    def terminal_info(self) -> Any:
        return self._asked("terminal_info", "", self._terminal_info)

    @may_fail
    def symbols_get(self, group: str = "*") -> Any:
        return self._asked("symbols_get", "", lambda _: self._native.symbols_get(group))

    @may_fail
    def symbol_select(self, symbol: str, enable: bool = True) -> bool:
        return bool(self._asked(
            "symbol_select", symbol, lambda _: self._native.symbol_select(symbol, enable)
        ))  # fmt: skip

    @may_fail
    def symbol_info(self, symbol: str) -> Any:
        return self._asked("symbol_info", symbol, lambda call: self._symbol(call, symbol))

    @may_fail
    def symbol_info_tick(self, symbol: str) -> Any:
        def tick(call: Call) -> Any:
            there = self._native.symbol_info_tick(symbol)
            return self._shown.tick(call, there) if there else there

        return self._asked("symbol_info_tick", symbol, tick)

    @may_fail
    def copy_rates_from(self, symbol: str, timeframe: int, date_from: Any, count: int) -> Any:
        return self._rates("copy_rates_from", symbol, timeframe, date_from, count)

    @may_fail
    def copy_rates_from_pos(self, symbol: str, timeframe: int, start: int, count: int) -> Any:
        return self._rates("copy_rates_from_pos", symbol, timeframe, start, count)

    @may_fail
    def copy_rates_range(self, symbol: str, timeframe: int, date_from: Any, date_to: Any) -> Any:
        return self._rates("copy_rates_range", symbol, timeframe, date_from, date_to)

    @may_fail
    def positions_get(self, **given: Any) -> Any:
        return self._asked(
            "positions_get", given.get("symbol") or "",
            lambda call: self._shown.positions(call, self._kept(
                call, repr(given), lambda: self._native.positions_get(**given))),
        )  # fmt: skip

    @may_fail
    def positions_total(self) -> Any:
        shown = self.positions_get()
        return None if shown is None else len(shown)

    @may_fail
    def orders_get(self, **given: Any) -> Any:
        return self._asked(
            "orders_get", given.get("symbol") or "",
            lambda call: self._shown.orders(call, self._kept(
                call, repr(given), lambda: self._native.orders_get(**given))),
        )  # fmt: skip

    @may_fail
    def history_deals_get(self, *dates: Any, **given: Any) -> Any:
        return self._history("history_deals_get", "time_msc", dates, given)

    @may_fail
    def history_orders_get(self, *dates: Any, **given: Any) -> Any:
        return self._history("history_orders_get", "time_done_msc", dates, given)

    @may_fail
    def order_calc_margin(self, action: int, symbol: str, volume: float, price: float) -> Any:
        def margin(call: Call) -> Any:
            there = self._native.order_calc_margin(action, symbol, volume, price)
            return there * self._specs.margin_times(call) if there else there

        return self._asked("order_calc_margin", symbol, margin)

    @may_fail
    def order_check(self, request: dict[str, Any]) -> Any:
        def check(call: Call) -> Any:
            with self._specs.enforced(call):
                return self._native.order_check(request)

        return self._asked("order_check", request.get("symbol", ""), check, request)

    @may_fail
    def order_send(self, request: dict[str, Any]) -> Any:
        call = call_of("order_send", request.get("symbol", ""), request)
        self.market.called(call)
        failed = failure(self._plan, call)
        if failed is not None:
            self._error, executed = failed
            if executed:
                self._native.order_send(request)
            return None
        answer, error = self._sending.send(call, request)
        self._error = error if answer is None else None
        return answer

    def _asked(
        self, function: str, symbol: str, ask: Callable[[Call], Any],
        request: dict[str, Any] | None = None,
    ) -> Any:  # fmt: skip
        """The answer of a function that changes nothing; None where a fault makes it fail."""
        self._error = None
        call = call_of(function, symbol, request)
        self.market.called(call)
        failed = failure(self._plan, call)
        if failed is not None:
            self._error = failed[0]
            return None
        return ask(call)

    def _begin(self, function: str, begin: Callable[[], bool]) -> bool:
        there = bool(self._asked(function, "", lambda _: begin()))
        if there and self._plan.acting("init_timeout_but_ok", call_of(function)):
            self._error = TIMEOUT
            return False
        return there

    def _account(self, call: Call) -> Any:
        info = self._kept(call, "", self._native.account_info)
        other = self._plan.acting("switch_login", call)
        if other:
            flat = {"profit": 0.0, "margin": 0.0, "margin_level": 0.0, "equity": info.balance,
                    "margin_free": info.balance}  # fmt: skip
            info = info._replace(
                login=other.int_of("login"), server=other.text_of("server"), **flat
            )
        return info

    def _terminal_info(self, call: Call) -> Any:
        info = self._native.terminal_info()
        if self._plan.acting("disconnected", call):
            info = info._replace(connected=False)
        off = self._plan.acting("algo_off", call) or self._plan.acting("switch_login", call)
        return info._replace(trade_allowed=False) if off else info

    def _symbol(self, call: Call, symbol: str) -> Any:
        info = self._native.symbol_info(symbol)
        if info is None:
            return None
        tick = self._shown.tick(call, self._native.symbol_info_tick(symbol))
        if tick is not None:
            info = info._replace(bid=tick.bid, ask=tick.ask, time=tick.time)
        return self._specs.shown(call, info)

    def _rates(self, function: str, symbol: str, *given: Any) -> Any:
        def rates(call: Call) -> Any:
            asked = self._on_its_clock(call, function, given)
            rows = getattr(self._native, function)(symbol, *asked)
            if rows is None:
                return None
            return self._shown.rates(call, rows, self.market.closures(symbol))

        return self._asked(function, symbol, rates)

    def _history(self, function: str, time_field: str, dates: Any, given: dict[str, Any]) -> Any:
        def history(call: Call) -> Any:
            asked = self._on_its_clock(call, function, dates)
            found = self._kept(
                call, repr(given), lambda: getattr(self._native, function)(*asked, **given)
            )
            return self._shown.history(call, found, time_field)

        return self._asked(function, "", history)

    def _on_its_clock(self, call: Call, function: str, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """Instants asked for, on the clock of a server that is off the rule."""
        offset_s = self._shown.offset_s(call)
        if not offset_s or function == "copy_rates_from_pos":
            return given
        first = 0 if function.startswith("history") else 1
        instants = (len(given) - first) if function != "copy_rates_from" else 1
        return tuple(
            int(getattr(each, "timestamp", lambda e=each: e)()) - offset_s
            if first <= place < first + instants and each is not None else each
            for place, each in enumerate(given)
        )  # fmt: skip

    def _kept(self, call: Call, asked: str, ask: Callable[[], Any]) -> Any:
        """The answer, or while disconnected the first one that was given since then."""
        fault = self._plan.acting("disconnected", call)
        if fault is None:
            return ask()
        key = (fault.id, call.function, asked)
        if key not in self._stale:
            self._stale[key] = ask()
        return self._stale[key]
