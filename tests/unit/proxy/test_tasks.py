"""Tasks (2025-11-25): named for the host by mcpguard, judged as the call that made them."""

import pytest

from mcpguard.model import Json, JsonObject, RequestKind
from mcpguard.proxy import translate
from mcpguard.wire.methods import RELATED_TASK
from tests.unit.proxy.play import (
    ENVELOPE,
    FIRST,
    Play,
    blocked,
    call,
    locked,
    modern,
    opened,
    refused,
    text,
    wire,
)

NAME = text(1) + text(2)
"""The host's name for the first task that is made after the ids 0 and, for a token, none."""

NO_TASK = "Invalid params: no such task"
GREET: JsonObject = {"name": "greet", "arguments": {"who": "x"}}
LINK: JsonObject = {"type": "resource_link", "uri": "file:///secret", "name": "secret"}
WITHHELD: JsonObject = {
    "type": "text",
    "text": "[mcpguard: a link to a resource that is not in the lockfile was withheld]",
}


def task(name: str, status: str = "working", **more: Json) -> JsonObject:
    return {"taskId": name, "status": status, "ttl": 60000, **more}


def made() -> Play:
    """A session in which `free` was called as a task; the next id drawn is `wire(3)`."""
    return (
        opened()
        .host(call(1, task={"ttl": 60000}))
        .sends_server(call(wire(0), task={"ttl": 60000}))
        .server({"id": wire(0), "result": {"task": task("srv-1")}})
        .sends_host({"id": 1, "result": {"task": task(NAME)}})
        .quiet()
        .forget()
    )


def about(given: int | str, method: str, name: str) -> JsonObject:
    return {"id": given, "method": method, "params": {"taskId": name}}


@pytest.mark.guarantee("tasks:ids-translated")
@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel"])
def test_a_task_has_one_name_on_each_side(method: str) -> None:
    (
        made()
        .host(about(2, method, NAME))
        .sends_server(about(wire(3), method, "srv-1"))
        .recorded(decision="allow", method=method, target="free")
        .server({"id": wire(3), "result": task("srv-1", createdAt="now")})
        .sends_host({"id": 2, "result": task(NAME, createdAt="now")})
        .quiet()
        .idle()
    )


@pytest.mark.parametrize(
    ("method", "sent", "left"),
    [
        ("tasks/get", {"content": [], "statusMessage": "m"}, {"statusMessage": "m"}),
        ("tasks/cancel", {"note": "n", "_meta": {"a": 1}}, {"_meta": {"a": 1}}),
    ],
)
def test_a_task_has_the_members_that_mcp_gives_it(
    method: str, sent: JsonObject, left: JsonObject
) -> None:
    session = made().host(about(2, method, NAME)).forget()
    session.server({"id": wire(3), "result": {**task("srv-1"), **sent}})
    session.sends_host({"id": 2, "result": {**task(NAME), **left}}).quiet()
    session.recorded(decision="note", reason="dropped_keys")


def test_a_list_of_tasks_has_the_members_that_mcp_gives_it() -> None:
    session = made().host({"id": 2, "method": "tasks/list"}).forget()
    session.server({"id": wire(3), "result": {"note": "n", "tasks": [task("srv-1", note="n")]}})
    session.sends_host({"id": 2, "result": {"tasks": [task(NAME)]}}).quiet()


@pytest.mark.guarantee("tasks:unasked-left-out")
@pytest.mark.parametrize("asked", [call(1), {"id": 1, "method": "prompts/get", "params": GREET}])
@pytest.mark.parametrize("kept", [{}, {"content": []}, {"_meta": {"x": 1}}])
def test_a_task_that_nobody_asked_for_is_left_out(asked: JsonObject, kept: JsonObject) -> None:
    session = opened().host(asked).forget()
    session.server({"id": wire(0), "result": {**kept, "task": task("srv-1")}})
    session.sends_host({"id": 1, "result": kept}).quiet().idle()
    session.recorded(decision="note", reason="dropped_keys")


