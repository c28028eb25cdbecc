"""A session and who runs it: its settings, its batches, whom it waits for, how long calls took."""

import pytest

from mcpguard.model import NOBODY, JsonObject
from mcpguard.proxy.actions import Stop
from mcpguard.proxy.denial import DenyStyle
from mcpguard.proxy.session import SessionSettings
from tests.unit.proxy.play import LOCK, call, feed_host, line, opened, play, wire


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


def test_what_was_taken_from_the_batch_is_whole_and_no_longer_in_it() -> None:
    session = opened().session
    feed_host(session, line(call(1)), 1000.0)
    feed_host(session, b"", 1000.0)
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
        feed_host(session.session, line(call(given)), session.now)
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


def test_only_a_request_of_the_host_that_was_not_taken_back_is_waited_for() -> None:
    begun = play(LOCK).initialize()
    assert begun.session.busy
    assert not begun.session.waiting
    session = opened().host(call(1))
    assert session.session.waiting
    session.host({"method": "notifications/cancelled", "params": {"requestId": 1}})
    assert session.session.busy
    assert not session.session.waiting
