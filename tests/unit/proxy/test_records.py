"""Whole records and events: what the log and a person are told, to the last field."""

from collections.abc import Mapping

import pytest

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Era,
    Finding,
    ItemKind,
    Json,
    JsonObject,
    Mode,
    Reason,
    RequestKind,
    Severity,
    Side,
    Subject,
    Verdict,
)
from mcpguard.proxy.core import MAX_DROPS, MAX_REPORTED
from mcpguard.wire import exact
from mcpguard.wire.framing import Dropped
from mcpguard.wire.methods import CLIENT_CAPABILITIES
from tests.unit.proxy.play import (
    ENVELOPE,
    LATEST,
    LOCK,
    SURFACE,
    TOOLS,
    Play,
    call,
    called,
    handshake,
    locked,
    modern,
    opened,
    play,
    usual,
    wire,
)

ALL = locked(requests=list(RequestKind))
UP, DOWN = "host>server", "server>host"
TOOLS_CHANGED: JsonObject = {"method": "notifications/tools/list_changed"}


def noted(
    direction: str, method: str, reason: str, detail: str, what: str, *, target: str = ""
) -> JsonObject:
    """A record of a wire rule."""
    return {
        "direction": direction,
        "method": method,
        "target": target,
        "decision": what,
        "stage": "wire",
        "rule": f"wire.{reason}",
        "reason": reason,
        "detail": detail,
    }


def allowed(direction: str, method: str, target: str = "") -> JsonObject:
    """A record of a subject that passed."""
    return {"direction": direction, "method": method, "target": target, "decision": "allow"}


def begun(session: Play) -> Play:
    params: JsonObject = {"protocolVersion": LATEST}
    return session.host({"id": 1, "method": "initialize", "params": params}).forget()


# lines


OVER_LONG = Dropped(b"x", first=True, end=True)
DROPPED = "a line over the limit was dropped"


@pytest.mark.guarantee("audit:one-record-a-decision")
@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (OVER_LONG, "over_long", DROPPED),
        (b" ", "empty_line", "not one JSON object"),
        ({"id": 9, "result": {}}, "unknown_id", "an answer to no request in flight"),
    ],
)
def test_a_line_of_the_server_that_is_no_message_is_recorded_without_a_method(
    line: Mapping[str, object] | bytes | Dropped, reason: str, detail: str
) -> None:
    assert opened().server(line).records == [noted(DOWN, "", reason, detail, "drop")]


@pytest.mark.guarantee("audit:one-record-a-decision")
@pytest.mark.parametrize(
    ("line", "reason", "detail"),
    [
        (OVER_LONG, "over_long", DROPPED),
        (b" ", "empty_line", "not one JSON object in UTF-8"),
        ({"id": 9, "result": {}}, "unknown_id", "an answer to no request"),
    ],
)
def test_a_line_of_the_host_that_is_no_message_is_recorded_without_a_method(
    line: Mapping[str, object] | bytes | Dropped, reason: str, detail: str
) -> None:
    assert opened().host(line).records == [noted(UP, "", reason, detail, "drop")]


def test_a_request_to_a_server_that_ended_is_recorded_as_a_denial() -> None:
    session = opened().closes(Side.SERVER).forget().host(call(1))
    told = noted(UP, "tools/call", "server_gone", "the server ended", "deny", target="free")
    assert session.records == [told]


CANCEL: JsonObject = {"method": "notifications/cancelled", "params": {"requestId": 1}}
REF: JsonObject = {"type": "ref/prompt", "name": "greet"}
COMPLETION: JsonObject = {"ref": REF, "argument": {"name": "who", "value": "x"}}
TWOFOLD = b'{"jsonrpc":"2.0","id":%d,"result":{},"error":{}}' % wire(0)
BROKEN: JsonObject = {"name": "free", "arguments": []}


def awaited() -> Play:
    return opened(ALL, timeout=30.0).host(call(1)).forget()


def full() -> Play:
    return opened(ALL, max_pending=4).host(*map(call, range(4))).forget()