@pytest.mark.parametrize("value", [1, "srv-1", {"name": "x"}, None])
def test_what_is_called_a_task_and_has_no_id_is_passed_on(value: Json) -> None:
    session = opened().host(call(1)).forget().server({"id": wire(0), "result": {"task": value}})
    session.sends_host({"id": 1, "result": {"task": value}}).quiet()


@pytest.mark.guarantee("tasks:bound-only")
@pytest.mark.parametrize("method", ["tasks/get", "tasks/result", "tasks/cancel"])
@pytest.mark.parametrize("name", ["srv-1", "other", "", NAME.upper() + "x"])
def test_a_task_that_no_allowed_call_made_does_not_exist(method: str, name: str) -> None:
    session = made().host(about(2, method, name)).sends_host(refused(2, -32602, NO_TASK))
    session.recorded(decision="deny", reason="unknown_task", method=method).quiet().idle()


@pytest.mark.guarantee("tasks:bound-only")
@pytest.mark.parametrize("answer", [{"taskId": "srv-2"}, {"taskId": 5}, {}, {"taskId": NAME}])
def test_an_answer_about_another_task_is_withheld(answer: JsonObject) -> None:
    session = made().host(about(2, "tasks/get", NAME)).forget()
    session.server({"id": wire(3), "result": {**answer, "status": "completed"}})
    text = "mcpguard: the server answered about another task"
    session.sends_host(refused(2, -32603, text)).quiet().idle()


@pytest.mark.guarantee("tasks:bound-only")
def test_an_answer_about_another_bound_task_is_withheld() -> None:
    session = made().host(call(2, task={})).forget()
    session.server({"id": wire(3), "result": {"task": task("srv-2")}}).forget()
    session.host(about(3, "tasks/get", NAME)).forget()
    session.server({"id": wire(6), "result": task("srv-2", "completed")})
    sentence = "mcpguard: the server answered about another task"
    session.sends_host(refused(3, -32603, sentence)).quiet().idle()


