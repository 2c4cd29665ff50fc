"""Text tables, plain or gzipped, UTF-8 or the UTF-16 that MetaTrader writes."""

import gzip
import io
import zlib
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from market.sources.errors import SourceError

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def first_line(path: Path) -> str:
    """The first line without its end; empty for an empty file."""
    head = _content(path, 4096)
    lines = head.decode(_encoding(head), errors="replace").lstrip("\ufeff").splitlines()
    return lines[0] if lines else ""


def read_table(
    path: Path,
    types: Mapping[str, pa.DataType],
    *,
    delimiter: str = ",",
    names: list[str] | None = None,
    skip_rows: int = 0,
) -> pa.Table:
    """A text table with the columns of `types`; `names` where the file has no header.

    Raises `pyarrow.ArrowException` that names row and column of a value of another type.
    """
    content = _content(path)
    return csv.read_csv(
        io.BytesIO(content),
        read_options=csv.ReadOptions(
            column_names=names,
            skip_rows=skip_rows,
            encoding=_encoding(content),
            use_threads=False,  # only then do errors know their row
        ),
        parse_options=csv.ParseOptions(delimiter=delimiter),
        convert_options=csv.ConvertOptions(column_types=dict(types)),
    )


def _content(path: Path, limit: int = -1) -> bytes:
    """The bytes of a file, unzipped; `SourceError` for a gzip file that is cut or damaged."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    try:
        with opener(path, "rb") as stream:
            content: bytes = stream.read(limit)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SourceError(f"the gzip file is damaged ({error})") from error
    return content


def _encoding(content: bytes) -> str:
    return "utf-16" if content.startswith(_UTF16_MARKS) else "utf-8"
