"""One check, how a list of them is made so that none hides another, and how it is shown."""

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import httpx
from rich.markup import escape
from rich.table import Table

from broker.contract.errors import BrokerError
from market.bars import BarsError
from market.sources.errors import SourceError
from ml.hub.errors import HubError
from ml.predictors.compat import ModelError
from trading.errors import DaemonError

Status = Literal["pass", "fail", "note"]


@dataclass(frozen=True, slots=True)
class Check:
    """`shown`: what was seen. `fix`: what a person does; empty where nothing need be done."""

    name: str
    status: Status
    shown: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found; `Look` gives it its name."""

    status: Status
    shown: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """A check that is still to be made. `fix`: what to do where it cannot even be made."""

    name: str
    ask: Callable[[], Finding]
    fix: str


class NotLooked(Exception):
    """A check that makes no sense, because another one has failed. The text says which."""


_TROUBLE = (
    BrokerError, BarsError, SourceError, ModelError, HubError, DaemonError, httpx.HTTPError,
    sqlite3.Error, OSError, ValueError,
)  # fmt: skip


_NOT_LOOKED = "not looked at: "


def good(shown: str) -> Finding:
    return Finding("pass", shown)


def bad(shown: str, fix: str) -> Finding:
    return Finding("fail", shown, fix)


def note(shown: str, fix: str = "") -> Finding:
    return Finding("note", shown, fix)


def judged(is_good: bool, shown: str, fix: str) -> Finding:
    return good(shown) if is_good else bad(shown, fix)


def examine(looks: Iterable[Look]) -> tuple[Check, ...]:
    """Every check, in order. One that cannot be made fails alone; the others are made anyway."""
    return tuple(_made(look) for look in looks)


def failed(checks: Iterable[Check]) -> bool:
    return any(each.status == "fail" for each in checks)


def table_of(checks: Iterable[Check]) -> Table:
    """The checks for a terminal; those not looked at are one row for each reason."""
    marks = {"pass": "[green]pass[/]", "note": "[yellow]note[/]", "fail": "[bold red]FAIL[/]"}
    table = Table("check", "", "seen", "fix", title="doctor")
    left_out: dict[str, list[str]] = {}
    for each in checks:
        if each.shown.startswith(_NOT_LOOKED):
            left_out.setdefault(each.shown, []).append(each.name)
        else:
            table.add_row(each.name, marks[each.status], escape(each.shown), escape(each.fix))
    for why, names in left_out.items():
        table.add_row("…", marks["note"], f"{escape(why)}: {', '.join(names)}", "")
    return table


def json_of(checks: Iterable[Check]) -> str:
    """`{"checks": [{"name", "status", "fix"}]}`."""
    rows = [{"name": each.name, "status": each.status, "fix": each.fix} for each in checks]
    return json.dumps({"checks": rows}, ensure_ascii=False, indent=2)


def _made(look: Look) -> Check:
    try:
        found = look.ask()
    except NotLooked as why:
        found = note(f"{_NOT_LOOKED}{why}")
    except _TROUBLE as error:
        found = bad(str(error) or type(error).__name__, look.fix)
    return Check(look.name, found.status, found.shown, found.fix)
