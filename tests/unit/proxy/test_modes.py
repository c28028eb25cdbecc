"""What a denial does: the three modes, the two styles, rewrites, and what nobody can decide."""

from collections.abc import Callable

import pytest

from mcpguard.daemon.log import sentence
from mcpguard.model import (
    Answer,
    Call,
    Context,
    Decision,
    Definition,
    ItemKind,
    Json,
    JsonObject,
    Mode,
    Notice,
    Reason,
    RequestKind,
    Result,
    ServerRequest,
    Side,
    Subject,
    Wait,
)
from mcpguard.pipeline import Decide
from mcpguard.proxy.core import BLOCKS
from mcpguard.wire.framing import MAX_LINE, Dropped
from tests.unit.proxy.play import (
    ENVELOPE,
    LOCK,
    SURFACE,
    TOOLS,
    DenyStyle,
    Play,
    blocked,
    call,
    line,
    locked,
    modern,
    opened,
    play,
    refused,
    usual,
    wire,
)

ENFORCE, FILTER, AUDIT = Mode.ENFORCE, Mode.FILTER_ONLY, Mode.AUDIT_ONLY
MISSING: JsonObject = {"deep": {"inner": 5}}
ARGUMENTS = (
    "Blocked by mcpguard [surface.arguments]: the arguments: missing 'text'. "
    "Change the arguments to fit the reviewed input schema."
)
ELSEWHERE = (
    "Blocked by mcpguard [surface.link_not_locked]: the answer is about a resource that is not in "
    "the lockfile. Do not retry; add the resource with: mcpguard lock --update -o FILE."
)
READ: JsonObject = {"id": 1, "method": "resources/read", "params": {"uri": "file:///notes"}}
CONTENTS: JsonObject = {"contents": [{"uri": "file:///secret", "text": "x"}]}
UPDATED: JsonObject = {
    "method": "notifications/resources/updated",
    "params": {"uri": "file:///secret"},
}
ROOTS: JsonObject = {"id": 1, "method": "roots/list"}


@pytest.mark.guarantee("modes:one-table")
def test_the_table_of_modes() -> None:
    assert {mode: sorted(kinds) for mode, kinds in BLOCKS.items()} == {
        ENFORCE: ["answer", "call", "definition", "notice", "result", "server_request"],
        FILTER: ["definition"],
        AUDIT: [],
    }


@pytest.mark.guarantee("modes:one-table")
def test_enforce_blocks_everything() -> None:
    session = opened().host(call(1, "exec")).sends_host(refused(1, -32602, "Unknown tool: exec"))
    session.recorded(decision="deny", rule="surface.not_locked").told("call.denied")
    session.host(call(1, "echo", MISSING)).sends_host(blocked(1, ARGUMENTS))
    session.recorded(decision="deny", rule="surface.arguments")
    session.host(READ).forget().server({"id": wire(2), "result": CONTENTS})
    session.sends_host(refused(1, -31001, ELSEWHERE))
    session.server(ROOTS).sends_server(refused(1, -32601, "Method not found"))
    session.server(UPDATED).quiet().idle()


@pytest.mark.guarantee("modes:one-table")
@pytest.mark.parametrize("mode", [FILTER, AUDIT])
def test_the_other_modes_let_calls_pass_and_record_what_would_have_been_denied(mode: Mode) -> None:
    session = opened(mode=mode).host(call(1, "exec")).sends_server(call(wire(0), "exec"))
    session.recorded(decision="would_deny", rule="surface.not_locked", reason="not_locked")
    session.host(call(2, "echo", MISSING)).sends_server(call(wire(1), "echo", MISSING))
    session.recorded(decision="would_deny", rule="surface.arguments")
    session.host({**READ, "id": 3}).forget().server({"id": wire(2), "result": CONTENTS})
    session.sends_host({"id": 3, "result": CONTENTS})
    session.recorded(decision="would_deny", rule="surface.link_not_locked")
    session.server(ROOTS).sends_host({**ROOTS, "id": wire(3)})
    session.recorded(decision="would_deny", rule="surface.request_kind")
    session.server(UPDATED).sends_host(UPDATED)
    session.recorded(decision="would_deny", method="notifications/resources/updated").quiet()


