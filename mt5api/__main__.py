"""The bridge: `python -m mt5api --paper SPEC.json` over the simulated terminal, `--live` over a
real one (docs/operators-guide.md)."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from mt5api.tokens import Tokens

TOKEN_VARIABLE = "MT5API_TOKEN"
PASSWORD_VARIABLE = "MT5_PASSWORD"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def main(argv: list[str] | None = None) -> int:
    """0 after a clean stop, 2 where it could not start (one line says why)."""
    given = _arguments(argv)
    from broker.contract.errors import BrokerError
    from broker.simulator.persistence import SnapshotError

    try:
        _serve(given)
    except (ValueError, OSError, SnapshotError, BrokerError) as error:
        print(f"mt5api: {error}", file=sys.stderr)
        return 2
    return 0


def _serve(given: argparse.Namespace) -> None:
    from mt5api.serve import Bridge, listen, stop_with_parent
    from mt5api.tokens import tokens_from

    tokens = tokens_from(os.environ, given.token_file)
    _check_reach(given, tokens)
    with listen(given.host, given.port) as listener:
        app = _live_app(given, tokens) if given.live else _paper_app(given, tokens)
        server = Bridge(app, listener, given.ready_file)
        if given.exit_with_parent:
            stop_with_parent(server)
        server.serve_until_stopped()


def _check_reach(given: argparse.Namespace, tokens: "Tokens") -> None:
    if given.live:
        tokens.require_strong()
    if given.host in _LOOPBACK:
        return
    if not tokens.trade:
        raise ValueError(
            f"--host {given.host}: reachable from elsewhere, so a token is needed; set "
            f"{TOKEN_VARIABLE}, or listen on 127.0.0.1"
        )
    if given.live and not given.allow_remote:
        raise ValueError(
            f"--host {given.host}: reachable from elsewhere, and plain HTTP; say --allow-remote if "
            "that is meant (a private network or a tunnel only), or listen on 127.0.0.1"
        )


def _paper_app(given: argparse.Namespace, tokens: "Tokens") -> "ASGIApp":
    from mt5api.paper import open_paper, read_spec
    from mt5api.paper_app import paper_app

    return paper_app(open_paper(read_spec(given.paper)), token=tokens.trade)


def _live_app(given: argparse.Namespace, tokens: "Tokens") -> "ASGIApp":
    from mt5api.app import create_app
    from mt5api.live.bridge import LiveSpec, open_live
    from mt5api.live.link import Login

    if given.login is None or not given.server:
        raise ValueError("--live: --login NUMBER and --server NAME are needed: the one account")
    if not given.server_timezone:
        raise ValueError(
            "--live: --server-timezone RULE is needed: what the trade server's clock shows "
            "(Europe/Athens, America/New_York+7h, UTC …)"
        )
    password = os.environ.get(PASSWORD_VARIABLE, "")
    spec = LiveSpec(
        login=Login(given.login, given.server, password, given.terminal or ""),
        symbols=tuple(given.symbol),
        state_dir=given.state_dir,
        server_timezone=given.server_timezone,
        sidecar_dir=given.sidecar_dir,
        openings_per_minute=given.openings_per_minute,
    )
    broker, live = open_live(spec)
    return create_app(broker, tokens=tokens, live=live)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m mt5api", description=__doc__)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--paper", type=Path, metavar="SPEC.json",
                      help="what the simulated terminal trades on")  # fmt: skip
    kind.add_argument("--live", action="store_true",
                      help="serve the MetaTrader 5 terminal of this machine")  # fmt: skip
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=6542, help="0 takes a free port")
    parser.add_argument("--ready-file", type=Path, metavar="FILE",
                        help='gets {"port": …, "pid": …} once the bridge listens')  # fmt: skip
    parser.add_argument("--exit-with-parent", action="store_true",
                        help="stop when standard input closes")  # fmt: skip
    parser.add_argument("--token-file", type=Path, metavar="FILE",
                        help="a JSON object of tokens by scope, for its owner only")  # fmt: skip
    _add_live(parser.add_argument_group("live"))
    return parser.parse_args(argv)


def _add_live(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--login", type=int, metavar="NUMBER", help="the account; another one is refused")
    add("--server", metavar="NAME", help="the account's trade server, as the terminal names it")
    add("--terminal", metavar="PATH", help="terminal64.exe, where there are several")
    add("--server-timezone", metavar="RULE",
        help="the server's clock: Europe/Athens, America/New_York+7h …")  # fmt: skip
    add("--symbol", action="append", default=[], metavar="NAME",
        help="warmed up, may be repeated; the write probe takes the first")  # fmt: skip
    add("--state-dir", type=Path, default=Path("state/bridge"), metavar="DIR",
        help="where the idempotency keys are kept")  # fmt: skip
    add("--sidecar-dir", type=Path, metavar="DIR", help="where NovoskySidecar.mq5 writes")
    add("--openings-per-minute", type=int, default=0, metavar="N",
        help="more opening orders get 429; 0 is no limit; exits are never held up")  # fmt: skip
    add("--allow-remote", action="store_true", help="allow a --host that others can reach")


if __name__ == "__main__":
    sys.exit(main())
