"""The pages of a list: fetched to the end, merged into one, and bounded."""

import pytest

from mcpguard.model import Json, JsonObject
from mcpguard.proxy import listing
from tests.unit.proxy.lists import DOUBLED, ECHO, FREE, TOOL, answered, listed, shown, tools
from tests.unit.proxy.play import LOCK, Play, blocked, call, line, opened, play, refused, wire


@pytest.mark.guarantee("listing:pages-merged")
def test_all_pages_are_fetched_and_merged_into_one() -> None:
    session = tools(opened(), 1)
    session.server({"id": wire(1), "result": {"tools": [ECHO], "nextCursor": "p2"}})
    session.sends_server({"id": wire(2), "method": "tools/list", "params": {"cursor": "p2"}})
    session.quiet()
    answered(session, 2, FREE)
    session.sends_host(listed(shown(TOOL, "echo"), shown(TOOL, "free"))).quiet().idle()


@pytest.mark.guarantee("listing:pages-merged")
@pytest.mark.parametrize("cursor", ["p2", "", 5, {}])
def test_a_cursor_from_the_host_is_refused(cursor: Json) -> None:
    (
        opened()
        .host({"id": 1, "method": "tools/list", "params": {"cursor": cursor}})
        .sends_host(refused(1, -32602, "Invalid params: unknown cursor"))
        .recorded(decision="deny", reason="cursor")
        .quiet()
    )


UNVERIFIABLE = "mcpguard cannot verify this list: "


@pytest.mark.guarantee("listing:endless-pages-fail")
@pytest.mark.parametrize("cursor", ["again", 5, {}, "x" * 4097])
def test_pages_that_do_not_end_fail_the_list(cursor: Json) -> None:
    session = tools(opened(), 1)
    session.server({"id": wire(1), "result": {"tools": [ECHO], "nextCursor": "again"}})
    session.forget()
    session.server({"id": wire(2), "result": {"tools": [FREE], "nextCursor": cursor}})
    session.sends_host(refused("l", -32603, UNVERIFIABLE + "its pages do not end")).quiet().idle()
    session.recorded(decision="deny", reason="unverified")
    session.told("listing.failed", kind="tools", why="its pages do not end")


@pytest.mark.guarantee("listing:endless-pages-fail")
def test_a_list_of_a_thousand_pages_is_not_followed() -> None:
    session = tools(opened(), 1)
    for number in range(1, listing.MAX_PAGES):
        session.server({"id": wire(number), "result": {"tools": [], "nextCursor": str(number)}})
    session.forget()
    last: JsonObject = {"tools": [], "nextCursor": "on"}
    session.server({"id": wire(listing.MAX_PAGES), "result": last})
    why = "it lists more than can be verified"
    session.sends_host(refused("l", -32603, UNVERIFIABLE + why)).quiet()


@pytest.mark.guarantee("listing:endless-pages-fail")
def test_more_items_than_can_be_held_are_not_followed() -> None:
    session = tools(opened(), 1)
    items: list[Json] = [{"name": str(number)} for number in range(listing.MAX_ITEMS + 1)]
    session.server({"id": wire(1), "result": {"tools": items, "nextCursor": "p"}})
    why = "it lists more than can be verified"
    session.sends_host(refused("l", -32603, UNVERIFIABLE + why)).quiet()


@pytest.mark.guarantee("listing:error-is-not-empty")
@pytest.mark.parametrize(
    "result", [{}, {"tools": None}, {"tools": {}}, {"Tools": []}, {"prompts": []}]
)
def test_an_answer_without_a_list_is_not_an_empty_list(result: JsonObject) -> None:
    session = tools(opened(), 1).server({"id": wire(1), "result": result})
    why = "its answer has no list of tools"
    session.sends_host(refused("l", -32603, UNVERIFIABLE + why)).quiet()


@pytest.mark.guarantee("listing:error-is-not-empty")
def test_an_error_is_not_an_empty_list() -> None:
    session = tools(opened(), 1).server({"id": wire(1), "error": {"code": -32000, "message": "x"}})
    session.sends_host({"id": "l", "error": {"code": -32000, "message": "x"}}).quiet()
    session.recorded(decision="deny", reason="unverified")
    session.told("listing.failed", kind="tools", fate="stay as they were verified before")
    session.host(call(2)).sends_server(call(wire(2)))


