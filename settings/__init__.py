"""Composes `config.json` and `ml_config.json` from the sections that live with their rooms.

Only doors (and their tests) import it.
"""
