"""Models as the trading host sees them: hash-checked ONNX and JSON in, arrays out. No unpickling.

May import: `market`, `ml.features`.
"""
