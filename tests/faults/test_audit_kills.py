"""Writers killed at 1,000 random moments, and whole sessions: killing.py says what is compared."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

ROOT = Path(__file__).parents[2]
KILLING = Path(__file__).with_name("killing.py")


def killed(task: str, kills: int) -> dict[str, int]:
    """What was counted. The moments are others in every run; an error names the folder."""
    done = subprocess.run(
        [sys.executable, str(KILLING), task, str(kills)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted: dict[str, int] = orjson.loads(done.stdout)
    assert counted["kills"] == kills
    return counted


@pytest.mark.guarantee("audit:killed-at-any-byte", "audit:one-chain-across-files")
def test_a_thousand_writers_killed_at_random_leave_whole_logs_with_all_they_had_written() -> None:
    counted = killed("writers", 1000)
    assert counted["killed at work"] > 500
    assert counted["records"] > 10 * counted["kills"]


@pytest.mark.guarantee("audit:executed-is-recorded")
def test_no_session_killed_at_random_executed_or_answered_a_call_without_its_record() -> None:
    counted = killed("proxies", 24)
    assert counted["killed at work"] > 8
    assert counted["recorded"] >= counted["executed"] >= counted["answered"] > 0
