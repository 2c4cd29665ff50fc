"""A release: the manifest `model_compat.json`, the files it stands for, and the SHA-256 of each.

`release.json` describes it and is written last: a release without one does not exist.
"""

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from ml.hub.errors import HubError, ReleaseDamaged
from ml.predictors.compat import FileStamp, Manifest, ModelError, read_checked, read_manifest

SCHEMA = 1
DESCRIPTION = "release.json"
MANIFEST = "model_compat.json"
SUFFIXES = (".onnx", ".json", ".md", ".png", ".html")
MOST_FILE_BYTES = 512 * 1024 * 1024
_TAG = re.compile(r"v\d{8}(-[1-9]\d{0,2})?")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ReleasedModel(_Frozen):
    """One model of a release, for lists; the manifest has the rest."""

    kind: str
    symbol: str
    train_cutoff_date: str
    sha256: str


class Release(_Frozen):
    """What `release.json` says. `created_at`: ISO time in UTC."""

    schema_version: int = SCHEMA
    tag: str
    created_at: str
    models: tuple[ReleasedModel, ...]
    files: tuple[FileStamp, ...]

    @field_validator("schema_version")
    @classmethod
    def _known_schema(cls, version: int) -> int:
        if version != SCHEMA:
            raise ValueError(f"{SCHEMA} is allowed, {version} came: update this program")
        return version

    @model_validator(mode="after")
    def _only_what_a_trading_host_takes(self) -> Self:
        require_tag(self.tag)
        names = [each.file for each in self.files]
        if len(set(names)) != len(names) or MANIFEST not in names:
            raise ValueError(f"files: {MANIFEST} once and no name twice are allowed")
        for each in self.files:
            if not may_be_released(each.file):
                raise ValueError(
                    f"files: plain names ending in {', '.join(SUFFIXES)} are allowed, "
                    f"{each.file!r} came"
                )
            if not 0 < each.size_bytes <= MOST_FILE_BYTES:
                raise ValueError(f"{each.file}: {each.size_bytes} bytes are not allowed")
        return self

    def text(self) -> str:
        return self.model_dump_json(indent=2) + "\n"


def may_be_released(name: str) -> bool:
    """Whether a trading host may take a file of this name: no folder, no pickle, no script."""
    return (
        _FILE_NAME.fullmatch(name) is not None
        and name.endswith(SUFFIXES)
        and name not in (DESCRIPTION, "README.md")
    )


def require_tag(tag: str) -> str:
    """The tag, or `HubError`: vYYYYMMDD, or vYYYYMMDD-2 for the second of a day."""
    if _TAG.fullmatch(tag) is None:
        raise HubError(f"--tag: vYYYYMMDD or vYYYYMMDD-2 is allowed, {tag!r} came")
    return tag


def next_tag(today: date, taken: Collection[str]) -> str:
    """vYYYYMMDD of a UTC day; where that exists, the first free of -2, -3, …"""
    tag = f"v{today:%Y%m%d}"
    number = 1
    while (candidate := tag if number == 1 else f"{tag}-{number}") in taken:
        number += 1
    return require_tag(candidate)


def tag_order(tag: str) -> tuple[str, int]:
    """Sorts tags by day, then by number."""
    day, _, number = tag.partition("-")
    return day, int(number or 1)


def read_release(content: bytes, where: str) -> Release:
    """`release.json` as it lies in a store, or `ReleaseDamaged`."""
    try:
        return Release.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "(file)"
        raise ReleaseDamaged(f"{where}: {place}: {first['msg']}") from None
    except HubError as error:
        raise ReleaseDamaged(f"{where}: {error}") from None


def release_of(folder: Path, tag: str, now: datetime) -> tuple[Release, dict[str, bytes]]:
    """A release of what lies in a models folder, and the bytes of its files.

    The manifest's graphs and metadata must be whole; cards, pictures and pages beside them go
    along. Raises `ModelMissing` or `ModelCompatibilityError` for a model that is not.
    """
    manifest = read_manifest(folder / MANIFEST)
    contents = {stamp.file: read_checked(folder / stamp.file, stamp) for stamp in _stamps(manifest)}
    contents[MANIFEST] = (folder / MANIFEST).read_bytes()
    contents |= _beside(folder, contents)
    release = Release(
        tag=require_tag(tag),
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        models=tuple(
            ReleasedModel(
                kind=each.kind, symbol=each.symbol, train_cutoff_date=each.train_cutoff_date,
                sha256=each.graph.sha256,
            )
            for each in manifest.models.values()
        ),
        files=tuple(stamp_of(name, content) for name, content in sorted(contents.items())),
    )  # fmt: skip
    return release, contents


def stamp_of(name: str, content: bytes) -> FileStamp:
    return FileStamp(file=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def require_stamp(content: bytes, stamp: FileStamp, where: str) -> None:
    """Raises `ReleaseDamaged` where bytes are not those that the release lists."""
    came = stamp_of(stamp.file, content)
    if came.size_bytes != stamp.size_bytes:
        raise ReleaseDamaged(
            f"{where}: {stamp.size_bytes} bytes are listed, {came.size_bytes} came; push it again"
        )
    if came.sha256 != stamp.sha256:
        raise ReleaseDamaged(
            f"{where}: sha256 {stamp.sha256[:12]}… is listed, {came.sha256[:12]}… came: the file "
            "was changed or damaged; push it again under a new tag"
        )


def require_manifest(folder: Path, release: Release) -> Manifest:
    """The manifest in a folder of fetched files, if it stands for these files and no others."""
    try:
        manifest = read_manifest(folder / MANIFEST)
    except ModelError as error:
        raise ReleaseDamaged(f"{release.tag}: {error}") from None
    listed: Mapping[str, FileStamp] = {each.file: each for each in release.files}
    for stamp in _stamps(manifest):
        if listed.get(stamp.file) != stamp:
            raise ReleaseDamaged(
                f"{release.tag}: {stamp.file} in {MANIFEST} is not the one in {DESCRIPTION}"
            )
    if not manifest.models:
        raise ReleaseDamaged(f"{release.tag}: {MANIFEST} lists no model")
    return manifest


def _stamps(manifest: Manifest) -> list[FileStamp]:
    return [s for entry in manifest.models.values() for s in (entry.graph, entry.metadata)]


def _beside(folder: Path, models: Collection[str]) -> dict[str, bytes]:
    """Cards, summaries, pictures and pages; no graph that the manifest does not list."""
    return {
        each.name: each.read_bytes()
        for each in sorted(folder.iterdir())
        if each.is_file()
        and may_be_released(each.name)
        and each.name not in models
        and each.suffix != ".onnx"
    }
