"""A list that changes while a session runs: verified before the host hears of it."""

import pytest

from mcpguard.model import Json, JsonObject, Mode, Side
from mcpguard.proxy import listing
from mcpguard.proxy.core import MAX_DROPS
from mcpguard.wire.methods import LISTS, RELATED_TASK
from tests.unit.proxy.lists import (
    CHANGED,
    DOUBLED,
    DRIFTED,
    ECHO,
    FREE,
    TOOL,
    answered,
    changed,
    listed,
    shown,
    tools,
)
from tests.unit.proxy.play import (
    LOCK,
    SURFACE,
    TOOLS,
    blocked,
    call,
    line,
    locked,
    opened,
    play,
    refused,
    wire,
)


@pytest.mark.guarantee("listing:changed-reverified")
def test_a_changed_list_is_verified_before_the_host_hears_of_it() -> None:
    rogue: JsonObject = {"name": "exec", "inputSchema": {"type": "object"}}
    session = opened().server(CHANGED)
    session.sends_server({"id": wire(0), "method": "tools/list"}).quiet()
    session.host(call(1)).sends_server(call(wire(1))).quiet()
    answered(session, 0, ECHO, FREE, rogue)
    session.sends_host(CHANGED).quiet()
    session.recorded(decision="deny", reason="not_locked", target="exec")
    session.told("item.not_locked", name="exec")
    session.host(call(2, "exec")).sends_host(refused(2, -32602, "Unknown tool: exec"))


@pytest.mark.guarantee("notices:own-names-kept")
def test_a_changed_list_is_told_without_the_names_that_only_the_server_knows() -> None:
    def notice(**meta: Json) -> JsonObject:
        return {**CHANGED, "params": {"_meta": {"x": 1, **meta}}}

    names: dict[str, Json] = {"progressToken": 5, RELATED_TASK: {"taskId": "srv-1"}}
    session = opened().server(notice(**names))
    answered(session.forget(), 0, ECHO, FREE)
    session.sends_host(notice()).quiet()


@pytest.mark.guarantee("listing:changed-reverified")
def test_drift_that_comes_with_a_changed_list_blocks_the_next_call() -> None:
    session = opened().server(CHANGED).forget()
    answered(session, 0, ECHO, changed(TOOL, "free", description="Bad."))
    session.sends_host(CHANGED).quiet()
    session.host(call(1)).sends_host(blocked(1, DRIFTED)).quiet()


BAD = {**FREE, "description": "Bad."}
UNVERIFIED = (
    "Blocked by mcpguard [surface.unverified]: the server's list could not be verified. "
    "Ask the server for its list again, or restart it."
)
BROKEN: JsonObject = {"error": {"code": -32000, "message": "x"}}
MORE: JsonObject = {"nextCursor": "p"}
LATE: JsonObject = {"requestId": wire(0), "reason": "mcpguard: no answer in time"}


@pytest.mark.guarantee("listing:announced-blocks")
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (BROKEN, "it answered with an error"),
        ({"result": {}}, "its answer has no list of tools"),
        ({"result": {"tools": [ECHO, FREE], "nextCursor": 5}}, "its pages do not end"),
        (None, "it did not answer in time"),
    ],
)
def test_what_is_said_to_have_changed_and_cannot_be_seen_is_blocked(
    answer: JsonObject | None, why: str
) -> None:
    session = opened().server(CHANGED).forget()
    if answer is None:
        session.ticks(30.0)
        session.sends_server({"method": "notifications/cancelled", "params": LATE})
    else:
        session.server({"id": wire(0), **answer}).quiet().ticks(1.0)
    session.sends_server({"id": wire(1), "method": "tools/list"})
    session.told("listing.failed", kind="tools", why=why, fate="stay blocked")
    session.recorded(decision="deny", reason="unverified", method="tools/list")
    session.host(call(1)).sends_host(blocked(1, UNVERIFIED)).quiet()
    prompt: JsonObject = {
        "method": "prompts/get",
        "params": {"name": "greet", "arguments": {"who": "I"}},
    }
    session.host({"id": 2, **prompt}).sends_server({"id": wire(3), **prompt}).quiet()
    answered(session, 1, ECHO, FREE).sends_host(CHANGED).quiet()
    session.host(call(3)).sends_server(call(wire(4))).quiet()


