"""A shadow in a process of its own, killed (SIGKILL) at any moment: as one that lives."""

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.shadow.stand import Stand, journalled
from tests.trading.paper_runs import BAR_MS, Case, backtest_of
from trading.bridge_process import PROJECT_ROOT
from trading.canonical import deal_line

CHILD = """
import sys
from pathlib import Path
from tests.shadow.conftest import BARS, RULES
from tests.shadow.stand import Stand
from tests.trading.paper_runs import make_case, settings_of

url, dialect, folder, state = sys.argv[1:]
case = make_case(Path(folder), settings_of(**RULES), bars=BARS)
stand = Stand(case, None, url, dialect, Path(folder) / "models")
stand.run(Path(state), bars=BARS, each=lambda count: print(count, flush=True))
"""


@pytest.mark.soak
@pytest.mark.parametrize("stand", ["native", "mt5-httpapi"], indirect=True)
def test_shadow_that_is_killed_at_any_moment_equals_one_that_lives(
    stand: Stand, case: Case, tmp_path: Path
) -> None:
    rng, state, kills = random.Random(7), tmp_path / "state", 0
    (tmp_path / "child").mkdir()
    command = [sys.executable, "-c", CHILD, stand.url, stand.dialect, str(tmp_path / "child"),
               str(state)]  # fmt: skip
    while True:
        with subprocess.Popen(
            command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(rng.randint(1, 4)):
                child.stdout.readline()
            if kills < 8:
                time.sleep(rng.uniform(0.0, 0.06))
                child.kill()
            _, said = child.communicate(timeout=300)
        if child.returncode == 0:
            break
        kills += 1
        assert child.returncode == -9, said
    assert kills == 8
    kept = journalled(state)
    lines, deals = list(kept.decision_lines("BTCUSD")), kept.deals()
    kept.close()
    backtest = backtest_of(case)
    assert lines == list(backtest.lines())
    mine = [deal for deal in deals if deal.symbol]
    theirs = [deal for deal in backtest.deals if deal.symbol][: len(mine)]
    assert len(mine) >= 10
    for one, other in zip(mine, theirs, strict=True):
        assert deal_line(replace(one, magic=0, time_msc=one.time_msc // BAR_MS)) == deal_line(
            replace(other, magic=0, time_msc=other.time_msc // BAR_MS)
        )
