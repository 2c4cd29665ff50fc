"""Walk-forward: blocks traded by models that learned before them, and what they come to together.

`blocks` cuts and pools them, `windows` looks at every stretch of some days, `random_twin` is the
same run without knowledge. `report` has every figure; `tables`, `chart` and `files` show them. The
door is `scripts/walk_forward.py`. May import: what `backtest` may.
"""
