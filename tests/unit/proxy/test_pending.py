"""What is in flight: bounds, deadlines, holding until the lists are verified, and sudden ends."""

import pytest

from mcpguard.model import Era, JsonObject, Mode, RequestKind, Side
from mcpguard.proxy.core import MAX_DROPS
from tests.unit.proxy.play import (
    ALL,
    ENVELOPE,
    LIST_ROOTS,
    LOCK,
    SURFACE,
    Line,
    Play,
    asked_to_initialize,
    call,
    line,
    locked,
    modern,
    opened,
    play,
    refused,
    wire,
)

ROOTS = locked(requests=[RequestKind.ROOTS])
TIMED_OUT = "mcpguard: the server did not answer in 10 s"
GONE = "mcpguard: the server ended before it answered."
UNVERIFIED = (
    "Blocked by mcpguard [surface.unverified]: the server's list could not be verified. "
    "Ask the server for its list again, or restart it."
)


def cancelled(given: int | str, why: str) -> JsonObject:
    params: JsonObject = {"requestId": given, "reason": f"mcpguard: {why}"}
    return {"method": "notifications/cancelled", "params": params}


# bounds


@pytest.mark.guarantee("pending:bounded")
def test_a_full_table_denies_loudly_and_frees_with_each_answer() -> None:
    sentence = "Blocked by mcpguard [wire.saturated]: 2 requests are in flight; wait for an answer."
    (
        opened(max_pending=2)
        .host({"id": 1, "method": "ping"}, {"id": 2, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"}, {"id": wire(1), "method": "ping"})
        .host({"id": 3, "method": "ping"})
        .sends_host(refused(3, -31002, sentence))
        .recorded(decision="deny", reason="saturated")
        .told("request.refused", reason="saturated")
        .server({"id": wire(0), "result": {}})
        .sends_host({"id": 1, "result": {}})
        .host({"id": 3, "method": "ping"})
        .sends_server({"id": wire(2), "method": "ping"})
        .quiet()
    )


@pytest.mark.guarantee("pending:bounded")
def test_the_servers_table_is_bounded_by_itself() -> None:
    (
        opened(max_pending=1)
        .server({"id": 1, "method": "ping"})
        .sends_host({"id": wire(0), "method": "ping"})
        .server({"id": 2, "method": "ping"})
        .sends_server(refused(2, -32603, "1 requests are in flight; wait for an answer"))
        .recorded(decision="deny", reason="saturated")
        .host({"id": 1, "method": "ping"})
        .sends_server({"id": wire(1), "method": "ping"})
        .quiet()
    )


@pytest.mark.guarantee("pending:bounded")
def test_a_cancelled_request_gives_its_slot_up_when_the_table_is_full() -> None:
    (
        opened(max_pending=1)
        .host({"id": 1, "method": "ping"})
        .host({"method": "notifications/cancelled", "params": {"requestId": 1}})
        .forget()
        .host({"id": 2, "method": "ping"})
        .sends_server({"id": wire(1), "method": "ping"})
        .server({"id": wire(0), "result": {}})
        .recorded(decision="drop", reason="unknown_id")
        .host({"id": 3, "method": "ping"})
        .recorded(decision="deny", reason="saturated")
    )


@pytest.mark.guarantee("pending:bounded")
def test_a_flood_of_noise_is_counted_not_written_down_line_by_line() -> None:
    session = opened()
    session.forget()
    for _ in range(MAX_DROPS + 7):
        session.host(b"")
    assert len(session.records) == MAX_DROPS
    session.forget()
    session.closes(Side.SERVER)
    told = "7 more lines were dropped in a second"
    session.recorded(decision="note", reason="empty_line", detail=told)


@pytest.mark.guarantee("trust:leaving-is-no-failure")
@pytest.mark.parametrize("cancelled", [False, True])
def test_a_server_that_ends_over_a_cancelled_call_owed_nothing(cancelled: bool) -> None:
    session = opened().host(call(7))
    if cancelled:
        session.host({"method": "notifications/cancelled", "params": {"requestId": 7}})
    session.forget().closes(Side.SERVER)
    session.recorded(decision="note" if cancelled else "deny", reason="server_gone").unrecorded()


# deadlines


@pytest.mark.guarantee("pending:deadline")
def test_a_request_without_an_answer_ends_for_both_sides() -> None:
    (
        opened(timeout=10.0)
        .host({"id": 7, "method": "ping"})
        .sends_server({"id": wire(0), "method": "ping"})
        .ticks(9.9)
        .quiet()
        .ticks(0.1)
        .sends_host(refused(7, -31003, TIMED_OUT))
        .sends_server(cancelled(wire(0), "no answer in time"))
        .recorded(decision="deny", reason="timeout", method="ping")
        .quiet()
        .idle()
        .server({"id": wire(0), "result": {}})
        .drops("unknown_id")
    )


@pytest.mark.guarantee("pending:deadline")
def test_a_server_request_without_an_answer_ends_for_both_sides() -> None:
    (
        opened(timeout=10.0)
        .server({"id": "s", "method": "ping"})
        .sends_host({"id": wire(0), "method": "ping"})
        .ticks(10.0)
        .sends_host(cancelled(wire(0), "no answer in time"))
        .sends_server(refused("s", -32603, "the host did not answer in time"))
        .recorded(decision="deny", reason="timeout")
        .quiet()
        .idle()
        .host({"id": wire(0), "result": {}})
        .drops("unknown_id")
    )


@pytest.mark.guarantee("pending:deadline")
def test_a_cancelled_request_is_forgotten_at_its_deadline_without_a_word() -> None:
    (
        opened(timeout=10.0)
        .host({"id": 7, "method": "ping"})
        .host({"method": "notifications/cancelled", "params": {"requestId": 7}})
        .server({"id": "s", "method": "ping"})
        .server({"method": "notifications/cancelled", "params": {"requestId": "s"}})
        .forget()
        .ticks(10.0)
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("pending:progress-extends")
def test_progress_starts_the_time_again() -> None:
    params: JsonObject = {"progressToken": wire(1), "progress": 1}
    (
        opened(timeout=10.0)
        .host(call(7, _meta={"progressToken": 1}))
        .forget()
        .ticks(9.0)
        .server({"method": "notifications/progress", "params": params})
        .sends_host(
            {"method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
        )
        .ticks(9.0)
        .quiet()
        .ticks(1.0)
        .sends_host(refused(7, -31003, TIMED_OUT))
        .sends_server(cancelled(wire(0), "no answer in time"))
    )


@pytest.mark.guarantee("pending:progress-extends")
def test_the_hosts_progress_starts_the_servers_time_again() -> None:
    (
        opened(ROOTS, timeout=10.0)
        .server({"id": 1, "method": "roots/list", "params": {"_meta": {"progressToken": 1}}})
        .forget()
        .ticks(9.0)
        .host({"method": "notifications/progress", "params": {"progressToken": wire(1)}})
        .sends_server({"method": "notifications/progress", "params": {"progressToken": 1}})
        .ticks(9.0)
        .quiet()
        .ticks(1.0)
        .sends_server(refused(1, -32603, "the host did not answer in time"))
    )


@pytest.mark.guarantee("pending:person-pauses")
def test_no_request_ages_while_the_server_waits_for_a_person() -> None:
    (
        opened(ROOTS, timeout=10.0)
        .host(call(7))
        .after(4.0)
        .ticks()
        .server({"id": "s", "method": "roots/list"})
        .forget()
        .ticks(3.0)
        .ticks(3.0)
        .host({"id": wire(1), "result": {"roots": []}})
        .sends_server({"id": "s", "result": {"roots": []}})
        .ticks(5.9)
        .quiet()
        .ticks(0.1)
        .sends_host(refused(7, -31003, TIMED_OUT))
    )


@pytest.mark.guarantee("pending:person-pauses")
def test_only_the_time_since_the_server_asked_is_given_back() -> None:
    (
        opened(ROOTS, timeout=100.0)
        .host(call(7))
        .after(50.0)
        .server({"id": "s", "method": "roots/list"})
        .forget()
        .ticks(10.0)
        .host({"id": wire(1), "result": {"roots": []}})
        .forget()
        .ticks(49.9)
        .quiet()
        .ticks(0.1)
        .sends_host(refused(7, -31003, "mcpguard: the server did not answer in 100 s"))
    )


@pytest.mark.guarantee("pending:held-until-verified")
def test_a_listing_ages_while_the_server_waits_for_a_person() -> None:
    slow = begun().server({"id": "s", "method": "ping"}).forget().ticks(29.9).quiet().ticks(0.1)
    slow.sends_server(*(cancelled(wire(number), "no answer in time") for number in (1, 2, 3, 4)))
    slow.quiet()


@pytest.mark.guarantee("pending:person-pauses")
def test_a_question_that_was_taken_back_pauses_nothing() -> None:
    (
        opened(ROOTS, timeout=10.0)
        .host(call(7))
        .server({"id": "s", "method": "roots/list"})
        .server({"method": "notifications/cancelled", "params": {"requestId": "s"}})
        .forget()
        .ticks(10.0)
        .sends_host(refused(7, -31003, TIMED_OUT))
    )


def test_a_cancelled_request_waits_for_its_answer_past_the_next_tick() -> None:
    session = opened().host(call(1))
    session.host({"method": "notifications/cancelled", "params": {"requestId": 1}}).ticks(1.0)
    session.forget().server({"id": wire(0), "result": {}}).drops("late_answer").idle()


@pytest.mark.guarantee("pending:person-pauses")
def test_a_short_wait_for_a_person_gives_back_no_more_than_it_took() -> None:
    session = opened(ALL, timeout=10.0).host(call(1)).server(LIST_ROOTS)
    for _ in range(8):
        session.ticks(0.125)
    session.host({"id": wire(1), "result": {"roots": []}}).forget()
    session.ticks(9.875).quiet().ticks(0.125)
    session.sends_host(refused(1, -31003, "mcpguard: the server did not answer in 10 s"))


# held until verified

BOUNDED = "too many requests wait for the server's lists"


def begun(timeout: float = 3600.0) -> Play:
    """A legacy session whose four lists have been asked for."""
    return play(LOCK, timeout=timeout).initialize()


@pytest.mark.guarantee("pending:held-until-verified")
@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "free"}),
        ("prompts/get", {"name": "greet", "arguments": {"who": "x"}}),
        ("resources/read", {"uri": "file:///notes"}),
        ("resources/subscribe", {"uri": "file:///notes"}),
        ("resources/unsubscribe", {"uri": "file:///notes"}),
        ("subscriptions/listen", {"notifications": {}, "_meta": ENVELOPE}),
        (
            "completion/complete",
            {
                "ref": {"type": "ref/prompt", "name": "greet"},
                "argument": {"name": "who", "value": "x"},
            },
        ),
    ],
)
def test_what_needs_the_lists_waits_for_them(method: str, params: JsonObject) -> None:
    (
        begun()
        .host({"id": 1, "method": method, "params": params})
        .quiet()
        .lists()
        .sends_server({"id": wire(5), "method": method, "params": params})
        .quiet()
    )


