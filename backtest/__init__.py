"""A driver of the daemon's own `decide` over history, with metrics and a report.

May import: everything but `ml.training`, `settings`, `scripts` and the doors.
"""
