"""Looks a bridge over before anything is traded: one line per check, and what to do.

Nothing is sent; the write probe is `order_check`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from rich.table import Table

from broker.contract import retcodes
from broker.contract.constants import MarginMode, OrderType
from broker.contract.errors import BrokerError
from broker.contract.filling import allowed_fillings, filling_of
from broker.contract.marks import comment_of, magic_of, strategy_of
from broker.contract.messages import Account, Health, OrderRequest, Snapshot, SymbolSpec
from broker.contract.port import Broker
from market.bars import utc_text
from market.instrument import Instrument, TradeMode
from market.timeframe import Timeframe
from trading.health import HealthLimits, describe_account, expected_tick_value, offset_error_ms

Outcome = Literal["ok", "note", "failed"]

_DAY_MS = 86_400_000
_WEEK_MS = 7 * _DAY_MS
_PROBE = "doctor"
_PROBE_STOPS = 0.05
_FARTHEST_PRICE = 0.2


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what it showed. A note needs no action."""

    name: str
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the journal has pinned, where there is one. `account`: `login on server`."""

    account: str | None = None
    trade_mode: str | None = None
    spec_hash: str | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked over, and how. `now_ms`: a clock to trust, None on paper."""

    broker: Broker
    instrument: Instrument
    timeframe: Timeframe
    strategy_id: int
    history_ms: int
    limits: HealthLimits
    known: Known
    now_ms: Callable[[], int] | None


def examine(patient: Patient) -> tuple[Check, ...]:
    """Every check that can be made. A bridge that fails a read fails the check, not the doctor."""
    found: list[Check] = []
    for name, checks in _CHECKS:
        try:
            found += checks(patient)
        except BrokerError as error:
            found.append(Check(name, "failed", str(error)))
    return tuple(found)


def failed(checks: tuple[Check, ...]) -> bool:
    return any(each.outcome == "failed" for each in checks)


def table_of(checks: tuple[Check, ...]) -> Table:
    """The checks for a terminal."""
    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "failed": "[bold red]FAILED[/]"}
    table = Table("check", "", "what it showed", title="doctor")
    for each in checks:
        table.add_row(each.name, marks[each.outcome], each.text)
    return table


def _bridge(patient: Patient) -> Iterator[Check]:
    health = patient.broker.health()
    text = f"{health.mode}, dialect {health.dialect}, version {health.bridge_version}"
    yield _judged("bridge", health.status != "down", text, "no terminal or account behind it")
    yield _connection(health)
    yield _rights(health)


def _connection(health: Health) -> Check:
    terminal = health.terminal
    text = f"{terminal.company}, build {terminal.build}, ping {terminal.ping_last_us / 1000:g} ms"
    return _judged("connection", terminal.connected, text, "the terminal is offline")


def _rights(health: Health) -> Check:
    allowed = {
        "Algo Trading": health.terminal.trade_allowed,
        "Python interface": not health.terminal.tradeapi_disabled,
        "account": health.account_trade_allowed,
        "account for programs": health.account_trade_expert,
    }
    missing = ", ".join(name for name, is_on in allowed.items() if not is_on)
    return _judged("trade rights", not missing, "all there", f"switched off: {missing}")


def _account(patient: Patient) -> Iterator[Check]:
    account, known = patient.broker.account(), patient.known
    text = describe_account(account.login, account.server, account.trade_mode)
    here = (f"{account.login} on {account.server}", str(account.trade_mode))
    pinned = known.account is None or here == (known.account, known.trade_mode or here[1])
    word = "" if known.account else "; it is pinned at the first start"
    yield _judged("account", pinned, text + word, f"{text}; {known.account} is pinned")
    yield _units(account)
    yield _margin_mode(account)


def _units(account: Account) -> Check:
    """Cent accounts count a hundred to the dollar: both are shown, so that nobody is surprised."""
    base = account.equity * account.unit_to_base
    text = f"equity {account.equity:.2f} {account.currency}"
    return Check("units", "ok", f"{text} = {base:.2f} {account.base_currency}")


def _margin_mode(account: Account) -> Check:
    if account.margin_mode == MarginMode.HEDGING:
        return Check("position mode", "ok", "hedging")
    return Check("position mode", "note", "netting: one position per symbol, whoever opened it")


def _clock(patient: Patient) -> Iterator[Check]:
    health, tick = patient.broker.health(), patient.broker.tick(patient.instrument.symbol)
    if patient.now_ms is None:
        yield Check("clock", "note", "a paper bridge has its own time")
    else:
        skew_ms = max((health.utc_msc - patient.now_ms(), health.clock_skew_ms), key=abs)
        text = f"{skew_ms:+d} ms to this machine"
        yield _judged("clock", abs(skew_ms) <= patient.limits.skew_ms, text, f"{text}: set it")
    error_ms = offset_error_ms(tick.time_msc, health.utc_msc)
    offset = f"{health.utc_offset_s / 3600:+g} h ({health.offset_source})"
    if error_ms is None:
        yield Check("server time", "note", f"{offset}; no quote of the last 5 s to check it by")
    else:
        wrong = f"{offset}, but a fresh quote is {error_ms / 60_000:+g} min off"
        yield _judged("server time", error_ms == 0, offset, wrong)


