"""`mcpguard demo` and `scripts/demo`: what is printed is what the run's own audit log says."""

import os
import subprocess
import sys
import time
from pathlib import Path

from mcpguard.audit.verify import read, verify
from tests.tools import MCPGUARD

ROOT = Path(__file__).parents[2]
WARM_SECONDS = 15
"""What the demo may take once it is set up."""


def run(*argv: str, home: Path) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(home)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_the_demo_blocks_the_rogue_tools_and_tells_it_from_its_verified_log(tmp_path: Path) -> None:
    done = run(str(MCPGUARD), "demo", "--keep", home=tmp_path)
    assert (done.returncode, "\x1b" in done.stdout) == (0, False), done.stderr
    log = Path(done.stderr.strip().rpartition(" ")[2]) / "audit.jsonl"
    report = verify(log)
    assert report.intact
    denied = [record for record in read(log) if record.get("decision") == "deny"]
    assert [(record["method"], record["target"], record["reason"]) for record in denied] == [
        ("tools/list", "read_note", "drifted"),
        ("tools/list", "exec_shell", "not_locked"),
        ("tools/call", "exec_shell", "not_locked"),
        ("tools/call", "read_note", "drifted"),
    ]
    assert done.stdout.count("BLOCKED") == len(denied)
    words = " ".join(done.stdout.split())
    for record in denied:
        assert f"{record['detail']} [{record['rule']}]" in words
    assert f"{report.records} records, verified" in words


def test_scripts_demo_sets_itself_up_and_is_quick_when_warm(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "scripts" / "demo")]
    assert run(*script, home=tmp_path).returncode == 0
    started = time.monotonic()
    done = run(*script, home=tmp_path)
    assert (done.returncode, done.stdout.count("BLOCKED")) == (0, 4)
    assert time.monotonic() - started < WARM_SECONDS
