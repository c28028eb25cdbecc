"""What no other test of the room pins: found by scripts/mutation."""

import tracemalloc

import pytest

from mcpguard.lock.lockfile import Vary
from mcpguard.model import (
    NOBODY,
    Answer,
    Call,
    Context,
    Decision,
    Definition,
    Era,
    ItemKind,
    Json,
    JsonObject,
    Mode,
    Reason,
    RequestKind,
    Result,
    ServerRequest,
    SessionFacts,
    Side,
    Subject,
    Wait,
)
from mcpguard.pipeline import Decide
from mcpguard.proxy import core, from_server, listing, translate
from mcpguard.proxy.actions import Stop
from mcpguard.proxy.denial import DenyStyle
from mcpguard.proxy.session import SessionSettings
from mcpguard.wire.framing import Dropped
from mcpguard.wire.methods import PROTOCOL_VERSION, RELATED_TASK, SUBSCRIPTION_ID
from tests.unit.proxy.play import (
    CLIENT,
    ELICIT,
    ENVELOPE,
    FIRST,
    INSTRUCTIONS,
    LATEST,
    LOCK,
    SURFACE,
    TOOLS,
    Play,
    blocked,
    call,
    called,
    handshake,
    line,
    locked,
    modern,
    opened,
    play,
    refused,
    text,
    usual,
    wire,
)

ALL = locked(requests=list(RequestKind))
ASKED: JsonObject = {"name": {"method": "elicitation/create", "params": ELICIT}}
LARGE = 100_000
"""Characters of one argument."""


def interrupted(**more: Json) -> JsonObject:
    return {"resultType": "input_required", "inputRequests": ASKED, "requestState": "s", **more}


def enveloped(given: int | str) -> JsonObject:
    params = called("free", _meta=ENVELOPE)
    return {"id": given, "method": "tools/call", "params": params}


@pytest.mark.guarantee("tasks:ids-translated")
def test_an_interruption_names_no_task_and_no_subscription_as_the_server_does() -> None:
    session = opened(ALL).host(enveloped(1)).forget()
    meta: JsonObject = {RELATED_TASK: {"taskId": "srv-1"}, SUBSCRIPTION_ID: 5, "x": 1}
    session.server({"id": wire(0), "result": interrupted(_meta=meta)})
    shown: JsonObject = {"x": 1, SUBSCRIPTION_ID: 1}
    session.sends_host({"id": 1, "result": interrupted(_meta=shown)}).quiet()


@pytest.mark.guarantee("requests:input-required")
def test_the_parameters_of_a_question_in_a_result_are_what_is_judged() -> None:
    judged: list[JsonObject] = []
    pipeline = usual(ALL)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if isinstance(subject, ServerRequest):
            judged.append(subject.params)
        return pipeline(subject, ctx)

    session = opened(ALL, decide=decide).host(enveloped(1))
    session.server({"id": wire(0), "result": interrupted()})
    assert judged == [ELICIT]


@pytest.mark.weighed
def test_the_parameters_of_a_call_are_forgotten_once_it_was_sent() -> None:
    session = opened()
    tracemalloc.start()
    try:
        for number in range(100):
            session.host(call(number, arguments={"a": "x" * LARGE})).forget()
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < 10 * LARGE


ROOTS: JsonObject = {"id": "s", "method": "roots/list"}


def asked() -> Play:
    return opened(ALL).server(ROOTS).forget()


def test_half_an_id_at_the_end_of_one_over_long_line_is_no_part_of_the_next() -> None:
    head, tail = f"{wire(0)}"[:-1].encode(), f"{wire(0)}"[-1:].encode()
    session = asked().host(Dropped(b"x" + head, first=True, end=True))
    session.host(Dropped(tail + b"x", first=True, end=True)).quiet()
    session.host(Dropped(head, first=True, end=False), Dropped(tail, first=False, end=True))
    session.sends_server(refused("s", -32603, "the host's answer could not be read")).quiet()


def test_a_drifted_item_is_told_with_what_changed() -> None:
    live = {**SURFACE, ItemKind.TOOL: {"free": {**TOOLS["free"], "description": "Else."}}}
    session = play(LOCK).initialize().lists(live)
    (why,) = [event.fields["why"] for event in session.events if event.name == "item.drifted"]
    assert "description" in str(why)


