"""`status`: what runs, what is blocked, and a session that cannot be asked."""

import os
import sys
from pathlib import Path

import orjson
import pytest

from mcpguard.errors import RefusalError
from mcpguard.model import JsonObject
from tests.unit.cli.sessions import code, run, said, told
from tests.unit.control.desk import Desk, served

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

pytestmark = pytest.mark.usefixtures("data")


def test_status_says_that_nothing_runs_and_that_is_no_failure() -> None:
    result = run("status")
    assert code(result) == 0
    assert result.stdout.splitlines() == [
        "No session runs now; one that has just begun shows in a moment",
        "A host starts its own; which are wrapped: mcpguard hosts",
    ]
    assert told(run("status", "--format", "json")) == {"sessions": [], "kill_switch": []}


def test_status_shows_a_session_as_a_person_asks_for_it(data: Path) -> None:
    with served(data, Desk("ab12cd34", "files")):
        result = run("status")
    assert code(result) == 0
    assert result.stdout == (
        "files: enforce, baseline, since 2026-11-21T20:00:00Z\n"
        f"  session   ab12cd34, process {os.getpid()}\n"
        "  lockfile  /srv/mcp-lock.json sha256:00\n"
        "  caller    local:default, level 1, score 510 (standard)\n"
        "  calls     12 let through, 1 denied\n"
        "  waiting   2 (see: mcpguard approve list)\n"
        "  audit log /srv/audit.jsonl\n"
    )


def test_status_says_what_is_blocked_and_what_enforce_would_have_denied(data: Path) -> None:
    desk = Desk("ab12cd34", "files")
    desk.would_deny = 3
    desk.barred = {"caller": True, "server": True, "tools": ["rm\x1b"]}
    with served(data, desk):
        lines = run("status").stdout.splitlines()
    assert "  calls     12 let through, 1 denied; enforce would have denied 3 of them" in lines
    assert [line for line in lines if line.startswith("  blocked")] == [
        f"  blocked   {what} (see: mcpguard trust blocks)"
        for what in ("the caller", "the server", "tool rm<U+001B>")
    ]


def test_status_of_many_is_one_json_document_and_one_that_fails_is_named_in_it(data: Path) -> None:
    with served(data, Desk("aaaa", "files")), served(data, Desk("bbbb", "mail")):
        result = run("status", "--format", "json", "--stats")
    sessions = orjson.loads(result.stdout)["sessions"]
    assert [(each["session"], each["status"]["mode"]) for each in sessions] == [
        ("aaaa", "enforce"),
        ("bbbb", "enforce"),
    ]
    assert code(result) == 2  # the numbers of a `Desk` are a defect


def test_a_session_that_is_not_there_is_an_error(data: Path) -> None:
    with served(data, Desk("aaaa", "files")):
        result = run("status", "--session", "mail")
    assert (code(result), said(result)[0]) == (2, "no session 'mail' runs")


def test_what_a_session_says_of_itself_cannot_speak_to_the_terminal(data: Path) -> None:
    with served(data, Desk("aaaa", "fi\x1b]0;les\u202e")):
        texts = [run("status").stdout, run("approve", "list").stdout]
        texts += [run("status", "--format", "json").stdout]
    assert [text for text in texts if not text.replace("\n", "").isprintable()] == []


NUMBERS = (
    "  calls: 12",
    "  TOOL               CALLS  DENIED  P50 MS  P95 MS  P99 MS",
    "  read_file          12     1       1.5     2.25    9",
    "  fetch              0      3       -       -       -",
    "  (mcpguard itself)  2              0.125   2.25    9",
)


class Broken(Desk):
    @override
    async def status(self) -> JsonObject:
        raise RefusalError("it is ending")

    @override
    async def stats(self) -> JsonObject:
        took: JsonObject = {"calls": 2, "p50": 1.5, "p95": 2.25, "p99": 9}
        return {
            "calls": 12,
            "by_tool": {
                "read_file": {"calls": 12, "denied": 1},
                "fetch": {"calls": 0, "denied": 3},
            },
            "latency_ms": {"server": {"read_file": took}, "own": {**took, "p50": 0.125}},
        }


def test_a_session_that_cannot_be_asked_is_shown_beside_the_others(data: Path) -> None:
    with served(data, Broken("aaaa", "files")), served(data, Broken("bbbb", "mail")):
        result = run("status", "--stats")
    assert code(result) == 1
    assert result.stdout.splitlines() == [
        "session aaaa: cannot be asked: it is ending",
        *NUMBERS,
        "session bbbb: cannot be asked: it is ending",
        *NUMBERS,
    ]
