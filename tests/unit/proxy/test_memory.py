"""What a session remembers, up to which bound, and what it forgets once it was sent."""

import tracemalloc

import orjson
import pytest

from mcpguard.model import JsonObject, Side
from mcpguard.proxy import core, from_server, listing, translate
from tests.unit.proxy.play import ALL, ENVELOPE, call, opened

LARGE = 100_000
"""Characters of one argument."""


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


def test_what_a_session_remembers_and_follows_is_bounded() -> None:
    assert from_server.MAX_ELICITATIONS == 1024
    assert translate.MAX_TASKS == 1024
    assert (listing.MAX_PAGES, listing.MAX_ITEMS) == (1000, 10_000)
    assert listing.MAX_BYTES == 16_777_216
    assert (core.MAX_DROPS, core.MAX_REPORTED) == (100, 100)
    assert (core.MAX_WAIT, core.MAX_TOOK) == (300.0, 4096)
    assert translate.MAX_QUESTIONS == 64


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


@pytest.mark.weighed
@pytest.mark.parametrize(
    "result",
    [
        {"task": {"taskId": "the same", "status": "working"}},
        {"resultType": "input_required", "task": {}},
    ],
)
def test_answers_that_make_no_new_task_leave_no_tokens_behind(result: JsonObject) -> None:
    session = opened()

    def answered(number: int) -> None:
        meta: JsonObject = {**ENVELOPE, "progressToken": number}
        session.host(call(number, task={}, _meta=meta))
        asked = orjson.loads(session.sends[Side.SERVER][0])
        session.server({"id": asked["id"], "result": result}).forget()

    answered(0)  # loads what looks through them
    tracemalloc.start()
    try:
        for number in range(1, 1000):
            answered(number)
        current, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert current < 2 * LARGE


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
