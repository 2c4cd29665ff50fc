"""The questions of the first run. What a flag said is not asked again; secrets are not echoed."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.prompt import Confirm, FloatPrompt, Prompt

from settings.editing import Edit
from settings.onboarding import HUBS, KINDS, PHASES, AnswerError, Answers, require_sound
from settings.risk_profiles import RiskProfile
from trading.decision.prop_rules import PropProfile

_NONE = "none"


class Questions:
    """Asks on a console. `project`: whose settings give the defaults."""

    def __init__(
        self, console: Console, project: Path, risks: Mapping[str, RiskProfile],
        firms: Mapping[str, PropProfile],
    ) -> None:  # fmt: skip
        self._console = console
        self._risks = risks
        self._firms = firms
        config = json.loads((project / "config.json").read_text(encoding="utf-8"))
        self._bridge: dict[str, Any] = config.get("bridge", {})

    def ask(self, answers: Answers) -> Answers:
        """The answers with what was missing in them."""
        self._console.print(
            "NOVOSKY, first run. Enter takes what stands in brackets; Ctrl-C writes nothing.\n"
        )
        parts = (
            self._about_bridge, self._about_account, self._about_risk, self._about_telegram,
            self._about_supabase, self._about_hub,
        )  # fmt: skip
        for part in parts:
            answers = self._sound(part, answers)
        return answers

    def _sound(self, part: Callable[[Answers], Answers], before: Answers) -> Answers:
        """Asks a part again until its answers can be; what flags said wrong is told at the end."""
        while True:
            answers = part(before)
            new = self._problems(answers) - self._problems(before)
            if not new:
                return answers
            for each in sorted(new):
                self._plain(f"  {each}")

    def confirm(self, edits: Iterable[Edit], secrets: Iterable[str]) -> bool:
        """Shows what will be written; of secrets the names."""
        self._console.print("\nThis will be set:")
        for each in edits:
            self._plain(f"  {each}")
        for name in secrets:
            self._plain(f"  .env: {name}")
        return self.yes("Write it?", default=True)

    def yes(self, question: str, *, default: bool) -> bool:
        return Confirm.ask(question, console=self._console, default=default)

    def _about_bridge(self, answers: Answers) -> Answers:
        known = self._bridge
        url = answers.bridge_url or self._text(
            "Bridge URL", known.get("api_base_url", "http://127.0.0.1:6542")
        )
        dialect = answers.dialect or self._choice(
            "Its dialect", ("native", "mt5-httpapi"), known.get("dialect", "native")
        )
        zone = answers.server_timezone
        if dialect == "mt5-httpapi" and not zone:
            default = known.get("server_timezone") or "Europe/Athens"
            zone = self._text("Trade server's time zone", default)
        token = answers.token or self._secret("Its trade token (empty: leave it)")
        return replace(answers, bridge_url=url, dialect=dialect, server_timezone=zone, token=token)

    def _about_account(self, answers: Answers) -> Answers:
        kind = answers.account_kind or self._choice("Account", KINDS, "demo")
        answers = replace(answers, account_kind=kind)
        if kind == "real":
            self._console.print("[yellow]Real money: run the same on a demo account first.[/]")
        if answers.login is None:
            said = self._text("Account number (empty: whichever is logged in)", "")
            answers = replace(answers, login=int(said) if said.isdecimal() else None)
        if not answers.server:
            said = self._text("Trade server's name (empty: whichever it is)", "")
            answers = replace(answers, server=said)
        return self._about_prop(answers)

    def _about_risk(self, answers: Answers) -> Answers:
        if answers.risk:
            return answers
        for name, profile in self._risks.items():
            risk = profile.sets["risk_percent"]
            daily = profile.sets["max_daily_loss_pct"]
            self._plain(f"  {name:13} {risk} % a trade, {daily} % a day: {profile.about}")
        return replace(answers, risk=self._choice("Risk", tuple(self._risks), "balanced"))

    def _about_prop(self, answers: Answers) -> Answers:
        if answers.account_kind != "prop":
            return answers
        for name, profile in self._firms.items():
            self._plain(f"  {name:20} {profile.product}")
        firm = answers.prop or self._choice("Firm's rules", tuple(self._firms), "")
        phases = tuple(self._firms[firm].phases) if firm in self._firms else PHASES
        phase = answers.prop_phase or self._choice("Phase", phases, phases[0])
        balance = answers.prop_balance or FloatPrompt.ask(
            "Initial balance of the account", console=self._console
        )
        return replace(answers, prop=firm, prop_phase=phase, prop_balance=balance)

    def _about_telegram(self, answers: Answers) -> Answers:
        if answers.telegram_token or not self.yes("Telegram?", default=False):
            return answers
        token = self._secret("Bot's token, from @BotFather")
        chat = answers.telegram_chat or self._text("Chat's number (ask @userinfobot)", "")
        return replace(answers, telegram_token=token, telegram_chat=chat)

    def _about_supabase(self, answers: Answers) -> Answers:
        if answers.supabase_key or not self.yes("Supabase?", default=False):
            return answers
        url = answers.supabase_url or self._text("Project's URL", "")
        key = self._secret("Its service_role key")
        return replace(answers, supabase_url=url, supabase_key=key)

    def _about_hub(self, answers: Answers) -> Answers:
        if answers.hub:
            return answers
        store = self._choice("Model hub", (_NONE, *HUBS), _NONE)
        if store in (_NONE, "local"):
            return replace(answers, hub="" if store == _NONE else store)
        if store == "huggingface":
            repo = self._text("Repository (owner/name)", "")
            key = self._secret("Token (empty: leave it)")
            return replace(answers, hub=store, hub_place=repo, hub_key=key)
        return replace(
            answers, hub=store, hub_place=self._text("Bucket", ""),
            hub_endpoint=self._text("Endpoint's URL (empty: Amazon)", ""),
            hub_key_id=self._secret("Access key id (empty: leave it)"),
            hub_key=self._secret("Secret access key (empty: leave it)"),
        )  # fmt: skip

    def _problems(self, answers: Answers) -> set[str]:
        phases = {name: tuple(firm.phases) for name, firm in self._firms.items()}
        try:
            require_sound(answers, tuple(self._risks), phases)
        except AnswerError as error:
            return set(str(error).splitlines())
        return set()

    def _text(self, question: str, default: str) -> str:
        return Prompt.ask(question, console=self._console, default=default).strip()

    def _choice(self, question: str, choices: Iterable[str], default: str) -> str:
        """Without a default one has to be named."""
        how: dict[str, Any] = {"default": default} if default else {}
        return Prompt.ask(question, console=self._console, choices=list(choices), **how)

    def _secret(self, question: str) -> str:
        return Prompt.ask(
            question, console=self._console, password=True, default="", show_default=False
        ).strip()

    def _plain(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)
