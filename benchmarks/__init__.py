"""Measurements beside peers, never tests. May import everything; nothing imports it."""