@pytest.mark.guarantee("pending:held-until-verified")
def test_the_rest_goes_on_while_calls_are_held() -> None:
    (
        begun()
        .host(call(1))
        .host({"id": 2, "method": "logging/setLevel", "params": {"level": "info"}})
        .sends_server({"id": wire(6), "method": "logging/setLevel", "params": {"level": "info"}})
        .host({"id": 3, "method": "ping"})
        .sends_server({"id": wire(7), "method": "ping"})
        .server({"method": "notifications/message", "params": {"level": "info", "data": "x"}})
        .sends_host({"method": "notifications/message", "params": {"level": "info", "data": "x"}})
        .quiet()
    )


@pytest.mark.guarantee("pending:held-until-verified")
def test_held_requests_are_released_in_their_order() -> None:
    (
        begun()
        .host(call(1), call(2, "nope"), call("three"))
        .quiet()
        .lists()
        .sends_server(call(wire(5)), call(wire(7)))
        .sends_host(refused(2, -32602, "Unknown tool: nope"))
        .quiet()
    )


@pytest.mark.guarantee("pending:held-until-verified")
def test_requests_wait_for_the_handshake_too() -> None:
    params: JsonObject = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {}}
    early = play(LOCK).host({"id": 0, "method": "initialize", "params": params}).forget()
    early.host({"id": 1, "method": "tools/list"}, call(2)).quiet()
    result: JsonObject = {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {"listChanged": True}},
        "serverInfo": {"name": "sample", "version": "1.0"},
    }
    early.server({"id": wire(0), "result": result}).forget()
    early.host({"method": "notifications/initialized"}).sends_server(
        {"method": "notifications/initialized"}, {"id": wire(3), "method": "tools/list"}
    ).quiet()
    tools = [*SURFACE[next(kind for kind in SURFACE)].values()]
    early.server({"id": wire(3), "result": {"tools": [*tools]}})
    early.sends_server(call(wire(2)))
    assert early.session.waiting


