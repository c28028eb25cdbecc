"""Notifications, subscriptions, and results that point at other resources."""

import pytest

from mcpguard.model import Json, JsonObject, Mode, RequestKind
from mcpguard.wire import exact
from mcpguard.wire.methods import SUBSCRIPTION_ID
from tests.unit.proxy.play import ENVELOPE, TOOLS, Play, call, locked, modern, opened, refused, wire

INFO: JsonObject = {"level": "info", "logger": "x", "data": {"text": "hello"}}


@pytest.mark.guarantee("notices:known-only")
@pytest.mark.parametrize(
    "method",
    [
        "notifications/tasks",
        "notifications/Message",
        "notifications/initialized",
        "notifications/roots/list_changed",
        "tools/call",
        "ping",
        "",
    ],
)
def test_a_notification_no_server_has_is_dropped(method: str) -> None:
    opened().server({"method": method}).drops("unknown_method").unrecorded()


@pytest.mark.guarantee("notices:known-only")
@pytest.mark.parametrize(
    "method",
    ["notifications/message", "notifications/tools/list_changed", "tools/call", "initialize", ""],
)
def test_a_notification_no_host_has_is_dropped(method: str) -> None:
    opened().host({"method": method, "params": {"name": "free"}}).drops("unknown_method")


@pytest.mark.guarantee("notices:known-only")
def test_unknown_parameters_of_a_notification_do_not_pass() -> None:
    (
        opened(locked(requests=[RequestKind.ROOTS]))
        .server({"method": "notifications/message", "params": {**INFO, "evil": 1, "Data": 2}})
        .sends_host({"method": "notifications/message", "params": INFO})
        .host({"method": "notifications/roots/list_changed", "params": {"evil": 1}})
        .sends_server({"method": "notifications/roots/list_changed"})
        .host({"method": "notifications/cancelled", "params": {"requestID": 1}})
        .drops("envelope")
    )


@pytest.mark.guarantee("requests:denied-unless-locked")
def test_changed_roots_are_told_only_to_servers_that_may_ask_for_them() -> None:
    changed: JsonObject = {"method": "notifications/roots/list_changed"}
    opened().host(changed).drops("request_kind")
    opened(mode=Mode.AUDIT_ONLY).host(changed).sends_server(changed)
    opened(locked(requests=[RequestKind.ROOTS])).host(changed).sends_server(changed).recorded(
        decision="allow"
    )


def test_messages_pass_and_are_recorded() -> None:
    (
        opened()
        .server({"method": "notifications/message", "params": INFO})
        .sends_host({"method": "notifications/message", "params": INFO})
        .recorded(decision="allow", method="notifications/message")
        .unrecorded()
        .quiet()
    )


@pytest.mark.guarantee("parse:server-exact")
def test_exact_values_of_a_notification_pass() -> None:
    odd: JsonObject = {"level": "info", "data": [2**70, "\ud800", 1.5]}
    sent = exact.dumps_exact({"jsonrpc": "2.0", "method": "notifications/message", "params": odd})
    opened().server(sent).sends_host(sent).recorded(decision="note", reason="parser_fallback")


@pytest.mark.guarantee("parse:server-exact")
@pytest.mark.parametrize("mode", list(Mode))
def test_exact_values_of_a_changed_list_break_nothing(mode: Mode) -> None:
    odd: JsonObject = {"_meta": {"x": [2**70, "\ud800"]}}
    changed: JsonObject = {"method": "notifications/tools/list_changed", "params": odd}
    sent = exact.dumps_exact({"jsonrpc": "2.0", **changed})
    session = opened(mode=mode).server(sent).forget()
    tools: list[Json] = [*TOOLS.values()]
    session.server({"id": wire(0), "result": {"tools": tools}}).sends_host(sent).quiet()
    opened(None, Mode.AUDIT_ONLY).server(sent).sends_host(sent)


# subscriptions of single resources (legacy)


@pytest.mark.guarantee("notices:listen-filtered")
@pytest.mark.parametrize(
    ("uri", "passes"),
    [
        ("file:///notes", True),
        ("log:///monday", True),
        ("file:///secret", False),
        ("log:///../notes", False),
        (5, False),
        (None, False),
    ],
)
def test_an_update_is_told_only_of_locked_resources(uri: Json, passes: bool) -> None:
    updated: JsonObject = {"method": "notifications/resources/updated", "params": {"uri": uri}}
    session = opened().server(updated)
    if passes:
        session.sends_host(updated).recorded(decision="allow").quiet()
    else:
        session.quiet().recorded(decision="deny", method="notifications/resources/updated")
    opened(mode=Mode.FILTER_ONLY).server(updated).sends_host(updated)


# subscriptions/listen (2026-07-28)