def test_where_a_change_is_shown_is_said_to_people_and_never_to_a_model() -> None:
    live = {**SURFACE, ItemKind.TOOL: {"free": {**TOOLS["free"], "description": "Else."}}}
    session = play(LOCK, review="mcpguard diff --lock /home/me/a.json").initialize().lists(live)
    (why,) = [event.fields["why"] for event in session.events if event.name == "item.drifted"]
    assert str(why).endswith("; see: mcpguard diff --lock /home/me/a.json")
    session.forget().host(call(7, "free"))
    (sent,) = session.sends[Side.HOST]
    assert b"mcpguard diff --lock FILE" in sent
    assert b"/home/me" not in sent


def test_a_subscription_may_ask_for_every_kind_of_list() -> None:
    filters: JsonObject = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": True,
    }
    listen: JsonObject = {"notifications": filters, "_meta": ENVELOPE}
    session = modern().host({"id": 1, "method": "subscriptions/listen", "params": listen})
    session.sends_server({"id": wire(0), "method": "subscriptions/listen", "params": listen})


def test_an_over_long_line_is_recorded_without_a_method() -> None:
    session = opened().host(Dropped(b"x", first=True, end=True))
    session.recorded(method="", target="", decision="drop", reason="over_long").unrecorded()


def test_a_cancelled_request_waits_for_its_answer_past_the_next_tick() -> None:
    session = opened().host(call(1))
    session.host({"method": "notifications/cancelled", "params": {"requestId": 1}}).ticks(1.0)
    session.forget().server({"id": wire(0), "result": {}}).drops("late_answer").idle()


def test_a_change_that_is_announced_is_recorded() -> None:
    method = "notifications/tools/list_changed"
    record: JsonObject = {"direction": "server>host", "method": method, "target": ""}
    assert opened().server({"method": method}).records[-1] == {**record, "decision": "allow"}


def test_what_a_session_remembers_and_follows_is_bounded() -> None:
    assert from_server.MAX_ELICITATIONS == 1024
    assert translate.MAX_TASKS == 1024
    assert (listing.MAX_PAGES, listing.MAX_ITEMS) == (1000, 10_000)
    assert listing.MAX_BYTES == 16_777_216
    assert (core.MAX_DROPS, core.MAX_REPORTED) == (100, 100)
    assert (core.MAX_WAIT, core.MAX_TOOK) == (300.0, 4096)
    assert translate.MAX_QUESTIONS == 64


def test_what_a_session_does_when_nothing_else_is_asked_for() -> None:
    assert SessionSettings() == SessionSettings(
        deny_style=DenyStyle.RESULT,
        timeout=3600.0,
        max_pending=1024,
        max_held=64,
        max_held_bytes=1_048_576,
        principal="local",
        server="server",
        early_exit="",
        parties=NOBODY,
        review="",
        captured=None,
        unrecorded=False,
        tracer=None,
    )


def test_the_names_of_the_ways_to_deny_stay_as_they_are() -> None:
    assert [*DenyStyle] == ["result", "jsonrpc"]


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


# handshakes

LOGGING: JsonObject = {"logging": {"level": "all", "depth": 3}}
INITIALIZE: JsonObject = {
    "id": "init",
    "method": "initialize",
    "params": {"protocolVersion": LATEST, "capabilities": {}, "clientInfo": CLIENT},
}
NOT_INITIALIZED = "Session not initialized: send initialize first"


def asked_to_initialize(session: Play) -> Play:
    return session.host(INITIALIZE).forget()


@pytest.mark.guarantee("handshake:capabilities-intersected")
@pytest.mark.parametrize(
    ("live", "shown", "drifts"),
    [
        (LOGGING, LOGGING, False),
        ({"logging": {"level": "some", "depth": 3}}, {"logging": {"depth": 3}}, True),
        ({"logging": {"level": "all", "depth": 3.0}}, {"logging": {"level": "all"}}, False),
    ],
)
def test_a_capability_that_is_no_object_is_shown_when_it_is_the_reviewed_one(
    live: JsonObject, shown: JsonObject, drifts: bool
) -> None:
    session = asked_to_initialize(play(locked(capabilities=LOGGING)))
    session.server({"id": wire(0), "result": handshake(live)})
    session.sends_host({"id": "init", "result": handshake(shown)}).quiet()
    assert [record["method"] for record in session.records] == [
        *(["capabilities"] if drifts else []),
        "initialize",
    ]