@pytest.mark.guarantee("pending:held-bounded")
def test_at_most_sixty_four_requests_are_held() -> None:
    held = begun().host(*(call(number) for number in range(64))).quiet()
    held.host(call(64)).sends_host(refused(64, -31002, BOUNDED)).quiet()
    held.recorded(decision="deny", reason="saturated", method="tools/call")
    held.lists().sends_server(*(call(wire(5 + number)) for number in range(64))).quiet()


@pytest.mark.guarantee("pending:held-bounded")
def test_at_most_one_mebibyte_is_held() -> None:
    def padded(given: int, size: int) -> bytes:
        short = line(call(given, arguments={"pad": ""}))
        return line(call(given, arguments={"pad": "x" * (size - len(short))}))

    half = 512 * 1024
    held = begun().host(padded(1, half), padded(2, half - 200)).quiet()
    held.host(padded(3, 201)).sends_host(refused(3, -31002, BOUNDED)).quiet()
    held.host(padded(4, 200)).quiet()
    held.lists().forget().host(call(5)).sends_server(call(wire(9))).quiet()


def test_bytes_that_were_released_can_be_held_again() -> None:
    half = "x" * (512 * 1024)
    held = begun().host(call(1, arguments={"pad": half})).quiet()
    for number in (1, 2, 3):  # every listing that ends takes the held ones up and holds them again
        held.server({"id": wire(number), "result": {"prompts": []}})
    held.host(call(2, arguments={"pad": half[:-200]})).quiet()


