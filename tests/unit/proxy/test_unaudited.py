"""When no record can be written: nothing unrecorded runs, and nobody is left without an answer."""

import pytest

from mcpguard.model import Json, JsonObject, Mode, RequestKind, Side
from mcpguard.proxy.actions import Role
from tests.unit.proxy.play import (
    LOCK,
    TOOLS,
    Play,
    call,
    feed_host,
    feed_server,
    handshake,
    locked,
    opened,
    play,
    refused,
    wire,
)

ALL = locked(requests=list(RequestKind))
STRICT = [Mode.ENFORCE, Mode.FILTER_ONLY]
UNAUDITED = "Blocked by mcpguard [audit.unwritable]: the audit log cannot be written. "
NOT_RUN = UNAUDITED + "Nothing was run. Make room for the log or check its permissions."
EXECUTED = UNAUDITED + "The request was executed and its result withheld; do not retry."
ROOTS: JsonObject = {"id": "s", "method": "roots/list"}
MESSAGE: JsonObject = {"method": "notifications/message", "params": {"data": "x"}}


def silenced(session: Play) -> Play:
    return session.forget().unaudited()


@pytest.mark.guarantee("audit:unrecorded-denied")
@pytest.mark.parametrize("mode", STRICT)
def test_a_request_that_cannot_be_recorded_is_not_sent(mode: Mode) -> None:
    session = silenced(opened(mode=mode)).host(call(7, _meta={"progressToken": "t"}))
    session.sends_host(refused(7, -31001, NOT_RUN)).quiet().told("audit.unwritable").idle()
    session.audit_fails = False
    session.host(call(7)).sends_server(call(wire(2))).quiet()


@pytest.mark.guarantee("audit:unrecorded-denied")
@pytest.mark.parametrize("mode", STRICT)
@pytest.mark.parametrize(
    "answer", [{"result": {"content": []}}, {"error": {"code": 1, "message": "m"}}]
)
def test_a_result_that_cannot_be_recorded_is_withheld_and_says_that_it_ran(
    mode: Mode, answer: JsonObject
) -> None:
    session = silenced(opened(mode=mode).host(call(7))).server({"id": wire(0), **answer})
    session.sends_host(refused(7, -31001, EXECUTED)).quiet().idle()


@pytest.mark.guarantee("audit:unrecorded-denied")
def test_a_list_that_cannot_be_recorded_is_withheld() -> None:
    session = silenced(opened().host({"id": 7, "method": "tools/list"}))
    tools: list[Json] = [*TOOLS.values()]
    session.server({"id": wire(1), "result": {"tools": tools}})
    session.sends_host(refused(7, -31001, EXECUTED)).quiet().idle()


@pytest.mark.guarantee("audit:unrecorded-denied")
@pytest.mark.parametrize("mode", STRICT)
def test_a_server_request_that_cannot_be_recorded_is_refused(mode: Mode) -> None:
    session = silenced(opened(ALL, mode)).server(ROOTS)
    session.sends_server(refused("s", -32603, "not passed on")).quiet().idle()


@pytest.mark.guarantee("audit:unrecorded-denied")
@pytest.mark.parametrize("mode", STRICT)
def test_an_answer_that_cannot_be_recorded_is_withheld_from_the_server(mode: Mode) -> None:
    session = silenced(opened(ALL, mode).server(ROOTS))
    session.host({"id": wire(0), "result": {"roots": []}})
    session.sends_server(refused("s", -32603, "the answer was withheld")).quiet().idle()


@pytest.mark.guarantee("audit:unrecorded-denied")
@pytest.mark.parametrize("mode", STRICT)
def test_a_notification_that_cannot_be_recorded_is_dropped(mode: Mode) -> None:
    session = silenced(opened(ALL, mode).host(call(1))).server(MESSAGE).quiet()
    session.host({"method": "notifications/cancelled", "params": {"requestId": 1}}).quiet()
    session.host({"method": "notifications/roots/list_changed"}).quiet()


@pytest.mark.guarantee("audit:unrecorded-denied")
def test_denials_and_refusals_are_sent_all_the_same() -> None:
    session = silenced(opened()).host(call(1, "exec"))
    session.sends_host(refused(1, -32602, "Unknown tool: exec")).quiet()
    session.server({"id": 2, "method": "no/such"})
    session.sends_server(refused(2, -32601, "Method not found")).quiet()
    session.host({"id": 3, "method": "tools/list"})
    session.sends_server({"id": wire(2), "method": "tools/list"}).quiet()


@pytest.mark.guarantee("audit:unrecorded-denied")
@pytest.mark.parametrize(
    ("mode", "chosen"), [(Mode.AUDIT_ONLY, False), (Mode.ENFORCE, True), (Mode.FILTER_ONLY, True)]
)
def test_audit_only_and_who_chose_so_let_everything_pass_unrecorded(
    mode: Mode, chosen: bool
) -> None:
    session = (
        silenced(opened(ALL, mode, unrecorded=chosen)).host(call(7)).sends_server(call(wire(0)))
    )
    session.server({"id": wire(0), "result": {}}).sends_host({"id": 7, "result": {}})
    session.server(ROOTS).sends_host({**ROOTS, "id": wire(1)})
    session.host({"id": wire(1), "result": {}}).sends_server({"id": "s", "result": {}})
    session.server(MESSAGE).sends_host(MESSAGE).quiet().told("audit.unwritable").idle()


@pytest.mark.guarantee("audit:unrecorded-denied")
def test_an_initialize_that_could_not_be_recorded_may_be_sent_again() -> None:
    request: JsonObject = {"id": 1, "method": "initialize", "params": {"capabilities": {}}}
    session = play(LOCK).unaudited().host(request).sends_host(refused(1, -31001, NOT_RUN)).quiet()
    session.audit_fails = False
    session.host(request).sends_server({**request, "id": wire(1)})


def test_a_stop_is_kept() -> None:
    session = play(LOCK).host({"id": 1, "method": "initialize", "params": {}}).forget()
    session.unaudited().server({"id": wire(0), "result": handshake(protocolVersion="x")}).stops(1)


# several lines in one batch


def batch(session: Play, *steps: tuple[Side, bytes]) -> Play:
    """Lines handled before their records are written, all at once, in vain."""
    for side, data in steps:
        feed = feed_host if side is Side.HOST else feed_server
        feed(session.session, data, session.now)
    session.unaudited().ticks()
    return session


PING = b'{"jsonrpc":"2.0","id":7,"method":"ping"}'
CANCEL = b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}'


@pytest.mark.guarantee("audit:unrecorded-denied")
def test_a_request_and_its_cancellation_in_one_batch_get_no_answer() -> None:
    batch(opened(), (Side.HOST, PING), (Side.HOST, CANCEL)).quiet().idle()


@pytest.mark.guarantee("audit:unrecorded-denied")
def test_a_request_and_the_death_of_the_server_in_one_batch_get_one_answer() -> None:
    session = opened()
    feed_host(session.session, PING, session.now)
    session.unaudited().closes(Side.SERVER)
    text = "mcpguard: the server ended before it answered."
    session.sends_host(refused(7, -32603, text)).quiet().idle()


def test_every_role_is_a_promise_of_its_own() -> None:
    assert [role.name for role in Role] == [
        "OWN",
        "REQUEST",
        "RESULT",
        "SERVER_REQUEST",
        "ANSWER",
        "NOTICE",
    ]
