"""The implausibility alarm: its limits, its words, and the leaks that it must catch."""

import math

import pytest

from trading.implausible import implausible

PLAUSIBLE = {"sharpe": 1.2, "profit_factor": 1.25, "win_rate": 0.56, "trades": 300}


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"sharpe": 5.01}, "Sharpe ratio 5.0 is above 5"),
        ({"profit_factor": 4.01}, "profit factor 4.01 is above 4"),
        ({"profit_factor": math.inf}, "profit factor without a loss is above 4"),
        ({"win_rate": 0.751}, "win rate 75.1% is above 75 %"),
        ({"trades": 29}, "29 trades are fewer than 30"),
        ({"trades": 1}, "1 trade is fewer than 30"),
    ],
    ids=["sharpe", "profit-factor", "no-loss", "win-rate", "trades", "one-trade"],
)
def test_each_limit_says_that_something_is_wrong_and_names_the_usual_causes(
    figures: dict[str, float], said: str
) -> None:
    (found,) = implausible(**(PLAUSIBLE | figures))  # type: ignore[arg-type]
    assert found.startswith(said)
    assert "something is probably wrong" in found
    assert "usual causes: " in found


@pytest.mark.parametrize(
    "figures",
    [{}, {"sharpe": 5.0, "profit_factor": 4.0, "win_rate": 0.75, "trades": 30},
     {"sharpe": math.nan, "profit_factor": math.nan, "win_rate": None}],
    ids=["plausible", "at-the-limits", "unknown"],
)  # fmt: skip
def test_plausible_figures_raise_nothing(figures: dict[str, float]) -> None:
    assert implausible(**(PLAUSIBLE | figures)) == []  # type: ignore[arg-type]


def test_fold_with_few_trades_is_no_alarm_but_its_win_rate_is() -> None:
    fold = PLAUSIBLE | {"trades": 8, "win_rate": 0.9}
    (found,) = implausible(**fold, whole_window=False)  # type: ignore[arg-type]
    assert found.startswith("win rate 90.0%")


# Trades a day, share won, profit factor: what the design measured of planted leaks.
LEAKS = {
    "scored-in-sample": (0.995, 189.0), "shuffled-split": (0.751, 3.01),
    "forming-h1-h4-d1": (0.825, 4.72), "forming-h4-d1-tp2": (0.709, 4.87),
    "smc-at-formation": (0.808, 4.19), "one-bar-ahead": (0.842, 5.21),
}  # fmt: skip


@pytest.mark.parametrize(("win_rate", "factor"), LEAKS.values(), ids=LEAKS)
def test_measured_leaks_are_beyond_a_limit(win_rate: float, factor: float) -> None:
    figures = PLAUSIBLE | {"win_rate": win_rate, "profit_factor": factor}
    assert implausible(**figures)  # type: ignore[arg-type]
