"""Tokens: where they come from, what each opens, and which are refused."""

from pathlib import Path

import pytest

from mt5api.tokens import Scope, TokenError, Tokens, tokens_from

READ, TRADE, ADMIN = "r" * 16, "t" * 16, "a" * 16


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.json"
    path.write_text(f'{{"read": "{READ}", "trade": "{TRADE}"}}', encoding="utf-8")
    path.chmod(0o600)
    return path


def test_each_token_gives_its_rights_and_no_others() -> None:
    tokens = Tokens(READ, TRADE, ADMIN)
    assert tokens.rights(f"Bearer {READ}".encode()) == {Scope.READ}
    assert tokens.rights(f"Bearer {TRADE}".encode()) == {Scope.READ, Scope.TRADE}
    assert tokens.rights(f"Bearer {ADMIN}".encode()) == {Scope.READ, Scope.ADMIN}


@pytest.mark.parametrize("given", [b"", b"Bearer ", b"Bearer x", TRADE.encode(), b"\xff\xfe"])
def test_anything_else_gives_nothing(given: bytes) -> None:
    assert Tokens(trade=TRADE).rights(given) is None


def test_without_tokens_everybody_trades_and_nobody_controls() -> None:
    assert Tokens().rights(b"") == {Scope.READ, Scope.TRADE}


def test_empty_token_of_one_scope_opens_nothing() -> None:
    assert Tokens(read=READ).rights(b"Bearer ") is None


def test_file_is_read_and_the_environment_is_over_it(file: Path) -> None:
    assert tokens_from({}, file) == Tokens(READ, TRADE)
    assert tokens_from({"MT5API_TOKEN": ADMIN}, file) == Tokens(READ, ADMIN)
    assert tokens_from({"MT5API_READ_TOKEN": READ, "MT5API_ADMIN_TOKEN": ADMIN}, None) == Tokens(
        read=READ, admin=ADMIN
    )


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_file_that_others_may_read_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(TokenError, match="chmod 600"):
        tokens_from({}, file)


@pytest.mark.parametrize(
    ("content", "says"),
    [("no json", "is allowed"), ("[]", "is allowed"), ('{"trade": 7}', "is allowed"),
     ('{"write": "x"}', "'write' came")],
)  # fmt: skip
def test_file_that_cannot_be_is_refused(file: Path, content: str, says: str) -> None:
    file.write_text(content, encoding="utf-8")
    with pytest.raises(TokenError, match=says):
        tokens_from({}, file)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenError, match="missing"):
        tokens_from({}, tmp_path / "missing")


def test_same_token_for_two_scopes_is_refused() -> None:
    with pytest.raises(TokenError, match="its own"):
        Tokens(read=READ, trade=READ)


@pytest.mark.parametrize("tokens", [Tokens(), Tokens(read=READ), Tokens(trade="t" * 15),
                                    Tokens(trade=TRADE, admin="a")])  # fmt: skip
def test_live_needs_a_trade_token_and_none_that_can_be_guessed(tokens: Tokens) -> None:
    with pytest.raises(TokenError):
        tokens.require_strong()
    Tokens(trade=TRADE).require_strong()
