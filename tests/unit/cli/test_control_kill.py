"""`kill`: what it ends, what its switch stops, and who turns it off."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.unit.cli.sessions import DOUBT, Signer, code, run, stored, told
from tests.unit.control.desk import Desk, served

pytestmark = pytest.mark.usefixtures("data")


def test_kill_ends_what_runs_and_turns_the_switch_on_until_it_is_off(data: Path) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one), served(data, two):
        result = run("kill", "--all", "--reason", "drill")
    assert (code(result), one.done, two.done) == (0, [("kill", "drill")], [("kill", "drill")])
    assert result.stdout.splitlines() == [
        f"The kill switch is on: {data}/kill",
        (
            "2 running sessions were ended; one that has just begun ends within a second."
            " New ones do not start until: mcpguard kill --off"
        ),
    ]
    assert run("status").stdout.startswith(f"The kill switch is on: {data}/kill ")
    assert (data / "kill").read_text() == "drill\n"
    off = run("kill", "--off")
    assert (code(off), (data / "kill").exists()) == (0, False)
    assert run("kill", "--off").stdout == "The kill switch was not on.\n"


def test_kill_of_a_server_or_a_session_leaves_the_others_alone(data: Path) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one), served(data, two):
        server = run("kill", "--server", "mail", "--format", "json")
        session = run("kill", "--session", "files")
    assert told(server)["switch"] == str(data / "kill.d" / "mail")
    assert ([each[0] for each in one.done], [each[0] for each in two.done]) == (["kill"], ["kill"])
    assert code(session) == 0
    assert [each.name for each in (data / "kill.d").iterdir()] == ["mail"]
    assert "mail (off: mcpguard kill --off --server mail)\n" in run("status").stdout
    still = run("kill", "--off", "--format", "json")
    assert told(still) == {"deleted": None, "still_on": [str(data / "kill.d" / "mail")]}


@pytest.mark.guarantee("control:unknown-names")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mail",), ""),
        (("nosuch",), "  next: if it is misspelt: mcpguard kill --off --server nosuch, and end"),
        (
            ("mial", "--format", "json"),
            "  next: did you mean mail? if it is misspelt: mcpguard kill --off --server mial, and",
        ),
        (
            ("nosuch", "--fleet"),
            "misspelt: mcpguard kill --off --fleet --server nosuch, and end the",
        ),
    ],
)
def test_a_switch_for_what_nothing_here_knows_is_on_and_doubted(
    data: Path, words: tuple[str, ...], told: str
) -> None:
    one, two = Desk("aaaa", "files"), Desk("bbbb", "mail")
    with served(data, one), served(data, two):
        result = run("kill", "--server", *words)
    assert (code(result), [each.name for each in (data / "kill.d").iterdir()]) == (0, [words[0]])
    assert (DOUBT in result.stderr, told in result.stderr) == (bool(told), True)


@pytest.mark.guarantee("control:kill-fleet")
def test_the_fleets_switch_is_in_the_store_and_an_approver_turns_it_off(data: Path) -> None:
    made = run("kill", "--fleet", "--server", "mail", "--reason", "drill")
    assert (code(made), stored(data)) == (0, [("kill", "mail", "drill")])
    assert made.stdout.endswith("mcpguard kill --off --fleet --server mail\n")
    assert (data / "kill.d" / "mail").exists()
    refused = run("kill", "--fleet", "--off", "--server", "mail")
    assert (code(refused), stored(data)) == (2, [("kill", "mail", "drill")])
    off = run("kill", "--fleet", "--off", "--server", "mail", obj=Signer)
    assert (code(off), stored(data), (data / "kill.d" / "mail").exists()) == (0, [], False)
    again = run("kill", "--fleet", "--off", "--server", "mail", obj=Signer)
    assert "of the shared store was not on" in again.stderr


def test_kill_works_though_no_session_can_be_asked(data: Path) -> None:
    (data / "run").symlink_to(data)
    result = run("kill", "--all")
    assert (code(result), (data / "kill").exists()) == (0, True)
    assert "cannot be used" in result.stderr


@pytest.mark.parametrize(
    "words",
    [(), ("--all", "--server", "x"), ("--session", "aaaa"), ("--off", "--session", "aaaa")],
    ids=["nobody-to-ask", "two", "no-such-session", "off-session"],
)
def test_a_kill_that_is_not_clear_kills_nothing(data: Path, words: Sequence[str]) -> None:
    assert code(run("kill", *words)) == 2
    assert not (data / "kill").exists()
