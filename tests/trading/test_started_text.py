"""What a run says first."""

from trading.session import started_text


def test_run_that_goes_on_says_so_beside_its_market_not_behind_its_last_model() -> None:
    headline = "paper: BTCUSD\nsignal model: a.onnx\nrisk model: absent"
    assert started_text(headline, 0) == headline
    assert started_text(headline, 1234) == (
        "paper: BTCUSD; goes on after 1,234 decided bars\nsignal model: a.onnx\nrisk model: absent"
    )