@pytest.mark.guarantee("audit:target")
@pytest.mark.parametrize(
    ("session", "method", "target", "reason"),
    [
        (awaited().after(31.0).ticks(), "tools/call", "free", "timeout"),
        (awaited().closes(Side.SERVER), "tools/call", "free", "server_gone"),
        (full().host(call(9)), "tools/call", "free", "saturated"),
        (awaited().host(call(1, "echo")), "tools/call", "echo", "duplicate_id"),
        (awaited().server(TWOFOLD), "tools/call", "free", "parse"),
        (awaited().host(CANCEL), "notifications/cancelled", "free", "ok"),
        (
            awaited().host(CANCEL).server({"id": wire(0), "result": {}}),
            "tools/call", "free", "late_answer",
        ),
        (awaited().host(CANCEL).after(31.0).ticks(), "tools/call", "free", "timeout"),
        (
            opened(ALL).forget().host({"id": 1, "method": "tools/call", "params": BROKEN}),
            "tools/call", "free", "envelope",
        ),
        (
            opened(ALL).forget().host({"id": 1, "method": "tools/call", "params": {"name": 5}}),
            "tools/call", "", "envelope",
        ),
        (
            full().host({"id": 9, "method": "completion/complete", "params": COMPLETION}),
            "completion/complete", "greet", "saturated",
        ),
        (
            full().host({"id": 9, "method": "resources/read", "params": {"uri": "a:b"}}),
            "resources/read", "a:b", "saturated",
        ),
    ],
)  # fmt: skip
def test_a_record_of_a_known_request_names_what_it_is_about(
    session: Play, method: str, target: str, reason: str
) -> None:
    told = [record for record in session.records if record.get("reason") == reason]
    assert [(record["method"], record["target"]) for record in told] == [(method, target)]


@pytest.mark.guarantee("parse:server-exact")
def test_what_only_the_exact_parser_keeps_is_recorded() -> None:
    session = opened().host(call(1)).forget()
    session.server(exact.dumps_exact({"jsonrpc": "2.0", "id": wire(0), "result": {"n": 2**70}}))
    text = "numbers or characters only the exact parser keeps"
    assert session.records == [
        noted(DOWN, "", "parser_fallback", text, "note"),
        allowed(DOWN, "tools/call", "free"),
    ]


def test_keys_beside_the_envelope_are_recorded() -> None:
    session = opened().host({"id": 1, "method": "ping", "extra": 1})
    assert session.records == [
        noted(UP, "", "dropped_keys", "unknown keys beside the envelope", "note"),
        allowed(UP, "ping"),
    ]


def test_requests_answers_and_notices_without_a_target_are_recorded_without_one() -> None:
    session = opened(ALL).server({"id": "s", "method": "roots/list"})
    session.host({"id": wire(0), "result": {"roots": []}})
    message = "notifications/message"
    session.server({"method": message, "params": {"level": "info", "data": "x"}})
    session.host({"id": 1, "method": "tools/list"})
    assert session.records == [
        allowed(DOWN, "roots/list"),
        allowed(UP, "roots/list"),
        allowed(DOWN, message),
        allowed(UP, "tools/list"),
    ]


def test_notices_that_are_passed_on_are_recorded_without_a_detail() -> None:
    session = opened(ALL).server(TOOLS_CHANGED)
    (announced,) = session.records
    assert (announced["direction"], announced["decision"]) == (DOWN, "allow")
    assert (announced["method"], announced["target"]) == (TOOLS_CHANGED["method"], "")
    assert announced.get("detail", "") == ""
    roots: JsonObject = {"method": "notifications/roots/list_changed"}
    session.forget().host(roots).sends_server(roots)
    assert session.records == [noted(UP, "notifications/roots/list_changed", "ok", "", "allow")]


def test_an_over_long_line_is_recorded_without_a_method() -> None:
    session = opened().host(Dropped(b"x", first=True, end=True))
    session.recorded(method="", target="", decision="drop", reason="over_long").unrecorded()


def test_a_change_that_is_announced_is_recorded() -> None:
    method = "notifications/tools/list_changed"
    record: JsonObject = {"direction": "server>host", "method": method, "target": ""}
    assert opened().server({"method": method}).records[-1] == {**record, "decision": "allow"}


LISTEN: JsonObject = {
    "id": 1,
    "method": "subscriptions/listen",
    "params": {"notifications": {"resourceSubscriptions": ["file:///notes"]}, "_meta": ENVELOPE},
}


