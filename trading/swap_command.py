"""`python trading.py --swap-model TAG`: asks a running daemon to serve another release.

The release is fetched, checked and loaded here, beside the serving one. The daemon swaps before its
next close and answers; until then nothing that it serves is touched.
"""

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml.hub.connect import open_hub
from ml.hub.install import folder_of, loads, stage
from trading.errors import DaemonError
from trading.live_command import state_name
from trading.model_source import ANSWER, REQUEST, SwapRequest
from trading.state_folder import PAPER_ACCOUNT, StateFolder

if TYPE_CHECKING:
    from settings import Settings

# A beat is a minute, and a bar that is about to close comes first.
_PATIENCE_S = 150.0
_POLL_S = 0.2


def run_swap(given: argparse.Namespace) -> int:
    """0 where the daemon swapped, 2 where it refused or has not answered."""
    from settings import load_settings

    state = running_folder(given)
    account = None if given.paper else given.account
    settings = load_settings(overrides=given.override, account=account, symbol=given.symbol)
    request = _staged(given, settings)
    (state / ANSWER).unlink(missing_ok=True)
    request.write(state)
    print(f"{request.tag}: fetched and checked; waiting for the daemon in {state}")
    answer = wait_for_answer(state, _PATIENCE_S)
    if answer["kind"] != "models_swapped":
        raise DaemonError(f"the daemon keeps its models: {answer['why']}")
    for kind, graph in answer["graphs"].items():
        was = answer["before"].get(kind, "none")
        print(f"{kind}: {was[:12]} -> {graph[:12]}")
    return 0


def running_folder(given: argparse.Namespace) -> Path:
    """The state folder of the daemon that runs for this account. `DaemonError` without one."""
    if given.paper:
        found = given.state.glob(f"paper-{given.account or PAPER_ACCOUNT}-*")
    else:
        found = [given.state / state_name(given)]
    held = [path for path in found if StateFolder.is_held(path)]
    if len(held) != 1:
        raise DaemonError(
            f"{given.state}: one running daemon is needed for this account, {len(held)} were "
            "found; to serve a release from the next start on: python ml/local_hub.py --pull "
            f"--tag {given.swap_model} (or r2_hub.py, hf_hub.py)"
        )
    folder: Path = held[0]
    return folder


def wait_for_answer(state: Path, patience_s: float) -> dict[str, Any]:
    """What the daemon wrote. `DaemonError` where the request still lies there at the end."""
    until_s = time.monotonic() + patience_s
    while (state / REQUEST).exists():
        if time.monotonic() > until_s:
            raise DaemonError(
                f"the daemon in {state} has not answered within {patience_s:.0f} s; it swaps when "
                f"it looks next, or delete {REQUEST} there"
            )
        time.sleep(_POLL_S)
    answer: dict[str, Any] = json.loads((state / ANSWER).read_bytes())
    return answer


def _staged(given: argparse.Namespace, settings: "Settings") -> SwapRequest:
    paths = settings.ml.paths.for_symbol(settings.symbol)
    if given.models is not None:
        paths = paths.in_folder(given.models)
    hub, check = open_hub(settings.ml.hub), loads(paths, settings.ml.features)
    release, kept = stage(hub, given.swap_model, folder_of(paths), check)
    return SwapRequest(release.tag, kept.name)
