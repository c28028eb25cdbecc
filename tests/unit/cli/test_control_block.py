"""Blocks, set and ended: in the store and in running sessions, whichever can be reached."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from mcpguard.config.flags import STATE
from mcpguard.control.operations import nobody_signs
from tests.unit.cli.sessions import DOUBT, Signer, code, run, said, stored, told
from tests.unit.control import desk as desks
from tests.unit.control.desk import KEY, Desk, served

PINNED = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"

pytestmark = pytest.mark.usefixtures("data")


@pytest.mark.guarantee("control:blocks-outlive-sessions")
def test_a_block_holds_though_nothing_runs_and_is_ended_by_an_approver_alone(data: Path) -> None:
    made = run("trust", "block", "tool", "rm/all", "--why", "drill")
    assert (code(made), made.stdout) == (0, "tool rm/all is blocked\n")
    assert stored(data) == [("tool", "rm/all", "drill")]
    again = run("trust", "block", "tool", "rm/all", "--why", "other")
    assert again.stdout == "tool rm/all is blocked, as it was before\n"
    assert "rm/all" in run("trust", "blocks").stdout
    refused = run("trust", "unblock", "tool", "rm/all")
    assert (code(refused), stored(data)) == (2, [("tool", "rm/all", "drill")])
    ended = run("trust", "unblock", "tool", "rm/all", obj=Signer())
    assert (code(ended), ended.stdout) == (0, "tool rm/all is not blocked any more\n")
    assert stored(data) == []
    assert code(run("trust", "unblock", "tool", "rm/all", obj=Signer())) == 1
    assert run("trust", "blocks").stdout == "Nothing is blocked.\n"


@pytest.mark.guarantee("control:blocks-are-literal")
@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("tool", "mcpguard trust policy 'be*' blocked=true"),
        ("server", "block each server"),
        ("principal", "block each principal"),
    ],
)
def test_a_pattern_is_no_name_to_block(data: Path, kind: str, hint: str) -> None:
    result = run("trust", "block", kind, "be*")
    assert (code(result), stored(data)) == (2, [])
    assert "literal" in said(result)[0]
    assert hint in said(result)[1]
    assert "add --literal" in said(result)[1]
    assert code(run("trust", "block", kind, "be*", "--literal")) == 0
    assert stored(data) == [(kind, "be*", "")]


@pytest.mark.guarantee("control:unknown-names")
@pytest.mark.parametrize(
    ("kind", "name", "known"),
    [
        ("tool", "echo", True),
        ("tool", "nosuch", False),
        ("tool", "Echo", False),
        ("server", "files", True),
        ("server", "nosuch", False),
        ("principal", "local:default", True),
        ("principal", PINNED, True),
        ("principal", "nobody", False),
    ],
)
def test_a_block_of_what_nothing_here_knows_is_recorded_and_doubted(
    data: Path, kind: str, name: str, known: bool
) -> None:
    config = data.with_name("config")
    config.mkdir()
    (config / "mcpguard.yaml").write_text(
        f'tools: {{echo: {{min_trust: 300}}}}\nprincipals: {{"{PINNED}": {{blocked: true}}}}\n'
    )
    with served(data, Desk("aaaa", "files")):
        result = run("trust", "block", kind, name)
    assert (code(result), stored(data)) == (0, [(kind, name, "")])
    assert (DOUBT in result.stderr) is not known
    assert (f"mcpguard trust unblock {kind} {name}" in result.stderr) is not known


def test_sessions_are_told_of_a_block_before_a_store_that_others_hold(data: Path) -> None:
    run("trust", "block", "tool", "first")
    desk = Desk()
    with served(data, desk), closing(sqlite3.connect(data / STATE)) as other:
        other.execute("BEGIN EXCLUSIVE")
        result = run("trust", "block", "tool", "rm")
    assert (code(result), desk.done) == (2, [("block", "tool", "rm", "")])
    wrong, following = said(result)[-2:]
    assert "another process holds the store" in wrong
    assert wrong.endswith("not blocked for sessions that start later; running sessions told: 1")
    assert "end the process that has the file open" in following


def test_running_sessions_are_told_of_a_block_and_of_its_end(data: Path) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one, desks.check), served(data, two, desks.check):
        made = run("trust", "block", "principal", "local:default", "--format", "json")
        two.blocked.clear()
        ended = run("trust", "unblock", "principal", "local:default", obj=Signer())
    assert (len(told(made)["sessions"]), one.done[0][0], two.done[0][0]) == (2, "block", "block")
    assert (code(ended), stored(data)) == (0, [])
    assert one.done[1] == ("unblock", "principal", "local:default", (KEY,))


@pytest.mark.guarantee("control:blocks-outlive-sessions")
def test_a_session_that_refuses_the_signature_keeps_the_block_in_the_store(data: Path) -> None:
    run("trust", "block", "server", "files")
    with served(data, Desk(), nobody_signs):
        result = run("trust", "unblock", "server", "files", obj=Signer())
    assert (code(result), stored(data)) == (1, [("server", "files", "")])


@pytest.mark.parametrize("words", [("everything", "x"), ("tool", ""), ("tool", "a\x1b")])
def test_what_cannot_be_blocked_is_an_error(data: Path, words: Sequence[str]) -> None:
    assert code(run("trust", "block", *words)) == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("store: {backend: memory}", "the settings keep all state in memory"),
        ("store: {backend: sqlite, where: /proc/none/state.db}", "/proc/none"),
        ("stor: {}", "unknown key `stor`"),
    ],
)
def test_running_sessions_are_told_of_a_block_though_the_store_cannot_take_it(
    data: Path, settings: str, message: str
) -> None:
    config = data.with_name("config")
    config.mkdir()
    (config / "mcpguard.yaml").write_text(f"{settings}\n")
    desk = Desk()
    with served(data, desk):
        result = run("trust", "block", "tool", "rm")
    assert (code(result), desk.done) == (2, [("block", "tool", "rm", "")])
    assert message in said(result)[0]
    assert said(result)[0].endswith("; running sessions told: 1")
    assert code(run("trust", "blocks")) == 2


def test_the_blocks_are_in_the_store_that_the_settings_name(data: Path) -> None:
    config, place = data.with_name("config"), data.with_name("elsewhere") / "other.db"
    config.mkdir()
    (config / "mcpguard.yaml").write_text(f"store: {{where: {place}}}\n")
    assert code(run("trust", "block", "tool", "rm")) == 0
    assert (place.exists(), (data / STATE).exists()) == (True, False)


def test_a_block_is_stored_though_no_session_can_be_told(data: Path) -> None:
    (data / "run").symlink_to(data)
    assert code(run("trust", "block", "tool", "rm")) == 2
    assert stored(data) == [("tool", "rm", "")]