@pytest.mark.guarantee("notices:listen-filtered")
def test_every_resource_of_a_subscription_is_recorded_under_the_subscription() -> None:
    session = modern().host(LISTEN)
    method = "subscriptions/listen"
    session.recorded(method=method, target="file:///notes", decision="allow")
    session.recorded(method=method, target="", decision="allow").unrecorded()


# floods


def noise(session: Play, lines: int) -> Play:
    for _ in range(lines):
        session.host(b"")
    return session


def more(lines: int) -> JsonObject:
    return noted(UP, "", "empty_line", f"{lines} more lines were dropped in a second", "note")


@pytest.mark.guarantee("pending:bounded")
def test_what_a_flood_dropped_is_written_down_once_with_the_next_second() -> None:
    session = noise(opened(), MAX_DROPS + 7).forget()
    noise(session.after(0.5), 1).unrecorded()
    noise(session.after(0.5), 1)
    assert session.records[0] == more(8)
    assert len(session.records) == 2
    noise(session.forget(), MAX_DROPS - 1)
    assert len(session.records) == MAX_DROPS - 1
    noise(session.forget(), 1).unrecorded()


@pytest.mark.guarantee("pending:bounded")
@pytest.mark.parametrize("over", [0, 1, 7])
def test_what_a_flood_dropped_is_written_down_once_at_the_end(over: int) -> None:
    session = noise(opened(), MAX_DROPS + over).forget()
    session.closes(Side.HOST).closes(Side.SERVER)
    assert session.records == ([more(over)] if over else [])


@pytest.mark.guarantee("pending:bounded")
def test_lines_after_the_end_of_one_side_are_counted_from_nothing() -> None:
    session = noise(opened(), MAX_DROPS + 7).closes(Side.SERVER).forget()
    noise(session, MAX_DROPS)
    assert len(session.records) == MAX_DROPS
    noise(session.forget(), 1).unrecorded()


@pytest.mark.guarantee("listing:records-bounded")
def test_as_many_new_names_as_are_reported_leave_no_remainder() -> None:
    flood: dict[str, JsonObject] = {
        str(number): {"name": str(number)} for number in range(MAX_REPORTED)
    }
    session = play(LOCK).initialize().lists({**SURFACE, ItemKind.TOOL: {**TOOLS, **flood}})
    assert [record for record in session.records if "more items" in str(record["detail"])] == []
    assert sum(record["reason"] == "not_locked" for record in session.records) == MAX_REPORTED


# events


def listing(*items: JsonObject) -> Play:
    """A session whose server lists these tools, up to the end of its listings."""
    live = {**SURFACE, ItemKind.TOOL: {str(number): item for number, item in enumerate(items)}}
    return play(LOCK).initialize().lists(live)


ECHO, FREE = TOOLS["echo"], TOOLS["free"]


@pytest.mark.parametrize(
    ("items", "name", "why"),
    [
        ([ECHO, FREE, {"name": "exec"}], "item.not_locked", "it is not in the lockfile"),
        (
            [ECHO, FREE, {**FREE, "title": "Other"}],
            "item.doubled",
            "the server lists two items of this name",
        ),
    ],
)
def test_an_item_is_told_with_the_reason_why_it_is_hidden(
    items: list[JsonObject], name: str, why: str
) -> None:
    session = listing(*items)
    assert {event.fields["why"] for event in session.events if event.name == name} == {why}
    reason = name.removeprefix("item.")
    details = {record["detail"] for record in session.records if record["reason"] == reason}
    assert details == {why}


def test_every_change_of_a_drifted_item_is_told_in_one_sentence_each() -> None:
    (event,) = listing(ECHO, {**FREE, "title": "Other", "description": "Else."}).events
    sentences = str(event.fields["why"]).split("; ")
    assert [sentence.partition(" now says: ")[0] for sentence in sentences] == [
        "tool free: description",
        "tool free: title",
    ]


