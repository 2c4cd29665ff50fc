"""EXIT judged by the rule that would act, and by what leaving paid."""

import numpy as np
import pytest

from ml.training.position_labeling import ADD, EXIT, HOLD, TradeRows
from ml.training.position_scores import (
    Judged,
    by_open_profit,
    exit_scores,
    pooled_limits,
    pooled_scores,
    position_scores,
    says_exit,
    verdict,
)
from ml.training.position_table import PositionTable
from trading.decision.exits import position_exit
from trading.decision.management_settings import ActiveManagement, PositionOptimization
from trading.decision.records import ExitForecast, HeldTrade, OpenTrade, Side
from trading.decision.settings import DecisionSettings

RULE = PositionOptimization()
SURE, UNSURE = (0.1, 0.85, 0.05), (0.3, 0.5, 0.2)


def table_of(
    trade: list[int], label: list[int], *, advantage: list[float], held: list[int] | None = None
) -> PositionTable:
    """Rows whose open profit is the advantage with its sign turned."""
    count = len(trade)
    number = np.array(trade)
    _, first = np.unique(number, return_index=True)
    bars_held = np.array(held if held is not None else [9] * count)
    gains = np.array(advantage)
    of = TradeRows(
        trade=number, bar=np.arange(count), side=np.ones(count, dtype=np.int64),
        bars_held=bars_held, price_open=gains, close_price=gains, best_price=gains,
        atr_entry=gains, advantage_atr=gains, label=np.array(label, dtype=np.int8),
        end_bar=np.arange(count),
    )  # fmt: skip
    return PositionTable(
        rows=-gains[:, None].astype(np.float32), open_ms=np.arange(count) * 900_000,
        feature_names=("open_profit_atr",), first_row=np.r_[first, count],
        decided=first.astype(np.int64), of=of,
    )  # fmt: skip


def judged(said: list[tuple[float, float, float]], votes: list[int] | None = None) -> Judged:
    """Every model says the same; `votes` instead of the largest class."""
    p = np.array(said)
    cast = np.array(votes if votes is not None else p.argmax(axis=1), dtype=np.int8)
    by_model, by_vote = (np.repeat(each[:, None], 3, axis=1) for each in (p, cast))
    return Judged(np.arange(len(p)), p, by_model, by_vote, p)


def part(table: PositionTable, said: Judged, rows: np.ndarray, known: np.ndarray) -> Judged:
    """What was said of these rows, and what the open profit of the known ones says."""
    graph = (said.probabilities, said.model_probabilities, said.votes)
    return Judged(rows, *(each[rows] for each in graph), by_open_profit(table, known, rows))


def test_exit_is_said_exactly_where_the_decision_core_would_close() -> None:
    rng = np.random.default_rng(5)
    p = rng.dirichlet([0.5, 1.5, 0.5], 600)
    p[:4] = [(0.2, 0.8, 0.0), (0.0, 0.8, 0.2), (0.1, 0.79, 0.11), (0.0, 1.0, 0.0)]
    votes = rng.integers(0, 3, (600, 3)).astype(np.int8)
    votes[:4] = 1
    settings = DecisionSettings(ml_active_management=ActiveManagement(enabled=True))
    trade = OpenTrade(1, Side.BUY, 0.1, 100.0, 90.0, 110.0, 0, 0.0, 0.0)
    core = []
    for row, cast in zip(p.tolist(), votes.tolist(), strict=True):
        held = HeldTrade(1, 9, 100.0, 10.0, 0.1, ExitForecast(*row, tuple(cast)))
        core.append(position_exit(trade, held, settings) is not None)
    said = says_exit(p, votes, RULE)
    assert said.tolist() == core
    assert 0 < sum(core) < 600


def test_precision_and_recall_count_the_rows_that_the_daemon_would_ask() -> None:
    table = table_of(
        [0, 0, 1, 2, 3], [EXIT, EXIT, HOLD, EXIT, ADD],
        advantage=[1.0, 0.5, -1.0, 0.8, -0.5], held=[3, 4, 9, 9, 9],
    )  # fmt: skip
    scores = exit_scores(table, judged([SURE, SURE, SURE, UNSURE, UNSURE]), RULE)
    assert scores["asked_rows"] == 4
    assert scores["base_rate"] == 0.5
    assert scores["called_rows"] == 2
    assert scores["precision"] == 0.5
    assert scores["precision_low"] < 0.5 < scores["precision_high"]
    assert scores["recall"] == 0.5


