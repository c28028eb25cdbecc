"""What the server lists, as the host sees it: what is locked, and nothing else, in every mode."""

from collections.abc import Mapping
from typing import cast

import pytest

from mcpguard.model import ItemKind, JsonObject, Mode, RequestKind
from mcpguard.proxy.core import MAX_REPORTED
from tests.unit.proxy.lists import (
    CHANGED,
    ECHO,
    FREE,
    METHOD,
    TOOL,
    answered,
    changed,
    exactly,
    listed,
    shown,
    tools,
)
from tests.unit.proxy.play import (
    CAPABILITIES,
    LOCK,
    PROMPTS,
    RESOURCES,
    SURFACE,
    TEMPLATES,
    TOOLS,
    call,
    locked,
    opened,
    play,
    refused,
    wire,
)


def surface(kind: ItemKind, *items: JsonObject) -> Mapping[ItemKind, Mapping[str, JsonObject]]:
    """The sample server's surface with other items of one kind."""
    return {**SURFACE, kind: {str(number): item for number, item in enumerate(items)}}


# lists as the host sees them


@pytest.mark.guarantee("listing:own-lists")
def test_the_session_lists_everything_by_itself_once_it_may() -> None:
    asked = play(LOCK)
    asked.host({"id": "i", "method": "initialize", "params": {"protocolVersion": "2025-11-25"}})
    asked.server(
        {
            "id": wire(0),
            "result": {
                "protocolVersion": "2025-11-25",
                "capabilities": CAPABILITIES,
                "serverInfo": {"name": "sample", "version": "1.0"},
            },
        }
    )
    asked.forget().host({"method": "notifications/initialized"})
    asked.sends_server(
        {"method": "notifications/initialized"},
        {"id": wire(1), "method": "prompts/list"},
        {"id": wire(2), "method": "resources/templates/list"},
        {"id": wire(3), "method": "resources/list"},
        {"id": wire(4), "method": "tools/list"},
    ).quiet()
    assert asked.session.busy
    asked.lists().quiet().idle()


@pytest.mark.guarantee("listing:locked-definitions-shown")
@pytest.mark.parametrize("kind", list(ItemKind))
def test_a_list_holds_the_locked_definitions(kind: ItemKind) -> None:
    names = [*SURFACE[kind]]
    answer: JsonObject = {kind.value: [*SURFACE[kind].values()], "extra": 1, "_meta": {"x": 1}}
    (
        opened()
        .host({"id": 1, "method": METHOD[kind]})
        .sends_server({"id": wire(1), "method": METHOD[kind]})
        .quiet()
        .server({"id": wire(1), "result": answer})
        .sends_host({"id": 1, "result": {kind.value: [shown(kind, name) for name in names]}})
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("surface:only-locked")
def test_what_is_not_locked_is_invisible_and_does_not_exist() -> None:
    rogue: JsonObject = {"name": "exec", "inputSchema": {"type": "object"}}
    session = opened(live=surface(TOOL, ECHO, rogue, FREE))
    answered(tools(session, 1), 1, ECHO, rogue, FREE)
    session.sends_host(listed(shown(TOOL, "echo"), shown(TOOL, "free"))).quiet()
    session.host(call(2, "exec")).sends_host(refused(2, -32602, "Unknown tool: exec")).quiet()
    session.recorded(decision="deny", target="exec", rule="surface.not_locked")


@pytest.mark.guarantee("surface:only-locked")
@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("tools/call", {"name": "Echo"}, "Unknown tool: Echo"),
        ("tools/call", {"name": "echo "}, "Unknown tool: echo "),
        ("tools/call", {"name": "еcho"}, "Unknown tool: еcho"),
        ("tools/call", {"name": ""}, "Unknown tool: "),
        ("tools/call", {"name": "x" * 300}, "Unknown tool: " + "x" * 200),
        ("prompts/get", {"name": "Greet"}, "Unknown prompt: Greet"),
        ("resources/read", {"uri": "file:///Notes"}, "Unknown resource: file:///Notes"),
        ("resources/subscribe", {"uri": "x://y"}, "Unknown resource: x://y"),
        ("resources/unsubscribe", {"uri": "x://y"}, "Unknown resource: x://y"),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {}},
            "Unknown reference: x",
        ),
        (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": "x://y"}, "argument": {}},
            "Unknown reference: x://y",
        ),
        (
            "completion/complete",
            {"ref": {"type": "ref/tool", "uri": "echo"}, "argument": {}},
            "Unknown reference: echo",
        ),
    ],
)
def test_near_misses_do_not_exist(method: str, params: JsonObject, message: str) -> None:
    (
        opened()
        .host({"id": 1, "method": method, "params": params})
        .sends_host(refused(1, -32602, message))
        .recorded(decision="deny", method=method, reason="not_locked")
        .quiet()
        .idle()
    )


NOT_NORMAL = (
    "Blocked by mcpguard [surface.uri_form]: the URI is not in normal form (RFC 3986). "
    "Use the URI's normal form (RFC 3986 section 6)."
)