@pytest.mark.guarantee("listing:announced-blocks")
def test_a_list_that_fails_is_asked_for_again_three_times() -> None:
    session = opened().server(CHANGED).forget()
    for number, seconds in enumerate(listing.RETRY_AFTER):
        session.server({"id": wire(number), **BROKEN}).quiet()
        session.ticks(seconds - 0.1).quiet()
        session.ticks(0.1).sends_server({"id": wire(number + 1), "method": "tools/list"})
    session.server({"id": wire(3), **BROKEN}).sends_host(CHANGED)
    session.ticks(1000.0).quiet().idle()
    session.host(call(1)).sends_host(blocked(1, UNVERIFIED)).quiet()
    answered(tools(session, 6), 6, ECHO, FREE)
    session.sends_host(listed(shown(TOOL, "echo"), shown(TOOL, "free")))
    session.host(call(2)).sends_server(call(wire(7))).quiet()


@pytest.mark.guarantee("listing:announced-blocks")
def test_a_list_that_failed_is_not_asked_for_once_the_server_is_gone() -> None:
    session = opened().server(CHANGED).server({"id": wire(0), **BROKEN}).closes(Side.SERVER)
    session.forget().ticks(1.0).quiet().idle()


@pytest.mark.guarantee("listing:announced-blocks")
def test_a_change_announced_while_the_list_is_given_is_seen_with_the_next() -> None:
    session = opened().server(CHANGED, CHANGED).forget()
    answered(session, 0, ECHO, FREE).ticks(1.0)
    session.sends_server({"id": wire(1), "method": "tools/list"}).quiet()
    session.server({"id": wire(1), **BROKEN})
    session.host(call(1)).sends_host(blocked(1, UNVERIFIED)).quiet()


@pytest.mark.guarantee("drift:seen-page-counts")
@pytest.mark.parametrize(
    ("pages", "sentence", "reason"),
    [
        ([[BAD], None], DRIFTED, "drifted"),
        ([[BAD], [ECHO]], DRIFTED, "drifted"),
        ([[FREE], [FREE], None], DOUBLED, "doubled"),
    ],
    ids=["drifted", "and goes on", "doubled"],
)
@pytest.mark.parametrize("announced", [True, False])
def test_what_drifted_on_a_page_stays_blocked_whatever_comes_after_it(
    pages: list[list[JsonObject] | None], sentence: str, reason: str, announced: bool
) -> None:
    session = opened()
    session.server(CHANGED) if announced else session.host({"id": "l", "method": "tools/list"})
    given = 0 if announced else 1
    for number, page in enumerate(pages, given):
        more: JsonObject = {"tools": [*(page or [])], "nextCursor": str(number)}
        answer = BROKEN if page is None else {"result": more}
        session.server({"id": wire(number), **answer})
    session.host(call(1))
    assert line(blocked(1, sentence)) in session.sends[Side.HOST]
    if pages[-1] is None:
        session.recorded(decision="deny", rule=f"surface.{reason}", target="free")
        session.told(f"item.{reason}", name="free")


@pytest.mark.guarantee("drift:seen-page-counts")
def test_drift_of_a_first_list_that_failed_is_not_forgotten() -> None:
    session = play(LOCK).initialize()
    session.server({"id": wire(4), "result": {"tools": [ECHO, BAD], **MORE}})
    session.forget().server({"id": wire(5), **BROKEN})
    session.told("item.drifted", name="free").told("listing.failed", fate="stay blocked")
    session.server(CHANGED)
    answered(session, 6, ECHO, FREE).lists().host(call(1))
    assert line(blocked(1, DRIFTED)) in session.sends[Side.HOST]


@pytest.mark.parametrize("mode", [Mode.FILTER_ONLY, Mode.AUDIT_ONLY])
def test_where_calls_are_not_blocked_an_unverified_list_blocks_none(mode: Mode) -> None:
    session = opened(mode=mode).server(CHANGED).server({"id": wire(0), **BROKEN})
    fate = f"are not listed, though {mode} lets them be used"
    session.told("listing.failed", fate=fate).forget()
    session.host(call(1)).sends_server(call(wire(1))).quiet()
    session.recorded(decision="would_deny", reason="unverified", target="free")


