"""Who is asked what, and when: the models beside the signal model."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from market.instruments import instrument
from ml.features.catalogue import names
from ml.features.position import position_state
from ml.features.risk import RISK_FEATURES
from tests.builders import MONDAY_MS, make_bars
from trading.advice import NO_ADVICE, NO_M1, NO_MODELS, Adviser, BesideModels, Close
from trading.decision.records import AccountView, ExitForecast, OpenTrade, Side, StopForecast
from trading.decision.settings import DecisionSettings
from trading.errors import DaemonError
from trading.trade_book import TradeBook
from trading.trade_state import TradeFacts

BAR_MS = 900_000
NAMES = names(("base", "regime"))
BOOK = TradeBook(7719)


class Asked:
    """Remembers the rows it is asked with, and always says the same."""

    def __init__(self, answer: Any) -> None:
        self.rows: list[np.ndarray] = []
        self._answer = answer

    def predict(self, rows: np.ndarray) -> Any:
        self.rows += list(rows)
        return self._answer


def exits() -> Asked:
    said = {"probabilities": np.array([[0.1, 0.85, 0.05]]), "votes": np.array([[1, 1, 0]])}
    return Asked(SimpleNamespace(**said))


def bars() -> Any:
    """Ranges of 40, so that ATR is not needed: state features are checked with a given one."""
    return make_bars([(100.0, 130.0, 90.0, 110.0)] * 8, spread_points=1000)


def at(row: int = 5, **fields: Any) -> Close:
    words = {
        "close_ms": MONDAY_MS + (row + 1) * BAR_MS, "features": np.linspace(0, 1, len(NAMES)),
        "m1": NO_M1, "facts": TradeFacts(bars(), instrument("BTCUSD")), "row": row,
        "account": AccountView(1000.0, 990.0, 900.0), "profits": np.array([20.0, -5.0, -5.0]),
    }  # fmt: skip
    return Close(**words | fields)


def held_since(row: int) -> OpenTrade:
    opened_ms = MONDAY_MS + (row + 1) * BAR_MS
    return OpenTrade(1, Side.SELL, 0.1, 105.0, 0.0, 0.0, opened_ms, 0.0, 0.0)


def adviser(models: BesideModels, **settings: Any) -> Adviser:
    return Adviser(models, DecisionSettings.model_validate(settings), NAMES)


def with_atr(now: Close) -> Close:
    """ATR needs two blocks of bars; here it is simply 20."""
    now.facts._atr = np.full(8, 20.0).data
    return now


def test_without_models_nobody_has_a_say() -> None:
    quiet = adviser(NO_MODELS)
    assert not quiet.has_a_say((held_since(0),), gate_open=True)
    assert quiet.advise(at(), (held_since(0),), BOOK, gate_open=True) == NO_ADVICE


@pytest.mark.parametrize(("row", "asked"), [(3, False), (4, True), (5, True)])
def test_position_model_is_asked_from_min_bars_held_on(row: int, asked: bool) -> None:
    model = exits()
    now = with_atr(at(row))
    (held,) = adviser(BesideModels(model)).advise(now, (held_since(0),), BOOK, gate_open=False).held
    assert (len(model.rows) == 1) is asked
    assert held.forecast == (ExitForecast(0.1, 0.85, 0.05, (1, 1, 0)) if asked else None)
    assert held.bars_held == row


def test_position_model_reads_features_then_state_then_m1() -> None:
    model, minutes = exits(), np.arange(5) / 10
    now = with_atr(at(5, m1=minutes))
    adviser(BesideModels(model)).advise(now, (held_since(0),), BOOK, gate_open=False)
    # a short leaves at the ask: 110 + 10 now, 90 + 10 at best
    state = position_state(-1, 105.0, 5, 120.0, 100.0, 20.0)
    assert model.rows[0].tolist() == [*now.features, *state, *minutes]


def test_an_input_that_is_not_finite_is_named_and_nobody_is_asked() -> None:
    model = exits()
    without_atr = at(5)
    trades = (held_since(0),)
    (held,) = adviser(BesideModels(model)).advise(without_atr, trades, BOOK, gate_open=False).held
    assert (held.forecast, held.missing_feature) == (None, "open_profit_atr")
    assert model.rows == []


def test_position_model_that_is_switched_off_is_not_asked() -> None:
    model = exits()
    off = adviser(BesideModels(model), ml_active_management={"enabled": False})
    assert not off.asks_exits
    assert off.advise(at(), (held_since(0),), BOOK, gate_open=False) == NO_ADVICE
    assert model.rows == []


def test_trades_are_known_to_rules_that_need_no_model() -> None:
    partial = adviser(NO_MODELS, ml_active_management={"partial_close": {"enabled": True}})
    (held,) = partial.advise(with_atr(at()), (held_since(0),), BOOK, gate_open=False).held
    assert (held.bars_held, held.atr_entry, held.forecast) == (5, 20.0, None)


@pytest.mark.parametrize(
    ("settings", "gate_open", "stops"),
    [
        ({"dynamic_sltp": {"use_model": True}}, True, StopForecast(1.2, 2.0)),
        ({"dynamic_sltp": {"use_model": True}}, False, None),
        ({}, True, None),
    ],
    ids=["used", "gate_shut", "off"],
)
def test_stops_are_asked_where_an_entry_may_come(
    settings: dict[str, Any], gate_open: bool, stops: StopForecast | None
) -> None:
    model = Asked(np.array([[1.2, 2.0]]))
    now = at()
    said = adviser(BesideModels(sltp=model), **settings).advise(now, (), BOOK, gate_open=gate_open)
    assert said.stops == stops
    assert [row.tolist() for row in model.rows] == ([now.features.tolist()] if stops else [])


@pytest.mark.parametrize(
    ("settings", "gate_open", "multiplier"),
    [({}, True, 0.4), ({}, False, 1.0), ({"risk_model": {"enabled": False}}, True, 1.0)],
    ids=["used", "gate_shut", "off"],
)
def test_risk_is_asked_where_an_entry_may_come(
    settings: dict[str, Any], gate_open: bool, multiplier: float
) -> None:
    model = Asked(np.array([0.4]))
    said = adviser(BesideModels(risk=model), **settings).advise(at(), (), BOOK, gate_open=gate_open)
    assert said.risk_multiplier == multiplier
    assert len(model.rows) == (multiplier == 0.4)


def test_risk_row_is_the_account_and_the_bar() -> None:
    model, now = Asked(np.array([0.4])), at()
    adviser(BesideModels(risk=model)).advise(now, (), BOOK, gate_open=True)
    row = dict(zip(RISK_FEATURES, model.rows[0].tolist(), strict=True))
    assert row["consecutive_losses"] == 2
    assert row["equity_ratio"] == pytest.approx(0.99 / 0.99)  # started with 990
    assert row["volatility_20"] == now.features[NAMES.index("volatility_20")]
    assert row["atr_14"] == now.features[NAMES.index("atr_14")]
    assert row["hour"] == 1


def test_an_addition_may_need_stops_and_risk_while_the_gate_is_shut() -> None:
    models = BesideModels(exits(), Asked(np.array([[1.2, 2.0]])), Asked(np.array([0.4])))
    settings = {
        "ml_active_management": {"add": {"enabled": True}}, "dynamic_sltp": {"use_model": True},
    }  # fmt: skip
    adding, trades = adviser(models, **settings), (held_since(0),)
    said = adding.advise(with_atr(at(5)), trades, BOOK, gate_open=False)
    assert (said.stops, said.risk_multiplier) == (StopForecast(1.2, 2.0), 0.4)
    early = adding.advise(with_atr(at(3)), trades, BOOK, gate_open=False)
    assert (early.stops, early.risk_multiplier) == (None, 1.0)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({}, "risk_model needs the feature volatility_20"),
        ({"ml_active_management": {"ml_trailing_stop": {"enabled": True}}}, "momentum_decay"),
    ],
    ids=["risk", "trail"],
)
def test_a_feature_that_the_groups_leave_out_is_refused_by_name(
    settings: dict[str, Any], named: str
) -> None:
    models = BesideModels(risk=Asked(np.array([1.0]))) if not settings else NO_MODELS
    with pytest.raises(DaemonError, match=named):
        Adviser(models, DecisionSettings.model_validate(settings), names(("regime",)))
