"""Phase push: what serves since this run is released to the hub, and becomes its current release.

The release is the one that is installed: its tag, its date and the hash of every file, the
evidence's too. A release that is there already is not made again.
"""

from datetime import datetime

from ml.hub.connect import open_hub
from ml.hub.install import folder_of
from ml.hub.release import Release
from retrain.errors import PhaseFailed
from retrain.install import described
from retrain.phase import PhaseResult, Run


def push(run: Run) -> PhaseResult:
    """`tag` of the release and the hub's `name`; skipped where nothing new serves."""
    swapped = run.result("swap")
    if swapped["action"] != "serve":
        return PhaseResult(words=("nothing new serves",), state="skipped")
    if not run.settings.weekly.push:
        return PhaseResult(words=("weekly.push is false",), state="skipped")
    kept = folder_of(run.paths).path / "installed" / swapped["kept"]
    release = described(kept)
    if release is None:
        raise PhaseFailed(
            f"{kept}: the installed models are not there any more; --skip push ends this run "
            "without a release"
        )
    made = datetime.fromisoformat(release.created_at)
    hub = open_hub(run.settings.ml.hub, root=run.root, now=lambda: made)
    there = hub.list()
    pushed = _same(release, there)
    if pushed is None:
        taken = release.tag in {each.tag for each in there}
        pushed = hub.push(kept, None if taken else release.tag)
    else:
        hub.rollback(pushed.tag)  # a killed push may have left the current tag as it was
    words = (f"{pushed.tag}: {len(pushed.files)} files are in {hub.name}, current",)
    return PhaseResult({"tag": pushed.tag, "hub": hub.name, "files": len(pushed.files)}, words)


def _same(release: Release, there: tuple[Release, ...]) -> Release | None:
    """The release of exactly these files made at this time; None without one."""
    for each in there:
        if each.files == release.files and each.created_at == release.created_at:
            return each
    return None
