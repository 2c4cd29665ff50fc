"""SHAP, tune, retrain, evaluate: which features and parameters the signal model should have.

python scripts/optimize_loop.py --data FILE --to 2025-06-01
python scripts/optimize_loop.py --data FILE --to 2025-06-01 --profile quick --trials 10
python scripts/optimize_loop.py --data FILE --dry-run           says what would be done
python scripts/optimize_loop.py --data FILE --to 2025-06-01 --apply   writes strategy_params.json

Groups of features stay or go by the rules of study.groups and study.prune_below (ml_config.json);
candidates are trained and judged by their out-of-fold trades before --to. No installed model is
changed: reports/optimize_<symbol>.json holds the sections for ml_config.json, and --apply writes
them to strategy_params.json, which the next training reads where strategy_params.enabled is true.
The same command goes on with a loop that was stopped. Exit status: 0 done; 1 --apply found nothing
better; 2 a person must act first; 130 stopped.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

if TYPE_CHECKING:
    from ml.tune.loop import LoopOutcome, LoopRules
    from settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    from trading.command_line import exit_status

    given = _parser().parse_args(argv)
    return exit_status(
        lambda: _optimise(given), stopped="stopped; the same command goes on with the loop",
        mendable=_failures,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    from trading.command_line import utc_instant_ms

    parser = argparse.ArgumentParser(
        prog="optimize_loop.py", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = parser.add_argument
    add("--data", type=Path, metavar="FILE", help="M15 bars (default: the generated market)")
    add("--from", dest="from_ms", type=utc_instant_ms, metavar="DATE", help="UTC, inclusive")
    add("--to", dest="to_ms", type=utc_instant_ms, metavar="DATE", help="train cutoff, exclusive")
    add("--symbol", metavar="S", help="instead of config.json's symbol")
    add("--calendar", type=Path, metavar="FILE", help="economic calendar (features.calendar)")
    add("--onchain", type=Path, metavar="FOLDER", help="on-chain files (features.onchain)")
    add("--profile", choices=("quick", "full"), default="full", help="as in training")
    add("--seed", type=int, metavar="N", help="instead of ml_config.json's training.seed")
    add("--trials", type=int, metavar="N", help="of the study (study.trials)")
    add("--override", action="append", default=[], metavar="KEY=VALUE",
        help="a setting for every step (repeatable)")  # fmt: skip
    add("--work", type=Path, metavar="DIR", help="candidates and progress (default: in reports/)")
    add("--out", type=Path, metavar="FILE", help="the proposal (default: in reports/)")
    add("--apply", action="store_true", help="write what was found to strategy_params.json")
    add("--dry-run", action="store_true", help="say what would be done, and what is done already")
    return parser


def _optimise(given: argparse.Namespace) -> int:
    from rich.console import Console

    from ml.tune.loop import LoopRules, StepLog, optimise, planned_steps
    from ml.tune.loop_bench import CommandBench
    from settings import load_settings
    from trading.errors import DaemonError

    if given.apply and given.override:
        raise DaemonError("--apply without --override is allowed: overrides would be lost")
    settings = load_settings(_ROOT, overrides=given.override, symbol=given.symbol)
    study, present = settings.ml.study, tuple(settings.ml.features.groups)
    rules = LoopRules(study.groups, study.prune_below, settings.gate.retrain)
    rules = _possible(rules, given, settings)
    console = Console(highlight=False, markup=False)
    if given.dry_run:
        for number, line in enumerate(planned_steps(present, rules), start=1):
            console.print(f"{number}. {line}")
        return 0
    folder = given.work or _ROOT / "reports" / f"optimize_{settings.symbol.lower()}"
    identity = _identity(given, settings)
    bench = CommandBench(given, folder / identity[:12])
    log = StepLog(folder / "steps.json", identity)
    made = optimise(bench, present, rules, log, console.print)
    path = given.out or _ROOT / "reports" / f"optimize_{settings.symbol.lower()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(made), indent=2) + "\n", encoding="utf-8")
    for line in _words(made):
        console.print(line)
    console.print(f"proposal: {path}")
    return apply(made, settings, _ROOT, console.print) if given.apply else 0


def apply(made: "LoopOutcome", settings: "Settings", root: Path, say: Callable[[str], None]) -> int:
    """Writes the found groups and parameters over what is in force, if there are any."""
    from settings.strategy_params import (
        FILE,
        params_folder,
        read_strategy_params,
        write_strategy_params,
    )

    if not made.sections:
        say("nothing is applied: today's groups and parameters stay")
        return 1
    folder = params_folder(root, settings.ml.paths.model_dump())
    in_force = read_strategy_params(folder).overrides if settings.strategy_params.enabled else {}
    found = {"score": made.score_after, "score_before": made.score_before}
    write_strategy_params(
        folder, {**in_force, **_overrides_of(made.sections)}, {"symbol": settings.symbol, **found}
    )
    say(
        f"{folder.name}/{FILE} is written; it is read where strategy_params.enabled is true. "
        "Models learn from it at the next training: train before a daemon starts with other groups "
        "of features"
    )
    return 0


def _overrides_of(sections: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of `ml_config.json` as the keys that `--override` takes."""
    found = dict(sections)
    groups = found.pop("features", {}).get("groups")
    return found if groups is None else {"features.groups": list(groups), **found}


def _possible(rules: "LoopRules", given: argparse.Namespace, settings: "Settings") -> "LoopRules":
    """Without the group onchain where its files are not given."""
    from dataclasses import replace

    if given.onchain is not None or settings.ml.features.onchain is not None:
        return rules
    left = tuple(each for each in rules.groups.candidates if each != "onchain")
    return replace(rules, groups=rules.groups.model_copy(update={"candidates": left}))


def _identity(given: argparse.Namespace, settings: "Settings") -> str:
    """SHA-256 of the data, the settings and the options that a loop's steps depend on."""
    digest = hashlib.sha256(settings.model_dump_json().encode())
    names = ("from_ms", "to_ms", "profile", "seed", "symbol", "trials", "override")
    digest.update(json.dumps([getattr(given, name) for name in names]).encode())
    folder = [] if given.onchain is None else sorted(given.onchain.iterdir())
    for path in (given.data, given.calendar, *folder):
        digest.update(b"-" if path is None else _content(path))
    return digest.hexdigest()


def _content(path: Path) -> bytes:
    from trading.errors import DaemonError

    if not path.is_file():
        raise DaemonError(f"{path}: there is no such file; check the name and the folder")
    return path.read_bytes()


def _words(made: "LoopOutcome") -> list[str]:
    before, after = (
        "not comparable" if each is None else f"{each:.2f}"
        for each in (made.score_before, made.score_after)
    )
    if not made.sections:
        return [f"score {before}: today's groups and parameters stay"]
    tries = len(made.verdicts)
    return [
        f"score {before} -> {after}, chosen in {tries} decisions on the bars it was judged on: "
        "judge it on bars it has not seen",
        f"sections: {', '.join(made.sections)}",
    ]


def _failures() -> tuple[type[Exception], ...]:
    from ml.training.models import TrainingError
    from ml.training.splits import SplitError
    from ml.training.trials import TrialLedgerError
    from ml.tune.loop_bench import StepFailed

    return StepFailed, TrainingError, SplitError, TrialLedgerError


if __name__ == "__main__":
    raise SystemExit(main())
