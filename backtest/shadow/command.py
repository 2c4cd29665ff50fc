"""`python scripts/shadow.py`: the challenger decides live bars, with virtual fills.

python scripts/shadow.py                        the challenger of config.json's symbol
python scripts/shadow.py --account ID           through this account's bridge
python scripts/shadow.py --models DIR           any models, by the rules of config.json
python scripts/shadow.py --status               how the challenger stands; decides nothing

Reads bars and quotes from the bridge; it has no function that sends an order, and a read token is
enough. Runs until it is stopped; without a challenger it waits for one, and goes over to the next
one by itself; its heartbeat lies in state/shadow-default, or shadow-ID. Exit status: 0 stopped, 1
(--status) nothing counts yet, 2 a person must act first, 3 the bridge is away at the start.
"""

import argparse
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backtest.shadow.challenger import Challenger
    from backtest.shadow.run import Subject
    from settings import Settings
    from trading.clock import StopFlag
    from trading.heartbeat import Heartbeat
    from trading.redaction import Redactor
    from trading.report import Reporter
    from trading.state_folder import StateFolder

_LOOK_FOR_ONE_S = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """See the module's text."""
    from trading.command_line import exit_status

    given = _parser().parse_args(argv)
    status = exit_status(lambda: _run(given), stopped="stopped while starting")
    return status or given.done_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/shadow.py", description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--account", metavar="ID", help="an entry of config/accounts.json: its bridge and symbol")
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--models", type=Path, metavar="DIR", help="these models instead of a challenger's")
    add("--state", type=Path, default=Path("state"), metavar="DIR", help="where its folder lies")
    add("--status", action="store_true", help="how the challenger stands")
    add("--override", action="append", default=[], metavar="KEY=VALUE")
    add("--quiet", action="store_true", help="only what needs attention")
    add("--done-status", type=int, default=0, metavar="N", help="exit status of an orderly stop")
    return parser


def _run(given: argparse.Namespace) -> int:
    from trading.heartbeat import start_told
    from trading.life import redactor
    from trading.state_folder import StateFolder

    redact = redactor()
    if given.status:
        return _show_standing(given, _settings(given))
    folder = given.state / _process_name(given)
    with start_told(folder, redact):
        settings = _settings(given)
        with StateFolder(folder):
            pulse = _Pulse(folder)
            _keep_shadowing(given, settings, _Stops(), pulse, redact)
            pulse.ended()
    return 0


def _settings(given: argparse.Namespace) -> "Settings":
    from settings import load_settings

    return load_settings(overrides=given.override, account=given.account, symbol=given.symbol)


def _process_name(given: argparse.Namespace) -> str:
    """The folder of this process's heartbeat. It is there before any challenger, outlives them all,
    and is known without the settings, which may be what a start fails on."""
    from trading.state_folder import LIVE_ACCOUNT

    words = ["shadow", given.account or LIVE_ACCOUNT]
    if given.symbol is not None:
        words.append(given.symbol.lower())
    if given.models is not None:
        words.append(given.models.resolve().name)
    return "-".join(words)


def _keep_shadowing(
    given: argparse.Namespace, settings: "Settings", stops: "_Stops", pulse: "_Pulse",
    redact: "Redactor",
) -> None:  # fmt: skip
    """One challenger after the other, until it is stopped."""
    from backtest.shadow.challenger import read_challenger
    from ml.predictors.compat import ModelError

    if given.models is not None:
        _shadow(given, settings, None, stops, pulse, redact)
        return
    while not stops.asked:
        challenger = read_challenger(_models_dir(settings), settings.symbol)
        if challenger is None:
            _wait_for_one(settings, stops, pulse)
            continue
        try:
            _shadow(given, settings, challenger, stops, pulse, redact)
        except ModelError:
            if not _is_another(settings, challenger):
                raise


def _is_another(settings: "Settings", challenger: "Challenger") -> bool:
    """Whether this one is not the challenger any more; its files may be gone."""
    from backtest.shadow.challenger import read_challenger

    found = read_challenger(_models_dir(settings), settings.symbol)
    return found is None or found.name != challenger.name


