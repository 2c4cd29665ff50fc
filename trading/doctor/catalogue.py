"""Every check by name: what it looks at, and the fix where it cannot even be made.

`page` makes docs/doctor.md from it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """`looks_at` and `fails` are for the page; `fix` is general, a finding's own is exact."""

    name: str
    looks_at: str
    fails: str
    fix: str


_BRIDGE = "start the bridge, or correct bridge.api_base_url in config.json"
_TERMINAL = "restart the terminal, look at its journal, and ask again"

SUBJECTS: dict[str, tuple[Subject, ...]] = {
    "Bridge and account": (
        Subject("bridge", "whether it answers, and has a terminal behind it",
                "no connection, 404, or no terminal", _BRIDGE),
        Subject("token", "whether it lets us ask and trade", "401, or a token that may only ask",
                "put the bridge's trade token into .env as NOVOSKY_BRIDGE_TOKEN"),
        Subject("connection", "the terminal's link to the broker", "offline", _TERMINAL),
        Subject("algo trading", "Algo Trading, the Python interface, the account's rights",
                "one of them is off", "switch Algo Trading on in the terminal's toolbar"),
        Subject("login", "`bridge.login`, else the journal's pin", "another account is logged in",
                "log the terminal in to the right account, or correct bridge.login"),
        Subject("server", "`bridge.server`, else the journal's pin", "another server",
                "log the terminal in to the right server, or correct bridge.server"),
        Subject("account kind", "`bridge.account_kind`, else the journal's pin",
                "real instead of demo, or the other way round",
                "log in to the other account, or correct bridge.account_kind"),
        Subject("position mode", "hedging or netting, and what the settings need",
                "several positions or additions on a netting account",
                "max_open_positions 1 and ml_active_management.add.enabled false, or a hedging "
                "account"),
        Subject("units", "the account's currency and `account_type` of its entry",
                "a cent account that is said to be none, or the other way round",
                "correct account_type in config/accounts.json"),
    ),
    "Clocks": (
        Subject("clock", "the bridge's clock against this machine's",
                "more than `daemon.max_clock_skew_ms` apart",
                "set the time of the bridge's machine (NTP)"),
        Subject("server time", "the server's zone rule against a fresh quote",
                "quotes are whole quarter hours off", "correct the trade server's time zone rule"),
        Subject("quote age", "age of the quote while the market is open",
                "older than `daemon.max_tick_age_s`",
                "look at the terminal's link to the broker and at Market Watch"),
    ),
    "Symbol": (
        Subject("symbol", "whether the broker has it under that name",
                "unknown name (the broker's own is proposed), or other currencies",
                "name the broker's symbol in bridge.symbol_map"),
        Subject("terms", "digits, ticks, volumes, levels, filling, as they were confirmed",
                "changed since", "look at them, then start with --accept-spec"),
        Subject("trade mode", "whether positions may be opened", "close-only, disabled, one side",
                "wait, ask the broker, or trade another symbol"),
        Subject("filling", "FOK, IOC, RETURN", "neither FOK nor IOC in market execution",
                "ask the broker, or trade the symbol's twin"),
        Subject("tick value", "against contract size and tick size", "more than 5 % off",
                "restart the terminal, look at the symbol's specification"),
        Subject("lots", "smallest, largest, step, and `max_lot`", "`max_lot` below the smallest",
                "raise max_lot"),
    ),
    "A trade now": (
        Subject("quote", "price against the last closed bar", "more than 20 % away",
                "look at bridge.symbol_map and the chart"),
        Subject("stops level", "the broker's least distance against the stops at the present ATR",
                "the stops would be pushed out", "raise the multiples of dynamic_sltp"),
        Subject("smallest lot", "what `risk_percent` pays for at the present equity and ATR",
                "less than the smallest lot, margin or leverage included",
                "a larger deposit or a cent account"),
        Subject("order check", "`order_check` of the smallest order with stops; nothing is sent",
                "any retcode but success", "see the retcode in docs/orders.md"),
        Subject("positions", "our open positions", "one without a stop",
                "set its stop in the terminal, or start the daemon"),
        Subject("history", "whether bars reach as far back as models and gate need",
                "less is there",
                "raise 'max bars in chart' in the terminal, scroll the chart back"),
    ),
    "This machine": (
        Subject("disk", "whether a megabyte can be written into the state folder, and what is left",
                "full, read-only, or less than 0.5 GB",
                "free disk space, or mount the state folder writable"),
        Subject("journal", "whether it is whole, and nobody else holds it",
                "locked by another process, read-only, or damaged",
                "end the program that has it open"),
        Subject("secrets", "mode of `.env`", "readable by others", "chmod 600 .env"),
    ),
    "Models": (
        Subject("signal model", "files, sizes, SHA-256, features, symbol, graph",
                "missing, changed, or made for other features",
                "python train_ml_model.py --ensemble, or pull a release"),
        Subject("position model", "the same, where the manifest lists one", "the same; in use, and "
                "learned from another signal model",
                "python train_ml_model.py --position, or pull a release"),
        Subject("sltp model", "the same, where the manifest lists one", "the same; in use, and "
                "learned from another signal model",
                "python train_ml_model.py --sltp, or pull a release"),
        Subject("risk model", "the same, where the manifest lists one", "the same; in use, and "
                "learned from another signal model",
                "python train_ml_model.py --risk, or pull a release"),
        Subject("truncation", "every feature on the account's own bars, with and without what "
                "came later", "a feature that sees the future",
                "use the program version that the model was made with"),
        Subject("evidence", "the evidence file against models, features and settings, and the "
                "go-live gate", "a real-money account without it opens nothing",
                "python scripts/evidence.py --data FILE, see docs/running.md"),
        Subject("primary exit", "preconditions of `position_as_primary_exit`, where it is on",
                "one is not met", "switch it off until they are"),
    ),
    "Beside it": (
        Subject("telegram", "getMe and getChat", "a token or chat that does not work",
                "see docs/telegram.md"),
        Subject("supabase", "the tables, with the key", "not reachable, refused, no tables",
                "see docs/supabase.md"),
        Subject("news", "the feed's last reading, or the file that is named",
                "too old and the feed does not answer; no calendar that covers today",
                "look at the network and news.url, or name a file in features.calendar"),
        Subject("hub", "the store's current release", "not reachable, refused",
                "look at section hub of ml_config.json"),
        Subject("prop profile", "when the firm's rules were read", "more than 90 days ago",
                "read the firm's page, then set as_of in config/prop_rules.json"),
    ),
}  # fmt: skip

ALL: dict[str, Subject] = {each.name: each for group in SUBJECTS.values() for each in group}


def tables() -> str:
    """The checks as docs/doctor.md has them."""
    lines = []
    for title, group in SUBJECTS.items():
        lines += [f"## {title}", "", "| check | looks at | fails | fix |", "|---|---|---|---|"]
        lines += [f"| `{s.name}` | {s.looks_at} | {s.fails} | {s.fix} |" for s in group]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"
