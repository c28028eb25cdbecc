"""A real session: what it captures stands in its log, and what it does not, nowhere."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from mcpguard.audit.verify import read, verify
from mcpguard.cli import main
from mcpguard.daemon import launch
from mcpguard.evidence.capture import params_hash
from mcpguard.lock import lockfile
from mcpguard.lock.surface import ServerFacts, Surface
from mcpguard.model import Era, ItemKind, JsonObject

ROOT = Path(__file__).parents[3]
SERVER = """
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "initialize":
        r = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
        r["serverInfo"] = {"name": "s", "version": "1"}
    elif m.get("method") == "tools/list":
        r = {"tools": [{"name": n, "inputSchema": {"type": "object"}} for n in ("echo", "quiet")]}
    elif m.get("method") == "tools/call":
        a = m["params"]["arguments"]
        r = {"content": [{"type": "text", "text": json.dumps(a)}]}
        r |= {"isError": True} if "bad" in a else {}
        if "raw" in a:
            e = {"code": -1, "message": "no"}
            print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "error": e}), flush=True)
            continue
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
"""
CLIENT: JsonObject = {"name": "t", "version": "1"}
NAMED: JsonObject = {"name": "s", "version": "1"}
CALLS: list[tuple[str, JsonObject]] = [
    ("echo", {"n": 1.0, "mail": "anna@example.org"}),
    ("echo", {"bad": True}),
    ("echo", {"raw": True}),
    ("quiet", {"n": 2}),
    ("gone", {}),
]
SETTINGS = "audit: {capture: {arguments: ['ech*', gone], results: [echo]}, evidence: on}\n"


def line(number: int, method: str, params: JsonObject) -> bytes:
    told = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return orjson.dumps(told) + b"\n"


class Place:
    def __init__(self, base: Path) -> None:
        self.base = base
        (base / "server.py").write_text(SERVER)
        (base / "mcpguard.yaml").write_text(SETTINGS)
        argv = (sys.executable, str(base / "server.py"))
        facts = ServerFacts(Era.LEGACY, "2025-06-18", NAMED, "", {"tools": {}})
        tools: dict[str, JsonObject] = {
            name: {"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "quiet")
        }
        locked = lockfile.from_surface(
            Surface(facts, {ItemKind.TOOL: tools}),
            name="s",
            launch=launch.describe(argv),
            requests=frozenset(),
        )
        (base / "lock.json").write_bytes(lockfile.render(locked))
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MCPGUARD_DATA_DIR": str(base / "data"),
            "XDG_CONFIG_HOME": str(base / "config"),
        }

    def run(self, *words: str, given: bytes = b"") -> bytes:
        argv = [sys.executable, "-m", "mcpguard", *words]
        done = subprocess.run(
            argv, input=given, env=self.env, cwd=self.base, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def calls(self) -> dict[int, Any]:
        """What the host gets, by id."""
        version: JsonObject = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": CLIENT,
        }
        given = [
            line(0, "initialize", version),
            b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n',
            *(
                line(number, "tools/call", {"name": name, "arguments": arguments})
                for number, (name, arguments) in enumerate(CALLS, 1)
            ),
        ]
        words = ("proxy", "--lock", "lock.json", "--config", "mcpguard.yaml")
        out = self.run(*words, given=b"".join(given))
        return {each["id"]: each for each in map(orjson.loads, out.splitlines())}


@pytest.mark.guarantee("evidence:captured-redacted")
@pytest.mark.guarantee("evidence:derived")
def test_a_session_captures_what_it_is_told_to_and_evidence_is_made_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    for name in ("MCPGUARD_DATA_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, place.env[name])
    answers = place.calls()
    assert "anna@example.org" in str(answers[1])  # the host gets what it always gets
    log = tmp_path / "data" / "audit" / "s.jsonl"
    assert verify(log).problems == ()
    records: list[Any] = [each for each in read(log) if each.get("method") == "tools/call"]
    asked = {each["target"]: each for each in reversed(records) if each["direction"] == _UP}
    shown = {name: each["captured"]["text"] for name, each in asked.items() if "captured" in each}
    assert shown == {"echo": '{"n":1.0,"mail":"[mcpguard:email]"}', "gone": "{}"}
    results = [
        (each["target"], each["captured"]["what"], each["captured"]["text"])
        for each in records
        if each["direction"] != _UP and "captured" in each
    ]
    assert results == [
        (
            "echo",
            "result",
            r'{"content":[{"type":"text","text":"{\"n\": 1.0, \"mail\": \"[mcpguard:email]\"}"}]}',
        ),
        (
            "echo",
            "result",
            '{"content":[{"type":"text","text":"{\\"bad\\": true}"}],"isError":true}',
        ),
        ("echo", "error", '{"code":-1,"message":"no"}'),
    ]
    assert main(["audit", "evidence", str(log)]) == 0
    pieces = [orjson.loads(each) for each in capsys.readouterr().out.splitlines()]
    assert [
        (each["capiscio.target"], each["capiscio.decision"], each["capiscio.tool.params_hash"])
        for each in pieces
    ] == [
        (name, "DENY" if name == "gone" else "ALLOW", params_hash(arguments))
        for name, arguments in CALLS
    ]
    assert {each["capiscio.policy_version"][:7] for each in pieces} == {"sha256:"}


_UP = "host>server"