def test_a_server_that_never_had_instructions_has_not_drifted() -> None:
    live = handshake()
    del live["instructions"]
    session = asked_to_initialize(play(locked(instructions="")))
    session.server({"id": wire(0), "result": live}).sends_host({"id": "init", "result": live})
    assert [record["method"] for record in session.records] == ["initialize"]


@pytest.mark.guarantee("lock:vary-matches-whole-value")
def test_instructions_that_may_vary_are_shown_as_they_are_now() -> None:
    lock = locked(vary=[Vary("/server/instructions", "Be [a-z]+[.]")])
    for live, shown in (("Be swift.", "Be swift."), ("Be 1.", INSTRUCTIONS)):
        session = asked_to_initialize(play(lock))
        session.server({"id": wire(0), "result": handshake(instructions=live)})
        session.sends_host({"id": "init", "result": handshake(instructions=shown)}).quiet()


@pytest.mark.guarantee("handshake:first")
def test_a_legacy_call_in_a_modern_session_is_refused_and_not_sent() -> None:
    session = modern().host(call(1)).sends_host(refused(1, -32600, NOT_INITIALIZED))
    session.quiet().idle()


@pytest.mark.guarantee("handshake:once")
@pytest.mark.parametrize("called_before", [False, True])
def test_after_an_initialize_that_failed_in_a_modern_session_no_legacy_call_passes(
    called_before: bool,
) -> None:
    session = asked_to_initialize(modern())
    if called_before:
        session.host(call(1)).sends_server(call(wire(1)))
    session.server({"id": wire(0), "error": {"code": -32602, "message": "no"}}).forget()
    session.host(call(2)).sends_host(refused(2, -32600, NOT_INITIALIZED)).quiet()


WEIRD: JsonObject = {"resultType": "task", "taskId": "t"}


@pytest.mark.guarantee("handshake:once")
def test_an_initialize_with_an_unknown_kind_of_answer_may_be_sent_again() -> None:
    session = asked_to_initialize(play(LOCK)).host(call(1)).quiet()
    session.server({"id": wire(0), "result": WEIRD})
    text = (
        "Blocked by mcpguard [wire.unknown_result_type]: the server answered with a kind of "
        "result mcpguard does not know. Do not retry; update mcpguard if the server is newer."
    )
    session.sends_host(refused("init", -31001, text), refused(1, -32600, NOT_INITIALIZED))
    session.quiet().idle()
    session.host(INITIALIZE).sends_server({**INITIALIZE, "id": wire(2)}).quiet()


def test_a_call_with_an_unknown_kind_of_answer_does_not_end_the_session() -> None:
    session = opened().host(call(1)).server({"id": wire(0), "result": WEIRD}).forget()
    session.host(call(2)).sends_server(call(wire(1))).quiet()


@pytest.mark.guarantee("handshake:unknown-version-stops")
def test_an_unknown_version_is_refused_in_the_middle_of_a_legacy_session_too() -> None:
    session = opened().host(call(1)).forget()
    session.host(call(2, _meta={**ENVELOPE, PROTOCOL_VERSION: "2099-01-01"}))
    assert b'"code":-32022' in session.sends[Side.HOST][0]
    assert session.sends[Side.SERVER] == []


# tasks and continuations

TASK: JsonObject = {"status": "working"}


def as_task(session: Play, server_id: str) -> str:
    """The host's name for a task that the server calls `server_id`."""
    given = session.ids.next
    session.host(call("t", task={})).forget()
    session.server({"id": given, "result": {"task": {"taskId": server_id, **TASK}}}).forget()
    return text(given + 1 - FIRST) + text(given + 2 - FIRST)


def status(name: str) -> JsonObject:
    return {"method": "notifications/tasks/status", "params": {"taskId": name, **TASK}}