@pytest.mark.guarantee("uri:only-normal-form")
@pytest.mark.parametrize(
    "uri",
    [
        "file:///./notes",
        "log:///a/../b",
        "log:///%2e%2e",
        "LOG:///monday",
        "log:///%6d",
        "log:///%2f..",
    ],
)
@pytest.mark.parametrize("method", ["resources/read", "resources/subscribe"])
def test_a_uri_that_is_not_in_normal_form_is_refused(method: str, uri: str) -> None:
    (
        opened()
        .host({"id": 1, "method": method, "params": {"uri": uri}})
        .sends_host(refused(1, -31001, NOT_NORMAL))
        .recorded(decision="deny", method=method, reason="uri_form", target=uri)
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("proxy:transparent")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "echo", "arguments": {"text": "x"}}),
        ("prompts/get", {"name": "greet", "arguments": {"who": "x"}}),
        ("prompts/get", {"name": "greet"}),
        ("resources/read", {"uri": "file:///notes"}),
        ("resources/read", {"uri": "log:///monday"}),
        ("resources/subscribe", {"uri": "log:///monday"}),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "who"}},
        ),
        (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": "log:///{day}"}, "argument": {"name": "day"}},
        ),
        (
            "completion/complete",
            {"ref": {"type": "ref/resource", "uri": "file:///notes"}, "argument": {}},
        ),
    ],
)
def test_what_is_locked_and_listed_passes(method: str, params: JsonObject) -> None:
    (
        opened()
        .host({"id": "q", "method": method, "params": params})
        .sends_server({"id": wire(0), "method": method, "params": params})
        .recorded(decision="allow", method=method, direction="host>server")
        .unrecorded()
        .server({"id": wire(0), "result": {"any": "thing"}})
        .sends_host({"id": "q", "result": {"any": "thing"}})
        .recorded(decision="allow", method=method, direction="server>host")
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("surface:listed-unchanged")
def test_a_locked_tool_that_this_session_did_not_list_does_not_exist() -> None:
    session = opened(live=surface(TOOL, ECHO))
    session.host(call(1)).sends_host(refused(1, -32602, "Unknown tool: free")).quiet()
    session.recorded(decision="deny", reason="not_listed", target="free")


ALL_ASKED: JsonObject = {"roots": {}, "sampling": {}, "elicitation": {}}


def test_missing_items_are_told_once() -> None:
    session = (
        play(locked(requests=list(RequestKind)))
        .initialize(able=ALL_ASKED)
        .lists(surface(TOOL, ECHO))
    )
    session.told("item.missing", kind="tool", name="free")
    session.recorded(decision="note", reason="not_listed").forget()
    session.ids.next = wire(0)
    answered(tools(session, 1), 1, ECHO)
    assert session.events == []
    session.recorded(decision="allow", method="tools/list").recorded(decision="allow", reason="ok")


@pytest.mark.guarantee("listing:records-bounded")
def test_a_flood_of_new_names_fills_no_log() -> None:
    session = tools(opened(), 1).forget()
    flood: list[JsonObject] = [{"name": str(number)} for number in range(1000)]
    answered(session, 1, ECHO, FREE, *flood)
    named = [record for record in session.records if record["target"]]
    assert len(named) == MAX_REPORTED
    session.recorded(decision="deny", detail="900 more items")
    session.sends_host(listed(shown(TOOL, "echo"), shown(TOOL, "free"))).quiet()


# modes


@pytest.mark.guarantee("modes:one-table")
def test_filter_only_filters_lists() -> None:
    rogue: JsonObject = {"name": "exec", "inputSchema": {"type": "object"}}
    session = opened(mode=Mode.FILTER_ONLY)
    answered(tools(session, 1), 1, ECHO, rogue, changed(TOOL, "free", title="New"))
    session.sends_host(listed(shown(TOOL, "echo"))).quiet()
    session.recorded(decision="deny", reason="not_locked", target="exec")


@pytest.mark.guarantee("modes:audit-only-shows-all")
def test_audit_only_shows_every_item_as_the_server_wrote_it() -> None:
    rogue: JsonObject = {"name": "exec", "big": 2**70}
    drifted = changed(TOOL, "free", title="New")
    odd = cast("list[JsonObject]", [None, {"name": 5}])
    session = opened(mode=Mode.AUDIT_ONLY)
    session.host({"id": "l", "method": "tools/list"}).forget()
    session.server(
        exactly({"id": wire(1), "result": {"tools": [FREE, ECHO, rogue, drifted, *odd]}})
    )
    session.sends_host(
        exactly({"id": "l", "result": {"tools": [FREE, ECHO, rogue, drifted, *odd]}})
    ).quiet()
    session.recorded(decision="would_deny", reason="doubled", target="free")
    session.recorded(decision="would_deny", reason="not_locked", target="exec")


@pytest.mark.guarantee("modes:audit-only-shows-all")
def test_without_a_lockfile_lists_pass_page_by_page() -> None:
    session = opened(None, Mode.AUDIT_ONLY)
    session.host({"id": 1, "method": "tools/list", "params": {"cursor": "c"}})
    session.sends_server({"id": wire(0), "method": "tools/list", "params": {"cursor": "c"}})
    session.server({"id": wire(0), "result": {"tools": [FREE], "nextCursor": "d"}})
    session.sends_host({"id": 1, "result": {"tools": [FREE], "nextCursor": "d"}})
    session.recorded(decision="would_deny", reason="no_lock")
    session.server(CHANGED).sends_host(CHANGED).quiet().idle()


def test_the_sample_surface_is_whole() -> None:
    assert {**PROMPTS, **RESOURCES, **TEMPLATES, **TOOLS}.keys() == {
        name for items in SURFACE.values() for name in items
    }
