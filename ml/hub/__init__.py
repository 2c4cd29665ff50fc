"""Releases of models: pushed, listed, pulled and rolled back through one port over three stores.

A trading host takes ONNX, JSON, Markdown, pictures and pages from a release, and nothing that could
be unpickled. May import: `market`, `ml.features`, `ml.predictors`.
"""

from ml.hub.errors import HubError, HubUnavailable, ReleaseDamaged, ReleaseMissing
from ml.hub.hub import Hub

__all__ = ["Hub", "HubError", "HubUnavailable", "ReleaseDamaged", "ReleaseMissing"]
