"""What anyone can check of a run: lookahead, warm-up, parity with a journal, replay, regimes.

Pure functions of bars, lines and trades; the doors beside this folder (`python -m
backtest.lookahead` and its like) read the files and print. May import: what `backtest` may import.
"""