@pytest.mark.guarantee("tasks:result-judged-as-call")
def test_a_result_that_is_fetched_later_is_judged_as_the_calls() -> None:
    related: JsonObject = {"_meta": {RELATED_TASK: {"taskId": "srv-1"}}}
    renamed: JsonObject = {"_meta": {RELATED_TASK: {"taskId": NAME}}}
    (
        made()
        .host(about(2, "tasks/result", NAME))
        .sends_server(about(wire(3), "tasks/result", "srv-1"))
        .server({"id": wire(3), "result": {"content": [LINK], **related}})
        .sends_host({"id": 2, "result": {"content": [WITHHELD], **renamed}})
        .recorded(decision="allow", method="tasks/result", target="free", direction="server>host")
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("tasks:result-judged-as-call")
def test_a_result_that_may_not_pass_is_refused_as_the_calls() -> None:
    error: JsonObject = {"code": -32042, "message": "m", "data": {"elicitations": [{}]}}
    session = made().host(about(2, "tasks/result", NAME)).forget()
    session.server({"id": wire(3), "error": error})
    sentence = (
        "Blocked by mcpguard [surface.request_kind]: the lockfile does not let this server ask for "
        "elicitation. Allow it with: mcpguard lock --update -o FILE --allow-request KIND."
    )
    session.sends_host(blocked(2, sentence)).quiet()


@pytest.mark.guarantee("tasks:bound-only")
def test_a_list_of_tasks_holds_the_bound_ones_and_hides_the_servers_cursor() -> None:
    tasks: list[Json] = [task("srv-1"), task("srv-2"), 5, {}, {"taskId": 5}]
    (
        made()
        .host({"id": 2, "method": "tasks/list"})
        .sends_server({"id": wire(3), "method": "tasks/list"})
        .server({"id": wire(3), "result": {"tasks": tasks, "nextCursor": "srv-cursor"}})
        .sends_host({"id": 2, "result": {"tasks": [task(NAME)], "nextCursor": text(4)}})
        .host({"id": 3, "method": "tasks/list", "params": {"cursor": text(4)}})
        .sends_server({"id": wire(5), "method": "tasks/list", "params": {"cursor": "srv-cursor"}})
        .server({"id": wire(5), "result": {"tasks": None, "nextCursor": 5}})
        .sends_host({"id": 3, "result": {"tasks": []}})
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("tasks:bound-only")
@pytest.mark.parametrize("cursor", ["srv-cursor", "", 5, {}])
def test_a_cursor_that_mcpguard_did_not_give_is_refused(cursor: Json) -> None:
    session = made().host({"id": 2, "method": "tasks/list", "params": {"cursor": cursor}})
    session.sends_host(refused(2, -32602, "Invalid params: unknown cursor")).quiet().idle()
    session.recorded(decision="deny", reason="cursor")


@pytest.mark.guarantee("tasks:ids-translated")
def test_a_tasks_status_is_told_under_the_hosts_name() -> None:
    def status(name: Json) -> JsonObject:
        return {
            "method": "notifications/tasks/status",
            "params": {"taskId": name, "status": "working"},
        }

    session = made().server(status("srv-1")).sends_host(status(NAME)).quiet().forget()
    for name in ("srv-2", NAME, 5, None):
        session.server(status(name)).drops("unknown_task")


@pytest.mark.guarantee("tasks:ids-translated")
def test_what_is_related_to_a_task_names_it_as_its_reader_does() -> None:
    def related(name: str) -> JsonObject:
        return {"_meta": {RELATED_TASK: {"taskId": name}, "x": 1}}

    lock = locked(requests=[RequestKind.ROOTS])
    session = opened(lock).host(call(1, task={})).forget()
    session.server({"id": wire(0), "result": {"task": task("srv-1")}}).forget()
    session.server({"id": 9, "method": "roots/list", "params": related("srv-1")})
    meta: JsonObject = {"_meta": {"x": 1, RELATED_TASK: {"taskId": NAME}}}
    session.sends_host({"id": wire(3), "method": "roots/list", "params": meta})
    session.host({"id": wire(3), "result": {"roots": [], **related(NAME)}})
    meta = {"_meta": {"x": 1, RELATED_TASK: {"taskId": "srv-1"}}}
    session.sends_server({"id": 9, "result": {"roots": [], **meta}})
    message: JsonObject = {"level": "info", "data": "x"}
    session.server({"method": "notifications/message", "params": {**message, **related("srv-1")}})
    meta = {"_meta": {"x": 1, RELATED_TASK: {"taskId": NAME}}}
    session.sends_host({"method": "notifications/message", "params": {**message, **meta}})
    session.host({"id": 5, "method": "ping", "params": related(NAME)})
    meta = {"_meta": {"x": 1, RELATED_TASK: {"taskId": "srv-1"}}}
    session.sends_server({"id": wire(4), "method": "ping", "params": meta}).quiet()


@pytest.mark.guarantee("tasks:ids-translated")
@pytest.mark.parametrize("related", [{"taskId": "unknown"}, {"taskId": 5}, {}, 5, "srv-1"])
def test_a_relation_to_an_unknown_task_is_taken_out_or_refused(related: Json) -> None:
    meta: JsonObject = {"_meta": {RELATED_TASK: related}}
    lock = locked(requests=[RequestKind.ROOTS])
    session = opened(lock).server({"id": 9, "method": "roots/list", "params": meta})
    session.sends_host({"id": wire(0), "method": "roots/list", "params": {"_meta": {}}})
    session.host({"id": wire(0), "result": {"roots": [], **meta}})
    session.sends_server({"id": 9, "result": {"roots": [], "_meta": {}}}).forget()
    session.server({"method": "notifications/message", "params": {"data": 1, **meta}})
    session.sends_host({"method": "notifications/message", "params": {"data": 1, "_meta": {}}})
    session.host({"method": "notifications/roots/list_changed", "params": meta})
    session.sends_server({"method": "notifications/roots/list_changed", "params": {"_meta": {}}})
    session.host(call(1, _meta=meta["_meta"])).sends_host(refused(1, -32602, NO_TASK)).quiet()
    session.recorded(decision="deny", reason="unknown_task")
    session.host({"id": 2, "method": "ping"}).forget()
    session.server({"id": wire(2), "result": {**meta}}).sends_host(
        {"id": 2, "result": {"_meta": {}}}
    ).quiet()


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


# progress of a task

PROGRESS: JsonObject = {"progress": 1}


def running() -> Play:
    """A session whose task makes progress under the token `text(1)`; the task is `text(2, 3)`."""
    return (
        opened()
        .host(call(1, task={}, _meta={"progressToken": "t"}))
        .forget()
        .server({"id": wire(0), "result": {"task": task("srv-1")}})
        .forget()
        .server({"method": "notifications/progress", "params": {"progressToken": text(1)}})
        .sends_host({"method": "notifications/progress", "params": {"progressToken": "t"}})
        .quiet()
        .forget()
    )


LATER = text(2) + text(3)


@pytest.mark.guarantee("ids:tokens-translated")
@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("by", ["status", "tasks/get", "tasks/cancel", "tasks/result"])
def test_a_tasks_progress_ends_with_the_task(status: str, by: str) -> None:
    session = running()
    if by == "status":
        session.server(
            {
                "method": "notifications/tasks/status",
                "params": {"taskId": "srv-1", "status": status},
            }
        )
    else:
        session.host(about(2, by, LATER))
        session.server({"id": wire(4), "result": task("srv-1", status)})
    session.forget().server(
        {"method": "notifications/progress", "params": {"progressToken": text(1)}}
    ).drops("unknown_token")


@pytest.mark.guarantee("ids:tokens-translated")
@pytest.mark.parametrize("status", ["working", "input_required", 5, None])
def test_a_task_that_goes_on_may_make_progress(status: Json) -> None:
    session = running().host(about(2, "tasks/get", LATER)).forget()
    session.server({"id": wire(4), "result": {**task("srv-1"), "status": status}}).forget()
    session.server({"method": "notifications/progress", "params": {"progressToken": text(1)}})
    session.sends_host({"method": "notifications/progress", "params": {"progressToken": "t"}})


@pytest.mark.guarantee("tasks:bound-only")
def test_the_oldest_of_too_many_tasks_is_forgotten() -> None:
    session = running()
    for number in range(translate.MAX_TASKS):
        entry = session.ids.next
        session.host(call(2, task={})).server({"id": entry, "result": {"task": task(f"n{number}")}})
    session.forget().host(about(3, "tasks/get", LATER)).sends_host(refused(3, -32602, NO_TASK))
    session.forget().server(
        {"method": "notifications/progress", "params": {"progressToken": text(1)}}
    ).drops("unknown_token")


def test_the_oldest_of_too_many_cursors_is_forgotten() -> None:
    session = opened()
    for _ in range(translate.MAX_TASKS + 1):
        entry = session.ids.next
        session.host({"id": 1, "method": "tasks/list"})
        session.server({"id": entry, "result": {"tasks": [], "nextCursor": "c"}})
    session.forget()
    session.host({"id": 2, "method": "tasks/list", "params": {"cursor": text(1)}})
    session.sends_host(refused(2, -32602, "Invalid params: unknown cursor"))
    session.host({"id": 3, "method": "tasks/list", "params": {"cursor": text(3)}})
    session.recorded(decision="allow", method="tasks/list")


def test_the_oldest_of_too_many_interruptions_is_forgotten() -> None:
    session = modern()
    for number in range(translate.MAX_TASKS + 1):
        entry = session.ids.next
        session.host(call(1, arguments={"n": number}, _meta=ENVELOPE))
        session.server(
            {"id": entry, "result": {"resultType": "input_required", "inputRequests": {}}}
        )
    session.forget()
    session.host(call(2, arguments={"n": 0}, inputResponses={}, _meta=ENVELOPE))
    session.recorded(decision="deny", reason="unknown_state")
    session.host(call(3, arguments={"n": 1}, inputResponses={}, _meta=ENVELOPE))
    session.recorded(decision="allow", method="tools/call")


# what makes a task


@pytest.mark.parametrize("name", [None, 5, {}])
def test_a_task_without_an_id_is_withheld(name: Json) -> None:
    session = opened().host(call(1, task={}, _meta={"progressToken": "t"})).forget()
    session.server({"id": wire(0), "result": {"task": {"taskId": name}}})
    sentence = "mcpguard: the server made a task without an id"
    session.sends_host(refused(1, -32603, sentence)).quiet().idle()
    session.recorded(decision="deny", reason="envelope").server(
        {"method": "notifications/progress", "params": {"progressToken": text(1)}}
    ).drops("unknown_token")


def test_the_same_task_keeps_its_name() -> None:
    session = made().host(call(2, task={})).forget()
    session.server({"id": wire(3), "result": {"task": task("srv-1")}})
    session.sends_host({"id": 2, "result": {"task": task(NAME)}}).quiet()


@pytest.mark.guarantee("tasks:one-id-one-call")
def test_a_task_with_the_id_of_another_tools_task_is_withheld() -> None:
    """Its result would be judged, and recorded, as the other tool's."""
    echo = call(2, "echo", {"text": "a"}, task={}, _meta={"progressToken": 7})
    session = made().host(echo).forget()
    session.server({"id": wire(3), "result": {"task": task("srv-1")}})
    why = (
        "the server gave the task of this request the id of another request's; it may have run, "
        "do not retry blindly"
    )
    session.sends_host(refused(2, -32603, f"mcpguard: {why}")).quiet().idle()
    session.recorded(decision="deny", reason="duplicate_id", method="tools/call", detail=why)
    late: JsonObject = {"progressToken": wire(4), "progress": 1}
    session.server({"method": "notifications/progress", "params": late}).drops("unknown_token")
    session.host(about(3, "tasks/result", NAME))
    session.sends_server(about(wire(5), "tasks/result", "srv-1"))
    session.recorded(decision="allow", method="tasks/result", target="free")


@pytest.mark.parametrize("result", [{"content": []}, {"task": 5}, {"task": None, "content": []}])
def test_a_call_as_a_task_may_be_answered_at_once(result: JsonObject) -> None:
    session = opened().host(call(1, task={})).forget().server({"id": wire(0), "result": result})
    session.sends_host({"id": 1, "result": result}).quiet().idle()


@pytest.mark.guarantee("ids:no-entropy-denies")
def test_a_task_or_cursor_that_cannot_be_named_is_withheld() -> None:
    text = "mcpguard: no random id can be drawn"
    session = made().host(call(2, task={}), {"id": 3, "method": "tasks/list"}).forget()
    session.ids.broken = True
    session.server({"id": wire(3), "result": {"task": task("srv-2")}})
    session.sends_host(refused(2, -32603, text)).recorded(decision="deny", reason="rng_failed")
    session.server({"id": wire(4), "result": {"tasks": [], "nextCursor": "c"}})
    session.sends_host(refused(3, -32603, text)).recorded(decision="deny", reason="rng_failed")
    session.quiet().idle()


@pytest.mark.guarantee("ids:no-entropy-denies")
def test_a_name_that_is_taken_is_not_given_twice() -> None:
    session = made().host(call(2, task={})).forget()
    session.ids.coming.extend([wire(1), wire(2)])
    session.server({"id": wire(3), "result": {"task": task("srv-2")}})
    session.sends_host(refused(2, -32603, "mcpguard: the random source repeats itself")).quiet()


@pytest.mark.parametrize("name", [None, 5])
def test_a_task_request_without_a_task_is_refused(name: Json) -> None:
    session = opened().host({"id": 1, "method": "tasks/get", "params": {"taskId": name}})
    session.sends_host(refused(1, -32602, "Invalid params: taskId is missing or not a string"))