@pytest.mark.guarantee("listing:changed-reverified")
@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("notifications/tools/list_changed", ["tools/list"]),
        ("notifications/prompts/list_changed", ["prompts/list"]),
        ("notifications/resources/list_changed", ["resources/list", "resources/templates/list"]),
    ],
)
def test_every_list_is_verified_again(method: str, asked: list[str]) -> None:
    session = opened().server({"method": method})
    for number, each in enumerate(asked):
        session.sends_server({"id": wire(number), "method": each})
    session.quiet()
    for number, each in enumerate(asked):
        session.quiet()
        kind = LISTS[each].kind
        items: list[Json] = [*SURFACE[kind].values()]
        session.server({"id": wire(number), "result": {kind.value: items}})
    session.sends_host({"method": method}).quiet().idle()


@pytest.mark.guarantee("listing:changed-rate-limited")
def test_changes_while_a_listing_runs_are_one_more_listing() -> None:
    session = opened().after(5.0).server(*[CHANGED] * 7)
    session.sends_server({"id": wire(0), "method": "tools/list"}).quiet()
    answered(session, 0, ECHO, FREE)
    session.quiet()
    session.ticks().sends_server({"id": wire(1), "method": "tools/list"}).quiet()
    answered(session, 1, ECHO, FREE)
    session.sends_host(CHANGED).quiet().idle()


@pytest.mark.guarantee("listing:changed-rate-limited")
def test_a_flood_of_changes_starts_four_listings_a_second() -> None:
    session = opened().after(5.0)
    for number in range(4):
        session.server(CHANGED).sends_server({"id": wire(number), "method": "tools/list"})
        answered(session, number, ECHO, FREE)
        session.sends_host(CHANGED).quiet()
    session.server(CHANGED).quiet().ticks(0.9).quiet()
    assert session.session.busy
    session.ticks(0.1).sends_server({"id": wire(4), "method": "tools/list"}).quiet()
    answered(session, 4, ECHO, FREE)
    session.sends_host(CHANGED).quiet().idle()


@pytest.mark.guarantee("listing:announcements-bounded")
@pytest.mark.parametrize("allowed", [True, False])
def test_a_flood_of_changes_fills_no_log(allowed: bool) -> None:
    session = opened() if allowed else opened(locked(capabilities={}))
    session.forget()
    for _ in range(1000):
        session.server(CHANGED)
    assert len(session.records) == MAX_DROPS + allowed
    session.forget().closes(Side.SERVER)
    told = f"{899 if allowed else 900} more lines were dropped in a second"
    session.recorded(decision="note", detail=told)


@pytest.mark.guarantee("listing:host-joins")
def test_a_host_list_joins_the_one_that_runs() -> None:
    session = opened().server(CHANGED).forget()
    session.host({"id": 1, "method": "tools/list"}, {"id": 2, "method": "tools/list"}).quiet()
    answered(session, 0, ECHO)
    session.sends_host(
        listed(shown(TOOL, "echo"), given=1), listed(shown(TOOL, "echo"), given=2), CHANGED
    ).quiet().idle()


@pytest.mark.guarantee("listing:host-joins")
def test_a_host_list_that_was_cancelled_gets_no_answer() -> None:
    session = tools(opened(), 1)
    session.host({"method": "notifications/cancelled", "params": {"requestId": "l"}}).quiet()
    session.recorded(decision="allow", method="notifications/cancelled")
    answered(session, 1, ECHO, FREE)
    session.quiet().idle()


def test_a_change_before_the_lists_may_be_asked_for_asks_for_nothing() -> None:
    session = play(LOCK).server({"method": "notifications/tools/list_changed"}).forget()
    session.ticks(10.0).quiet()


def test_a_change_before_the_lists_were_asked_for_is_kept() -> None:
    session = play(LOCK)
    session.host({"id": "i", "method": "initialize", "params": {"protocolVersion": "2025-11-25"}})
    result: JsonObject = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": "sample", "version": "1.0"},
    }
    session.server(CHANGED, {"id": wire(0), "result": result}).forget()
    session.host({"method": "notifications/initialized"}).forget()
    answered(session, 1, ECHO, FREE)
    session.sends_host(CHANGED).quiet().idle()


@pytest.mark.guarantee("listing:changed-reverified")
def test_a_change_is_passed_on_once() -> None:
    session = opened().server({"method": "notifications/tools/list_changed"})
    tools: list[Json] = [*TOOLS.values()]
    session.server({"id": wire(0), "result": {"tools": tools}}).forget()
    session.host({"id": 1, "method": "tools/list"}).forget()
    session.server({"id": wire(2), "result": {"tools": []}})
    session.sends_host({"id": 1, "result": {"tools": []}}).quiet()
