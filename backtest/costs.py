"""A cost file: what a broker really charged, learnt from a journal, as a backtest uses it.

`scripts/costs.py learn` writes it (`backtest.costs_learning`). Spreads and slippage are drawn from
what was seen, keyed by bar and request, so a run repeats itself; commission and swap replace the
instrument's. Rejects are shown and not simulated.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from broker.simulator.draws import draw_between
from broker.simulator.settings import CURRENCIES
from market.bars import Bars
from market.instrument import Instrument, SwapMode
from market.whole_file import whole_file
from trading.errors import DaemonError

SCHEMA = 1
LEAST_QUOTES = 20
_HOUR_MS = 3_600_000


class Sample(BaseModel):
    """Whole points in rising order: all that were seen, or 101 order statistics of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=0)
    points: tuple[int, ...] = ()


class Rejects(BaseModel):
    """Orders that were sent, those that the venue refused, and its codes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    requests: int = 0
    rejected: int = 0
    by_retcode: Mapping[str, int] = Field(default_factory=dict)


class LearnedCosts(BaseModel):
    """What was paid on one account in one symbol. `deals`: how many the file rests on.

    `spread_by_hour`: at closes of bars in that UTC hour ("00" … "23"). `slippage`: market orders,
    above 0 is worse than the price decided on. `commission_per_lot`: of one side; `swap_*`: per lot
    and night, below 0 is paid; both in `currency`, None where nothing was seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_version: int = Field(default=SCHEMA, alias="schema")
    symbol: str
    currency: str
    from_ms: int
    to_ms: int
    deals: int
    quotes: int
    spread: Sample
    spread_by_hour: Mapping[str, Sample]
    slippage: Sample
    commission_per_lot: float | None = None
    swap_long: float | None = None
    swap_short: float | None = None
    swap_nights: int = 0
    rejects: Rejects = Rejects()

    @property
    def slippage_table(self) -> tuple[int, ...]:
        """Points to draw from; empty where no market order was seen."""
        return self.slippage.points

    def on_bars(self, bars: Bars, *, seed: int) -> Bars:
        """The same bars with spreads drawn from those seen in the hour that each bar closes in.

        An hour with fewer than 20 quotes draws from all. Without any quote the bars stay.
        """
        if not self.spread.points:
            return bars
        tables = [self._table(hour) for hour in range(24)]
        drawn = [
            table[draw_between(0, len(table) - 1, seed, "spread", bars.symbol, close_ms)]
            for close_ms in bars.close_ms.tolist()
            for table in (tables[close_ms // _HOUR_MS % 24],)
        ]
        return replace(bars, spread_points=np.array(drawn, dtype=np.int64))

    def on_instrument(self, of: Instrument) -> Instrument:
        """A dollar account's instrument with the commission and swap that were charged."""
        units = CURRENCIES[self.currency][1]
        if self.commission_per_lot is not None:
            of = replace(of, commission_per_lot=self.commission_per_lot / units)
        if self.swap_long is None and self.swap_short is None:
            return of
        return replace(
            of, swap_mode=SwapMode.CURRENCY_DEPOSIT, swap_long=self.swap_long or 0.0,
            swap_short=self.swap_short or 0.0,
        )  # fmt: skip

    def words(self) -> tuple[str, ...]:
        """What a person should know of how much this rests on."""
        thin = [hour for hour, seen in self.spread_by_hour.items() if seen.count < LEAST_QUOTES]
        missing = 24 - len(self.spread_by_hour)
        found = [f"costs learnt from {self.deals} deals and {self.quotes:,} quotes"]
        if thin or missing:
            found.append(
                f"spread: {len(thin) + missing} of 24 hours have fewer than {LEAST_QUOTES} quotes "
                "and draw from all"
            )
        if not self.slippage.points:
            found.append("slippage: no market order was seen; paper.slippage_points holds")
        if self.commission_per_lot is None:
            found.append("commission: no deal was seen; the instrument's holds")
        if self.swap_long is None or self.swap_short is None:
            found.append("swap: not seen for both sides; " + self._swap_words())
        return tuple(found)

    def _swap_words(self) -> str:
        if self.swap_long is None and self.swap_short is None:
            return "the instrument's holds"
        return "the side that was not seen pays none"

    def _table(self, hour: int) -> tuple[int, ...]:
        seen = self.spread_by_hour.get(f"{hour:02d}")
        return seen.points if seen and seen.count >= LEAST_QUOTES else self.spread.points


def charged(
    costs: LearnedCosts | None, history: Bars, of: Instrument, *, seed: int
) -> tuple[Bars, Instrument, tuple[int, ...]]:
    """(bars, instrument, slippage to draw from) as trading them costs; as they are without costs.

    Forecasts are of the bars as they were: what costs change is what trading them costs.
    """
    if costs is None:
        return history, of, ()
    return costs.on_bars(history, seed=seed), costs.on_instrument(of), costs.slippage_table


def read_costs(path: Path, *, symbol: str, currency: str) -> LearnedCosts:
    """A cost file of this symbol and deposit currency. Raises `DaemonError`."""
    try:
        costs = LearnedCosts.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DaemonError(f"--costs {path}: a file is needed, there is none; {_LEARN}") from None
    except (ValidationError, ValueError) as error:
        why = _first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise DaemonError(f"--costs {path}: a cost file is allowed: {why}; {_LEARN}") from None
    for name, allowed, came in (
        ("schema", SCHEMA, costs.schema_version),
        ("symbol", symbol, costs.symbol),
        ("currency", currency, costs.currency),
    ):
        if allowed != came:
            raise DaemonError(f"--costs {path}: {name} {allowed} is allowed, {came} came; {_LEARN}")
    return costs


def write_costs(path: Path, costs: LearnedCosts) -> None:
    """Writes the file whole or not at all."""
    with whole_file(path) as part:
        part.write_text(costs.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")


def _first_problem(error: ValidationError) -> str:
    """One line: a file that is none has as many problems as keys."""
    problem, more = error.errors()[0], error.error_count() - 1
    key = ".".join(map(str, problem["loc"]))
    return f"{key}: {problem['msg']}" + (f" and {more} more problems" if more else "")


_LEARN = "write one with python scripts/costs.py learn"
