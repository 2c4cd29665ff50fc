"""What the models may do to an entry: less risk, other stops; never more than was configured."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import make_input
from trading.decision import sizing
from trading.decision.decide import decide
from trading.decision.management_settings import (
    ActiveManagement,
    KellyLotSizing,
    MlSltp,
    PositionAsPrimaryExit,
    RiskManagement,
    RiskModel,
    StopSettings,
)
from trading.decision.records import (
    AccountView,
    DecisionInput,
    Denial,
    Enter,
    Forecast,
    Side,
    StopForecast,
)
from trading.decision.settings import DecisionSettings, PredictionSettings
from trading.decision.stops import stop_distances

KELLY = DecisionSettings(
    ml_active_management=ActiveManagement(kelly_lot_sizing=KellyLotSizing(enabled=True))
)
MODEL = DecisionSettings(dynamic_sltp=StopSettings(use_model=True))


def entered(now: DecisionInput, settings: DecisionSettings) -> Enter:
    (entry,) = decide(now, settings).intents
    assert isinstance(entry, Enter)
    return entry


def sure(p: float, **fields: Any) -> DecisionInput:
    return make_input(forecast=Forecast(p, 1 - p, 0.0, (1, 1, 1)), **fields)


# Kelly


def test_kelly_is_p_minus_its_complement_over_the_pay_off() -> None:
    instrument = make_input().instrument
    assert sizing.kelly_fraction(0.6, 250.0, 250.0, instrument) == pytest.approx(0.2)
    assert sizing.kelly_fraction(0.4, 250.0, 500.0, instrument) == pytest.approx(0.1)
    assert sizing.kelly_fraction(0.6, 250.0, 250.0, _with_commission(25.0)) == pytest.approx(0.0)
    assert sizing.kelly_fraction(0.9, 250.0, 40.0, _with_commission(25.0)) == -1.0


def _with_commission(per_lot: float) -> Any:
    return make_input(instrument={"commission_per_lot": per_lot}).instrument


def test_kelly_scales_the_configured_risk_and_is_kept_with_its_raw_value() -> None:
    entry = entered(sure(0.625), KELLY)
    assert entry == Enter(Side.BUY, 0.2, 250.0, 250.0, 50.0, 0.5, 0.25, 0.2)


def test_kelly_is_capped_at_its_largest_fraction() -> None:
    entry = entered(sure(0.95), KELLY)
    assert (entry.kelly, entry.risk_pct) == (pytest.approx(0.9), 1.0)


@pytest.mark.parametrize("p", [0.5, 0.45, 0.3])
def test_kelly_of_zero_or_less_is_denied(p: float) -> None:
    said = Forecast(p, 0.2, 0.8 - p, (1, 1, 1))
    now = make_input(forecast=said, market={"margin_floor": 0.0})
    assert decide(now, KELLY).denials == (
        Denial("kelly", pytest.approx(2 * p - 1, abs=1e-12), "above 0"),
    )


def test_kelly_looks_at_the_probability_of_the_side() -> None:
    now = make_input(forecast=Forecast(0.3, 0.6, 0.1, (-1, -1, 0)))
    assert entered(now, KELLY).kelly == pytest.approx(0.2)


def test_kelly_off_leaves_the_configured_risk() -> None:
    entry = entered(sure(0.4, market={"margin_floor": -1.0}), DecisionSettings())
    assert entry.risk_pct == 2.0
    assert math.isnan(entry.kelly)


# Risk model


@pytest.mark.parametrize(
    ("multiplier", "risk_pct"), [(0.1, 0.2), (0.5, 1.0), (1.0, 2.0), (1.25, 2.0)]
)
def test_risk_model_lowers_the_risk_and_never_raises_it(multiplier: float, risk_pct: float) -> None:
    now = make_input(risk_multiplier=multiplier)
    assert entered(now, DecisionSettings()).risk_pct == pytest.approx(risk_pct)
    off = DecisionSettings(risk_model=RiskModel(enabled=False))
    assert entered(now, off).risk_pct == 2.0


@given(
    p=st.floats(0, 1),
    multiplier=st.floats(0.1, 1.25),
    risk=st.floats(0.01, 10),
    equity=st.floats(10, 1e6),
    atr=st.floats(15, 3000),
    sl=st.floats(0.2, 5),
    tp=st.floats(0.2, 5),
    kelly=st.booleans(),
    margin=st.floats(0, 1e6),
    leverage=st.floats(0.5, 100),
)
def test_no_model_raises_risk_or_volume_above_what_is_configured(
    p: float, multiplier: float, risk: float, equity: float, atr: float, sl: float, tp: float,
    kelly: bool, margin: float, leverage: float,
) -> None:  # fmt: skip
    settings = DecisionSettings(
        risk_percent=risk,
        max_lot=5.0,
        risk_management=RiskManagement(max_leverage=leverage),
        dynamic_sltp=StopSettings(use_model=True),
        ml_active_management=ActiveManagement(kelly_lot_sizing=KellyLotSizing(enabled=kelly)),
    )
    now = sure(
        p, market={"atr": atr}, account=AccountView(equity, equity, margin),
        stops=StopForecast(sl, tp), risk_multiplier=multiplier,
    )  # fmt: skip
    entry = sizing.entry(Side.BUY, now, settings)
    if isinstance(entry, Denial):
        return
    assert entry.risk_pct <= risk
    assert entry.volume_lots * entry.sl_distance <= equity * risk / 100 * (1 + 1e-9)
    assert entry.volume_lots <= min(5.0, entry.wanted_lots * (1 + 1e-9))
    assert entry.volume_lots * now.instrument.margin_per_lot <= margin * 0.8 * (1 + 1e-9)
    assert entry.volume_lots * now.quote.ask <= equity * leverage * (1 + 1e-9)
    assert entry.tp_distance > entry.sl_distance


# Stops


def distances(now: DecisionInput, settings: DecisionSettings) -> tuple[float, float]:
    return stop_distances(Side.BUY, now, settings)


def test_models_stops_replace_the_static_ones_only_where_it_speaks_and_is_on() -> None:
    said = make_input(stops=StopForecast(0.5, 2.0), market={"atr": 250.0})
    assert distances(said, MODEL) == (125.0, 500.0)
    assert distances(said, DecisionSettings()) == (250.0, 250.0)
    assert distances(make_input(), MODEL) == (250.0, 250.0)


def test_models_target_stays_beyond_its_stop_and_a_static_one_need_not() -> None:
    now = make_input(stops=StopForecast(1.0, 1.0), instrument={"stops_level_points": 40_000})
    sl, tp = distances(now, MODEL)
    assert sl == 414.59  # raised by the venue's level
    assert tp == 414.6
    static = DecisionSettings(dynamic_sltp=StopSettings(tp_atr_multiplier=0.8))
    assert distances(make_input(), static) == (250.0, 200.0)


def test_models_stop_is_drawn_in_until_the_smallest_lot_can_pay_for_it() -> None:
    # 2 % of 100 = 2.00; 0.01 lot loses that over 200.00.
    poor = make_input(stops=StopForecast(2.0, 3.0), account=AccountView(100.0, 100.0, 100.0))
    assert distances(poor, MODEL) == (200.0, 750.0)
    dear = make_input(
        stops=StopForecast(2.0, 3.0), account=AccountView(100.0, 100.0, 100.0),
        instrument={"commission_per_lot": 25.0},
    )  # fmt: skip
    assert distances(dear, MODEL) == (150.0, 750.0)
    cents = make_input(
        stops=StopForecast(2.0, 3.0), account=AccountView(10_000.0, 10_000.0, 1e5),
        instrument={"tick_value": 1.0},
    )  # fmt: skip
    assert distances(cents, MODEL) == (200.0, 750.0)
    wide = DecisionSettings(dynamic_sltp=StopSettings(sl_atr_multiplier=2.0))
    assert distances(poor, wide) == (500.0, 250.0)  # a static stop is left as it was set


def test_drawn_in_stop_keeps_the_venues_level() -> None:
    poor = make_input(
        stops=StopForecast(2.0, 3.0), account=AccountView(10.0, 10.0, 10.0),
        instrument={"stops_level_points": 30_000},
    )  # fmt: skip
    assert distances(poor, MODEL)[0] == 314.59


@pytest.mark.parametrize(
    ("confidence", "sl", "tp"),
    [(0.5, 100.0, 150.0), (0.6, 100.0, 150.0), (0.8, 85.0, 187.5), (1.0, 70.0, 225.0)],
)
def test_confidence_draws_the_stop_in_and_moves_the_target_out(
    confidence: float, sl: float, tp: float
) -> None:
    settings = DecisionSettings(
        dynamic_sltp=StopSettings(sl_atr_multiplier=1.0, tp_atr_multiplier=1.5),
        prediction=PredictionSettings(confidence_threshold=0.6),
        ml_active_management=ActiveManagement(ml_sltp=MlSltp(enabled=True)),
    )
    now = sure(confidence, market={"atr": 100.0})
    assert distances(now, settings) == (pytest.approx(sl), pytest.approx(tp))


def test_primary_exit_sets_a_wide_net_whatever_the_model_says() -> None:
    settings = DecisionSettings(
        dynamic_sltp=StopSettings(use_model=True),
        ml_active_management=ActiveManagement(
            position_as_primary_exit=PositionAsPrimaryExit(enabled=True)
        ),
    )
    now = make_input(stops=StopForecast(0.5, 2.0))
    assert distances(now, settings) == (750.0, 1250.0)
    assert entered(now, settings).volume_lots == 0.26  # the risk stays 2 % of 10,000