@pytest.mark.guarantee("tasks:bound-only")
def test_a_session_remembers_a_thousand_tasks_and_forgets_the_oldest_for_both_sides() -> None:
    session = opened()
    names = [as_task(session, f"srv-{number}") for number in range(translate.MAX_TASKS)]
    session.server(status("srv-0")).sends_host(status(names[0])).quiet()
    as_task(session, "one-more")
    session.server(status("srv-0")).drops("unknown_task").forget()
    session.server(status("srv-1")).sends_host(status(names[1])).quiet()


@pytest.mark.guarantee("tasks:bound-only")
@pytest.mark.parametrize(("length", "passes"), [(4096, True), (4097, False)])
def test_a_task_id_has_a_longest_length(length: int, passes: bool) -> None:
    session = opened().host(call(1, task={})).forget()
    given: JsonObject = {"taskId": "x" * length, **TASK}
    session.server({"id": wire(0), "result": {"task": given}})
    named: JsonObject = {"id": 1, "result": {"task": {**given, "taskId": text(1) + text(2)}}}
    nameless = refused(1, -32603, "mcpguard: the server made a task without an id")
    session.sends_host(named if passes else nameless).quiet()


def test_a_relation_to_nothing_passes_as_it_is() -> None:
    ping: JsonObject = {"method": "ping", "params": {"_meta": {RELATED_TASK: None}}}
    opened().host({"id": 1, **ping}).sends_server({"id": wire(0), **ping}).quiet()


@pytest.mark.guarantee("requests:continuations-bound")
@pytest.mark.parametrize(
    ("method", "key", "interrupted_name", "other"),
    [
        ("tools/call", "name", "free", "open"),
        ("prompts/get", "name", "greet", "bow"),
        ("resources/read", "uri", "file:///notes", "log:///monday"),
    ],
)
def test_a_retry_must_name_what_was_interrupted(
    method: str, key: str, interrupted_name: str, other: str
) -> None:
    live: dict[ItemKind, dict[str, JsonObject]] = {
        kind: dict(items) for kind, items in SURFACE.items()
    }
    live[ItemKind.TOOL]["open"] = {**TOOLS["free"], "name": "open"}
    live[ItemKind.PROMPT]["bow"] = {"name": "bow"}
    session = modern(locked(live, requests=list(RequestKind), era=Era.DUAL), live=live)

    def request(given: int, name: str, **more: Json) -> JsonObject:
        return {"id": given, "method": method, "params": {key: name, **more, "_meta": ENVELOPE}}

    session.host(request(1, interrupted_name)).forget()
    session.server({"id": wire(0), "result": interrupted()}).forget()
    answers: JsonObject = {"inputResponses": {}, "requestState": "s"}
    session.host(request(2, other, **answers)).recorded(decision="deny", reason="unknown_state")
    assert session.sends[Side.SERVER] == []
    session.forget().host(request(3, interrupted_name, **answers))
    session.sends_server(request(wire(2), interrupted_name, **answers)).quiet()


@pytest.mark.guarantee("requests:input-required")
def test_a_complete_result_carries_no_questions() -> None:
    result: JsonObject = {"content": [], "inputRequests": ASKED, "requestState": "s", "x": 1}
    session = opened(ALL).host(call(1)).forget().server({"id": wire(0), "result": result})
    session.sends_host({"id": 1, "result": {"content": [], "x": 1}}).quiet()


def elicited(number: int) -> JsonObject:
    return {
        "method": "notifications/elicitation/complete",
        "params": {"elicitationId": f"e{number}"},
    }


@pytest.mark.guarantee("requests:input-required")
def test_the_end_of_a_thousand_elicitations_is_passed_on_and_of_no_more() -> None:
    asked: list[Json] = [
        {"mode": "url", "elicitationId": f"e{number}", "url": "https://x/", "message": "m"}
        for number in range(from_server.MAX_ELICITATIONS + 1)
    ]
    error: JsonObject = {"code": -32042, "message": "m", "data": {"elicitations": asked}}
    session = opened(ALL).host(call(1)).server({"id": wire(0), "error": error}).forget()
    session.server(elicited(from_server.MAX_ELICITATIONS)).drops("unknown_id").forget()
    last = elicited(from_server.MAX_ELICITATIONS - 1)
    session.server(last).sends_host(last).quiet()


