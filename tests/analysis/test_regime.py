"""Trending and ranging: the seeds' rule, in words, with what the trades can prove."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from backtest import regime
from backtest.checks.regime import RegimeVerdict, decide_regime, regime_of, regimes_of
from backtest.statistics import TrialSharpes
from tests.tiny_models import write_models

ENOUGH = 20_000


def found(
    trending: tuple[int, int], ranging: tuple[int, int], rows: tuple[int, int]
) -> RegimeVerdict:
    """(won, lost) of each, one unit a trade, and training rows."""
    names = np.repeat(["trending", "ranging"], [sum(trending), sum(ranging)])
    net = np.repeat([1.0, -1.0, 1.0, -1.0], [*trending, *ranging])
    return decide_regime(regimes_of(names, net, np.repeat(["trending", "ranging"], rows)))


@pytest.mark.parametrize(
    ("trending", "ranging", "rows", "verdict", "words"),
    [
        ((560, 440), (600, 400), (ENOUGH, ENOUGH), "one model", "one model serves both"),
        ((450, 550), (600, 400), (ENOUGH, ENOUGH), "two models", "trending \\(45.0%\\) below 55%"),
        ((600, 400), (450, 550), (ENOUGH, ENOUGH), "two models", "ranging \\(45.0%\\) below 55%"),
        ((450, 550), (450, 550), (ENOUGH, 19_999), "too few rows", "19,999 ranging training rows"),
        ((29, 0), (600, 400), (ENOUGH, ENOUGH), "too few trades", "29 trending trades; 30 are"),
    ],
    ids=["both-win", "trending-weak", "ranging-weak", "rows", "trades"],
)
def test_rule(
    trending: tuple[int, int], ranging: tuple[int, int], rows: tuple[int, int], verdict: str,
    words: str,
) -> None:  # fmt: skip
    said = found(trending, ranging, rows)
    assert said.verdict == verdict
    assert re.search(words, said.words)


def test_gap_that_chance_alone_explains_is_said_to_be_so() -> None:
    small = found((27, 23), (60, 40), (ENOUGH, ENOUGH))
    large = found((2250, 2750), (6000, 4000), (ENOUGH, ENOUGH))
    assert "chance alone can explain it" in small.words
    assert "chance" not in large.words


def test_regime_turns_above_the_threshold_and_is_unknown_without_adx() -> None:
    said = regime_of(np.array([0.25, 0.2500001, np.nan]))
    assert said.tolist() == ["ranging", "trending", "unknown"]


def test_profit_factor_and_interval_are_of_the_regime_alone() -> None:
    names = np.array(["trending", "trending", "ranging", "unknown"])
    trending, ranging = regimes_of(names, np.array([3.0, -1.5, -1.0, 9.0]), names)
    assert (trending.trades, trending.profit_factor, trending.net_profit) == (2, 2.0, 1.5)
    assert (ranging.trades, ranging.won.share, ranging.rows) == (1, 0.0, 1)


def test_command_says_its_verdict_and_writes_the_look_into_the_ledger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_models(tmp_path, ("signal",))
    seen: list[object] = []
    monkeypatch.setattr("backtest.looks.look", _counting(seen))
    flags = ["--models", str(tmp_path), "--override", "prediction.quantile.lookback_days=2",
             "--from", "2025-05-03", "--to", "2025-05-05"]  # fmt: skip
    log = tmp_path / "regime.json"
    status = regime.main([*flags, "--json", "--log", str(log)])
    said = json.loads(capsys.readouterr().out)
    assert status == (1 if said["verdict"] == "two models" else 0)
    assert said == json.loads(log.read_text())
    assert [each["name"] for each in said["regimes"]] == ["trending", "ranging"]
    assert len(seen) == 1


def _counting(seen: list[object]) -> Callable[..., TrialSharpes]:
    def look(done: object, summary: object) -> TrialSharpes:
        seen.append(summary)
        return TrialSharpes.of([], count=1)

    return look


def test_run_without_trades_has_no_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_models(tmp_path, ("signal",))
    monkeypatch.setattr("backtest.looks.look", _counting([]))
    rules = ("prediction.gate=fixed", "prediction.confidence_threshold=1")
    never = [word for rule in rules for word in ("--override", rule)]
    span = ["--from", "2025-05-03", "--to", "2025-05-04"]
    assert regime.main(["--models", str(tmp_path), *never, *span]) == 0
    said = capsys.readouterr().out
    assert "nan" not in said
    assert "Not to be judged: 0 trending and 0 ranging trades" in said
