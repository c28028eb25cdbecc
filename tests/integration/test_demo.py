"""`mcpguard demo` and `scripts/demo`: what is printed is what the run's own audit log says."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcpguard.audit.verify import read, verify
from mcpguard.cli.demo import DemoError, Host, refuse_collectors
from mcpguard.config.files import Places
from tests.tools import MCPGUARD
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
WARM_SECONDS = 15
"""What the demo may take once it is set up."""


HOSTILE = """\
mode: audit-only
gateway: {approve: [read_*], deny: [write_note]}
tools: {"*": {required_capabilities: ["files:read"]}}
audit:
  sinks: [{name: collector, to: "file://%s", format: ocsf}]
"""
"""Settings of a user under which the demo would wait for a person, and tell a collector."""


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


def test_the_demo_is_the_same_under_any_settings_of_the_user_and_tells_no_collector(
    tmp_path: Path,
) -> None:
    stolen = tmp_path / "collector.jsonl"
    for folder in (tmp_path / ".config" / "mcpguard", tmp_path):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "mcpguard.yaml").write_text(HOSTILE % stolen)
    checked = run(str(MCPGUARD), "config", "validate", home=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = run(str(MCPGUARD), "demo", home=tmp_path)
    assert (done.returncode, done.stdout.count("BLOCKED")) == (0, 4), done.stderr
    assert not stolen.exists()


def test_a_demo_under_an_administrators_collector_is_refused(tmp_path: Path) -> None:
    system = tmp_path / "system.yaml"
    where = Places(tmp_path / "none.yaml", system)
    refuse_collectors(where)
    system.write_text(f'audit: {{sinks: [{{name: a, to: "file://{tmp_path}/a", format: ocsf}}]}}\n')
    with pytest.raises(DemoError, match="every record delivered") as caught:
        refuse_collectors(where)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import time; time.sleep(600)", r"did not answer within 0\.2 s"),
        ("", "ended in the middle"),
    ],
    ids=["silent", "gone"],
)
def test_a_proxy_that_does_not_answer_ends_the_demo_with_a_next_step(
    program: str, said: str
) -> None:
    host = Host([sys.executable, "-c", program], os.environ, 0.2 if program else PATIENCE)
    with pytest.raises(DemoError, match=said) as caught:
        host.ask("initialize")
    host.close()
    assert caught.value.hint


def test_scripts_demo_sets_itself_up_and_is_quick_when_warm(tmp_path: Path) -> None:
    script = [sys.executable, str(ROOT / "scripts" / "demo")]
    assert run(*script, home=tmp_path).returncode == 0
    started = time.monotonic()
    done = run(*script, home=tmp_path)
    assert (done.returncode, done.stdout.count("BLOCKED")) == (0, 4)
    assert time.monotonic() - started < WARM_SECONDS
