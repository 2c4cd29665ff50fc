"""Writes a walk-forward report: JSON, page, and all windows as tables."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from backtest.walk_forward.report import WalkReport
from backtest.walk_forward.tables import markdown
from market.whole_file import whole_file


def write_files(report: WalkReport, stem: Path) -> list[Path]:
    """JSON, page, and all windows as Parquet and CSV; every file whole or not at all."""
    paths = [stem.with_name(stem.name + end)
             for end in (".json", ".md", "_windows.parquet", "_windows.csv")]  # fmt: skip
    table = _windows(report)
    text = json.dumps(report.told, indent=1, allow_nan=False, ensure_ascii=False)
    with whole_file(paths[0]) as part:
        part.write_text(text + "\n", encoding="utf-8")
    with whole_file(paths[1]) as part:
        part.write_text(markdown(report), encoding="utf-8")
    with whole_file(paths[2]) as part:
        pq.write_table(pa.table(table), part, compression="zstd")
    with whole_file(paths[3]) as part, part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(table)
        writer.writerows(zip(*(each.tolist() for each in table.values()), strict=True))
    return paths


def _windows(report: WalkReport) -> Mapping[str, Any]:
    """Columns of every window, by name. `twin`: 0 is the system itself, then the twins' seeds."""
    every = [
        {
            "days": np.full(len(windows), windows.days),
            "twin": np.full(len(windows), twin, dtype=np.int64),
            **windows.columns(),
        }
        for twin, windows in enumerate((report.windows, *report.twin_windows))
    ]
    return {name: np.concatenate([each[name] for each in every]) for name in every[0]}