FILTER: JsonObject = {
    "toolsListChanged": True,
    "resourceSubscriptions": ["file:///notes", "file:///secret", 5],
    "taskIds": ["t"],
    "evil": True,
}
KEPT: JsonObject = {"toolsListChanged": True, "resourceSubscriptions": ["file:///notes"]}


def listening() -> Play:
    listen: JsonObject = {
        "id": "sub",
        "method": "subscriptions/listen",
        "params": {"notifications": FILTER, "_meta": ENVELOPE},
    }
    sent: JsonObject = {
        "id": wire(0),
        "method": "subscriptions/listen",
        "params": {"notifications": KEPT, "_meta": ENVELOPE},
    }
    session = modern().host(listen).sends_server(sent).quiet()
    session.recorded(decision="allow", target="file:///notes")
    return session.recorded(decision="deny", target="file:///secret").forget()


def noticed(method: str, given: Json, **params: Json) -> JsonObject:
    return {"method": method, "params": {**params, "_meta": {SUBSCRIPTION_ID: given}}}


ACK = "notifications/subscriptions/acknowledged"
UPDATED = "notifications/resources/updated"
CHANGED = "notifications/tools/list_changed"
SAID = "notifications/message"
OTHERS = tuple(f"notifications/{name}" for name in ("cancelled", "progress", "tasks/status"))


@pytest.mark.guarantee("notices:listen-filtered")
@pytest.mark.parametrize("odd", [None, 5, [], {"resourceSubscriptions": "file:///secret"}])
def test_a_filter_that_is_none_asks_for_nothing(odd: Json) -> None:
    given: JsonObject = {"notifications": odd, "_meta": ENVELOPE}
    session = opened().host({"id": 1, "method": "subscriptions/listen", "params": given})
    sent: JsonObject = {"notifications": {}, "_meta": ENVELOPE}
    session.sends_server({"id": wire(0), "method": "subscriptions/listen", "params": sent})


@pytest.mark.guarantee("notices:listen-filtered")
def test_an_acknowledgement_grants_only_what_was_asked_for() -> None:
    granted: JsonObject = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourceSubscriptions": ["file:///notes", "file:///secret"],
    }
    session = listening().server(noticed(ACK, wire(0), notifications=granted))
    session.sends_host(noticed(ACK, "sub", notifications=KEPT)).quiet()
    session.server(noticed(ACK, wire(0), notifications=5))
    session.sends_host(noticed(ACK, "sub", notifications=5)).quiet()


@pytest.mark.guarantee("notices:subscription-ids-translated")
def test_everything_of_a_subscription_comes_under_the_hosts_id() -> None:
    session = listening().server(noticed(UPDATED, wire(0), uri="file:///notes"))
    session.sends_host(noticed(UPDATED, "sub", uri="file:///notes")).quiet()
    session.server(noticed(SAID, wire(0), level="info", data="x"))
    session.sends_host(noticed(SAID, "sub", level="info", data="x")).quiet()
    session.server(noticed(CHANGED, wire(0)))
    listed: JsonObject = {"id": wire(1), "method": "tools/list", "params": {"_meta": ENVELOPE}}
    session.sends_server(listed).quiet()
    tools: list[Json] = [*TOOLS.values()]
    session.server({"id": wire(1), "result": {"tools": tools}})
    session.sends_host(noticed(CHANGED, "sub")).quiet()
    ended: JsonObject = {"resultType": "complete", "_meta": {SUBSCRIPTION_ID: wire(0)}}
    session.server({"id": wire(0), "result": ended})
    shown: JsonObject = {"resultType": "complete", "_meta": {SUBSCRIPTION_ID: "sub"}}
    session.sends_host({"id": "sub", "result": shown}).quiet().idle()


@pytest.mark.guarantee("notices:subscription-ids-translated")
@pytest.mark.parametrize("given", [wire(1), wire(7), "sub", str(wire(0)), 5, True, [], {}])
@pytest.mark.parametrize("method", [ACK, UPDATED, CHANGED, SAID, *OTHERS])
def test_what_belongs_to_no_subscription_is_dropped(method: str, given: Json) -> None:
    session = listening().host({"id": 2, "method": "ping"}).forget()  # in flight as wire(1)
    session.server(noticed(method, given, uri="file:///notes")).drops("unknown_id")


@pytest.mark.guarantee("notices:subscription-ids-translated")
def test_what_a_server_asks_belongs_to_no_subscription() -> None:
    asked: JsonObject = {"_meta": {SUBSCRIPTION_ID: 5, "x": 1}}
    session = opened().server({"id": 1, "method": "ping", "params": asked})
    session.sends_host({"id": wire(0), "method": "ping", "params": {"_meta": {"x": 1}}}).quiet()