@pytest.mark.guarantee("ids:cancel-translated")
def test_a_request_that_is_cancelled_while_held_is_never_sent() -> None:
    (
        begun()
        .host(call(1), call(2))
        .host({"method": "notifications/cancelled", "params": {"requestId": 1}})
        .quiet()
        .lists()
        .sends_server(call(wire(6)))
        .quiet()
        .server({"id": wire(6), "result": {"content": []}})
        .sends_host({"id": 2, "result": {"content": []}})
        .idle()
    )


@pytest.mark.guarantee("pending:held-until-verified")
def test_verification_that_fails_denies_what_was_held() -> None:
    failing = begun().host(call(1)).quiet()
    for number in (1, 2, 3, 4):
        failing.server(refused(wire(number), -32603, "no"))
    failing.sends_host(
        {"id": 1, "result": {"content": [{"type": "text", "text": UNVERIFIED}], "isError": True}}
    ).quiet()


@pytest.mark.guarantee("pending:held-until-verified")
def test_verification_that_takes_too_long_denies_what_was_held() -> None:
    slow = begun().host(call(1)).ticks(29.9).quiet().ticks(0.1)
    slow.sends_server(*(cancelled(wire(number), "no answer in time") for number in (1, 2, 3, 4)))
    slow.sends_host(
        {"id": 1, "result": {"content": [{"type": "text", "text": UNVERIFIED}], "isError": True}}
    ).quiet()
    slow.idle()
    slow.server({"id": wire(4), "result": {"tools": []}}).drops("unknown_id")


