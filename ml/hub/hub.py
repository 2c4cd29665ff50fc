"""Push, pull, list, rollback: the same over every store.

Keys: `TAG/FILE` for releases, `TAG/release.json` written last, `current.json` for the tag that is
pulled where none is named.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ml.hub.errors import HubError, ReleaseDamaged, ReleaseMissing
from ml.hub.release import (
    DESCRIPTION,
    Release,
    next_tag,
    read_release,
    release_of,
    require_manifest,
    require_stamp,
    require_tag,
    tag_order,
)
from ml.hub.store import Store, write_whole

CURRENT = "current.json"
_MOST_DESCRIPTION_BYTES = 1_000_000


def utc_now() -> datetime:
    return datetime.now(UTC)


class Hub:
    """Releases in a store. `now` dates new ones."""

    def __init__(self, store: Store, *, now: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._now = now

    @property
    def name(self) -> str:
        return self._store.name

    def push(self, folder: Path, tag: str | None = None) -> Release:
        """Releases the models of a folder and makes the release current.

        Without a tag it is today's, in UTC. Raises `HubError` for a tag that exists: a release
        is never overwritten.
        """
        taken = self._tags()
        tag = next_tag(self._now().date(), taken) if tag is None else require_tag(tag)
        if tag in taken:
            raise HubError(f"{self.name}: {tag} exists; leave --tag out for the next free one")
        release, contents = release_of(folder, tag, self._now())
        keys = [(f"{tag}/{name}", content) for name, content in sorted(contents.items())]
        keys.append((f"{tag}/{DESCRIPTION}", release.text().encode()))
        self._store.write([*keys, (CURRENT, _current_text(tag))], f"release {tag}")
        return release

    def pull(self, tag: str | None, into: Path) -> Release:
        """Writes a release's files into a folder of their own, each size and SHA-256 checked.

        Without a tag it is the current one. Raises `ReleaseMissing` and `ReleaseDamaged`; what
        was written into `into` by then is not a release.
        """
        release = self.release(tag)
        into.mkdir(parents=True, exist_ok=True)
        for stamp in release.files:
            key = f"{release.tag}/{stamp.file}"
            content = self._store.read(key, stamp.size_bytes)
            require_stamp(content, stamp, f"{self.name}: {key}")
            write_whole(into / stamp.file, content)
        require_manifest(into, release)
        write_whole(into / DESCRIPTION, release.text().encode())
        return release

    def list(self) -> tuple[Release, ...]:
        """Every release, oldest first."""
        return tuple(self.release(tag) for tag in sorted(self._tags(), key=tag_order))

    def rollback(self, tag: str) -> Release:
        """Makes an older release the current one; nothing is installed by it."""
        release = self.release(tag)
        self._store.write([(CURRENT, _current_text(release.tag))], f"current is {release.tag}")
        return release

    def release(self, tag: str | None) -> Release:
        """The description of a release; without a tag, of the current one."""
        tag = self.current_tag() if tag is None else require_tag(tag)
        key = f"{tag}/{DESCRIPTION}"
        try:
            content = self._store.read(key, _MOST_DESCRIPTION_BYTES)
        except ReleaseMissing:
            known = ", ".join(sorted(self._tags(), key=tag_order)) or "none"
            raise ReleaseMissing(
                f"{self.name}: there is no release {tag}; there are: {known}"
            ) from None
        release = read_release(content, f"{self.name}: {key}")
        if release.tag != tag:
            raise ReleaseDamaged(f"{self.name}: {key} describes {release.tag}")
        return release

    def current_tag(self) -> str:
        """The tag that is pulled where none is named."""
        try:
            content = self._store.read(CURRENT, _MOST_DESCRIPTION_BYTES)
        except ReleaseMissing:
            raise ReleaseMissing(f"{self.name}: no release yet; push one: --push") from None
        try:
            return require_tag(str(json.loads(content)["tag"]))
        except (ValueError, TypeError, KeyError, HubError):
            raise ReleaseDamaged(
                f"{self.name}: {CURRENT} names no tag; name one: --pull --tag vYYYYMMDD"
            ) from None

    def _tags(self) -> set[str]:
        """Tags whose description is there."""
        parts = [key.split("/") for key in self._store.listed()]
        return {each[0] for each in parts if len(each) == 2 and each[1] == DESCRIPTION}


def _current_text(tag: str) -> bytes:
    return (json.dumps({"tag": tag}) + "\n").encode()
