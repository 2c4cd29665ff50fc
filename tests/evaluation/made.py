"""Figures that pass every gate, to take one thing away from."""

from backtest.gates import GoLiveFigures

PROVEN = GoLiveFigures(
    trades=420, trades_per_week=8.0, profit_factor_p5=1.08, deflated_sharpe=0.97, trials=57,
    days=364, days_needed=300.0, chosen_among=50, overfitting=0.12,
    edge_proof="a true win rate of 56.6% …", feature_rows=96, feature_differences=0,
    forecast_rows=60_000, class_flips=0, shadow_days=14.0, shadow_inside=True,
    window_gaps=(), ledger_gaps=(), cost_gaps=(),
)  # fmt: skip
