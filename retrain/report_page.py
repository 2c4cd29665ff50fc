"""A run's report as Markdown, and in short for Telegram: pure functions of what was gathered."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from retrain.swapping import GATES
from retrain.verdict import Verdict

_SCORE = (
    "The score is 100 ln PF₅ - 100 × largest drawdown; PF₅: the profit factor's 5th percentile."
)
_MOST_LINES = 12


def page(told: Mapping[str, Any]) -> str:
    """The report; `told` is what the JSON file holds."""
    phases = {each["name"]: each for each in told["phases"]}
    parts = [
        f"# Weekly run {told['symbol']} {told['run']}",
        f"**{told['headline']}**",
        _list(told["why"]),
        _section("Next", _list(told["next"])),
        _section("Gates", "\n\n".join(_gates(phases))),
        _section("Champion and candidate", _comparison(told["comparison"])),
        _section("Challenger in shadow", _challenger(phases)),
        _section("What was changed", _changed(phases)),
        _section("Real money", _real_money(phases)),
        _section("Phases", _phases(told["phases"])),
        _section("Details", "\n\n".join(_details(told["phases"]))),
    ]
    return "\n\n".join(each for each in parts if each) + "\n"


def telegram_text(symbol: str, run: str, verdict: Verdict) -> str:
    """The verdict alone, as plain text."""
    lines = [f"Weekly run {symbol} {run}", verdict.headline]
    lines += [f"- {each}" for each in verdict.why[:_MOST_LINES]]
    lines += [f"Next: {each}" for each in verdict.next]
    return "\n".join(lines)


def _gates(phases: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in GATES:
        figures = phases.get(name, {}).get("figures", {})
        yield from _gate(figures, name.replace("_", " "))


def _gate(figures: Mapping[str, Any], name: str) -> Iterator[str]:
    rows = [
        (each["name"], each["needed"], each["seen"], "yes" if each["met"] else "**NO**",
         each.get("proof") or "")
        for each in (*figures.get("checks", ()), *figures.get("criteria", ()))
    ]  # fmt: skip
    if rows:
        passed = "passed" if figures["passed"] else "not passed"
        head = ("criterion", "needed", "seen", "met", "what would prove it")
        yield f"{figures.get('gate', name)}: **{passed}**"
        yield _table(head, rows)
        if figures.get("warnings"):
            yield _list(figures["warnings"])


def _real_money(phases: Mapping[str, Mapping[str, Any]]) -> str:
    """What the go-live gate says of what serves since this run."""
    go_live = phases.get("swap", {}).get("figures", {}).get("go_live")
    if not go_live:
        return ""
    if "criteria" not in go_live:
        return _list(go_live["words"])
    said = f"By the evidence that serves with the models, at {go_live['costs']}."
    return "\n\n".join((said, *_gate(go_live, "go-live gate")))


def _comparison(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return ""
    span = f"{_day(told['from_ms'])} to {_day(told['to_ms'])} UTC, {told['weeks']:.1f} weeks"
    said = f"Bars that neither has learned from: {span}. In brackets: 95 %. {_SCORE}"
    if told["why_no_champion"]:
        said += f" The champion was not compared: {told['why_no_champion']}."
    if told["trials"]:
        said += f" Candidate: {told['trials']}."
    if told["costs"]:
        costs = "; ".join(told["costs"])
        said += f" {costs[0].upper()}{costs[1:]}."
    rows = [(each["name"], each["champion"], each["candidate"]) for each in told["rows"]]
    return f"{said}\n\n{_table(('figure', 'champion', 'candidate'), rows)}"


def _challenger(phases: Mapping[str, Mapping[str, Any]]) -> str:
    found = phases.get("swap", {}).get("figures", {}).get("challenger", {})
    if "days" not in found:
        return ""
    rows = [
        ("ruling", found["ruling"]),
        ("placed", f"{found['placed']} UTC"),
        ("shadow days", f"{found['days']:.1f} of {found['days_needed']}"),
        ("bars decided, missed", f"{found['bars']}, {found['missed_bars']}"),
        ("trades", str(found["trades"])),
        ("mean spread, points", f"{found['spread_points']:,.0f}"),
        ("inside its forecast band", {True: "yes", False: "no", None: "–"}[found["inside"]]),
        ("feature rows that differ", f"{found['differing_rows']} of {found['compared_rows']}"),
    ]
    return _table(("", ""), rows)


def _changed(phases: Mapping[str, Mapping[str, Any]]) -> str:
    figures = phases.get("swap", {}).get("figures", {})
    before, after = figures.get("before", {}), figures.get("after", {})
    if before == after:
        return "Nothing that serves." if figures else ""
    rows = [
        (kind, before.get(kind, "none")[:12], after.get(kind, "none")[:12])
        for kind in sorted(before.keys() | after.keys())
    ]
    lines = [_table(("model", "before", "now"), rows)]
    if figures.get("settings"):
        told = ", ".join(f"{key} = {value}" for key, value in figures["settings"].items())
        lines.append(f"strategy_params.json: {told}.")
    pushed = phases.get("push", {}).get("figures", {})
    if pushed:
        lines.append(f"Release {pushed['tag']} in {pushed['hub']}.")
    return "\n\n".join(lines)


def _phases(phases: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (str(number), each["name"], each["state"], _time(each["seconds"]),
         " ".join(each["words"][:1]) if each["state"] in ("skipped", "failed") else "")
        for number, each in enumerate(phases, start=1)
        if each["state"] != "started"  # this report's own phase
    ]  # fmt: skip
    total = _time(sum(each["seconds"] for each in phases))
    return f"{_table(('', 'phase', 'state', 'time', 'why'), rows)}\n\nIn all {total}."


def _details(phases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in phases:
        if each["state"] == "done" and each["words"]:
            yield f"{each['name']}:\n\n{_list(each['words'])}"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}" if text else ""


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {_inline(each)}" for each in lines)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_inline(cell) for cell in line)} |" for line in lines)


def _inline(text: str) -> str:
    """One line that breaks no table."""
    return " ".join(text.split()).replace("|", "\\|")


def _time(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min {whole % 60} s"


def _day(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M}"
