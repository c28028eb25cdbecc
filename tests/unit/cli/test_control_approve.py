"""`approve`: what is shown before it is signed, by whom, and what is never signed."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mcpguard.approval.statement import Signed, bound, opened, statement_payload
from mcpguard.config.flags import APPROVERS
from mcpguard.control.proof import proven
from mcpguard.errors import UsageError
from mcpguard.identity.keys import approvers, create, open_key, verifier
from mcpguard.model import JsonObject
from tests.unit.cli.sessions import NO_KEY, PHRASE, Signer, code, run, said, told
from tests.unit.control import desk as desks
from tests.unit.control.desk import CALL, KEY, Desk, served

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

pytestmark = pytest.mark.usefixtures("data")


def test_yes_shows_the_call_asks_and_signs_what_was_shown(data: Path) -> None:
    desk, signer = Desk("aaaa", "files"), Signer()
    with served(data, desk, desks.check):
        result = run("approve", "yes", "t1", given="y\n", obj=signer)
    assert (code(result), result.stdout) == (0, "approved: t1 may run once\n")
    assert result.stderr == (
        "tool          delete_file\n"
        "server        files\n"
        "called by     local:default\n"
        "waits because gateway.approve names it\n"
        "lockfile      sha256:00\n"
        "seconds left  42\n"
        "arguments\n"
        "  {\n"
        '    "path": "/data/a\\u001b[2J.txt"\n'
        "  }\n"
        "Let this one call through? [y/N]: y\n"
    )
    statement = {"statement": {"session": "aaaa"}, "key": KEY}
    assert desk.done == [("decide", "t1", True, (KEY,), statement)]
    assert (signer.asked, signer.shown) == (1, [CALL])


@pytest.mark.parametrize("given", ["n\n", "\n", "", "maybe\nno\n"])
def test_without_a_clear_yes_no_passphrase_is_asked_for(data: Path, given: str) -> None:
    desk, signer = Desk(), Signer()
    with served(data, desk, desks.check):
        result = run("approve", "yes", "t1", given=given, obj=signer)
    assert (result.exception is not None, signer.asked, desk.done) == (True, 0, [])


def test_an_input_that_ends_is_nobody_who_could_be_asked(data: Path) -> None:
    with served(data, Desk(), desks.check):
        result = run("approve", "yes", "t1", obj=Signer)
    assert (code(result), said(result)[0]) == (2, "nobody is here to be asked: the input has ended")


def test_yes_without_a_key_says_how_to_make_one(data: Path) -> None:
    desk = Desk()
    with served(data, desk):
        result = run("approve", "yes", "t1", given="y\n")
    assert (code(result), said(result)[1]) == (2, NO_KEY)
    assert desk.done == []


def test_no_needs_no_key_and_can_mean_all_like_it(data: Path) -> None:
    desk = Desk()
    with served(data, desk):
        one = run("approve", "no", "t1")
        rest = run("approve", "no", "t2", "--all-like", "--format", "json")
    assert (code(one), one.stdout) == (0, "denied: t1 of delete_file\n")
    assert told(rest)["result"] == {"refused": 1}
    assert desk.done == [("decide", "t1", False, (), {}), ("refuse_like", "t2")]


def test_list_shows_what_waits_in_all_sessions_or_that_nothing_does(data: Path) -> None:
    empty = Desk("bbbb", "mail")
    empty.waiting.clear()
    assert run("approve", "list").stdout == "No call waits for approval.\n"
    with served(data, Desk("aaaa", "files")), served(data, empty):
        text, document = run("approve", "list"), told(run("approve", "list", "--format", "json"))
    assert text.stdout.splitlines()[:2] == [
        "TICKET  SERVER  TOOL         CALLED BY      TIME LEFT",
        "t1      files   delete_file  local:default  42 s",
    ]
    assert [len(each["waiting"]) for each in document["sessions"]] == [2, 0]


def test_a_ticket_nobody_or_more_than_one_session_has_is_an_error(data: Path) -> None:
    with served(data, Desk("aaaa", "files")), served(data, Desk("bbbb", "mail")):
        absent, twice = run("approve", "show", "t9"), run("approve", "no", "t1")
        named = run("approve", "show", "t1", "--session", "mail", "--format", "json")
    assert (code(absent), code(twice), told(named)["session"]) == (1, 2, "bbbb")
    assert said(absent)[0].startswith("no call waits under 't9':")
    assert said(twice) == ("t1 waits in 2 sessions: aaaa, bbbb", "name one: --session ID")


def test_a_ticket_may_be_typed_in_any_case(data: Path) -> None:
    desk = Desk()
    desk.waiting["K7019Q"] = {**CALL, "ticket": "K7019Q"}
    with served(data, desk):
        assert code(run("approve", "show", "k7o-i9q")) == 0
        assert run("approve", "no", "k7oi9q").stdout == "denied: K7019Q of delete_file\n"
    assert desk.done == [("decide", "K7019Q", False, (), {})]


def test_more_approvers_than_one_are_said(data: Path) -> None:
    class Slow(Desk):
        @override
        async def decide(
            self, ticket: str, yes: bool, approvers: Sequence[str], statement: JsonObject
        ) -> JsonObject:
            return {**await super().decide(ticket, yes, approvers, statement), "missing": 2}

    with served(data, Slow(), desks.check):
        result = run("approve", "yes", "t1", given="y\n", obj=Signer())
    assert result.stdout == "said yes to t1: 2 more approvers have to\n"


LIGHT = 4
"""Work of sealing a key: these tests show nothing about guessing."""


def typed(*phrases: str) -> int:
    """A descriptor that passphrases come from."""
    reader, writer = os.pipe()
    os.write(writer, "".join(each + "\n" for each in phrases).encode())
    os.close(writer)
    return reader


@pytest.mark.guarantee("control:widening-is-signed")
def test_a_real_key_signs_what_was_shown_and_only_with_its_passphrase(data: Path) -> None:
    keys = data / "approvers"
    create(keys, "ana", PHRASE, work=LIGHT)
    verify = verifier(approvers(keys))
    desk = Desk("aaaa", "files")
    words = ("approve", "yes", "t1", "--passphrase-fd")
    with served(data, desk, proven("aaaa", verify)):
        wrong = run(*words, str(typed("not the passphrase at all")), given="y\n")
        assert (code(wrong), desk.done) == (2, [])
        right = run(*words, str(typed(PHRASE)), given="y\n")
        again = run("reload", "--by", "ana", "--passphrase-fd", str(typed(PHRASE)))
    assert (code(right), code(again)) == (0, 0)
    (_, ticket, yes, by, statement), (_, reloaders) = desk.done
    assert isinstance(statement, dict)
    signed = opened(statement)
    assert isinstance(signed, Signed)
    call = [CALL[key] for key in ("principal", "server", "tool", "arguments", "lock")]
    assert signed.statement.binding == bound(*call)  # type: ignore[arg-type]
    assert (signed.statement.session, signed.statement.request) == ("aaaa", "r-0001")
    assert verify(signed.key, statement_payload(signed.statement), signed.signature) == "ana"
    assert (ticket, yes, by, reloaders) == ("t1", True, (signed.key,), (signed.key,))


@pytest.mark.guarantee("control:widening-is-signed")
def test_a_key_that_the_session_does_not_know_signs_nothing(data: Path) -> None:
    create(data / "approvers", "ana", PHRASE, work=LIGHT)
    desk = Desk()
    with served(data, desk, proven("s1", verifier(()))):
        result = run("reload", "--passphrase-fd", str(typed(PHRASE)))
    assert (code(result), desk.done) == (1, [])
    assert "a signature is not that of an approver who counts" in result.stdout


@pytest.mark.parametrize("missing", ["arguments", "life", "request", "principal", "lock"])
def test_what_is_not_shown_whole_is_not_signed(data: Path, missing: str) -> None:
    create(data / "approvers", "ana", PHRASE, work=LIGHT)
    desk = Desk()
    del desk.waiting["t2"]
    desk.waiting["t1"] = {key: value for key, value in CALL.items() if key != missing}
    desk.waiting["t1"].setdefault("principal", None)
    with served(data, desk, desks.check):
        words = ("approve", "yes", "t1", "--passphrase-fd", str(typed(PHRASE)))
        result = run(*words, given="y\n")
    assert (code(result), desk.done) == (2, [])
    assert said(result)[0].endswith("so it is not signed")


@pytest.mark.parametrize(
    ("words", "told"),
    [((), "there is more than one approver"), (("--by", "eve"), "there is no approver 'eve'")],
)
def test_who_signs_is_asked_for_before_a_call_is_shown(
    data: Path, words: tuple[str, ...], told: str
) -> None:
    create(data / APPROVERS, "ana", PHRASE, work=2)
    ana = open_key(data / APPROVERS, "ana", PHRASE)
    create(data / APPROVERS, "bert", PHRASE, ana, work=2)
    with served(data, Desk("ab12cd34", "files")):
        result = run("approve", "yes", "t1", *words, given="y\n")
    assert isinstance(result.exception, UsageError)
    assert result.exception.message.startswith(told)
    assert "read_file" not in result.output