@pytest.mark.guarantee("modes:one-table")
@pytest.mark.parametrize(("mode", "shown"), [(ENFORCE, False), (FILTER, False), (AUDIT, True)])
def test_definitions_are_filtered_unless_the_mode_only_watches(mode: Mode, shown: bool) -> None:
    rogue: JsonObject = {"name": "exec"}
    session = opened(mode=mode).host({"id": 1, "method": "tools/list"}).forget()
    session.server({"id": wire(1), "result": {"tools": [rogue]}})
    session.sends_host({"id": 1, "result": {"tools": [rogue] if shown else []}})
    session.recorded(decision="would_deny" if shown else "deny", target="exec")


HIDDEN = "hidden, though filter-only lets it be used"
PASSED_ON = "let through, as audit-only blocks nothing"
NAMELESS: JsonObject = {"title": "nobody"}


@pytest.mark.guarantee("modes:told-as-they-are")
@pytest.mark.parametrize(
    ("mode", "fate", "nameless"),
    [
        (ENFORCE, "blocked", "deny"),
        (FILTER, HIDDEN, "deny"),
        (AUDIT, PASSED_ON, "would_deny"),
    ],
)
def test_what_is_said_of_an_item_is_what_becomes_of_it(
    mode: Mode, fate: str, nameless: str
) -> None:
    told = {**TOOLS["free"], "title": "New"}
    twice = TOOLS["echo"]
    listed: list[Json] = [told, {"name": "exec"}, twice, twice, NAMELESS]
    session = opened(mode=mode).host({"id": 1, "method": "tools/list"}).forget()
    session.server({"id": wire(1), "result": {"tools": listed}})
    session.recorded(decision=nameless, detail="1 items without a name")
    said = {event.name: event.fields for event in session.events}
    for name in ("item.drifted", "item.not_locked", "item.doubled"):
        assert f" is {fate}" in sentence(name, said[name])
    blocks = mode is ENFORCE
    session.forget().host(call(2, "exec"))
    assert [bool(session.sends[side]) for side in (Side.HOST, Side.SERVER)] == [blocks, not blocks]


@pytest.mark.guarantee("modes:told-as-they-are")
@pytest.mark.parametrize(
    ("mode", "first", "later"),
    [
        (ENFORCE, "stay blocked", "stay as they were verified before"),
        (FILTER, *["are not listed, though filter-only lets them be used"] * 2),
        (AUDIT, *["are not listed, though audit-only lets them be used"] * 2),
    ],
)
def test_what_is_said_of_a_list_that_cannot_be_verified_is_what_becomes_of_its_items(
    mode: Mode, first: str, later: str
) -> None:
    def fates(session: Play) -> list[str]:
        said = [each.fields for each in session.events if each.name == "listing.failed"]
        return [str(each["fate"]) for each in said if each["kind"] == "tools"]

    failed: JsonObject = {"error": {"code": -32000, "message": "busy"}}
    session = play(LOCK, mode=mode).initialize().server({"id": wire(4), **failed})
    assert fates(session) == [first]
    session = opened(mode=mode).host({"id": 1, "method": "tools/list"}).forget()
    session.server({"id": wire(1), **failed})
    assert fates(session) == [later]
    session.forget().host(call(2, "free"))
    session.sends_server(call(wire(2), "free"))


@pytest.mark.guarantee("modes:wire-rules-always-hold")
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', "bad_id"),
        (b'{"jsonrpc":"2.0","method":"no/such"}', "unknown_method"),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', "unknown_id"),
        (b"[]", "batch"),
        (b"noise", "parse"),
        (b"", "empty_line"),
        (Dropped(b"x", first=True, end=True), "over_long"),
    ],
)
def test_in_every_mode_a_line_that_breaks_a_wire_rule_goes_nowhere(
    mode: Mode, line: bytes | Dropped, reason: str
) -> None:
    opened(mode=mode).host(line).drops(reason).server(line).drops(reason).idle()