@pytest.mark.guarantee("ids:answered-once")
def test_a_held_request_that_expired_is_not_answered_again() -> None:
    (
        begun(timeout=10.0)
        .host(call(1))
        .ticks(10.0)
        .sends_host(refused(1, -31003, TIMED_OUT))
        .lists()
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("ids:answered-once")
def test_a_waiting_list_request_that_expired_is_not_answered_again() -> None:
    (
        begun(timeout=10.0)
        .host({"id": 1, "method": "tools/list"})
        .ticks(10.0)
        .sends_host(refused(1, -31003, TIMED_OUT))
        .lists()
        .quiet()
        .idle()
    )


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


# sudden ends


@pytest.mark.guarantee("pending:server-death-answers")
def test_the_death_of_the_server_answers_everybody_once() -> None:
    (
        begun()
        .host(call("held"), {"id": "list", "method": "tools/list"}, {"id": "p", "method": "ping"})
        .host(call("cancelled"))
        .host({"method": "notifications/cancelled", "params": {"requestId": "cancelled"}})
        .server({"id": "s", "method": "ping"})
        .forget()
        .closes(Side.SERVER)
        .sends_host(
            refused("held", -32603, GONE),
            refused("list", -32603, GONE),
            refused("p", -32603, GONE),
            cancelled(wire(9), "the server ended"),
        )
        .recorded(decision="deny", reason="server_gone", method="tools/call")
        .quiet()
        .idle()
        .ticks(60.0)
        .quiet()
        .host(call("later"))
        .sends_host(refused("later", -32603, GONE))
        .quiet()
        .idle()
    )


@pytest.mark.guarantee("pending:server-death-answers")
def test_a_server_that_ends_before_its_handshake_says_what_was_withheld() -> None:
    hint = "Only HOME was passed."
    (
        play(LOCK, early_exit=hint)
        .host({"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}})
        .forget()
        .closes(Side.SERVER)
        .sends_host(refused(1, -32603, f"{GONE} {hint}"))
        .quiet()
    )
    discover: JsonObject = {"method": "server/discover", "params": {"_meta": ENVELOPE}}
    (
        play(locked(era=Era.DUAL), early_exit=hint)
        .host({"id": 1, **discover})
        .forget()
        .closes(Side.SERVER)
        .sends_host(refused(1, -32603, f"{GONE} {hint}"))
        .quiet()
    )
    for session in (
        opened(early_exit=hint).host({"id": 1, "method": "ping"}),
        modern(early_exit=hint).host(call(1, _meta=ENVELOPE)),
    ):
        session.forget().closes(Side.SERVER).sends_host(refused(1, -32603, GONE))


@pytest.mark.guarantee("pending:server-death-answers")
def test_the_death_of_the_host_answers_the_server_and_lets_the_rest_finish() -> None:
    (
        opened()
        .host({"id": 7, "method": "ping"})
        .server({"id": "s", "method": "ping"})
        .forget()
        .closes(Side.HOST)
        .sends_server(refused("s", -32603, "the host is gone"))
        .quiet()
        .then(lambda play: play.server({"id": wire(0), "result": {}}))
        .sends_host({"id": 7, "result": {}})
        .idle()
    )


# subscriptions/listen never times out

LISTEN: Line = {
    "id": "sub",
    "method": "subscriptions/listen",
    "params": {
        "notifications": {"toolsListChanged": True},
        "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"},
    },
}


@pytest.mark.guarantee("pending:deadline")
def test_a_subscription_has_no_deadline() -> None:
    (
        modern(timeout=10.0)
        .host(LISTEN)
        .forget()
        .server({"id": "s", "method": "ping"})
        .forget()
        .ticks(5.0)
        .host({"id": wire(1), "result": {}})
        .forget()
        .ticks(1e9)
        .quiet()
    )


@pytest.mark.guarantee("pending:deadline")
def test_progress_gives_a_subscription_no_deadline() -> None:
    meta: JsonObject = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "progressToken": "t",
    }
    listen: JsonObject = {
        "id": "sub",
        "method": "subscriptions/listen",
        "params": {"notifications": {}, "_meta": meta},
    }
    progress: JsonObject = {"progressToken": f"{wire(1):x}", "progress": 1}
    (
        modern(timeout=10.0)
        .host(listen)
        .server({"id": "s", "method": "ping"})
        .ticks(1.0)
        .server({"method": "notifications/progress", "params": progress})
        .host({"id": wire(2), "result": {}})
        .forget()
        .ticks(1e9)
        .quiet()
    )


def test_a_subscription_that_was_cancelled_frees_its_slot_after_a_while() -> None:
    (
        modern(timeout=10.0)
        .host(LISTEN)
        .host({"method": "notifications/cancelled", "params": {"requestId": "sub"}})
        .forget()
        .ticks(10.0)
        .quiet()
        .idle()
    )


@pytest.mark.parametrize("mode", list(Mode))
def test_wire_rules_hold_in_every_mode(mode: Mode) -> None:
    (
        opened(mode=mode, max_pending=1)
        .host({"id": 1, "method": "ping"})
        .forget()
        .host({"id": 2, "method": "ping"})
        .recorded(decision="deny", reason="saturated")
    )
