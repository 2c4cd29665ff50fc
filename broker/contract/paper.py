"""Messages of the `/_paper` paths: a paper bridge's faults, quotes and true state."""

from dataclasses import dataclass, field

from broker.contract.messages import Account, Deal, Order, Position

ParamValue = bool | int | float | str


@dataclass(frozen=True, slots=True)
class FaultMatch:
    """Which calls a fault may act on; an empty word matches all.

    `path`: an HTTP path with `*` for any part ("/positions/*"), or the name of a function of the
    terminal ("order_send"). `kind`: of a trade request: entry, close, levels or pending.
    """

    method: str = ""
    path: str = ""
    symbol: str = ""
    kind: str = ""


@dataclass(frozen=True, slots=True)
class FaultWhen:
    """When a fault acts on the calls it matches. 0 is no bound; times are simulated.

    Calls are counted inside [from_msc, to_msc): the first `after_calls` of them are spared, `count`
    is how many are hit at most, `prob` is the chance of each.
    """

    after_calls: int = 0
    count: int = 0
    prob: float = 1.0
    from_msc: int = 0
    to_msc: int = 0


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """POST /_paper/faults. Names and params: `broker.simulator.faults.catalogue`."""

    name: str
    match: FaultMatch = FaultMatch()
    when: FaultWhen = FaultWhen()
    params: dict[str, ParamValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FaultAdded:
    """The answer to POST /_paper/faults."""

    id: int


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault as GET /_paper/faults tells it. `calls` matched so far, `hits` of them acted on."""

    id: int
    name: str
    match: FaultMatch
    when: FaultWhen
    params: dict[str, ParamValue]
    added_msc: int
    calls: int
    hits: int


@dataclass(frozen=True, slots=True)
class PushedTick:
    """POST /_paper/ticks: the quote of a symbol until its market's next event."""

    symbol: str
    bid: float
    ask: float


@dataclass(frozen=True, slots=True)
class PaperSnapshot:
    """GET /_paper/snapshot: the simulated venue as it is, whatever faults show.

    `ledger_sha256`: hash of every order and deal; equal runs have equal hashes.
    """

    now_msc: int
    end_msc: int
    account: Account
    positions: tuple[Position, ...]
    orders: tuple[Order, ...]
    deals: tuple[Deal, ...]
    ledger_sha256: str
