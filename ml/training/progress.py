"""How far a training is, in a terminal."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from ml.training.signal_task import Progress


def progress_bars(console: Console) -> Bars:
    """A line per model: its step, how far it is and how long it may still take."""
    return Bars(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), console=console, speed_estimate_period=600,
    )  # fmt: skip


def progress_line(bars: Bars, kind: str) -> Progress:
    """What a trainer tells its progress to."""
    line = bars.add_task(kind)

    def told(step: str, done: int, total: int) -> None:
        bars.update(line, description=f"{kind}: {step}", completed=done, total=total)

    return told
