"""First run: asks what is needed, writes `.env` and settings, runs the doctor, offers paper first.

python scripts/onboarding.py                      asks
python scripts/onboarding.py --yes --bridge-url http://127.0.0.1:6542 --account-kind demo \\
    --risk balanced --token …                     asks nothing; what is not given stays as it is

A secret is never shown. On a command line it is seen by others on the machine: leave it out and be
asked, or name it in the environment under its name in `.env`. What `.env` has already stays, unless
--overwrite is given or the question is answered with yes.

Exit status: 0 written, and the doctor found nothing; 1 written, the doctor found something;
2 nothing was written, a person must act first.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trading.command_line import needing_packages

with needing_packages():
    from rich.console import Console

    from scripts.onboarding_questions import Questions
    from settings import SettingsError, env_file
    from settings.accounts import terminal_key_of
    from settings.editing import change
    from settings.env_file import EnvFileError
    from settings.onboarding import (
        HUBS,
        KINDS,
        PHASES,
        AnswerError,
        Answers,
        edits_of,
        require_sound,
        secrets_of,
    )
    from settings.prop import read_prop_rules
    from settings.risk_profiles import read_risk_profiles

_ROOT = Path(__file__).resolve().parents[1]
# Flags of secrets, and the variables that may bring them instead.
_SECRETS = {
    "token": "NOVOSKY_BRIDGE_TOKEN", "telegram_token": "NOVOSKY_TELEGRAM_TOKEN",
    "telegram_chat": "NOVOSKY_TELEGRAM_CHAT", "supabase_url": "NOVOSKY_SUPABASE_URL",
    "supabase_key": "NOVOSKY_SUPABASE_KEY",
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(argv)
    try:
        return _run(given, Console())
    except (SettingsError, AnswerError, EnvFileError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, EOFError):
        print("stopped: nothing more is written", file=sys.stderr)
        return 2


def _run(given: argparse.Namespace, console: Console) -> int:
    risks, firms = read_risk_profiles(given.project), read_prop_rules(given.project).profiles
    phases = {name: tuple(profile.phases) for name, profile in firms.items()}
    answers = _from_flags(given)
    questions = None if given.yes else Questions(console, given.project, risks, firms)
    if questions is not None:
        answers = questions.ask(answers)
    require_sound(answers, risks, phases)
    secrets = secrets_of(answers)
    env_file.require_writable(secrets)
    edits = edits_of(answers, risks[answers.risk] if answers.risk else None)
    if questions is not None and not questions.confirm(edits, secrets):
        print("nothing is written", file=sys.stderr)
        return 2
    made = change(given.project, edits, account=answers.account or None)
    for each in made:
        console.print(f"set   {each}", markup=False, highlight=False, soft_wrap=True)
    _write_secrets(given, secrets, questions, console)
    healthy = given.no_doctor or _doctor(given.project, answers.account, console)
    _paper_first(given, answers, questions, console)
    return 0 if healthy else 1


def _write_secrets(
    given: argparse.Namespace, secrets: dict[str, str], questions: Questions | None,
    console: Console,
) -> None:  # fmt: skip
    """Names alone are said."""
    path, overwrite = given.project / ".env", given.overwrite
    kept = env_file.changes_of(path, secrets, overwrite=overwrite).kept
    if kept and questions is not None:
        overwrite = questions.yes(f".env has another {', '.join(kept)}. Replace?", default=False)
    done = env_file.write(path, secrets, overwrite=overwrite)
    for word, names in (("added", done.added), ("new", done.replaced), ("kept", done.kept)):
        hint = " (another value is there; --overwrite replaces it)" if word == "kept" else ""
        for name in names:
            said = f"{word:5} .env: {name}{hint}"
            console.print(said, markup=False, highlight=False, soft_wrap=True)


def _doctor(project: Path, account: str, console: Console) -> bool:
    """Whether the doctor found nothing. It prints its own table."""
    console.print()
    command = [sys.executable, str(_ROOT / "trading.py"), "--doctor"]
    command += ["--account", account] if account else []
    return subprocess.run(command, cwd=project, check=False).returncode == 0


def _paper_first(
    given: argparse.Namespace, answers: Answers, questions: Questions | None, console: Console
) -> None:
    """Paper needs no account; whoever has it seen may go on."""
    account = f" --account {answers.account}" if answers.account else ""
    console.print(
        "\nPaper first: python trading.py --paper (no account, no risk).\n"
        f"Then a dry run, which decides and sends nothing: python trading.py --dry{account}",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    wanted = given.start_paper
    if questions is not None and not wanted:
        wanted = questions.yes("Start paper trading now?", default=True)
    if wanted:
        command = [sys.executable, str(_ROOT / "trading.py"), "--paper"]
        subprocess.run(command, cwd=given.project, check=False)


def _from_flags(given: argparse.Namespace) -> Answers:
    """What the command line and, for secrets, the environment say."""
    named = {name: getattr(given, name) for name in Answers.__dataclass_fields__ if name in given}
    words = {name: value for name, value in named.items() if value is not None}
    for name, variable in _SECRETS.items():
        if not words.get(name) and os.environ.get(variable):
            words[name] = os.environ[variable]
    terminal = terminal_key_of(given.account, given.project) if given.account else ""
    return Answers(**words, terminal=terminal)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--yes", action="store_true", help="ask nothing")
    add("--overwrite", action="store_true", help="replace what .env has already")
    add("--no-doctor", action="store_true", help="do not run the doctor afterwards")
    add("--start-paper", action="store_true", help="start paper trading afterwards")
    add("--project", type=Path, default=_ROOT, metavar="DIR", help="default: this repository")
    add = parser.add_argument_group("bridge and account").add_argument
    add("--bridge-url", metavar="URL")
    add("--dialect", choices=("native", "mt5-httpapi"))
    add("--server-timezone", metavar="RULE", help="of the trade server, e.g. Europe/Athens")
    add("--token", metavar="T", help="the bridge's trade token")
    add("--account-kind", choices=KINDS)
    add("--login", type=int, metavar="N", help="the account's number")
    add("--server", metavar="NAME", help="the trade server's name")
    add("--symbol", metavar="S")
    add("--account", metavar="ID", help="an entry of config/accounts.json, made if missing")
    add("--account-type", choices=("standard", "cent"))
    add("--broker", metavar="NAME", help="broker_id of that entry")
    add = parser.add_argument_group("risk").add_argument
    add("--risk", metavar="conservative|balanced|growth")
    add("--prop", metavar="PROFILE", help="of config/prop_rules.json, e.g. ftmo_2step")
    add("--prop-balance", type=float, metavar="MONEY", help="the account's initial balance")
    add("--prop-phase", choices=PHASES)
    add = parser.add_argument_group("beside it").add_argument
    add("--telegram-token", metavar="T")
    add("--telegram-chat", metavar="N")
    add("--supabase-url", metavar="URL")
    add("--supabase-key", metavar="KEY")
    add("--hub", choices=HUBS)
    add("--hub-place", metavar="P", help="folder, bucket or repository")
    add("--hub-endpoint", metavar="URL", help="of an S3 store")
    add("--hub-key-id", metavar="K")
    add("--hub-key", metavar="K")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