@pytest.mark.guarantee("modes:wire-rules-always-hold")
@pytest.mark.parametrize("mode", Mode)
def test_in_every_mode_the_server_sees_no_id_of_the_host_and_none_twice(mode: Mode) -> None:
    session = opened(mode=mode).host(call(7)).sends_server(call(wire(0)))
    session.host(call(7)).drops("duplicate_id")


# denials


def drifted(style: DenyStyle = DenyStyle.RESULT) -> Play:
    live = {**SURFACE, ItemKind.TOOL: {**TOOLS, "free": {**TOOLS["free"], "title": "New"}}}
    return opened(live=live, deny_style=style)


DRIFTED = (
    "Blocked by mcpguard [surface.drifted]: it changed since it was reviewed. See what changed "
    "with: mcpguard diff --lock FILE. Accept it with: mcpguard lock --update -o FILE."
)


@pytest.mark.guarantee("denial:model-reads-it")
def test_a_denial_of_a_locked_tool_is_a_result_that_the_model_reads() -> None:
    drifted().host(call(1)).sends_host(blocked(1, DRIFTED)).quiet()
    result: JsonObject = {
        "content": [{"type": "text", "text": ARGUMENTS}],
        "isError": True,
        "resultType": "complete",
    }
    request = call(1, "echo", {}, _meta=ENVELOPE)
    modern().host(request).sends_host({"id": 1, "result": result}).quiet()


@pytest.mark.guarantee("denial:model-reads-it")
def test_the_jsonrpc_style_answers_with_an_error() -> None:
    session = (
        drifted(DenyStyle.JSONRPC).host(call(1)).sends_host(refused(1, -31001, DRIFTED)).quiet()
    )
    session.host(call(2, "exec")).sends_host(refused(2, -32602, "Unknown tool: exec")).quiet()
    session.host(call(3, "echo", {"text": "x"}, _meta=ENVELOPE)).forget()
    session.server(
        {"id": wire(2), "result": {"resultType": "input_required", "inputRequests": {"a": ROOTS}}}
    )
    sentence = (
        "Blocked by mcpguard [surface.request_kind]: the lockfile does not let this server ask for "
        "roots. Allow it with: mcpguard lock --update -o FILE --allow-request KIND. "
        "The tool ran; only its result was withheld."
    )
    session.sends_host(refused(3, -31001, sentence)).quiet()


@pytest.mark.guarantee("denial:as-if-absent")
def test_what_is_not_locked_is_answered_like_what_never_was() -> None:
    hidden = opened(locked({**SURFACE, ItemKind.TOOL: {"echo": TOOLS["echo"]}}), live=SURFACE)
    absent = opened(live={**SURFACE, ItemKind.TOOL: {"echo": TOOLS["echo"]}})
    for session in (hidden, absent):
        session.host(call(1)).sends_host(refused(1, -32602, "Unknown tool: free")).quiet()


@pytest.mark.guarantee("denial:no-values-echoed")
def test_a_denial_repeats_no_argument() -> None:
    secret = "hunter2"
    session = opened().host(call(1, "echo", {"text": {secret: secret}}))
    (answer,) = session.sends[next(iter(session.sends))]
    assert secret.encode() not in answer
    assert all(secret not in str(record.get("detail")) for record in session.records)


@pytest.mark.guarantee("audit:one-record-a-decision")
def test_a_record_says_who_asked_for_what_and_why_not() -> None:
    session = drifted().host(call(1, arguments={"a": 1}))
    assert session.records == [
        {
            "direction": "host>server",
            "method": "tools/call",
            "target": "free",
            "decision": "deny",
            "stage": "surface",
            "rule": "surface.drifted",
            "reason": "drifted",
            "detail": "it changed since it was reviewed",
            "args": b'{"a":1}',
        }
    ]
    session.forget().host(call(1, "x" * 600))
    assert session.records[0]["target"] == "x" * 512
    session.forget().host(call(2, "echo", {"text": "x"}))
    assert session.records == [
        {
            "direction": "host>server",
            "method": "tools/call",
            "target": "echo",
            "decision": "allow",
            "args": b'{"text":"x"}',
        }
    ]
    session.forget().server({"id": wire(2), "result": {"structuredContent": {}}})
    assert session.records == [
        {
            "direction": "server>host",
            "method": "tools/call",
            "target": "echo",
            "decision": "allow",
        }
    ]


