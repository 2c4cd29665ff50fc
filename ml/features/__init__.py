"""The 62 features of the catalogue: one scalar kernel each, looped in batch, called once live.

May import: `market`.
"""