# what the pipeline is asked


def judging(kind: type[Subject], into: list[Subject]) -> Decide:
    """The usual pipeline, which keeps the subjects of one kind."""
    pipeline = usual(ALL)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if isinstance(subject, kind):
            into.append(subject)
        return pipeline(subject, ctx)

    return decide


def test_an_error_of_the_server_is_judged_as_one() -> None:
    judged: list[Subject] = []
    session = opened(ALL, decide=judging(Result, judged)).host(call(1))
    judged.clear()
    session.server({"id": wire(0), "error": {"code": 1, "message": "m"}})
    assert judged == [Result("tools/call", "free", {"code": 1, "message": "m"}, error=True)]


@pytest.mark.guarantee("requests:answers-judged")
def test_every_answer_inside_a_repeated_request_is_judged_as_it_is() -> None:
    judged: list[Subject] = []
    asked: JsonObject = {**ASKED, "roots": {"method": "roots/list"}}
    session = opened(ALL, decide=judging(Answer, judged)).host(enveloped(1))
    session.server({"id": wire(0), "result": {**interrupted(), "inputRequests": asked}})
    answers: JsonObject = {"name": {"action": "accept"}, "roots": 5}
    params = called("free", inputResponses=answers, requestState="s", _meta=ENVELOPE)
    session.host({"id": 2, "method": "tools/call", "params": params})
    assert judged == [
        Answer("tools/call", {"action": "accept"}),
        Answer("tools/call", {"value": 5}),
    ]


def test_a_pipeline_may_ask_for_the_state_of_any_item() -> None:
    facts: list[SessionFacts] = []

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        facts.append(ctx.session)
        return pipeline(subject, ctx)

    pipeline = usual(LOCK)
    opened(decide=decide, live={**SURFACE, ItemKind.TOOL: {"echo": TOOLS["echo"]}}).host(call(1))
    states = {name: facts[-1].item_state(ItemKind.TOOL, name) for name in ("echo", "free", "exec")}
    assert states == {
        "echo": Reason.OK,
        "free": Reason.NOT_LISTED,
        "exec": Reason.NOT_LOCKED,
    }


@pytest.mark.guarantee("drift:quarantine-sticks")
def test_an_item_that_a_stage_refused_is_unusable_until_it_passes_again() -> None:
    refusing = True
    pipeline = usual(LOCK)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        if refusing and isinstance(subject, Definition) and subject.target == "free":
            return Decision(False, subject, "scan", Reason.STAGE_FAILED, "it cannot be read")
        return pipeline(subject, ctx)

    session = opened(decide=decide).host(call(1))
    sentence = (
        "Blocked by mcpguard [surface.stage_failed]: it is not usable. "
        "Find out more with: mcpguard check."
    )
    session.sends_host(blocked(1, sentence)).quiet()
    refusing = False
    tools: list[Json] = [*TOOLS.values()]
    session.host({"id": 2, "method": "tools/list"})
    session.server({"id": wire(2), "result": {"tools": tools}}).forget()
    session.host(call(3)).sends_server(call(wire(3))).quiet()


# pages


def paged(session: Play) -> Play:
    """The host lists the tools, which the server is asked for under `wire(1)`."""
    return session.host({"id": "l", "method": "tools/list"}).forget()


TOO_MUCH = refused(
    "l", -32603, "mcpguard cannot verify this list: it lists more than can be verified"
)


def following(cursor: str) -> JsonObject:
    return {"method": "tools/list", "params": {"cursor": cursor}}


@pytest.mark.guarantee("listing:pages-merged")
def test_an_empty_cursor_is_the_end() -> None:
    session = paged(opened()).server({"id": wire(1), "result": {"tools": [], "nextCursor": ""}})
    session.sends_host({"id": "l", "result": {"tools": []}}).quiet().idle()