# other pipelines


def answering(kind: type[Subject], answer: Callable[[Subject], Decision | Wait]) -> Decide:
    """The pipeline, but subjects of one kind get another answer."""
    pipeline = usual(locked(requests=list(RequestKind)))

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        return answer(subject) if isinstance(subject, kind) else pipeline(subject, ctx)

    return decide


def denied(subject: Subject) -> Decision:
    return Decision(False, subject, "scan", Reason.ARGUMENTS, "it says too much")


SCANNED = (
    "Blocked by mcpguard [scan.arguments]: it says too much. "
    "Change the arguments to fit the reviewed input schema."
)
ALL = locked(requests=list(RequestKind))


@pytest.mark.guarantee("pipeline:deny-unless-permit")
def test_an_initialize_that_was_denied_may_be_sent_again() -> None:
    session = Play(ALL, decide=answering(Call, denied))
    request: JsonObject = {"id": 1, "method": "initialize", "params": {"capabilities": {}}}
    for _ in range(2):
        session.host(request).sends_host(refused(1, -31001, SCANNED)).quiet().idle()


@pytest.mark.guarantee("modes:one-table")
@pytest.mark.parametrize("method", ["tools/list", "ping", "tasks/list"])
def test_a_request_without_a_target_is_judged_too(method: str) -> None:
    pipeline = usual(ALL)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        refuses = isinstance(subject, Call) and subject.method == method
        return denied(subject) if refuses else pipeline(subject, ctx)

    session = opened(ALL, decide=decide).host({"id": 1, "method": method})
    session.sends_host(refused(1, -31001, SCANNED)).quiet().idle()
    session.recorded(decision="deny", rule="scan.arguments", method=method)


def test_without_a_lockfile_no_item_is_known() -> None:
    states: list[Reason] = []

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        states.append(ctx.session.item_state(ItemKind.TOOL, "free"))
        return Decision(True, subject)

    Play(None, AUDIT, decide=decide).host(call(1))
    assert states == [Reason.NO_LOCK]


@pytest.mark.guarantee("requests:answers-judged")
def test_an_answer_of_the_host_may_be_withheld_from_the_server() -> None:
    session = opened(ALL, decide=answering(Answer, denied)).server(ROOTS).forget()
    session.host({"id": wire(0), "result": {"roots": []}})
    session.sends_server(refused(1, -32603, "the answer was withheld")).quiet().idle()
    session.recorded(decision="deny", rule="scan.arguments", direction="host>server")
    watching = opened(ALL, FILTER, answering(Answer, denied)).server(ROOTS).forget()
    watching.host({"id": wire(0), "result": {"roots": []}})
    watching.sends_server({"id": 1, "result": {"roots": []}})


@pytest.mark.guarantee("requests:answers-judged")
@pytest.mark.parametrize("mode", [ENFORCE, AUDIT])
def test_answers_inside_a_repeated_request_are_judged(mode: Mode) -> None:
    session = opened(ALL, mode, answering(Answer, denied)).host(call(1, _meta=ENVELOPE)).forget()
    asked: JsonObject = {"resultType": "input_required", "inputRequests": {"r": ROOTS}}
    session.server({"id": wire(0), "result": asked}).forget()
    given: JsonObject = {"r": {"roots": []}}
    session.host(call(2, inputResponses=given, _meta=ENVELOPE))
    if mode is ENFORCE:
        content: list[Json] = [{"type": "text", "text": SCANNED}]
        result: JsonObject = {"content": content, "isError": True, "resultType": "complete"}
        session.sends_host({"id": 2, "result": result}).quiet()
    else:
        session.sends_server(call(wire(1), inputResponses=given, _meta=ENVELOPE)).quiet()
        session.recorded(decision="would_deny", rule="scan.arguments")


