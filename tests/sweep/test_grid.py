"""What a sweep tries: grids, draws, axes and the named targets."""

from pathlib import Path

import pytest

from backtest.sweep.errors import SweepError
from backtest.sweep.grid import axes, draw, expand, parse_axis, read_grids
from backtest.sweep.settings import TradedSettings, known_keys, require_allowed, with_overrides
from broker.simulator.settings import PaperSettings
from settings import load_settings
from trading.decision.settings import DecisionSettings

ROOT = Path(__file__).resolve().parents[2]
TODAY = TradedSettings(DecisionSettings(), PaperSettings())


def test_grid_is_every_combination_and_the_last_key_varies_first() -> None:
    assert expand([{"a": [1, 2], "b": ["x", "y"]}]) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"},
    ]  # fmt: skip


def test_point_of_two_grids_is_tried_once() -> None:
    assert expand([{"a": [1, 2]}, {"a": [2, 3]}]) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_key_without_a_value_is_refused() -> None:
    with pytest.raises(SweepError, match="a: at least one value"):
        expand([{"a": []}])


def test_draw_is_seeded_in_grid_order_and_grows() -> None:
    points = expand([{"a": list(range(50))}])
    few, more = draw(points, 5, seed=3), draw(points, 20, seed=3)
    assert few == draw(points, 5, seed=3) != draw(points, 5, seed=4)
    assert [each for each in more if each in few] == few
    assert draw(points, 99, seed=3) == points


def test_axes_are_keys_that_vary() -> None:
    points = expand([{"on": [False]}, {"on": [True], "x": [1, 2], "same": [5]}])
    assert axes(points) == {"on": [False, True], "x": [1, 2]}


def test_axis_of_a_command_line_is_json_or_text() -> None:
    assert parse_axis("a.b=1,0.5,true,fixed") == ("a.b", [1, 0.5, True, "fixed"])
    with pytest.raises(SweepError, match="KEY=V1,V2"):
        parse_axis("a.b")


def test_target_of_ones_own_is_read_and_an_unknown_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "sweeps.json"
    file.write_text('{"mine": {"about": "lots", "grids": [{"max_lot": [1, 2]}]}}', encoding="utf-8")
    assert read_grids(file, "mine") == ({"max_lot": [1, 2]},)
    with pytest.raises(SweepError, match="mine are there, pos came"):
        read_grids(file, "pos")


@pytest.mark.parametrize("name", ["signal", "pos", "both", "kelly", "ml_sltp", "regime"])
def test_target_is_allowed_by_the_settings_as_they_are(name: str) -> None:
    settings = load_settings(ROOT)
    points = expand(read_grids(ROOT / "config" / "sweeps.json", name))
    require_allowed(TradedSettings(settings.decision, settings.paper), points)
    assert len(points) == {"pos": 200, "ml_sltp": 21, "kelly": 4}.get(name, len(points))


def test_overrides_change_what_they_name_and_nothing_else() -> None:
    changed = with_overrides(TODAY, {"prediction.quantile.top_share": 0.2, "paper.balance": 500})
    assert changed.decision.prediction.quantile.top_share == 0.2
    assert changed.paper.balance == 500
    assert with_overrides(changed, {"prediction.quantile.top_share": 0.05, "paper.balance": 1e4}
    ) == TODAY  # fmt: skip


def test_every_key_that_is_known_can_be_set_to_what_it_is() -> None:
    tree = {**TODAY.decision.model_dump(mode="json"), "paper": TODAY.paper.model_dump(mode="json")}
    for key in known_keys(TODAY):
        value = tree
        for name in key.split("."):
            value = value[name]
        assert with_overrides(TODAY, {key: value}).text() == TODAY.text(), key


def test_every_problem_of_a_sweep_is_said_once() -> None:
    with pytest.raises(SweepError) as refused:
        require_allowed(TODAY, [{"risk_percent": -1}, {"max_lots": 1}, {"max_lots": 1}])
    lines = str(refused.value).splitlines()
    assert len(lines) == 2
    assert "did you mean max_lot" in lines[1]
