"""`python trading.py`: trades one account through a bridge, or paper-trades a market.

python trading.py                                 the bridge of config.json
python trading.py --account ID --dry              decides and journals, sends nothing
python trading.py --doctor                        checks the bridge, trades nothing
python trading.py --paper                         the generated market, no account needed
python trading.py --paper --market FILE --from 2025-09-01 --bars 2000 --speed max
python trading.py --paper --why 2025-09-01T14:00  why it did not trade then
"""

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from trading.command_line import exit_status, utc_instant_ms

_PAPER_ONLY = (
    "market", "m1", "calendar", "from_ms", "to_ms", "bars", "speed", "seed", "summary", "fresh",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """0 after a clean end, 2 where a person must act first, 3 where the bridge is away and a later
    start may find it, 130 if stopped while starting."""
    given = _parse(argv)
    status = exit_status(lambda: _run(given), stopped="stopped while starting")
    return status or given.done_status


def _run(given: argparse.Namespace) -> int:
    if given.why is not None:
        from trading.live_command import state_name
        from trading.why import explain

        return explain(
            given.state, given.account, paper=given.paper, instant_ms=given.why,
            live_name=state_name(given),
        )  # fmt: skip
    if given.swap_model is not None:
        from trading.swap_command import run_swap

        return run_swap(given)
    if given.doctor:
        from trading.doctor_command import run_doctor

        return run_doctor(given)
    if given.paper:
        from trading.paper_command import run_paper

        return run_paper(given)
    from trading.live_command import run_live

    return run_live(given)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    given = parser.parse_args(argv)
    if given.doctor and given.paper:
        parser.error("--doctor looks at the configured bridge: leave --paper out")
    if given.json and not given.doctor:
        parser.error("--json needs --doctor")
    if given.paper and given.override_evidence is not None:
        parser.error("--override-evidence is for a real-money account: leave --paper out")
    if not given.paper:
        for name in _PAPER_ONLY:
            if getattr(given, name) not in (None, False):
                flag = name.removesuffix("_ms")
                parser.error(f"--{flag} needs --paper")
    return given


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="trading.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    _add_what_is_traded(parser)
    _add_what_a_person_decides(parser)
    _add_paper(parser)
    return parser


def _add_what_is_traded(parser: argparse.ArgumentParser) -> None:
    """Account, symbol, models, settings, and what is asked of them."""
    add = parser.add_argument
    add(
        "--account",
        type=_name,
        metavar="ID",
        help="entry of config/accounts.json; on paper: any name",
    )
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--dry", action="store_true", help="decide and journal, send nothing")
    add("--models", type=Path, metavar="DIR", help="where the models lie (default: ml_config.json)")
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for this run, e.g. prediction.gate=fixed (repeatable)")  # fmt: skip
    add("--state", type=Path, default=Path("state"), metavar="DIR", help="default: state")
    add("--doctor", action="store_true", help="check the whole set-up; trade nothing")
    add("--json", action="store_true", help="with --doctor: the checks as JSON")


def _add_what_a_person_decides(parser: argparse.ArgumentParser) -> None:
    """Confirmations, a swap of models, how it ends, what it says."""
    add = parser.add_argument
    add("--accept-account", action="store_true",
        help="the account that is logged in is the right one from now on")  # fmt: skip
    add("--accept-spec", action="store_true",
        help="the symbol's changed terms were looked at and are accepted")  # fmt: skip
    add("--swap-model", metavar="TAG",
        help="let the running daemon serve this release of the hub")  # fmt: skip
    add("--override-evidence", metavar="SENTENCE",
        help="trade real money without proof; what to type is said\n"
        "where the evidence is missing")  # fmt: skip
    add("--resume", action="store_true", help="lift a pause that a command left behind")
    add("--done-status", type=_count, default=0, metavar="N",
        help="exit status of a clean end (default 0); PM2\ntakes kill -9 for a 0")  # fmt: skip
    add("--quiet", action="store_true", help="no line per bar")
    add(
        "--why",
        type=utc_instant_ms,
        metavar="TIME",
        help="the reasons of the bars around TIME (UTC)",
    )


def _add_paper(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("paper trading").add_argument
    add("--paper", action="store_true", help="trade the simulated terminal")
    add("--market", type=_market, metavar="FILE",
        help="M15 bars: Parquet, MT5 or Binance CSV;\n'generated' is the default")  # fmt: skip
    add("--m1", type=Path, metavar="FILE", help="M1 bars for the position model")
    add("--calendar", type=Path, metavar="FILE",
        help="economic calendar of the news rules: CSV, or a daemon's\nnews.sqlite; default: "
        "features.calendar")  # fmt: skip
    add(
        "--from",
        dest="from_ms",
        type=utc_instant_ms,
        metavar="TIME",
        help="first bar, UTC, inclusive",
    )
    add("--to", dest="to_ms", type=utc_instant_ms, metavar="TIME", help="end (UTC), exclusive")
    add("--bars", type=_count, metavar="N", help="stop after N decided bars")
    add("--speed", type=_speed, metavar="N|max", help="times real time (default 300)")
    add("--seed", type=_seed, metavar="N", help="of the generated market and of slippage")
    add("--summary", type=Path, metavar="FILE", help="write the run's figures here as JSON")
    add("--fresh", action="store_true", help="forget an interrupted run and start over")


def _market(text: str) -> Path | Literal["generated"]:
    return "generated" if text == "generated" else Path(text)


def _speed(text: str) -> float | Literal["max"]:
    if text == "max":
        return "max"
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not (speed > 0 and math.isfinite(speed)):
        raise argparse.ArgumentTypeError(f"max or a number above 0 is allowed, {text!r} came")
    return speed


def _name(text: str) -> str:
    """It names a folder, too."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", text):
        raise argparse.ArgumentTypeError(f"letters, digits, _ and - are allowed, {text!r} came")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number above 0 is allowed, {text!r} came")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number from 0 on is allowed, {text!r} came")
    return int(text)
