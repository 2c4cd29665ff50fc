"""The go-live gate: what a real-money account needs to see before it trades a model."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from backtest.gate_settings import GoLiveSettings
from backtest.gates.proofs import trades_missing
from backtest.gates.records import Criterion, GateResult, criterion

_LEAK = "find and remove the cause, then evaluate again: `lookahead`, `parity`, costs, splits"


class Verdict(Enum):
    """What trades alone prove."""

    ALARM = "alarm"
    NOT_PROVEN = "not proven"
    PROVEN = "proven"


@dataclass(frozen=True, slots=True)
class GoLiveFigures:
    """What the gate looks at; trades are out of sample and net of costs. None: not measured.

    `deflated_sharpe` with the ledger's own `trials`; `days_needed`: days at the ratio seen until
    it is proven (infinite: never). `overfitting`: the PBO of the sweep; None is enough only where
    `chosen_among` (settings that were compared) is at most 1; `overfitting_why`: why it is not
    known. `feature_rows`, `forecast_rows`: how
    many rows live and batch, ONNX and the libraries were compared on; `feature_differences`,
    `class_flips`: how many of them differed. `edge_proof`: in words, `proofs.edge_proof`.

    In words, empty where nothing is: `window_gaps`, unseen bars that were left out; `ledger_gaps`,
    why the ledger is not the one of these models; `cost_gaps`, what was charged below the broker.
    """

    trades: int
    trades_per_week: float
    profit_factor_p5: float
    deflated_sharpe: float
    trials: int
    days: int
    days_needed: float
    chosen_among: int
    overfitting: float | None = None
    overfitting_why: str = ""
    alarms: tuple[str, ...] = ()
    edge_proof: str = ""
    feature_rows: int = 0
    feature_differences: int | None = None
    forecast_rows: int = 0
    class_flips: int | None = None
    shadow_days: float = 0.0
    shadow_inside: bool | None = None
    window_gaps: tuple[str, ...] | None = None
    ledger_gaps: tuple[str, ...] | None = None
    cost_gaps: tuple[str, ...] | None = None

    def as_dict(self) -> dict[str, Any]:
        """For JSON: what is not finite is None."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @staticmethod
    def from_dict(found: dict[str, Any]) -> "GoLiveFigures":
        """The inverse of `as_dict`, with NaN for what was not finite: no criterion is met by it."""
        nan = {key: math.nan for key in _FLOATS if found[key] is None}
        words = {key: None if found[key] is None else tuple(found[key]) for key in _WORDS}
        return GoLiveFigures(**(found | nan | words))


_FLOATS = ("trades_per_week", "profit_factor_p5", "deflated_sharpe", "days_needed")
_WORDS = ("alarms", "window_gaps", "ledger_gaps", "cost_gaps")


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def go_live_gate(figures: GoLiveFigures, settings: GoLiveSettings) -> GateResult:
    """What the trades prove, that nothing was left out, and that live, shadow and backtest are one
    system."""
    made = (*_PROOF, _window, _ledger, _costs, _same_features, _same_forecasts, _shadow)
    return GateResult("go-live gate", tuple(each(figures, settings) for each in made))


def proof_gate(figures: GoLiveFigures, settings: GoLiveSettings) -> GateResult:
    """The part of the go-live gate that trades alone decide."""
    return GateResult("proof of the edge", tuple(each(figures, settings) for each in _PROOF))


def verdict(figures: GoLiveFigures, settings: GoLiveSettings) -> Verdict:
    """Alarm where a figure is implausible, else whether the edge is proven."""
    if figures.alarms:
        return Verdict.ALARM
    proven = proof_gate(figures, settings).passed
    return Verdict.PROVEN if proven else Verdict.NOT_PROVEN


def _no_alarm(of: GoLiveFigures, _: GoLiveSettings) -> Criterion:
    seen = "; ".join(each.split(":")[0] for each in of.alarms) or "none"
    return criterion("no alarm", "no implausible figure", seen, not of.alarms, _LEAK)


def _trades(of: GoLiveFigures, limits: GoLiveSettings) -> Criterion:
    return criterion(
        "trades", f"at least {limits.min_trades}, out of sample, net of costs", f"{of.trades}",
        of.trades >= limits.min_trades,
        trades_missing(of.trades, limits.min_trades, of.trades_per_week),
    )  # fmt: skip


def _profit_factor(of: GoLiveFigures, limits: GoLiveSettings) -> Criterion:
    return criterion(
        "PF₅", f"above {limits.min_profit_factor_p5:g}", f"{of.profit_factor_p5:.3f}",
        of.profit_factor_p5 > limits.min_profit_factor_p5, of.edge_proof,
    )  # fmt: skip


