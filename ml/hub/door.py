"""What the three hub commands share: `--push --pull --tag TAG --list --rollback TAG`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml.hub.hub import Hub
    from ml.hub.release import Release
    from ml.hub.settings import StoreName

_LINE = "{:<13} {:<17} {:<17} {:<17} {:<13} {}"


def main(store: "StoreName", where: str, argv: Sequence[str] | None = None) -> int:
    """Runs the command over one store; returns the exit status."""
    from trading.command_line import exit_status

    given = _parser(store, where).parse_args(argv)
    return exit_status(
        lambda: _run(store, given),
        stopped="stopped; the serving models are as they were",
        mendable=_failures,
    )


def _parser(store: str, where: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=f"Releases of models in {where}: manifest, files, and the SHA-256 of each."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    add = what.add_argument
    add("--push", action="store_true", help="release what lies in models/ and make it current")
    add("--pull", action="store_true", help="fetch, check and serve a release (default: current)")
    add("--list", action="store_true", help="all releases, oldest first")
    add("--rollback", metavar="TAG", help="serve an older release and make it current")
    parser.add_argument("--tag", metavar="TAG", help="vYYYYMMDD; --push: today's, or its next -2")
    parser.add_argument("--models", type=Path, metavar="DIR", help="instead of models/")
    parser.add_argument("--override", action="append", default=[], metavar="KEY=VALUE",
                        help=f"a setting for this call, e.g. hub.{_example(store)}")  # fmt: skip
    return parser


def _example(store: str) -> str:
    return {"s3": "bucket=NAME", "huggingface": "repo=OWNER/NAME"}.get(store, "folder=DIR")


def _run(store: "StoreName", given: argparse.Namespace) -> int:
    from ml.hub.connect import open_hub
    from ml.hub.install import folder_of, install, loads, roll_back
    from ml.predictors.settings import PROJECT_ROOT
    from settings import load_settings

    settings = load_settings(PROJECT_ROOT, overrides=given.override)
    paths = settings.ml.paths
    if given.models is not None:
        paths = paths.in_folder(given.models)
    folder = folder_of(paths)
    check = loads(paths, settings.ml.features)
    hub = open_hub(settings.ml.hub.model_copy(update={"store": store}))
    if given.push:
        release = hub.push(folder.path, given.tag)
        print(f"{release.tag}: {len(release.files)} files are in {hub.name}, current")
    elif given.pull:
        _tell_served(install(hub, given.tag, folder, check), folder.path)
    elif given.rollback is not None:
        _tell_served(roll_back(hub, given.rollback, folder, check), folder.path)
    else:
        _show(hub, folder.installed())
    return 0


def _tell_served(release: "Release", folder: Path) -> None:
    print(f"{release.tag}: {len(release.models)} models checked; {folder} serves them")
    print("a daemon that runs keeps its models: python trading.py --swap-model TAG")


def _show(hub: "Hub", installed: "Release | None") -> None:
    releases = hub.list()
    if not releases:
        print(f"{hub.name}: no release yet; push one: --push")
        return
    current = hub.current_tag()
    print(_LINE.format("tag", "made (UTC)", "model", "train cutoff", "sha256", "").rstrip())
    for release in releases:
        first = (release.tag, release.created_at[:16], _marks(release, current, installed))
        for model in release.models:
            tag, made, marks = first
            cutoff, name = model.train_cutoff_date[:16], f"{model.kind} {model.symbol}"
            print(_LINE.format(tag, made, name, cutoff, model.sha256[:12], marks).rstrip())
            first = ("", "", "")


def _marks(release: "Release", current: str, installed: "Release | None") -> str:
    words = ["current"] if release.tag == current else []
    if installed is not None and installed == release:
        words.append("serves here")
    return ", ".join(words)


def _failures() -> tuple[type[Exception], ...]:
    from ml.hub.errors import HubError

    return (HubError,)
