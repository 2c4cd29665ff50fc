"""Tries settings: each is a backtest over the same forecasts, judged by the honest score.

python scripts/sweep.py --target pos --data FILE --from 2025-06-01 --to 2025-10-01
python scripts/sweep.py --target signal --random 50 --data FILE --oos-only
python scripts/sweep.py --axis risk_percent=0.5,1,2 --axis max_open_positions=1,2
python scripts/sweep.py --target pos --dask tcp://host:8786
python scripts/sweep.py --target pos --apply      writes the best setting to strategy_params.json

The grids of the targets are in config/sweeps.json. The same command goes on with a sweep that was
stopped. Every trial is written to the trial ledger, and no settings file is changed: --apply
writes strategy_params.json, which is read only where config.json has strategy_params.enabled.
Exit status: 0 done; 1 --apply found nothing that is better than today; 2 a person must act first;
130 stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

_ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(_ROOT))

if TYPE_CHECKING:
    from rich.console import Console

    from backtest.sweep.search import SweepTable
    from settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    from backtest.sweep.command import sweep_failures
    from trading.command_line import exit_status

    given = _parser().parse_args(argv)
    return exit_status(
        lambda: _sweep(given), stopped="stopped; the same command goes on with the sweep",
        mendable=sweep_failures,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    from backtest.sweep.command import add_sweep_options

    parser = argparse.ArgumentParser(
        prog="sweep.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--target", metavar="NAME", help="grids of config/sweeps.json, e.g. pos")
    add("--axis", action="append", default=[], metavar="KEY=V1,V2",
        help="a key and its values, over the target's grids or alone (repeatable)")  # fmt: skip
    add("--random", type=int, metavar="N", help="N settings drawn from the grid (default: all)")
    add("--draw-seed", type=int, default=0, metavar="N", help="of the draw")
    add("--heat", metavar="KEY,KEY", help="keys of the heat map (default: those with most values)")
    add("--rows", type=int, default=15, metavar="N", help="rows to print")
    add("--out", type=Path, metavar="STEM", help="the files' stem (default: in reports/)")
    add("--apply", action="store_true", help="write the best setting to strategy_params.json")
    add_sweep_options(parser)
    return parser


def _sweep(given: argparse.Namespace) -> int:
    from rich.console import Console

    from backtest.decided_run import settings_of
    from backtest.sweep.command import read_base, sweep_with_progress
    from backtest.sweep.errors import SweepError
    from backtest.sweep.heat import keys_of_map
    from backtest.sweep.settings import TradedSettings, require_allowed
    from backtest.sweep.table import show, write_files
    from settings.strategy_params import require_settable

    if given.apply and (given.override or given.max_lot is not None):
        raise SweepError("--apply without --override and --max-lot is allowed: they would be lost")
    settings, points = settings_of(given), _points(given)
    if given.apply:
        for each in points:
            require_settable(each)  # before hours of trials
    require_allowed(TradedSettings(settings.decision, settings.paper), points)
    if given.heat is not None:
        keys_of_map(points, _heat_keys(given.heat))  # refuses before anything is run
    base = read_base(given, settings, points)
    table = sweep_with_progress(given, settings, base, points)
    console, limits = Console(highlight=False), settings.gate.go_live
    show(console, table, limits, rows=given.rows)
    stem = given.out or Path("reports") / f"sweep_{given.target or 'own'}_{base.symbol.lower()}"
    files = [*write_files(table, stem, limits), *_heat_maps(table, given.heat, stem)]
    console.print(f"files: {', '.join(map(str, files))}", soft_wrap=True)
    return _apply(table, settings, console) if given.apply else 0


def _points(given: argparse.Namespace) -> list[Any]:
    """What is tried. An axis holds for every grid of the target, and replaces its values."""
    from backtest.sweep.errors import SweepError
    from backtest.sweep.grid import draw, expand, parse_axis, read_grids

    own = dict(parse_axis(text) for text in given.axis)
    if given.target is None and not own:
        raise SweepError("--target NAME (config/sweeps.json) or --axis KEY=V1,V2 is needed")
    grids: Sequence[Any] = ({},)
    if given.target is not None:
        grids = read_grids(_ROOT / "config" / "sweeps.json", given.target)
    points = expand([{**grid, **own} for grid in grids])
    return points if given.random is None else draw(points, given.random, seed=given.draw_seed)


def _heat_maps(table: "SweepTable", keys: str | None, stem: Path) -> list[Path]:
    from backtest.sweep.grid import axes
    from backtest.sweep.heat import heat_map, write_html, write_png

    if not axes([row.overrides for row in table.rows]):
        return []
    heat = heat_map(table, keys=_heat_keys(keys))
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "html")]
    write_png(heat, paths[0])
    write_html(heat, paths[1])
    return paths


def _heat_keys(text: str | None) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _apply(table: "SweepTable", settings: "Settings", console: "Console") -> int:
    """Writes the best setting, where it is comparable and better than today's by the margin."""
    from backtest.sweep.table import as_dict
    from settings.strategy_params import (
        FILE,
        params_folder,
        read_strategy_params,
        write_strategy_params,
    )

    best, margin = table.best, settings.gate.retrain
    if best is None or not table.improves(best, margin):
        console.print(
            f"nothing is applied: no setting beats today's by max({margin.margin:g}, "
            f"{margin.margin_share:.0%} of its score), the margin of gate.retrain"
        )
        return 1
    told = as_dict(table, settings.gate.go_live)
    why = {key: told[key] for key in ("sweep", "symbol", "from", "to", "settings", "pbo")}
    found = {"score": best.score, "score_before": table.today.score}
    # values that are in force stay: the best setting was tried on top of them
    folder = params_folder(Path(), settings.ml.paths.model_dump())
    in_force = read_strategy_params(folder).overrides if settings.strategy_params.enabled else {}
    write_strategy_params(folder, {**in_force, **best.overrides}, {**why, **found})
    console.print(
        f"{folder.name}/{FILE} is written; it is read where strategy_params.enabled is true"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
