"""The short way itself: which lines it takes, and what it tells the pipeline about them."""

from collections.abc import Callable
from functools import partial

import pytest

from mcpguard.model import Call, Context, Decision, Json, JsonObject, Result, Subject, Wait
from mcpguard.proxy.core import SHOWN, Core
from mcpguard.proxy.plain import PlainAnswers, PlainCalls
from mcpguard.wire.framing import Dropped
from mcpguard.wire.jsonrpc import MAX_SAFE_INTEGER, SHORT
from tests.unit.proxy.play import LOCK, Play, call, line, opened, usual, wire

PLAIN: list[Json] = [0, 1, MAX_SAFE_INTEGER, -1, "s", ""]


def unused(*_: object) -> None:
    raise AssertionError("nothing was denied, remarked on or rewritten")


def core_of(session: Play) -> Core:
    return session.session._core  # noqa: SLF001 - what the short way is made with


Otherwise = Callable[[bytes | Dropped, float], None]


def way(make: Callable[[Otherwise], PlainCalls | PlainAnswers]) -> Callable[[bytes, float], bool]:
    """Feeds a line to the short way; whether it took it, and did not leave it to the general."""
    left: list[bytes | Dropped] = []
    feed = make(lambda item, _: left.append(item)).feed

    def takes(text: bytes, now: float) -> bool:
        left.clear()
        feed(text, now)
        return left != [text]

    return takes


def calls(session: Play) -> Callable[[bytes, float], bool]:
    """The short way of calls, into a session that has passed one."""
    session.host(call("before", arguments={}))
    return way(partial(PlainCalls, core_of(session), unused))


def padded(size: int) -> bytes:
    """A call of the tool `free` whose line has `size` bytes."""
    short = line(call(1, arguments={"a": ""}))
    return line(call(1, arguments={"a": "x" * (size - len(short))}))


@pytest.mark.parametrize("given", PLAIN)
def test_a_call_with_a_name_and_arguments_takes_the_short_way(given: Json) -> None:
    message = {**call(1, arguments={"a": [1, {"b": None}]}), "id": given}
    assert calls(opened())(line(message), 1.0)


@pytest.mark.parametrize(("size", "taken"), [(SHORT, True), (SHORT + 1, False)])
def test_a_long_call_does_not(size: int, taken: bool) -> None:
    assert len(padded(size)) == size
    assert calls(opened())(padded(size), 1.0) is taken


def test_a_call_of_a_name_that_its_record_would_cut_does_not() -> None:
    assert not calls(opened())(line(call(1, "x" * (SHOWN + 1), {})), 1.0)


@pytest.mark.parametrize(("brackets", "taken"), [(61, True), (62, False)])
def test_a_call_with_more_brackets_than_levels_are_allowed_does_not(
    brackets: int,
    taken: bool,
) -> None:
    lists: Json = [[] for _ in range(brackets - 1)]
    assert calls(opened())(line(call(1, arguments={"a": lists})), 1.0) is taken


def test_nothing_does_before_the_lists_are_known_or_while_its_id_is_in_flight() -> None:
    session = opened()
    take = calls(session)
    assert not take(line(call("before", arguments={})), 1.0)
    core_of(session).settled = False
    assert not take(line(call(1, arguments={})), 1.0)


RESULTS: list[tuple[JsonObject, bool]] = [
    ({"content": []}, True),
    ({"content": [], "isError": False, "structuredContent": {"n": 18446744073709551615}}, True),
    ({"content": [], "_meta": {}}, False),
    ({"content": [], "resultType": "complete"}, False),
    ({"content": [], "requestState": "s"}, False),
]


@pytest.mark.parametrize(("result", "taken"), RESULTS)
def test_a_result_with_nothing_to_translate_takes_the_short_way(
    result: JsonObject,
    taken: bool,
) -> None:
    session = opened()
    given = session.ids.next
    assert calls(session)(line(call(1, arguments={})), 1.0)
    answers = way(partial(PlainAnswers, core_of(session), unused))
    text = line({"id": given + 1, "result": result})
    assert answers(text + b" " * (SHORT + 1 - len(text)), 1.0) is False
    assert answers(text + b" " * (SHORT - len(text)), 1.0) is (taken and b"18446" not in text)
    assert answers(text, 1.0) is (taken and b"18446" in text)


def test_the_pipeline_is_told_what_is_judged_and_when() -> None:
    pipeline = usual(LOCK)
    seen: list[tuple[Subject, int, float]] = []

    def decide(subject: Subject, ctx: Context) -> Decision | Wait:
        seen.append((subject, ctx.live.call, ctx.live.now))
        return pipeline(subject, ctx)

    session = opened(decide=decide)
    given = session.ids.next
    session.host(call("before", arguments={})).server({"id": given, "result": {"content": []}})
    del seen[:]
    session.renumber().after(5.0).host(call(1, arguments={"a": 1})).after(1.0).host(call(2))
    session.after(2.0).server({"id": wire(0), "result": {"content": []}})
    assert seen == [
        (Call("tools/call", "free", {"a": 1}), wire(0), session.now - 3.0),
        (Call("tools/call", "free", {}), wire(1), session.now - 2.0),
        (Result("tools/call", "free", {"content": []}), wire(0), session.now),
    ]