def _symbol(patient: Patient) -> Iterator[Check]:
    spec, mine = patient.broker.symbol(patient.instrument.symbol), patient.instrument
    text = f"{spec.description}, {spec.digits} digits, lots {spec.volume_min:g}-{spec.volume_max:g}"
    theirs = (spec.currency_base, spec.currency_profit)
    same = theirs == (mine.currency_base, mine.currency_profit)
    yield _judged("symbol", same, text, f"{text}: {'/'.join(theirs)}; see bridge.symbol_map")
    pinned = patient.known.spec_hash in (None, spec.spec_hash)
    yield _judged("terms", pinned, "as confirmed", "changed: look, then --accept-spec")
    full = spec.trade_mode == TradeMode.FULL
    yield _judged("trade mode", full, "full", f"{spec.trade_mode}: entries are halted")
    names = ", ".join(each.name for each in allowed_fillings(spec.filling_mode))
    yield Check("filling", "ok", names)
    yield _tick_value(spec, patient.broker.account())


def _tick_value(spec: SymbolSpec, account: Account) -> Check:
    expected, came = expected_tick_value(spec, account), spec.trade_tick_value
    text = f"{came:g} {account.currency} a tick and lot"
    if expected is None:
        return Check("tick value", "note", f"{text}; it needs a rate to be checked")
    right = abs(came - expected) <= 0.05 * expected
    return _judged("tick value", right, text, f"{text}; {expected:g} follow from the contract")


def _quote(patient: Patient) -> Iterator[Check]:
    """A symbol that is another one than ours has another price, too."""
    broker, symbol, bar_ms = patient.broker, patient.instrument.symbol, patient.timeframe.ms
    snapshot = broker.snapshot(symbol)
    as_of_ms, tick = snapshot.as_of_msc, snapshot.tick
    recent = broker.rates(
        symbol, patient.timeframe, from_ms=as_of_ms - _WEEK_MS, to_ms=as_of_ms - bar_ms + 1
    )
    text = f"bid {tick.bid:g}, ask {tick.ask:g} at {utc_text(tick.time_msc)} UTC"
    near = len(recent) > 0 and abs(tick.bid / recent.close[-1] - 1) <= _FARTHEST_PRICE
    yield _judged("quote", near, text, f"{text}: far from the last closed bar")
    yield _positions(patient, snapshot)


def _positions(patient: Patient, snapshot: Snapshot) -> Check:
    mine = [p for p in snapshot.positions if strategy_of(p.magic) == patient.strategy_id]
    naked = [str(p.identifier) for p in mine if p.sl == 0.0]
    text = f"{len(mine)} of ours, {len(snapshot.positions) - len(mine)} of others"
    return _judged("positions", not naked, text, f"without a stop: {', '.join(naked)}")


def _history(patient: Patient) -> Iterator[Check]:
    """Whether the terminal's history reaches as far back as is needed, and is not cut."""
    broker, symbol = patient.broker, patient.instrument.symbol
    from_ms = broker.health().utc_msc - patient.history_ms
    oldest = broker.rates(symbol, patient.timeframe, from_ms=from_ms, to_ms=from_ms + _WEEK_MS)
    reaches = len(oldest) > 0 and oldest.open_ms[0] <= from_ms + _WEEK_MS // 2
    text = f"from {utc_text(from_ms)} UTC"
    cut = f"{text} is needed, less is there: raise 'max bars in chart', or scroll the chart back"
    yield _judged("history", reaches, text, cut)


def _write_probe(patient: Patient) -> Iterator[Check]:
    """The smallest order with stops, checked and not sent: reads may work where orders fail."""
    broker, symbol = patient.broker, patient.instrument.symbol
    spec, tick = broker.symbol(symbol), broker.tick(symbol)
    distance = round(tick.bid * _PROBE_STOPS / spec.trade_tick_size) * spec.trade_tick_size
    request = OrderRequest(
        symbol=symbol, type=OrderType.BUY, volume=spec.volume_min, client_id=_PROBE,
        magic=magic_of(patient.strategy_id, _PROBE), comment=comment_of(_PROBE),
        type_filling=filling_of(spec.filling_mode), sl=round(tick.bid - distance, spec.digits),
        tp=round(tick.bid + distance, spec.digits),
    )  # fmt: skip
    result = broker.check(request)
    passed = result.retcode in (retcodes.CHECK_PASSED, retcodes.DONE)
    word = f"{result.retcode} {result.retcode_name}: {retcodes.retcode(result.retcode).action}"
    yield _judged("order check", passed, f"{spec.volume_min:g} lots would pass", word)


def _judged(name: str, is_good: bool, good: str, bad: str) -> Check:
    return Check(name, "ok" if is_good else "failed", good if is_good else bad)


_CHECKS: tuple[tuple[str, Callable[[Patient], Iterator[Check]]], ...] = (
    ("bridge", _bridge),
    ("account", _account),
    ("clock", _clock),
    ("symbol", _symbol),
    ("quote", _quote),
    ("history", _history),
    ("order check", _write_probe),
)