@pytest.mark.guarantee("listing:endless-pages-fail")
def test_the_longest_cursor_and_the_most_items_are_still_followed() -> None:
    cursor = "c" * listing.MAX_CURSOR
    items: list[Json] = [{"name": str(number)} for number in range(listing.MAX_ITEMS)]
    session = paged(opened())
    session.server({"id": wire(1), "result": {"tools": items, "nextCursor": cursor}})
    session.sends_server({"id": wire(2), **following(cursor)}).quiet()
    session.server({"id": wire(2), "result": {"tools": [5], "nextCursor": "d"}})
    session.sends_host(TOO_MUCH).quiet()


@pytest.mark.guarantee("listing:endless-pages-fail")
@pytest.mark.parametrize("over", [0, 1])
def test_the_bytes_of_all_pages_are_bounded_together(over: int) -> None:
    half = listing.MAX_BYTES // 2

    def page(number: int, size: int) -> bytes:
        result: JsonObject = {"tools": [], "nextCursor": f"c{number}"}
        return line({"id": wire(number), "result": result}).ljust(size)

    session = paged(opened()).server(page(1, half))
    session.sends_server({"id": wire(2), **following("c1")}).quiet()
    session.server(page(2, half + over))
    if over:
        session.sends_host(TOO_MUCH).quiet().idle()
    else:
        session.sends_server({"id": wire(3), **following("c2")}).quiet()


@pytest.mark.guarantee("listing:changed-reverified")
def test_a_change_is_passed_on_once() -> None:
    session = opened().server({"method": "notifications/tools/list_changed"})
    tools: list[Json] = [*TOOLS.values()]
    session.server({"id": wire(0), "result": {"tools": tools}}).forget()
    session.host({"id": 1, "method": "tools/list"}).forget()
    session.server({"id": wire(2), "result": {"tools": []}})
    session.sends_host({"id": 1, "result": {"tools": []}}).quiet()


# the session


def test_what_was_taken_from_the_batch_is_whole_and_no_longer_in_it() -> None:
    session = opened().session
    session.feed_host(line(call(1)), 1000.0)
    session.feed_host(b"", 1000.0)
    growing = session.batch
    held = growing.sends, growing.records, growing.events
    assert [data for _, data, _, _ in growing.sends] == [line(call(wire(0))) + b"\n"]
    growing.stop = Stop(3, "why")
    taken, later = session.take(), session.take()
    assert (taken.sends, taken.records, taken.events) == held
    assert taken.stop == Stop(3, "why")
    assert session.batch is growing
    assert (later.sends, later.records, later.events, later.stop) == ([], [], [], None)


def test_what_was_done_is_no_longer_in_the_batch() -> None:
    session = opened(max_pending=4)
    for given in range(5):
        session.session.feed_host(line(call(given)), session.now)
    batch = session.session.batch
    batch.stop = Stop(3, "why")
    assert batch.sends and batch.records and batch.events  # noqa: PT018
    batch.clear()
    left: list[object] = [batch.sends, batch.records, batch.events, batch.stop]
    assert left == [[], [], [], None]


TOOK: dict[str, tuple[JsonObject, JsonObject, list[tuple[str, float]]]] = {
    "plain": (call(1, arguments={}), {"result": {}}, [("free", 0.25)]),
    "another way": (call(1, _meta={}), {"result": {}}, [("free", 0.25)]),
    "an error": (call(1), {"error": {"code": 1, "message": "m"}}, [("free", 0.25)]),
    "with progress": (call(1, _meta={"progressToken": 5}), {"result": {}}, []),
    "of no tool": ({"id": 1, "method": "ping"}, {"result": {}}, []),
}


@pytest.mark.guarantee("live:latency-of-answers")
@pytest.mark.parametrize("name", TOOK)
def test_how_long_each_call_of_a_tool_took_is_known(name: str) -> None:
    asked, answer, took = TOOK[name]
    session = opened(timeout=60.0).host(asked).after(0.25).server({"id": wire(0), **answer})
    assert session.session.took() == took


def test_before_the_first_call_stages_are_told_of_none() -> None:
    seen: list[tuple[float, int, Wait | None, bool | None]] = []
    pipeline = usual(LOCK)

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        seen.append((ctx.live.now, ctx.live.call, ctx.live.again, ctx.live.said))
        return pipeline(subject, ctx)

    notice: JsonObject = {"method": "notifications/message", "params": {"level": "info"}}
    play(LOCK, decide=decide).server(notice)
    assert seen == [(1000.0, 0, None, None)]


