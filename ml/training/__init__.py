"""Making models: labels as traded, purged splits, weights, trainers, calibration, one ONNX graph.

Runs on the training side only. May import: `market`, `broker`, `ml`, `trading`, `backtest`.
"""