class _Pulse:
    """The heartbeat of this process, from its first sign of life on: a start that fails before
    leaves that of the run before it to `start_told`. No URL is called: that one is the daemon's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._heart: Heartbeat | None = None

    @property
    def heart(self) -> "Heartbeat":
        from trading.heartbeat import Heartbeat
        from trading.pager import NoPager

        if self._heart is None:
            self._heart = Heartbeat(self._folder, NoPager(), shadow=True)
        return self._heart

    def ended(self) -> None:
        self.heart.over("stopped; the next start goes on from here")


class _Stops:
    """Ctrl-C and SIGTERM end the run of now and the command."""

    def __init__(self) -> None:
        self.asked = False
        self._run: StopFlag | None = None
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._request)

    def fresh(self) -> "StopFlag":
        from trading.clock import StopFlag

        self._run = StopFlag()
        self._run.requested = self.asked
        return self._run

    def _request(self, *_: object) -> None:
        self.asked = True
        if self._run is not None:
            self._run.request()


def _models_dir(settings: "Settings") -> Path:
    return settings.ml.paths.for_symbol(settings.symbol).graph.parent


def _wait_for_one(settings: "Settings", stops: _Stops, pulse: _Pulse) -> None:
    from backtest.shadow.challenger import read_challenger
    from trading.clock import pause

    models = _models_dir(settings)
    print(f"no challenger of {settings.symbol} in {models / 'challenger'}: waiting for one")
    stop = stops.fresh()
    while not stop.requested and read_challenger(models, settings.symbol) is None:
        pulse.heart.waits()
        pause(stop, _LOOK_FOR_ONE_S)


def _shadow(
    given: argparse.Namespace, settings: "Settings", challenger: "Challenger | None",
    stops: _Stops, pulse: _Pulse, redact: "Redactor",
) -> None:  # fmt: skip
    """Decides until it is stopped, or until the challenger is another one."""
    from backtest.shadow.clock import BeatingClock
    from backtest.shadow.run import Shadow
    from broker.client.connect import connect
    from broker.client.read_only import ReadOnlyBridge
    from trading.clock import WallClock
    from trading.live_command import bridge_token
    from trading.state_folder import StateFolder

    def over() -> bool:
        return challenger is not None and _is_another(settings, challenger)

    subject = _subject(given, settings, challenger)
    stop = stops.fresh()
    with ExitStack() as held:
        folder = held.enter_context(StateFolder(given.state / _state_name(subject, challenger)))
        client = connect(settings.bridge, bridge_token())
        held.callback(client.close)
        prices = ReadOnlyBridge(client)
        most_ms = None if prices.health().mode == "paper" else settings.daemon.max_clock_skew_ms
        clock = WallClock(lambda: prices.health().utc_msc, stop, most_ms=most_ms)
        live = BeatingClock(clock, pulse.heart.waits)
        subject = held.enter_context(_with_news(subject, settings, folder))
        reporter = _reporter(given, settings, folder, redact)
        shadow = held.enter_context(Shadow(
            subject, folder, prices, live, stop, reporter=reporter, over=over,
            heartbeat=pulse.heart,
        ))  # fmt: skip
        shadow.journal.redact = redact
        shadow.run(_headline(settings, subject, folder, challenger))


def _subject(
    given: argparse.Namespace, settings: "Settings", challenger: "Challenger | None"
) -> "Subject":
    from backtest.shadow.run import Subject
    from trading.model import learned_calendar, load_for
    from trading.outside import read_outside
    from trading.paper_command import trade_of

    paths = settings.ml.paths.for_symbol(settings.symbol)
    paths = paths.in_folder(given.models if challenger is None else challenger.folder)
    models = load_for(paths, settings.ml.features, settings.symbol)
    trade = trade_of(settings)
    if challenger is not None:
        trade = replace(trade, decision=challenger.decision)
    outside = read_outside(
        settings.ml.features, trade.instrument, learned_calendar=learned_calendar(models),
        news=settings.news,
    )  # fmt: skip
    return Subject(trade, models, paths, settings.ml.features, outside, settings.paper)


def _state_name(subject: "Subject", challenger: "Challenger | None") -> str:
    from backtest.shadow.challenger import shadow_name
    from trading.model_source import graphs_of

    if challenger is not None:
        return shadow_name(challenger.symbol, challenger.graphs, challenger.decision)
    trade = subject.trade
    return shadow_name(trade.instrument.symbol, graphs_of(subject.models), trade.decision)


@contextmanager
def _with_news(
    subject: "Subject", settings: "Settings", folder: "StateFolder"
) -> "Iterator[Subject]":
    """The live calendar, where the settings have one; its archive lies in the shadow's folder."""
    from trading.model import learned_calendar
    from trading.news import live_news
    from trading.outside import with_feed

    if not settings.news.enabled:
        yield subject
        return
    with live_news(settings.news, folder.path) as live:
        outside = with_feed(
            subject.outside, live, subject.trade.instrument,
            learned_calendar=learned_calendar(subject.models),
        )  # fmt: skip
        yield replace(subject, outside=outside)


def _reporter(
    given: argparse.Namespace, settings: "Settings", folder: "StateFolder", redact: "Redactor"
) -> "Reporter":
    from rich.console import Console

    from trading.session import reporter_of

    return reporter_of(
        Console(), quiet=given.quiet, day_zone=settings.decision.timezone, speed="shadow",
        name=folder.path.name, redact=redact,
    )  # fmt: skip


def _headline(
    settings: "Settings", subject: "Subject", folder: "StateFolder",
    challenger: "Challenger | None",
) -> str:  # fmt: skip
    from trading.model import model_lines

    who = "models of their own" if challenger is None else f"challenger {challenger.name}"
    return "\n".join((
        f"shadow, virtual fills: {settings.symbol} through {settings.bridge.api_base_url}, {who}, "
        f"state in {folder.path}",
        *model_lines(subject.models, subject.trade.decision),
        *(f"warning: {each}" for each in subject.outside.warnings),
    ))  # fmt: skip


def _show_standing(given: argparse.Namespace, settings: "Settings") -> int:
    from backtest.shadow.challenger import read_challenger, shadow_folder
    from backtest.shadow.standing import outside_of, standing
    from market.bars import utc_text
    from trading.model import load_for

    challenger = read_challenger(_models_dir(settings), settings.symbol)
    if challenger is None:
        print(f"no challenger of {settings.symbol} in {_models_dir(settings) / 'challenger'}")
        return 1
    features, folder = settings.ml.features, shadow_folder(given.state, challenger)
    paths = settings.ml.paths.for_symbol(settings.symbol).in_folder(challenger.folder)
    models = load_for(paths, features, settings.symbol)
    found = standing(
        challenger, folder, strategy_id=settings.daemon.strategy_id, groups=tuple(features.groups),
        outside=outside_of(models, folder, features, settings.news),
    )  # fmt: skip
    print(f"challenger {challenger.name}, placed {utc_text(challenger.placed_ms)} UTC")
    print("\n".join(found.lines))
    return 1 if found.nothing else 0


if __name__ == "__main__":
    raise SystemExit(main())
