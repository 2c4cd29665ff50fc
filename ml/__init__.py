"""Machine learning: `features` (bars in, columns out), `predictors` (ONNX in, arrays out) and
`training` (labels, splits, trainers, export; never on the trading host).

`features` imports `market`; `predictors` imports `features`; `training` may import everything up
to `backtest`.
"""
