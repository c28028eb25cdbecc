"""A person ends the session: who is answered what, in every mode, and that nothing goes on."""

import pytest

from mcpguard.model import Json, JsonObject, Mode, RequestKind, Side
from mcpguard.proxy.core import MAX_DROPS
from tests.unit.proxy.play import (
    Play,
    call,
    feed_host,
    feed_server,
    line,
    locked,
    opened,
    play,
    refused,
    wire,
)

WHY = "the kill switch /data/kill is on"
TEXT = "Blocked by mcpguard [wire.killed]: the session was ended by its operator. Do not retry."
NOT_RUN = TEXT + " Nothing was run."
SENT = TEXT + " The request had been sent to the server; what became of it is not known."
ROOTS: JsonObject = {"id": "s", "method": "roots/list"}


def killed(session: Play) -> Play:
    session.session.kill(WHY, 77, session.now)
    return session.ticks()


@pytest.mark.guarantee("session:killed")
@pytest.mark.parametrize("mode", Mode)
def test_every_request_in_flight_is_denied_and_recorded_and_the_session_stops(mode: Mode) -> None:
    session = killed(opened(mode=mode).host(call(7), call("8")).forget())
    session.sends_host(refused(7, -31001, SENT), refused("8", -31001, SENT)).quiet().idle()
    session.recorded(event="session.killed", detail=WHY)
    for _ in range(2):
        session.recorded(method="tools/call", decision="deny", rule="wire.killed", detail=WHY)
    session.unrecorded().stops(77)


@pytest.mark.guarantee("session:killed")
def test_a_call_that_was_held_is_told_that_it_never_ran() -> None:
    session = play(locked()).initialize().host(call(7)).forget()
    killed(session).sends_host(refused(7, -31001, NOT_RUN)).quiet().idle().stops(77)


@pytest.mark.guarantee("session:killed")
def test_what_the_server_asked_for_is_called_off_and_not_answered() -> None:
    every = locked(requests=list(RequestKind))
    session = opened(every).server(ROOTS).forget()
    params: Json = {"requestId": wire(0), "reason": "mcpguard: the session was ended"}
    killed(session).sends_host({"method": "notifications/cancelled", "params": params})
    session.quiet().idle().stops(77)


@pytest.mark.guarantee("session:killed")
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.FILTER_ONLY])
def test_a_log_that_cannot_be_written_keeps_no_session_alive(mode: Mode) -> None:
    session = killed(opened(mode=mode).host(call(7)).forget().unaudited())
    session.sends_host(refused(7, -31001, SENT)).quiet().idle().stops(77)


def test_what_was_on_its_way_to_the_server_in_the_same_turn_is_not_sent() -> None:
    session = opened()
    feed_host(session.session, b'{"jsonrpc":"2.0","id":7,"method":"ping"}', session.now)
    killed(session)
    assert session.sends[Side.SERVER] == []
    assert session.stop is not None


def test_what_was_on_its_way_to_the_host_in_the_same_turn_is_sent() -> None:
    session = opened().host(call(7)).forget()
    answer: JsonObject = {"id": wire(0), "result": {"content": []}}
    feed_server(session.session, line(answer), session.now)
    killed(session).sends_host({**answer, "id": 7}).quiet().stops(77)


def test_what_a_flood_dropped_is_written_down_before_the_end() -> None:
    session = opened()
    for _ in range(MAX_DROPS + 7):
        session.host(b"")
    counted, ended = killed(session.forget()).records
    assert counted["detail"] == "7 more lines were dropped in a second"
    assert ended == {"event": "session.killed", "detail": WHY}


def test_a_cancelled_request_is_not_answered() -> None:
    session = opened().host(call(7))
    session.host({"method": "notifications/cancelled", "params": {"requestId": 7}}).forget()
    killed(session).quiet().idle().stops(77)
