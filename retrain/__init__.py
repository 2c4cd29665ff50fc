"""The weekly pipeline: a candidate is trained, judged beside the model that serves, and swapped in
or left out; thirteen phases, each resumable.

May import every room; only doors import it.
"""