def test_advantage_counts_each_trade_once_at_its_first_exit() -> None:
    table = table_of(
        [0, 0, 0, 1, 2], [EXIT] * 5, advantage=[9.0, 0.5, 7.0, 0.1, 5.0],
    )  # fmt: skip
    scores = exit_scores(table, judged([UNSURE, SURE, SURE, SURE, UNSURE]), RULE)
    assert scores["called_trades"] == 2
    assert scores["advantage_atr"] == pytest.approx(0.3)
    assert scores["advantage_low"] <= 0.3 <= scores["advantage_high"]


def test_nothing_called_has_no_precision_and_no_advantage() -> None:
    table = table_of([0, 1], [EXIT, HOLD], advantage=[1.0, -1.0])
    scores = exit_scores(table, judged([UNSURE, UNSURE]), RULE)
    assert scores["called_rows"] == scores["called_trades"] == 0
    assert scores["precision"] is None
    assert scores["advantage_atr"] is None
    assert scores["recall"] == 0.0


def many(count: int, seed: int) -> tuple[PositionTable, Judged]:
    """EXIT is likelier the larger the advantage; the model says just what the profit says."""
    rng = np.random.default_rng(seed)
    gain = rng.uniform(-1, 1, count)
    p_exit = 0.5 + 0.45 * gain
    label = np.where(rng.random(count) < p_exit, EXIT, np.where(rng.random(count) < 0.3, HOLD, ADD))
    table = table_of(list(range(count)), label.tolist(), advantage=gain.tolist())
    rest = 1 - p_exit
    said = judged(list(zip(0.3 * rest, p_exit, 0.7 * rest, strict=True)))
    return table, said


def test_open_profit_alone_beats_class_shares_where_it_tells_all() -> None:
    table, said = many(6000, 1)
    known, rows = np.arange(3000), np.arange(3000, 6000)
    scores = position_scores(table, part(table, said, rows, known), known, RULE)
    assert scores["open_profit_alone"]["log_loss"] < scores["baseline"]["log_loss"] - 0.1
    assert scores["log_loss"] == pytest.approx(scores["open_profit_alone"]["log_loss"], abs=0.02)
    assert np.sum(scores["confusion"]) == scores["rows"] == scores["trades"] == 3000
    assert scores["classes"]["EXIT"]["auc"] > 0.7


def test_pooled_scores_weigh_folds_by_their_rows() -> None:
    table, said = many(3000, 2)
    known = np.arange(1000)
    folds = [
        position_scores(table, part(table, said, rows, known), known, RULE)
        for rows in (np.arange(1000, 1500), np.arange(1500, 3000))
    ]
    pooled = pooled_scores(folds)
    expected = (folds[0]["log_loss"] + 3 * folds[1]["log_loss"]) / 4
    assert pooled["log_loss"] == pytest.approx(expected)
    assert pooled["rows"] == 2000
    assert np.sum(pooled["confusion"]) == 2000


def test_limits_over_weeks_tell_whether_the_model_adds_to_the_open_profit() -> None:
    table, said = many(6000, 4)
    known, rows = np.arange(3000), np.arange(3000, 6000)
    same = part(table, said, rows, known)
    low, high = pooled_limits(table, same)["gain_over_open_profit"]
    assert -0.01 < low < high < 0.03
    blind = Judged(rows, *(getattr(same, name) for name in Judged.__slots__[1:4]),
                   np.full((3000, 3), 1 / 3))  # fmt: skip
    low, _ = pooled_limits(table, blind)["gain_over_open_profit"]
    assert low > 0.1


def test_verdict_says_in_words_what_is_not_shown() -> None:
    table, said = many(2000, 3)
    scores = position_scores(table, said, np.arange(2000), RULE)
    exits, limits = scores["exit"], {"gain_over_open_profit": [0.1, 0.2]}
    assert "adds to what the open profit tells" in verdict(scores, exits, limits)
    assert "it pays" in verdict(scores, exits, limits)
    none = exit_scores(table, judged([UNSURE] * 2000), RULE)
    assert "EXIT was never called at these thresholds" in verdict(scores, none, limits)
    unsure = exits | {"advantage_low": -0.2, "advantage_high": 0.1}
    assert "it is not shown to pay" in verdict(scores, unsure, limits)
    lost = exits | {"advantage_low": -0.2, "advantage_high": -0.1}
    assert "it costs" in verdict(scores, lost, limits)
    nothing = {"gain_over_open_profit": [-0.1, 0.2]}
    assert "is not shown to add to what the open profit tells" in verdict(scores, exits, nothing)
    worse = {"gain_over_open_profit": [-0.2, -0.1]}
    assert "takes from what the open profit tells" in verdict(scores, exits, worse)
