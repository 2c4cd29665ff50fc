"""What stops entries after an answer of class HALT, until the venue allows them again."""

from dataclasses import dataclass

from broker.contract.messages import Health, SymbolSpec
from broker.contract.retcodes import Retcode
from market.instrument import TradeMode
from trading.execution.sending import Pager

HELD_MS = 900_000


@dataclass(frozen=True, slots=True)
class Halt:
    """`symbol` is empty where the whole account is halted."""

    symbol: str
    code: Retcode
    since_ms: int

    @property
    def text(self) -> str:
        where = self.symbol or "account"
        return f"{where}: {self.code.code} {self.code.name}, {self.code.action}"


class Halts:
    """Halts of this process: after a restart the next answer tells again."""

    def __init__(self, pager: Pager) -> None:
        self._pager = pager
        self._halts: dict[str, Halt] = {}

    def add(self, code: Retcode, symbol: str, now_ms: int) -> None:
        """Stops entries of the account or of the symbol, and pages."""
        halt = Halt(symbol if code.halts == "symbol" else "", code, now_ms)
        self._halts[halt.symbol] = halt
        self._pager.page(f"entries are halted: {halt.text}", key=f"halt {halt.symbol}")

    def of(self, symbol: str) -> tuple[str, ...]:
        """Why entries of a symbol are halted; empty if they are not."""
        return tuple(self._halts[each].text for each in ("", symbol) if each in self._halts)

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(halt.text for halt in self._halts.values())

    def to_review(self, now_ms: int) -> tuple[Halt, ...]:
        """Halts that have held long enough for the venue to be asked again."""
        return tuple(each for each in self._halts.values() if now_ms - each.since_ms >= HELD_MS)

    def lift(self, halt: Halt) -> None:
        self._halts.pop(halt.symbol, None)
        self._pager.over(f"entries are allowed again: {halt.text}", key=f"halt {halt.symbol}")


def may_lift(halt: Halt, health: Health, spec: SymbolSpec | None) -> bool:
    """Whether the venue says that what was halted is allowed."""
    if halt.symbol:
        return spec is not None and spec.trade_mode == TradeMode.FULL
    return (
        health.terminal.trade_allowed
        and not health.terminal.tradeapi_disabled
        and health.account_trade_allowed
        and health.account_trade_expert
    )
