"""`python -m mt5api --paper SPEC.json`: the bridge over the simulated terminal."""

import argparse
import os
import sys
from pathlib import Path

TOKEN_VARIABLE = "MT5API_TOKEN"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(argv: list[str] | None = None) -> int:
    """0 after a clean stop, 2 where it could not start (one line says why)."""
    given = _arguments(argv)
    from broker.simulator.persistence import SnapshotError

    try:
        _serve(given)
    except (ValueError, OSError, SnapshotError) as error:
        print(f"mt5api: {error}", file=sys.stderr)
        return 2
    return 0


def _serve(given: argparse.Namespace) -> None:
    from mt5api.paper import open_paper, read_spec
    from mt5api.paper_app import paper_app
    from mt5api.serve import Bridge, listen, stop_with_parent

    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token and given.host not in _LOOPBACK:
        raise ValueError(
            f"--host {given.host}: reachable from elsewhere, so a token is needed; set "
            f"{TOKEN_VARIABLE}, or listen on 127.0.0.1"
        )
    with listen(given.host, given.port) as listener:
        bridge = open_paper(read_spec(given.paper))
        server = Bridge(paper_app(bridge, token=token), listener, given.ready_file)
        if given.exit_with_parent:
            stop_with_parent(server)
        server.serve_until_stopped()


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mt5api", description=__doc__)
    parser.add_argument("--paper", type=Path, required=True, metavar="SPEC.json",
                        help="what the simulated terminal trades on")  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=6542, help="0 takes a free port")
    parser.add_argument("--ready-file", type=Path, metavar="FILE",
                        help='gets {"port": …, "pid": …} once the bridge listens')  # fmt: skip
    parser.add_argument("--exit-with-parent", action="store_true",
                        help="stop when standard input closes")  # fmt: skip
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
