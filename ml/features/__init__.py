"""The features of the catalogue: one scalar kernel each, looped in batch, called once live.

62 ship; 17 more come in the optional groups `smc` and `onchain`.

May import: `market`.
"""
