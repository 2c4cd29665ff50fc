"""Pieces of the report's page: tables, paragraphs, pictures, numbers as text."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

# Long or drawn elsewhere on the page.
_NOT_SHOWN = {"classes", "confusion", "margin_quantiles", "baseline"}


def paragraph(text: str, kind: str = "") -> str:
    return f"<p class='{kind}'>{escape(text)}</p>" if kind else f"<p>{escape(text)}</p>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"<tr>{''.join(f'<th>{escape(name)}</th>' for name in head)}</tr>"]
    lines += [f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows]
    return f"<table>{''.join(lines)}</table>"


def picture(png: bytes, what: str) -> str:
    """An image inside the page; `what` it shows, for readers without pictures."""
    data = b64encode(png).decode()
    return f"<img alt='{escape(what, quote=True)}' src='data:image/png;base64,{data}'>"


def number(value: Any) -> str:
    """A figure as text: dates without their time, nothing as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(number, value))
    return str(value)[:10] if str(value)[4:5] == "-" and "T" in str(value) else str(value)


def beside_baseline(folds: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of all figures of the folds, each with its baseline's next to it."""
    own = [_flat(fold) for fold in folds]
    base = [_flat(fold.get("baseline", {})) for fold in folds]
    head: list[str] = []
    for key in dict.fromkeys(key for each in own for key in each):
        head.append(key)
        if any(key in each for each in base):
            head.append(f"baseline {key}")
    rows = [
        [number(before.get(key.removeprefix("baseline "))) if key.startswith("baseline ")
         else number(now.get(key)) for key in head]
        for now, before in zip(own, base, strict=True)
    ]  # fmt: skip
    return [key.replace("_", " ") for key in head], rows


def _flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Figures by path, e.g. `gated model`."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if key in _NOT_SHOWN:
            continue
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{key} ")
        else:
            found[f"{before}{key}"] = value
    return found