@pytest.mark.guarantee("listing:error-is-not-empty")
def test_method_not_found_is_an_empty_list() -> None:
    missing: JsonObject = {"code": -32601, "message": "Method not found", "data": [1]}
    session = tools(opened(), 1).server({"id": wire(1), "error": missing})
    session.sends_host({"id": "l", "error": missing}).quiet()
    session.host(call(2)).sends_host(refused(2, -32602, "Unknown tool: free"))
    answered(tools(session, 4), 4, FREE)
    session.sends_host(listed(shown(TOOL, "free")))


@pytest.mark.guarantee("listing:error-is-not-empty")
def test_an_absent_capability_is_an_empty_list() -> None:
    session = play(LOCK).initialize({"tools": {"listChanged": True}})
    answered(session, 1, ECHO, FREE)
    session.idle().forget()
    session.host(
        {"id": 1, "method": "prompts/get", "params": {"name": "greet", "arguments": {}}}
    ).sends_host(refused(1, -32602, "Unknown prompt: greet"))
    session.host(call(2)).sends_server(call(wire(3)))


@pytest.mark.guarantee("surface:only-locked")
@pytest.mark.parametrize("odd", [None, 5, "echo", [], {}, {"name": None}, {"name": ["echo"]}])
def test_what_has_no_name_is_not_shown(odd: Json) -> None:
    session = tools(opened(), 1)
    session.server({"id": wire(1), "result": {"tools": [odd, ECHO, FREE]}})
    session.sends_host(listed(shown(TOOL, "echo"), shown(TOOL, "free"))).quiet()
    session.recorded(decision="deny", reason="not_locked", detail="1 items without a name")


@pytest.mark.guarantee("drift:quarantine-sticks")
def test_a_name_that_comes_twice_is_quarantined_even_across_pages() -> None:
    session = tools(opened(), 1)
    session.server({"id": wire(1), "result": {"tools": [ECHO, FREE], "nextCursor": "p2"}})
    session.forget()
    answered(session, 2, ECHO)
    session.sends_host(listed(shown(TOOL, "free")))
    session.recorded(decision="deny", reason="doubled", target="echo")
    session.told("item.doubled", kind="tool", name="echo")
    session.host(call(1, "echo", {"text": "x"})).sends_host(blocked(1, DOUBLED)).quiet()


@pytest.mark.guarantee("listing:pages-merged")
def test_a_page_that_comes_after_its_listing_ended_is_no_page_of_the_next() -> None:
    session = tools(opened(), 1).ticks(30.0)
    session.sends_host(refused("l", -32603, UNVERIFIABLE + "it did not answer in time")).forget()
    tools(session, 3)
    session.server({"id": wire(1), "result": {"tools": [ECHO], "nextCursor": "p"}})
    session.drops("unknown_id")
    answered(session, 3, ECHO, FREE)
    session.sends_host(listed(shown(TOOL, "echo"), shown(TOOL, "free"))).quiet().idle()


@pytest.mark.guarantee("listing:pages-merged")
def test_a_later_page_ends_with_its_listing_too() -> None:
    session = tools(opened(), 1).after(20.0)
    session.server({"id": wire(1), "result": {"tools": [ECHO], "nextCursor": "p"}}).forget()
    session.ticks(10.0).idle()
    tools(session.forget(), 4)
    session.server({"id": wire(2), "result": {"tools": [FREE]}}).drops("unknown_id")


@pytest.mark.guarantee("listing:error-is-not-empty")
def test_a_list_that_cannot_be_asked_for_fails() -> None:
    session = opened(max_pending=5)
    session.host(*({"id": number, "method": "ping"} for number in range(2, 6))).forget()
    session.host({"id": 1, "method": "tools/list"}).quiet()
    session.recorded(decision="deny", reason="saturated", method="tools/list")
    session.ticks()
    session.sends_host(refused(1, -32603, UNVERIFIABLE + "it did not answer in time")).quiet()


@pytest.mark.guarantee("listing:error-is-not-empty")
def test_a_next_page_that_cannot_be_asked_for_fails() -> None:
    session = tools(opened(), 1)
    session.ids.broken = True
    session.server({"id": wire(1), "result": {"tools": [], "nextCursor": "p"}})
    session.sends_host(refused("l", -32603, UNVERIFIABLE + "it could not be asked")).quiet()


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
