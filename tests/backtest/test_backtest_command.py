"""`backtest_config.py`: every mistake is one line with what to do, and nothing is written."""

from pathlib import Path

import pytest

from backtest.run import main

ERRORS = [
    (["--override", "risk_procent=1"], "risk_procent"),
    (["--override", "risk_percent=two"], "risk_percent"),
    (["--max-lot", "-1"], "max_lot"),
    (["--summary", "no/such/folder/out.json"], "existing folder"),
    (["--symbol", "DOGEUSD"], "DOGEUSD"),
]


@pytest.mark.parametrize(("flags", "words"), ERRORS, ids=[words for _, words in ERRORS])
def test_mistake_is_one_message_and_exit_code_2(
    flags: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main([*flags, "--models", str(tmp_path), "--report", str(tmp_path / "r.html")])
    said = capsys.readouterr()
    assert status == 2
    assert said.err.startswith("error: ")
    assert "Traceback" not in said.err
    assert words in said.err
    assert list(tmp_path.iterdir()) == []


def test_missing_model_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--models", str(tmp_path)]) == 2
    assert "python train_ml_model.py --ensemble" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--from", "yesterday"], ["--nonsense"], ["--max-lot", "big"]])
def test_flag_that_cannot_be_read_is_refused(flags: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(flags)
    assert stopped.value.code == 2
