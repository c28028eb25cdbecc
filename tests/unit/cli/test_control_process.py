"""The commands as processes of their own, with a session in another one."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from mcpguard.cli import COMMANDS
from mcpguard.cli import main as command_line
from tests.unit.cli.sessions import NO_KEY, ROOT, session
from tests.waiting import PATIENCE

pytestmark = pytest.mark.usefixtures("data")


def mcpguard(*words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    command = (sys.executable, "-m", "mcpguard", *words)
    return subprocess.run(
        command, input=given, env=env, capture_output=True, timeout=PATIENCE, check=False
    )


def test_the_commands_reach_a_session_in_another_process(data: Path) -> None:
    with session(data, "aaaa", "files") as end:
        seen = mcpguard("status", "--format", "json")
        denied = mcpguard("approve", "no", "t1")
        unsigned = mcpguard("approve", "yes", "t2", given=b"y\n")
        killed = mcpguard("kill", "--all")
        done = end()
    assert orjson.loads(seen.stdout)["sessions"][0]["server"] == "files"
    assert (denied.returncode, denied.stdout) == (0, b"denied: t1 of delete_file\n")
    assert (unsigned.returncode, NO_KEY.encode() in unsigned.stderr) == (2, True)
    assert killed.returncode == 0
    assert done == [["decide", "t1", False, [], {}], ["kill", "mcpguard kill"]]
    assert mcpguard("status").stdout.splitlines()[1].startswith(b"No session runs now;")


def test_every_command_of_the_section_ends_with_a_clear_error_when_the_folder_is_a_link(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / "run").symlink_to(data)
    for words in (["status"], ["approve", "list"], ["reload"], ["trust", "budgets"]):
        assert command_line(words) == 2
        captured = capsys.readouterr()
        assert "cannot be used" in captured.err
        assert "  next: it must be a directory of this user and no link" in captured.err
    assert set(COMMANDS) >= {"status", "approve", "kill", "reload"}
