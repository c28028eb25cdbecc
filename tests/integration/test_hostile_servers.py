"""Servers that turn on their host, each as a real child behind a real `mcpguard proxy`.

The lock was made while the server was honest. Each test says every line the host sees; the audit
log must verify and name the reason. fixtures/servers/rogue.py holds the behaviours.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.conftest import Rogue
from tests.integration.host import ask, blocked, call, error, line, result, said
from tests.waiting import PATIENCE

HONEST_TOOLS = ["read_note", "turn", "count"]
CHANGED = (
    "it changed since it was reviewed. See what changed with: mcpguard diff --lock FILE. "
    "Accept it with: mcpguard lock --update -o FILE."
)
TWO = (
    "the server lists two items of this name. "
    "Report it to the server's author, or lock a fixed version."
)
READ = said(1, "text of a", structuredContent={"text": "text of a"})


def read(ident: int | str = 1) -> bytes:
    return call(ident, "read_note", name="a")


def exact(ident: int | str, name: str) -> bytes:
    return error(ident, -32602, f"Unknown tool: {name}")


@dataclass(frozen=True)
class Drift:
    """What the host is told when one thing is not what was locked."""

    behaviour: str
    rule: str
    tools: tuple[str, ...] = ("turn", "count")
    answer: bytes = b""


DRIFTED = blocked(1, "surface.drifted", CHANGED)
DRIFTS = (
    Drift("poison-description", "drifted", answer=DRIFTED),
    Drift("adds-parameter", "drifted", answer=DRIFTED),
    Drift("flips-annotation", "drifted", answer=DRIFTED),
    Drift("changes-output-schema", "drifted", answer=DRIFTED),
    Drift("doubles-tool", "doubled", answer=blocked(1, "surface.doubled", TWO)),
    Drift("hides-tool", "not_listed", answer=exact(1, "read_note")),
    Drift("renames-tool", "not_listed", answer=exact(1, "read_note")),
    Drift("recases-tool", "not_listed", answer=exact(1, "read_note")),
)


@pytest.mark.guarantee("drift:every-field")
@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.behaviour)
def test_a_tool_that_is_not_as_locked_is_invisible_and_uncallable(
    rogue: Rogue, drift: Drift
) -> None:
    place = rogue(drift.behaviour)
    with place.proxy() as session:
        session.start()
        assert session.names() == list(drift.tools)
        assert session.exchange(read(), 1) == drift.answer
        assert session.exchange(call(2, "count"), 2) == said(2, "3")
        assert session.finish() == (0, [])
    assert drift.rule in place.reasons()


@pytest.mark.guarantee("drift:every-field")
@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.behaviour)
def test_a_tool_that_changes_in_mid_session_is_blocked_once_the_server_says_so(
    rogue: Rogue, drift: Drift
) -> None:
    with rogue(drift.behaviour, when="turn").proxy() as session:
        session.start()
        assert session.names() == HONEST_TOOLS
        assert session.exchange(read(), 1) == READ
        assert session.exchange(call(2, "turn"), 2) == said(2, "turned")
        session.wait_for("notifications/tools/list_changed")
        assert session.names(ident="after") == list(drift.tools)
        assert session.exchange(read(), 1) == drift.answer


@pytest.mark.guarantee("drift:every-field")
def test_a_poisoned_description_never_reaches_a_host_that_only_calls(rogue: Rogue) -> None:
    """A host that never lists is protected as well: the proxy lists on its own."""
    with rogue("poison-description").proxy() as session:
        session.start()
        assert session.exchange(read(), 1) == DRIFTED
        assert b"id_rsa" not in b"".join(session.heard)


@pytest.mark.guarantee("surface:only-locked")
def test_a_tool_that_was_never_reviewed_does_not_exist(rogue: Rogue) -> None:
    place = rogue("adds-tool")
    with place.proxy() as session:
        session.start()
        assert session.names() == HONEST_TOOLS
        assert session.exchange(call(1, "exec_shell"), 1) == exact(1, "exec_shell")
        assert session.exchange(read(2), 2) == READ.replace(b'"id":1', b'"id":2')
        assert session.finish() == (0, [])
    assert "not_locked" in place.reasons()


@pytest.mark.guarantee("listing:changed-reverified")
def test_a_locked_tool_that_is_hidden_first_and_served_later_works_from_then_on(
    rogue: Rogue,
) -> None:
    with rogue("hides-tool").proxy() as session:
        session.start()
        assert session.exchange(read(), 1) == exact(1, "read_note")
        assert session.exchange(call(2, "turn"), 2) == said(2, "turned")
        session.wait_for("notifications/tools/list_changed")
        assert session.names() == HONEST_TOOLS
        assert session.exchange(read(), 1) == READ


@pytest.mark.guarantee("handshake:reviewed-facts-shown")
def test_changed_instructions_are_replaced_by_the_locked_ones(rogue: Rogue) -> None:
    place = rogue("changes-instructions")
    with place.proxy() as session:
        assert session.start()["instructions"] == "Read notes by name."
        assert session.names() == HONEST_TOOLS
        assert session.finish() == (0, [])
    assert "drifted" in place.reasons()


OTHER_KINDS = (
    ("text-in-lastmodified", "resources/list", "resources/read", {"uri": "note://one"}),
    ("text-in-size", "resources/list", "resources/read", {"uri": "note://one"}),
    ("poisons-prompt", "prompts/list", "prompts/get", {"name": "summary"}),
    ("poisons-template", "resources/templates/list", "resources/read", {"uri": "note://by-name/x"}),
)


@pytest.mark.guarantee("drift:every-field")
@pytest.mark.parametrize(
    ("behaviour", "listing", "use", "target"), OTHER_KINDS, ids=[row[0] for row in OTHER_KINDS]
)
def test_other_kinds_that_drifted_are_invisible_and_refused(
    rogue: Rogue, behaviour: str, listing: str, use: str, target: dict[str, str]
) -> None:
    place = rogue(behaviour)
    with place.proxy() as session:
        session.start()
        assert session.names(listing) == []
        found = session.exchange(ask(1, use, **target), 1)
        assert found == error(1, -31001, f"Blocked by mcpguard [surface.drifted]: {CHANGED}")
        assert session.finish() == (0, [])
    assert "drifted" in place.reasons()


@pytest.mark.guarantee("lock:volatile-only-when-well-typed")
def test_a_new_date_and_size_are_no_drift_and_the_host_is_given_them(rogue: Rogue) -> None:
    with rogue("moves-date-and-size").proxy() as session:
        session.start()
        [item] = session.body("resources/list")["resources"]
        assert item["size"] == 12
        assert item["annotations"] == {"lastModified": "2025-02-03T04:05:06Z"}


# lists that are not lists


@pytest.mark.guarantee("listing:pages-merged")
def test_a_listing_in_pages_is_given_as_one(rogue: Rogue) -> None:
    with rogue("pages").proxy() as session:
        session.start()
        body = session.body("tools/list")
        assert [item["name"] for item in body["tools"]] == HONEST_TOOLS
        assert "nextCursor" not in body


UNVERIFIED = (
    "the server's list could not be verified. Ask the server for its list again, or restart it."
)


@pytest.mark.guarantee("listing:error-is-not-empty")
@pytest.mark.parametrize("behaviour", ["list-error", "endless-pages"])
def test_a_listing_that_fails_is_an_error_and_allows_nothing(rogue: Rogue, behaviour: str) -> None:
    with rogue(behaviour).proxy() as session:
        session.start()
        found = json.loads(session.exchange(ask(1, "tools/list"), 1))
        assert "error" in found
        assert session.exchange(read(2), 2) == blocked(2, "surface.unverified", UNVERIFIED)


@pytest.mark.guarantee("listing:error-is-not-empty")
def test_things_without_a_name_in_a_list_are_left_out(rogue: Rogue) -> None:
    with rogue("list-of-nonsense").proxy() as session:
        session.start()
        assert session.names() == HONEST_TOOLS
        assert session.exchange(read(), 1) == READ


@pytest.mark.guarantee("pending:deadline")
def test_a_listing_that_never_comes_ends_in_an_error_for_what_waited(rogue: Rogue) -> None:
    with rogue("never-lists").proxy("--timeout", "1") as session:
        session.start()
        assert session.exchange(read(), 1) == error(
            1, -31003, "mcpguard: the server did not answer in 1 s"
        )


# answers


@dataclass(frozen=True)
class Answered:
    """The lines a host sees for one call of read_note, and a reason the audit log must name."""

    behaviour: str
    lines: tuple[bytes, ...]
    reason: str = ""


UNREADABLE = error(
    1,
    -32603,
    "mcpguard: the server's answer could not be read; "
    "the request may have run, do not retry blindly",
)
BIG = (
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a\\ud800b"}],'
    b'"structuredContent":{"text":"t","big":123456789012345678901234567890}}}'
)
FOLDED = blocked(
    1,
    "surface.ambiguous",
    "it has a key 'Type', which a host that folds case takes for another. Do not retry; report it"
    " to the server's author. The tool ran; only its result was withheld.",
)
LINK = said(1, "[mcpguard: a link to a resource that is not in the lockfile was withheld]")
ANSWERS = (
    Answered("answers-twice", (READ,), "unknown_id"),
    Answered("wrong-id", (READ,), "unknown_id"),
    Answered("method-inside-answer", (UNREADABLE,), "envelope"),
    Answered("batched-answer", (UNREADABLE,), "batch"),
    Answered("unversioned-answer", (UNREADABLE,), "envelope"),
    Answered("infinite-number", (UNREADABLE,), "parse"),
    Answered("result-and-error", (READ,)),
    Answered("prints-noise", (READ,), "parse"),
    Answered("stderr-10mb", (READ,)),
    Answered("cancels-nothing", (READ,), "unknown_id"),
    Answered(
        "error-with-text",
        (
            line(id=1, error={"code": -32050, "message": "no such note", "data": {"why": "gone"}})[
                :-1
            ],
        ),
    ),
    Answered(
        "invalid-utf8",
        (
            b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"a\xef\xbf\xbdb"}]}}',
        ),
        "parser_fallback",
    ),
    Answered("big-int-and-surrogate", (BIG,), "parser_fallback"),
    Answered("unlocked-link", (LINK,), "link_not_locked"),
    Answered("folded-key", (FOLDED,), "ambiguous"),
)


@pytest.mark.guarantee("ids:answered-once")
@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: row.behaviour)
def test_one_call_gets_one_answer_whatever_the_server_writes(rogue: Rogue, row: Answered) -> None:
    place = rogue(row.behaviour)
    with place.proxy() as session:
        session.start()
        session.names()
        session.send(read(), ask("fence", "ping"))
        *lines, fence = session.until("fence")
        assert fence == result("fence")
        assert tuple(lines) == row.lines
        assert session.finish() == (0, [])
    assert not row.reason or row.reason in place.reasons()


@pytest.mark.guarantee("framing:line-limit")
def test_an_answer_of_twelve_megabytes_is_replaced_by_an_error_at_once(rogue: Rogue) -> None:
    place = rogue("answers-12mb")
    with place.proxy() as session:
        session.start()
        found = json.loads(session.exchange(read(), 1))
        assert len(session.heard[-1]) < 1000
        assert "error" in found or found["result"]["isError"]
        assert session.exchange(call(2, "count"), 2) == said(2, "3")
        assert session.finish() == (0, [])
    assert "over_long" in place.reasons()


@pytest.mark.guarantee("pending:deadline")
def test_a_call_that_is_never_answered_ends_at_the_deadline(rogue: Rogue) -> None:
    with rogue("never-answers").proxy("--timeout", "1") as session:
        session.start()
        session.names()
        assert session.exchange(read(), 1) == error(
            1, -31003, "mcpguard: the server did not answer in 1 s"
        )
        assert session.exchange(call(2, "count"), 2) == said(2, "3")


@pytest.mark.guarantee("ids:cancel-translated")
def test_an_answer_after_a_cancel_goes_nowhere(rogue: Rogue) -> None:
    place = rogue("answers-after-cancel")
    with place.proxy() as session:
        session.start()
        session.names()
        cancel = line(method="notifications/cancelled", params={"requestId": 1})
        session.send(read(), cancel, ask("fence", "ping"))
        assert session.until("fence") == [result("fence")]
        assert session.finish() == (0, [])


@pytest.mark.guarantee("ids:tokens-translated")
def test_progress_comes_back_under_the_hosts_own_token_and_ends_with_the_call(rogue: Rogue) -> None:
    def update(number: int) -> bytes:
        more = {"progressToken": "mine", "progress": number, "total": 2, "message": "on it"}
        return line(method="notifications/progress", params=more)[:-1]

    with rogue("progress").proxy() as session:
        session.start()
        session.names()
        asked = ask(
            1,
            "tools/call",
            name="read_note",
            arguments={"name": "a"},
            _meta={"progressToken": "mine"},
        )
        session.send(asked, ask("fence", "ping"))
        assert session.until("fence") == [update(1), update(2), READ, result("fence")]


# what it asks of the host


DENIED_ASK = {
    "asks-for-sampling": "sampling",
    "asks-for-roots": "roots",
    "asks-for-elicitation": "elicitation",
}


@pytest.mark.guarantee("requests:denied-unless-locked")
@pytest.mark.parametrize("behaviour", DENIED_ASK)
def test_a_server_may_ask_only_what_the_lock_allows(rogue: Rogue, behaviour: str) -> None:
    place = rogue(behaviour, wary=True)
    with place.proxy() as session:
        session.start()
        session.names()
        session.send(read())
        assert session.until(1) == [said(1, '{"code": -32601, "message": "Method not found"}')]
        assert session.finish() == (0, [])
    assert "request_kind" in place.reasons()


@pytest.mark.guarantee("requests:denied-unless-locked")
@pytest.mark.parametrize("behaviour", DENIED_ASK)
def test_an_allowed_ask_reaches_the_host_under_another_id_and_the_answer_goes_back(
    rogue: Rogue, behaviour: str
) -> None:
    with rogue(behaviour).proxy() as session:
        session.start()
        session.names()
        session.send(read())
        asked = json.loads(session.line() or b"")
        assert asked["method"].startswith(DENIED_ASK[behaviour])
        assert asked["id"] != "ask-1"
        session.send(line(id=asked["id"], result={"roots": [], "fixed": 1}))
        assert session.answer(1) == said(1, '{"fixed": 1, "roots": []}')


@pytest.mark.guarantee("requests:unknown-methods")
def test_a_server_that_asks_for_an_unknown_method_is_told_so(rogue: Rogue) -> None:
    place = rogue("asks-for-nonsense")
    with place.proxy() as session:
        session.start()
        session.names()
        assert session.exchange(read(), 1) == said(
            1, '{"code": -32601, "message": "Method not found"}'
        )
        assert session.finish() == (0, [])
    assert "unknown_method" in place.reasons()


@pytest.mark.guarantee("handshake:unknown-version-stops")
def test_a_server_that_answers_with_an_unknown_protocol_version_ends_the_session(
    rogue: Rogue,
) -> None:
    place = rogue("honest")
    with place.proxy() as session:
        version = "1999-01-01"
        session.send(ask(1, "initialize", protocolVersion=version, capabilities={}, clientInfo={}))
        why = "mcpguard: the server speaks a protocol version mcpguard does not know"
        assert session.answer(1) == error(1, -32603, why)
        assert session.line() is None
        assert session.process.wait(PATIENCE) == 1
    assert "protocol_version" in place.reasons()


# floods and ends


@pytest.mark.guarantee("listing:changed-rate-limited")
def test_a_flood_of_notifications_loses_only_what_may_not_pass(rogue: Rogue) -> None:
    with rogue("floods-notifications").proxy() as session:
        session.start()
        session.names()
        session.send(read())
        *notices, last = session.until(1)
        assert last == READ
        wanted = [
            line(method="notifications/message", params={"level": "info", "data": number})[:-1]
            for number in range(2000)
        ]
        assert notices == wanted


@pytest.mark.guarantee("listing:changed-rate-limited")
def test_a_flood_of_list_changed_is_a_few_for_the_host(rogue: Rogue) -> None:
    with rogue("floods-list-changed").proxy() as session:
        session.start()
        session.names()
        session.send(read())
        lines = session.until(1)
        assert lines[-1] == READ
        code, late = session.finish()
        changed = line(method="notifications/tools/list_changed")[:-1]
        assert set(lines[:-1]) | set(late) <= {changed}
        assert len(lines) + len(late) < 20
        assert code == 0


@pytest.mark.guarantee("pending:server-death-answers")
def test_a_server_that_dies_in_mid_line_fails_what_was_pending_and_gives_its_exit_code(
    rogue: Rogue,
) -> None:
    place = rogue("dies-mid-line")
    with place.proxy() as session:
        session.start()
        session.names()
        session.send(read())
        found = json.loads(session.answer(1))
        assert found["error"]["code"] == -32603
        code, late = session.finish()
        assert (code, late) == (3, [])
    assert "server_gone" in place.reasons()


@pytest.mark.guarantee("stop:under-two-seconds")
def test_a_server_that_ignores_the_end_is_stopped(rogue: Rogue) -> None:
    place = rogue("ignores-eof")
    with place.proxy() as session:
        session.start()
        assert session.exchange(read(), 1) == READ
        assert session.finish() == (0, [])
    assert place.records()


@pytest.mark.guarantee("ids:garbled-answer-answered")
@pytest.mark.parametrize("behaviour", ["deep-answer", "duplicate-keys"])
def test_an_answer_that_cannot_be_read_exactly_still_ends_the_call(
    rogue: Rogue, behaviour: str
) -> None:
    with rogue(behaviour).proxy() as session:
        session.start()
        session.names()
        assert json.loads(session.exchange(read(), 1))["id"] == 1
        assert session.exchange(call(2, "count"), 2) == said(2, "3")


def test_every_behaviour_of_the_rogue_server_is_tested(rogue: Rogue) -> None:
    with rogue("no-such-behaviour").direct() as session:
        assert session.finish() == (1, [])
    names = session.stderr.decode().partition("none of: ")[2].strip().split(", ")
    text = Path(__file__).read_text(encoding="utf-8")
    assert len(names) > 40
    assert [name for name in names if name != "honest" and f'"{name}"' not in text] == []