BOUND: JsonObject = {"task": {"ttl": 5}, "requestState": "s", "inputResponses": {"a": 1}}


@pytest.mark.parametrize("keys", [[], ["task"], ["requestState", "inputResponses"], [*BOUND]])
def test_what_a_call_carries_beside_its_arguments_is_judged_with_it(keys: list[str]) -> None:
    judged: list[Subject] = []
    more = {key: BOUND[key] for key in keys}
    session = opened(decide=judging(Call, judged))
    judged.clear()
    session.host(call(1, "free", {"a": 1}, _meta=ENVELOPE, **more))
    expected = Call("tools/call", "free", {"a": 1}, meta=ENVELOPE, more=more or None)
    assert judged == [expected]


def test_only_a_request_of_the_host_that_was_not_taken_back_is_waited_for() -> None:
    begun = play(LOCK).initialize()
    assert begun.session.busy
    assert not begun.session.waiting
    session = opened().host(call(1))
    assert session.session.waiting
    session.host({"method": "notifications/cancelled", "params": {"requestId": 1}})
    assert session.session.busy
    assert not session.session.waiting


@pytest.mark.guarantee("pending:person-pauses")
def test_a_short_wait_for_a_person_gives_back_no_more_than_it_took() -> None:
    session = opened(ALL, timeout=10.0).host(call(1)).server(ROOTS)
    for _ in range(8):
        session.ticks(0.125)
    session.host({"id": wire(1), "result": {"roots": []}}).forget()
    session.ticks(9.875).quiet().ticks(0.125)
    session.sends_host(refused(1, -31003, "mcpguard: the server did not answer in 10 s"))


@pytest.mark.guarantee("pending:held-bounded")
@pytest.mark.parametrize(("less", "held"), [(0, True), (1, False)])
def test_a_request_is_held_when_it_just_fits(less: int, held: bool) -> None:
    size = len(line(call(1)))
    session = asked_to_initialize(play(LOCK, max_held_bytes=size - less)).host(call(1))
    if held:
        session.quiet()
    else:
        text = "too many requests wait for the server's lists"
        session.sends_host(refused(1, -31002, text)).quiet()


def test_a_server_request_whose_token_cannot_be_drawn_may_be_sent_again() -> None:
    request: JsonObject = {**ROOTS, "params": {"_meta": {"progressToken": 5}}}
    session = opened(ALL).server({**request, "id": "first"}).forget()
    session.ids.coming.extend([wire(9), wire(1), wire(1), wire(1)])
    session.server(request).sends_server(refused("s", -32603, "the random source repeats itself"))
    session.host({"id": wire(0), "result": {}}).forget().idle()
    shown: JsonObject = {"method": "roots/list", "params": {"_meta": {"progressToken": wire(3)}}}
    session.server(request).sends_host({"id": wire(2), **shown}).quiet()


@pytest.mark.weighed
def test_the_parameters_of_a_server_request_are_forgotten_once_it_was_sent() -> None:
    session = opened(ALL)
    session.server({"id": "first", "method": "ping"}).forget()  # loads what looks through them
    tracemalloc.start()
    try:
        for number in range(100):
            params: JsonObject = {"messages": ["x" * LARGE]}
            ask: JsonObject = {"id": number, "method": "sampling/createMessage", "params": params}
            session.server(ask).forget()
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < 10 * LARGE


@pytest.mark.guarantee("notices:listen-filtered")
@pytest.mark.parametrize(
    ("granted", "shown"),
    [
        ({"toolsListChanged": ["x"]}, {"toolsListChanged": ["x"]}),
        ({"resourceSubscriptions": True}, {"resourceSubscriptions": True}),
        ({"resourceSubscriptions": ["file:///other"]}, {"resourceSubscriptions": []}),
        ({"promptsListChanged": ["x"]}, {}),
    ],
)
def test_a_grant_of_another_type_than_was_asked_for_breaks_nothing(
    granted: JsonObject, shown: JsonObject
) -> None:
    asked: JsonObject = {"toolsListChanged": True, "resourceSubscriptions": ["file:///notes"]}
    listen: JsonObject = {"notifications": asked, "_meta": ENVELOPE}
    session = modern().host({"id": 1, "method": "subscriptions/listen", "params": listen}).forget()

    def acknowledged(given: int, notifications: JsonObject) -> JsonObject:
        meta: JsonObject = {SUBSCRIPTION_ID: given}
        params: JsonObject = {"notifications": notifications, "_meta": meta}
        return {"method": "notifications/subscriptions/acknowledged", "params": params}

    session.server(acknowledged(wire(0), granted)).sends_host(acknowledged(1, shown)).quiet()