@pytest.mark.guarantee("denial:results-withheld")
def test_a_denied_result_says_that_the_tool_ran() -> None:
    session = opened(ALL, decide=answering(Result, denied))
    session.host(call(1), {"id": 2, "method": "ping"}).forget()
    session.server({"id": wire(0), "result": {"content": []}})
    session.sends_host(blocked(1, SCANNED + " The tool ran; only its result was withheld."))
    session.told("result.withheld", method="tools/call", rule="scan.arguments")
    session.server({"id": wire(1), "error": {"code": 1, "message": "text"}})
    session.sends_host(refused(2, -31001, SCANNED)).quiet().idle()
    session.told("result.withheld", method="ping", rule="scan.arguments")


@pytest.mark.guarantee("notices:known-only")
def test_a_denied_notification_is_dropped() -> None:
    message: JsonObject = {"method": "notifications/message", "params": {"data": "text"}}
    session = opened(ALL, decide=answering(Notice, denied)).server(message).quiet()
    session.recorded(decision="deny", method="notifications/message")


@pytest.mark.guarantee("denial:results-withheld")
def test_a_servers_error_for_a_list_is_judged_like_any_other() -> None:
    session = opened(ALL, decide=answering(Result, denied))
    session.host({"id": 1, "method": "tools/list"}).forget()
    session.server({"id": wire(1), "error": {"code": -32000, "message": "text"}})
    session.sends_host(refused(1, -31001, SCANNED)).quiet().idle()
    session.recorded(decision="deny", method="tools/list", rule="scan.arguments")


@pytest.mark.guarantee("notices:known-only")
def test_a_denied_list_changed_is_dropped_and_the_list_looked_at_all_the_same() -> None:
    method = "notifications/tools/list_changed"
    session = opened(ALL, decide=answering(Notice, denied)).server({"method": method})
    session.recorded(decision="deny", method=method)
    session.sends_server({"id": wire(0), "method": "tools/list"})
    tools: list[Json] = [*SURFACE[ItemKind.TOOL].values()]
    session.server({"id": wire(0), "result": {"tools": tools}}).quiet()


def rewriting(subject: Subject) -> Decision:
    """Every text `secret` becomes stars."""
    stars: JsonObject = {"x": "***"}
    new: Subject = subject
    match subject:
        case Call():
            new = subject._replace(arguments=stars)
        case Result() | Answer():
            new = subject._replace(body=stars)
        case ServerRequest() | Notice():
            new = subject._replace(params=stars)
        case Definition():
            new = subject
    return Decision(True, new)


@pytest.mark.guarantee("pipeline:rewrites-are-sent")
def test_what_was_rewritten_is_what_is_sent() -> None:
    stars: JsonObject = {"x": "***"}
    session = opened(ALL, decide=answering(Call, rewriting))
    session.host(call(1, arguments={"x": "secret"})).sends_server(call(wire(0), arguments=stars))
    assert session.arguments() == b'{"x":"***"}'
    session = opened(ALL, decide=answering(Result, rewriting)).host(call(1)).forget()
    session.server({"id": wire(0), "result": {"x": "secret"}}).sends_host(
        {"id": 1, "result": stars}
    )
    session = opened(ALL, decide=answering(ServerRequest, rewriting))
    session.server({"id": 1, "method": "roots/list", "params": {"_meta": {"x": "secret"}}})
    session.sends_host({"id": wire(0), "method": "roots/list", "params": stars})
    session = opened(ALL, decide=answering(Answer, rewriting)).server(ROOTS).forget()
    session.host({"id": wire(0), "result": {"x": "secret"}})
    session.sends_server({"id": 1, "result": stars})
    session = opened(ALL, decide=answering(Notice, rewriting))
    session.server({"method": "notifications/message", "params": {"data": "secret"}})
    session.sends_host({"method": "notifications/message", "params": stars})


GROWN = (
    "the result is longer than mcpguard passes on (8 MiB) with what stands in the place of what was"
    " taken out; the request ran, ask for less at once"
)