@pytest.mark.parametrize(
    ("mode", "fate"),
    [
        (Mode.ENFORCE, "blocked"),
        (Mode.FILTER_ONLY, "hidden, though filter-only lets it be used"),
        (Mode.AUDIT_ONLY, "let through, as audit-only blocks nothing"),
    ],
)
def test_an_item_that_is_not_locked_is_told_with_its_rule_and_its_fate(
    mode: Mode, fate: str
) -> None:
    name = "n" * 600
    tools: dict[str, JsonObject] = {**TOOLS, name: {"name": name}}
    live = {**SURFACE, ItemKind.TOOL: tools}
    (event,) = play(LOCK, mode).initialize().lists(live).events
    assert (event.name, event.level) == ("item.not_locked", "warning")
    assert event.fields == {
        "kind": "tool",
        "name": name[:512],
        "why": "it is not in the lockfile",
        "rule": "surface.not_locked",
        "fate": fate,
    }


ABLE: JsonObject = {"roots": {}, "sampling": {}, "elicitation": {}}


def test_a_missing_item_is_news_and_no_warning() -> None:
    live = {**SURFACE, ItemKind.TOOL: {"echo": ECHO}}
    (event,) = play(ALL).initialize(able=ABLE).lists(live).events
    assert (event.name, event.level) == ("item.missing", "info")
    assert event.fields == {"kind": "tool", "name": "free"}


@pytest.mark.guarantee("listing:missing-blames-nobody")
@pytest.mark.parametrize(
    ("lock", "able", "unoffered"),
    [
        (LOCK, ABLE, "roots, sampling, elicitation"),
        (ALL, {"roots": {}}, "sampling, elicitation"),
        (locked(requests=[RequestKind.ROOTS]), ABLE, "sampling, elicitation"),
    ],
)
def test_what_is_missing_where_the_server_may_not_ask_for_all_is_one_sentence(
    lock: Lockfile, able: JsonObject, unoffered: str
) -> None:
    session = play(lock).initialize(able=able).lists({**SURFACE, ItemKind.TOOL: {}})
    (event,) = session.events
    assert (event.name, event.level) == ("items.unoffered", "info")
    names = "echo, free"
    assert event.fields == {"kind": "tool", "count": 2, "names": names, "unoffered": unoffered}
    gone = [record["detail"] for record in session.records if record["reason"] == "not_listed"]
    assert gone == ["echo is locked, not listed", "free is locked, not listed"]


def test_a_modern_host_says_in_each_request_what_it_offers() -> None:
    shown = {**ENVELOPE, CLIENT_CAPABILITIES: ABLE}
    asked = {"id": 1, "method": "tools/call", "params": called("free", _meta=shown)}
    lock = locked(era=Era.DUAL, requests=list(RequestKind))
    session = play(lock).host(asked).lists({**SURFACE, ItemKind.TOOL: {"echo": ECHO}})
    assert "item.missing" in [event.name for event in session.events]


# remarks of rules


class Warns:
    """A policy stage whose rules have something to say of everything."""

    def __init__(self, *rules: tuple[str, Severity], verdict: Verdict = ALLOW) -> None:
        found = [
            Finding(f"policy.{name}", how, "", f"careful (rule {name})") for name, how in rules
        ]
        self.verdict = verdict._replace(findings=tuple(found))

    def judge(self, subject: Subject, ctx: Context) -> Verdict:
        return self.verdict if isinstance(subject, Call) and subject.target else ALLOW


@pytest.mark.guarantee("policy:warning-said")
@pytest.mark.parametrize(
    ("verdict", "detail"),
    [
        (ALLOW, "careful (rule w); careful (rule a)"),
        (Verdict.deny(Reason.RULE, "no (rule d)"),
         "no (rule d); careful (rule w); careful (rule a)"),
    ],
)  # fmt: skip
def test_what_a_rule_warns_of_is_recorded_and_told(verdict: Verdict, detail: str) -> None:
    stage = Warns(("w", Severity.MODERATE), ("a", Severity.INFO), verdict=verdict)
    session = play(LOCK, decide=usual(LOCK, policy=stage)).initialize().lists().forget()
    session.host(call(1, "echo", {"text": "x"}))
    assert (session.records[0]["detail"], session.records[0]["findings"]) == (
        detail,
        ["policy.w", "policy.a"],
    )
    warned = [event for event in session.events if event.name == "rule.warned"]
    assert [(each.level, each.fields) for each in warned] == [
        ("warning", {"method": "tools/call", "target": "echo", "what": "tools/call echo",
                     "rule": "policy.w", "detail": "careful (rule w)"}),
    ]  # fmt: skip