def test_a_completion_that_names_its_reference_in_one_word_is_refused() -> None:
    params: JsonObject = {"ref": "greet", "argument": {"name": "a", "value": ""}}
    session = opened().host({"id": 1, "method": "completion/complete", "params": params})
    session.sends_host(refused(1, -32602, "Invalid params: ref is missing or not a string"))
    session.quiet().idle()


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


def test_an_error_of_the_server_for_a_list_is_judged_as_one_and_recorded() -> None:
    judged: list[Subject] = []
    session = opened(ALL, decide=judging(Result, judged)).host({"id": "l", "method": "tools/list"})
    judged.clear()
    session.forget().server({"id": wire(1), "error": {"code": 1, "message": "m"}})
    assert judged == [Result("tools/list", "", {"code": 1, "message": "m"}, error=True)]
    method, direction = "tools/list", "server>host"
    session.recorded(
        direction=direction, method=method, target="", decision="allow", outcome="error"
    )


@pytest.mark.guarantee("handshake:once")
def test_after_an_initialize_that_was_not_recorded_in_a_modern_session_no_legacy_call_passes() -> (
    None
):
    session = asked_to_initialize(modern().unaudited())
    session.audit_fails = False
    session.host(call(1)).sends_host(refused(1, -32600, NOT_INITIALIZED)).quiet()


def test_a_request_for_a_list_is_judged_as_a_call_of_nothing() -> None:
    judged: list[Subject] = []
    opened(ALL, decide=judging(Call, judged)).host({"id": 1, "method": "tools/list"})
    assert judged[-1] == Call("tools/list", "", {})


def test_a_server_that_answered_a_discovery_did_not_end_early() -> None:
    discover: JsonObject = {"method": "server/discover", "params": {"_meta": ENVELOPE}}
    session = play(locked(era=Era.DUAL), early_exit="Only HOME was passed.")
    session.host({"id": 1, **discover}).server({"id": wire(0), "result": {}}).forget()
    session.host({"id": 2, "method": "ping"}).forget().closes(Side.SERVER)
    session.sends_host(refused(2, -32603, "mcpguard: the server ended before it answered."))


@pytest.mark.weighed
def test_a_host_that_sends_and_cancels_leaves_no_tokens_behind() -> None:
    session = opened(max_pending=5)
    tracemalloc.start()
    try:
        for number in range(1000):
            cancel: JsonObject = {"requestId": number}
            session.host(call(number, _meta={"progressToken": number}))
            session.host({"method": "notifications/cancelled", "params": cancel}).forget()
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < LARGE
    session.host(call("last")).recorded(decision="allow", target="free")


@pytest.mark.guarantee("parse:host-differentials")
@pytest.mark.parametrize("key", ["Type", "NAME", "Uri"])
def test_a_reference_with_a_key_that_differs_by_case_is_refused(key: str) -> None:
    ref: JsonObject = {"type": "ref/prompt", "name": "greet", key: "x"}
    params: JsonObject = {"ref": ref, "argument": {"name": "a", "value": ""}}
    session = opened().host({"id": 1, "method": "completion/complete", "params": params})
    text = "Invalid params: a key of ref differs from a known one by case"
    session.sends_host(refused(1, -32602, text)).quiet()


@pytest.mark.weighed
def test_the_parameters_of_a_call_with_a_token_are_forgotten_too() -> None:
    session = opened()
    tracemalloc.start()
    try:
        for number in range(100):
            arguments: JsonObject = {"a": "x" * LARGE}
            session.host(call(number, arguments=arguments, _meta={"progressToken": number}))
            session.forget()
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < 10 * LARGE