@pytest.mark.guarantee("notices:listen-filtered")
@pytest.mark.parametrize(
    "meta", [{}, {"_meta": 5}, {"_meta": {}}, {"_meta": {SUBSCRIPTION_ID: None}}]
)
def test_an_acknowledgement_of_nothing_is_dropped(meta: JsonObject) -> None:
    listening().server({"method": ACK, "params": meta}).drops("unknown_id")


@pytest.mark.guarantee("notices:subscription-ids-translated")
def test_a_server_may_cancel_a_subscription_and_nothing_else_of_the_hosts() -> None:
    session = listening().host({"id": 2, "method": "ping"}).forget()
    session.server({"method": "notifications/cancelled", "params": {"requestId": wire(1)}})
    session.drops("unknown_id")
    session.server({"method": "notifications/cancelled", "params": {"requestId": wire(0)}})
    session.sends_host({"method": "notifications/cancelled", "params": {"requestId": "sub"}})
    session.server(noticed(UPDATED, wire(0), uri="file:///notes")).drops("unknown_id")
    session.server({"id": wire(0), "result": {}}).drops("unknown_id")


def test_a_subscription_may_ask_for_every_kind_of_list() -> None:
    filters: JsonObject = {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": True,
    }
    listen: JsonObject = {"notifications": filters, "_meta": ENVELOPE}
    session = modern().host({"id": 1, "method": "subscriptions/listen", "params": listen})
    session.sends_server({"id": wire(0), "method": "subscriptions/listen", "params": listen})


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


# results that point elsewhere

SECRET: JsonObject = {"type": "resource_link", "uri": "file:///secret", "name": "s"}
NOTES: JsonObject = {"type": "resource_link", "uri": "file:///notes", "name": "n"}
TEXT: JsonObject = {"type": "text", "text": "x"}
GONE: JsonObject = {
    "type": "text",
    "text": "[mcpguard: a link to a resource that is not in the lockfile was withheld]",
}


@pytest.mark.guarantee("surface:links-are-locked")
@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ([TEXT, SECRET, NOTES], [TEXT, GONE, NOTES]),
        ([{"type": "resource_link"}, {"type": "resource_link", "uri": 5}], [GONE, GONE]),
        ([NOTES, 5, None, [], {}], [NOTES, 5, None, [], {}]),
        ("text", "text"),
    ],
)
def test_a_link_to_what_is_not_locked_is_withheld(content: Json, shown: Json) -> None:
    session = opened().host(call(1)).forget()
    session.server({"id": wire(0), "result": {"content": content, "isError": False}})
    session.sends_host({"id": 1, "result": {"content": shown, "isError": False}}).quiet()


@pytest.mark.guarantee("surface:links-are-locked")
def test_a_link_in_a_prompt_is_withheld() -> None:
    request: JsonObject = {"id": 1, "method": "prompts/get", "params": {"name": "greet"}}
    session = opened().host(request).forget()
    messages: list[Json] = [{"role": "user", "content": SECRET}, {"role": "user", "content": TEXT}]
    session.server({"id": wire(0), "result": {"messages": [*messages, 5]}})
    shown: list[Json] = [{"role": "user", "content": GONE}, {"role": "user", "content": TEXT}]
    session.sends_host({"id": 1, "result": {"messages": [*shown, 5]}}).quiet()


@pytest.mark.guarantee("surface:links-are-locked")
@pytest.mark.parametrize(
    ("uri", "passes"),
    [("file:///notes", True), ("log:///x", True), ("file:///secret", False), (5, False)],
)
def test_a_resource_answers_only_about_locked_ones(uri: Json, passes: bool) -> None:
    read: JsonObject = {"id": 1, "method": "resources/read", "params": {"uri": "log:///monday"}}
    result: JsonObject = {"contents": [{"uri": "log:///monday"}, {"uri": uri, "text": "x"}]}
    session = opened().host(read).forget().server({"id": wire(0), "result": result})
    sentence = (
        "Blocked by mcpguard [surface.link_not_locked]: the answer is about a resource that is not "
        "in the lockfile. Do not retry; add the resource with: mcpguard lock --update -o FILE."
    )
    expected = {"id": 1, "result": result} if passes else refused(1, -31001, sentence)
    session.sends_host(expected).quiet()
    if not passes:
        session.recorded(decision="deny", reason="link_not_locked", direction="server>host")
        session.told("result.withheld", method="resources/read")


@pytest.mark.parametrize("result", [{"contents": []}, {}])
def test_a_resource_without_contents_passes(result: JsonObject) -> None:
    read: JsonObject = {"id": 1, "method": "resources/read", "params": {"uri": "log:///monday"}}
    session = opened().host(read).forget().server({"id": wire(0), "result": result})
    session.sends_host({"id": 1, "result": result}).quiet()
