"""Searching for parameters: Optuna studies whose objective is the honest score.

Runs on the training side only. May import: all that `ml.training` may, and `ml.training`.
"""