def _deflated(of: GoLiveFigures, limits: GoLiveSettings) -> Criterion:
    more = of.days_needed - of.days
    proof = (
        f"{math.ceil(more)} more days as good as the {of.days} seen, without further trials"
        if math.isfinite(more)
        else f"nothing in sight: the best of {of.trials} worthless trials would look as good"
    )
    return criterion(
        "deflated Sharpe", f"at least {limits.min_deflated_sharpe:g}",
        f"{of.deflated_sharpe:.3f} after {of.trials} trials",
        of.deflated_sharpe >= limits.min_deflated_sharpe, proof,
    )  # fmt: skip


def _overfitting(of: GoLiveFigures, limits: GoLiveSettings) -> Criterion:
    needed = f"at most {limits.max_overfitting:g}"
    if of.overfitting is None:
        seen = f"not measured; {of.chosen_among} settings were compared"
        why = f" ({of.overfitting_why})" if of.overfitting_why else ""
        met, proof = of.chosen_among <= 1, f"the PBO over the daily returns of all of them{why}"
        return criterion("PBO of the sweep", needed, seen, met, proof)
    return criterion(
        "PBO of the sweep", needed, f"{of.overfitting:.3f} of {of.chosen_among} settings",
        of.overfitting <= limits.max_overfitting,
        "a longer history, or a choice among fewer and more different settings",
    )  # fmt: skip


def _window(of: GoLiveFigures, _: GoLiveSettings) -> Criterion:
    return _whole(
        "window", "every bar after training, or after the sweep that came before any look",
        of.window_gaps, "left out: ",
        "evidence without --from, --to and --days, on data that go on to the last bar seen",
    )  # fmt: skip


def _ledger(of: GoLiveFigures, _: GoLiveSettings) -> Criterion:
    return _whole(
        "trial ledger", "the one that counted the training of these models", of.ledger_gaps, "",
        "the ledger of the host that trained them (study.ledger), or training again",
    )  # fmt: skip


def _costs(of: GoLiveFigures, _: GoLiveSettings) -> Criterion:
    learnt = (
        "costs learnt from this broker's own deals and quotes: `scripts/costs.py learn`, --costs"
    )
    proof = "days in shadow: their quotes are compared" if of.cost_gaps is None else learnt
    return _whole("costs", "not below those that the shadow saw", of.cost_gaps, "", proof)


def _whole(
    name: str, needed: str, gaps: tuple[str, ...] | None, prefix: str, proof: str
) -> Criterion:
    """Met where it was looked for gaps and there is none."""
    seen = "not compared" if gaps is None else prefix + "; ".join(gaps) if gaps else "nothing less"
    return criterion(name, needed, seen, gaps == (), proof)


def _same_features(of: GoLiveFigures, _: GoLiveSettings) -> Criterion:
    return criterion(
        "live = batch features", "no row differs",
        _compared(of.feature_differences, of.feature_rows, "rows differ"),
        of.feature_differences == 0 and of.feature_rows > 0,
        "a live or paper day replayed through the backtest: `parity DAY`",
    )  # fmt: skip


def _same_forecasts(of: GoLiveFigures, _: GoLiveSettings) -> Criterion:
    return criterion(
        "ONNX = native", "no class flips on real rows",
        _compared(of.class_flips, of.forecast_rows, "classes flip"),
        of.class_flips == 0 and of.forecast_rows > 0,
        "training on real bars, whose export compares every row",
    )  # fmt: skip


def _compared(differences: int | None, rows: int, what: str) -> str:
    return "not measured" if differences is None else f"{differences} of {rows:,} {what}"


def _shadow(of: GoLiveFigures, limits: GoLiveSettings) -> Criterion:
    inside = {True: "inside the band", False: "outside the band", None: "band not compared"}
    days = max(0.0, limits.shadow_days - of.shadow_days)
    proof = (
        "a new forecast and new shadow days: what was forecast is not what came"
        if of.shadow_inside is False
        else f"{math.ceil(days)} more days of shadow trading (on demo) inside the forecast band"
    )
    return criterion(
        "shadow trading", f"{limits.shadow_days} days inside the forecast band",
        f"{of.shadow_days:.0f} days, {inside[of.shadow_inside]}",
        of.shadow_days >= limits.shadow_days and of.shadow_inside is True, proof,
    )  # fmt: skip


_PROOF: tuple[Callable[[GoLiveFigures, GoLiveSettings], Criterion], ...] = (
    _no_alarm, _trades, _profit_factor, _deflated, _overfitting,
)  # fmt: skip