def test_an_unknown_version_is_told_as_an_error() -> None:
    session = begun(play(LOCK)).server({"id": wire(0), "result": handshake(protocolVersion="x")})
    assert [(event.name, event.level) for event in session.events] == [("session.version", "error")]


def test_a_log_that_cannot_be_written_is_told_as_an_error_beside_what_else_happened() -> None:
    session = opened(max_pending=1).host(call(1)).forget().unaudited().host(call(2))
    assert [(event.name, event.level) for event in session.events] == [
        ("audit.unwritable", "error"),
        ("request.refused", "warning"),
    ]


def reading(uri: str) -> JsonObject:
    return {"id": 1, "method": "resources/read", "params": {"uri": uri}}


@pytest.mark.parametrize(
    ("denied", "said"),
    [
        (
            call(1, "exec \x1b[2J"),
            {"what": "tools/call 'exec \\x1b[2J'", "target": "exec \x1b[2J",
             "rule": "surface.not_locked", "detail": "it is not in the lockfile"},
        ),
        (
            call(1, "n" * 201),
            {"what": f"tools/call '{'n' * 200}'", "target": "n" * 200},
        ),
        (
            reading("https://me:pw@host/a?token=s#s"),
            {"what": "resources/read 'https://host/a'", "target": "https://host/a"},
        ),
        (
            reading("x:me:pw@host?s"),
            {"what": "resources/read 'x:host'", "target": "x:host"},
        ),
        (
            call(1, "echo", {"text": 4711, "s3cret": 4711}),
            {"what": "tools/call echo", "target": "echo", "rule": "surface.arguments"},
        ),
    ],
    ids=["of-an-unknown-tool", "of-a-long-name", "of-a-uri", "of-another-uri", "of-a-locked-one"],
)  # fmt: skip
def test_a_denied_request_is_told_with_the_name_that_was_asked_for(
    denied: JsonObject, said: JsonObject
) -> None:
    session = opened().host(denied)
    (event,) = session.events
    assert (event.name, event.level) == ("call.denied", "warning")
    assert said.items() <= event.fields.items()
    assert event.fields["method"] == denied["method"]
    params = denied["params"]
    assert isinstance(params, dict)
    assert session.records[-1]["target"] in params.values()
    assert event.fields["detail"]
    assert "4711" not in str(event.fields)


@pytest.mark.guarantee("handshake:reviewed-facts-shown")
@pytest.mark.parametrize(
    ("mode", "decision", "what"),
    [
        (Mode.ENFORCE, "deny", "the reviewed value stands in its place"),
        (Mode.FILTER_ONLY, "deny", "the reviewed value stands in its place"),
        (Mode.AUDIT_ONLY, "would_deny", "it was passed on"),
    ],
)
def test_a_drifted_handshake_is_recorded_with_what_became_of_it(
    mode: Mode, decision: str, what: str
) -> None:
    live = handshake(instructions="Else.")
    session = begun(play(LOCK, mode)).server({"id": wire(0), "result": live})
    detail = f"the server's instructions changed since it was reviewed; {what}"
    assert session.records == [
        noted(DOWN, "instructions", "drifted", detail, decision),
        allowed(DOWN, "initialize"),
    ]


# questions inside a result


@pytest.mark.guarantee("requests:input-required")
@pytest.mark.parametrize(
    ("question", "method"), [(5, ""), ({"method": "m" * 65}, "m" * 64), ({}, "")]
)
def test_a_question_is_recorded_under_the_beginning_of_its_method(
    question: Json, method: str
) -> None:
    session = modern(ALL).host(
        {"id": 1, "method": "tools/call", "params": called("free", _meta=ENVELOPED)}
    )
    result: JsonObject = {"resultType": "input_required", "inputRequests": {"a": question}}
    session.forget().server({"id": wire(0), "result": result})
    (record,) = session.records
    assert (record["method"], record["target"]) == (method, "free")
    assert record["detail"] == "it asks the host for something unknown"


ENVELOPED: JsonObject = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
