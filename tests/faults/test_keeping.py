"""What is kept from a model: a real proxy, a server that brings it, a person beside it."""

import sys
import time
from pathlib import Path

import orjson
import pytest

from tests.faults.approving import PHRASE, Desk, Office
from tests.integration.host import ask, call
from tests.waiting import PATIENCE

SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    answer = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
              "serverInfo": {"name": "files", "version": "1"}}
    if asked["method"] == "tools/list":
        answer = {"tools": [{"name": "echo", "inputSchema": {"type": "object"}}]}
    if asked["method"] == "tools/call":
        text = open(asked["params"]["arguments"]["text"]).read()
        answer = {"content": [{"type": "text", "text": text}]}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer}), flush=True)
"""


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A server that reads any file, locked; an approver; no settings of its own."""
    office = Office(tmp_path)
    (tmp_path / "server.py").write_text(SERVER)
    server = (sys.executable, str(tmp_path / "server.py"))
    office.run("lock", "-o", str(office.lock), "--name", "files", "--", *server)
    office.run("approver", "add", "ana", said=[PHRASE])
    return office


def quarantined(office: Office) -> list[str]:
    return [row["id"] for row in office.json("quarantine", "list")["quarantined"]]


def until_withheld(desk: Desk, text: str) -> str:
    """What the call says once the session knows what was planted."""
    deadline = time.monotonic() + PATIENCE
    while "Blocked" not in (said := desk.says(text)) and time.monotonic() < deadline:
        continue
    return said


def test_a_planted_credential_is_kept_from_the_model_until_a_person_releases_it(
    office: Office,
) -> None:
    path = office.base / "secrets.env"
    with office.proxy() as desk:
        desk.start()
        office.run("canary", "new", "--type", "github", "--into", str(path))
        said = until_withheld(desk, str(path))
        name = quarantined(office)[-1]
        assert f"[scan.quarantined]: it holds a credential; a person can read it as {name}" in said
        assert path.read_text().strip() not in said
        assert path.read_text().strip() in office.run("quarantine", "show", name)
        token = path.read_text().strip().partition("=")[2]
        assert "[gateway.sanitised]" in desk.says(token)
        assert b"a planted credential was in" in desk.host.stderr

        office.run("quarantine", "release", name, "--retry", said=["no no no no no"], code=2)
        assert "Blocked" in desk.says(str(path))
        text = office.signed("quarantine", "release", name, "--retry")
        assert "text and one retry" in office.run("quarantine", "list")
        assert text == path.read_text() + "\n"
        assert desk.says(str(path)) == path.read_text()
        assert "Blocked" in desk.says(str(path))
        for each in quarantined(office):
            office.run("quarantine", "drop", each)
        assert quarantined(office) == []
    (act,) = [one for one in office.events() if one["event"] == "quarantine.release"]
    assert (act["by"], act["admits"], act["name"]) == ("ana", "retry", name)
    log = office.data / "audit" / "files.jsonl"
    office.run("audit", "verify", str(log))
    records = [orjson.loads(each) for each in log.read_bytes().splitlines()]
    withheld = [one for one in records if one.get("rule") == "scan.quarantined"]
    assert withheld
    assert {one["findings"][0] for one in withheld} == {"scan.canary /content/0/text"}
    assert token.encode() not in log.read_bytes()


def test_a_large_result_is_redacted_beside_the_session_and_loses_nothing(office: Office) -> None:
    office.settings("scan: {secrets: redact}\n")
    path = office.base / "large.txt"
    filling = "an ordinary line of an ordinary file\n" * 4_000
    path.write_text(f"{filling}token ghp_{'aB3dE5fG7hJ9' * 3}\n{filling}")
    with office.proxy() as desk:
        desk.start()
        desk.host.send(call(1, "echo", text=str(path)), ask(2, "ping"))
        desk.host.answer(2)
        text = desk.answered(1)
        assert text == f"{filling}token [mcpguard:github-token]\n{filling}"
        desk.host.send(call(3, "echo", text=str(path)))
        code, lines = desk.host.finish()
        assert (code, b"[mcpguard:github-token]" in lines[-1]) == (0, True)
