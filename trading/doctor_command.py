"""`python trading.py --doctor [--json]`: a table of checks of the whole set-up, and their fixes."""

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from broker.client.connect import connect
from broker.contract.messages import Account
from ml.features.catalogue import LOOKBACK_MS
from ml.hub.connect import open_hub
from ml.predictors.compat import ModelError
from ml.predictors.settings import ModelPaths
from trading.assemble import TIMEFRAME, known_instrument
from trading.doctor.bedside import Bedside, Patient
from trading.doctor.check import (
    Check,
    Finding,
    NotLooked,
    bad,
    examine,
    failed,
    good,
    json_of,
    note,
    table_of,
)
from trading.doctor.rounds import Premises, looks
from trading.doctor.storage import known
from trading.live_command import bridge_token, examiner, state_name
from trading.model import load_for
from trading.outside import read_outside
from trading.redaction import Redactor, known_secrets
from trading.secrets import secret

if TYPE_CHECKING:
    from settings import Settings

_ENV, _PROP_RULES = Path(".env"), Path("config/prop_rules.json")


def run_doctor(given: argparse.Namespace) -> int:
    """0 where every check is good, 1 where one fails, 2 where the settings cannot be read."""
    from settings import SettingsError, load_settings

    try:
        settings = load_settings(
            overrides=given.override, account=given.account, symbol=given.symbol
        )
    except SettingsError as error:
        return _without_settings(error, as_json=given.json)
    state = given.state / state_name(given)
    bedside = Bedside(_patient(settings, state))
    made = examine(looks(bedside, _premises(given, settings, state)))
    redact = Redactor(known_secrets())
    checks = tuple(replace(e, shown=redact(e.shown), fix=redact(e.fix)) for e in made)
    bedside.patient.broker.close()
    if given.json:
        print(json_of(checks))
    else:
        Console().print(table_of(checks))
    return 1 if failed(checks) else 0


def _without_settings(error: Exception, *, as_json: bool) -> int:
    """Nothing can be looked at; a program that reads the JSON is told so in its own words."""
    if not as_json:
        raise error
    print(json_of((Check("settings", "fail", "", str(error)),)))
    return 2


def _patient(settings: "Settings", state: Path) -> Patient:
    entry, quantile = settings.account, settings.decision.prediction.quantile
    return Patient(
        connect(settings.bridge, bridge_token()), settings.bridge,
        known_instrument(settings.symbol), TIMEFRAME, settings.decision,
        settings.daemon.strategy_id, quantile.lookback_ms + LOOKBACK_MS,
        settings.daemon.health_limits, known(state, settings.symbol), _now_ms,
        entry.account_type if entry else "",
    )  # fmt: skip


def _premises(given: argparse.Namespace, settings: "Settings", state: Path) -> Premises:
    paths = _paths(given, settings)
    instrument, features = known_instrument(settings.symbol), settings.ml.features
    return Premises(
        state=state, env_file=_ENV, prop_rules=_PROP_RULES, symbol=settings.symbol,
        strategy_id=settings.daemon.strategy_id, decision=settings.decision, paths=paths,
        features=features, news=settings.news, telegram=settings.telegram,
        supabase=settings.supabase,
        secret=secret, open_hub=lambda: open_hub(settings.ml.hub),
        outside=lambda: read_outside(features, instrument, news=settings.news),
        process_words=_process_words, now_ms=_now_ms,
        evidence=lambda account: _evidence(account, given, settings, paths),
    )  # fmt: skip


def _evidence(
    account: Account, given: argparse.Namespace, settings: "Settings", paths: ModelPaths
) -> Finding:
    """What the daemon would be told at its start with these flags."""
    try:
        models = load_for(paths, settings.ml.features, settings.symbol)
    except ModelError:
        raise NotLooked("there are no models that can be loaded") from None
    said = examiner(given, settings, account, models, paths).rule(settings.decision, _now_ms())
    if said.halt:
        return bad(said.text, "python scripts/evidence.py --data FILE; docs/running.md")
    return good(said.text) if said.proven else note(said.text)


def _paths(given: argparse.Namespace, settings: "Settings") -> ModelPaths:
    paths = settings.ml.paths.for_symbol(settings.symbol)
    return paths if given.models is None else paths.in_folder(given.models)


def _process_words(process: int) -> str:
    """A process's command line; empty where the system does not tell it."""
    try:
        return Path(f"/proc/{process}/cmdline").read_text(encoding="utf-8").replace("\0", " ")
    except OSError:
        return ""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