@pytest.mark.guarantee("framing:rewrites-within-the-limit")
@pytest.mark.parametrize("over", [0, 1])
def test_a_result_that_grew_over_the_limit_as_it_was_rewritten_is_an_error(over: int) -> None:
    frame = len(line({"id": 1, "result": {"x": ""}})) + 1  # and its newline
    grown: JsonObject = {"x": "*" * (MAX_LINE - frame + over)}

    def growing(subject: Subject) -> Decision:
        return Decision(True, subject._replace(body=grown) if type(subject) is Result else subject)

    session = opened(ALL, decide=answering(Result, growing)).host(call(1)).forget()
    session.server({"id": wire(0), "result": {"x": "a"}})
    if over:
        session.sends_host(refused(1, -32603, f"mcpguard: {GROWN}")).quiet().idle()
        session.recorded(decision="deny", reason="over_long", method="tools/call")
    else:
        session.sends_host({"id": 1, "result": grown}).quiet().idle()


@pytest.mark.guarantee("pipeline:rewrites-are-sent")
def test_a_completion_that_was_rewritten_is_sent_as_it_was_rewritten() -> None:
    ref: JsonObject = {"type": "ref/prompt", "name": "sum"}
    new: JsonObject = {"ref": ref, "argument": {"name": "path", "value": "***"}}

    def without(subject: Subject) -> Decision:
        return Decision(True, subject._replace(arguments=new) if type(subject) is Call else subject)

    params: JsonObject = {"ref": ref, "argument": {"name": "path", "value": "secret"}}
    session = opened(ALL, decide=answering(Call, without))
    session.host({"id": 1, "method": "completion/complete", "params": params})
    session.sends_server({"id": wire(0), "method": "completion/complete", "params": new})


def other(subject: Subject) -> Decision:
    """A subject of another kind than was asked about: a broken pipeline."""
    return Decision(True, Definition(ItemKind.TOOL, "x", {}))


def test_a_pipeline_that_answers_with_another_subject_adds_nothing() -> None:
    session = opened(ALL, decide=answering(ServerRequest, other))
    session.server({"id": 1, "method": "roots/list", "params": {"_meta": {"x": 1}}})
    session.sends_host({"id": wire(0), "method": "roots/list"})
    session = opened(ALL, decide=answering(Answer, other)).server(ROOTS).forget()
    session.host({"id": wire(0), "result": {"x": 1}}).sends_server({"id": 1, "result": {}})
    session = opened(ALL, decide=answering(Notice, other))
    session.server({"method": "notifications/message", "params": {"data": 1}})
    session.sends_host({"method": "notifications/message", "params": {"data": 1}})


# arguments are checked against the pinned schema


@pytest.mark.guarantee("schema:arguments-checked")
@pytest.mark.parametrize(
    ("arguments", "passes"),
    [
        ({"text": "x"}, True),
        ({"text": "x", "more": 1}, True),
        ({"text": 5}, False),
        ({}, False),
        (None, False),
        ({"text": "x", "deep": []}, False),
    ],
)
def test_arguments_must_fit_the_pinned_schema(arguments: JsonObject | None, passes: bool) -> None:
    session = opened().host(call(1, "echo", arguments))
    if passes:
        session.sends_server(call(wire(0), "echo", arguments)).quiet()
    else:
        session.recorded(decision="deny", reason="arguments", target="echo")


@pytest.mark.guarantee("schema:arguments-checked")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"what": "x"}, "an argument the prompt does not declare"),
        ({"who": 5}, "argument 'who' is not a string"),
    ],
)
def test_a_prompts_arguments_must_be_declared_texts(arguments: JsonObject, sentence: str) -> None:
    params: JsonObject = {"name": "greet", "arguments": arguments}
    step = "Change the arguments to fit the reviewed input schema"
    opened().host({"id": 1, "method": "prompts/get", "params": params}).sends_host(
        refused(1, -31001, f"Blocked by mcpguard [surface.arguments]: {sentence}. {step}.")
    ).quiet()


def test_the_sample_lockfile_allows_no_requests() -> None:
    assert LOCK.requests == frozenset()
    empty: Json = [*LOCK.requests]
    assert empty == []
