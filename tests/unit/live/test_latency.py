"""How long calls took: of each tool, of the last ones, and nothing where nothing was measured."""

import pytest

from mcpguard.live.stages.latency import MOST, Latency
from mcpguard.model import JsonObject
from mcpguard.proxy.core import MAX_TOOK
from tests.unit.proxy.play import call, opened, wire


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        ([], {}),
        ([0.002], {"calls": 1, "p50": 2.0, "p95": 2.0, "p99": 2.0}),
        ([0.003, 0.001], {"calls": 2, "p50": 1.0, "p95": 3.0, "p99": 3.0}),
        (
            [n / 1000 for n in range(100, 0, -1)],
            {"calls": 100, "p50": 50.0, "p95": 95.0, "p99": 99.0},
        ),
    ],
)
def test_percentiles_are_of_what_was_measured(seconds: list[float], told: JsonObject) -> None:
    took = [("read", each) for each in seconds]
    found = Latency(lambda: 0.0, lambda: 0.0, lambda: took).told()
    assert found == {"server": {"read": told} if told else {}, "own": {}}


def test_the_guards_own_part_is_of_the_last_ones() -> None:
    clock = [0.0]
    latency = Latency(lambda: clock[0], lambda: 0.0, tuple)
    for number in range(2 * MOST):
        clock[0] = 1.0 if number < MOST else 0.005
        latency.handled()
    assert latency.told()["own"] == {"calls": MOST, "p50": 5.0, "p95": 5.0, "p99": 5.0}


TEXT: JsonObject = {"content": []}

ANSWERS: dict[str, tuple[JsonObject, JsonObject, float]] = {
    "plain": ({"arguments": {}}, {"result": TEXT}, 0.25),
    "with words beside it": ({"arguments": {}}, {"result": {**TEXT, "_meta": {}}}, 0.25),
    "the tool's own error": ({"arguments": {}}, {"result": {**TEXT, "isError": True}}, 0.25),
    "an error": ({"arguments": {}}, {"error": {"code": 1, "message": "no"}}, 0.25),
    "without arguments": ({}, {"result": TEXT}, 0.25),
    "one that tells of progress": ({"_meta": {"progressToken": 1}}, {"result": TEXT}, 0.0),
}


@pytest.mark.guarantee("live:latency-of-answers")
@pytest.mark.parametrize(("more", "answer", "seconds"), ANSWERS.values(), ids=ANSWERS)
def test_a_call_is_timed_from_its_line_to_its_answers(
    more: JsonObject, answer: JsonObject, seconds: float
) -> None:
    asked: JsonObject = {"id": 1, "method": "tools/call", "params": {"name": "free", **more}}
    session = opened(timeout=60.0).host(asked)
    session.after(0.25).server({"id": wire(0), **answer})
    session.after(9.0).server({"id": wire(0), **answer})  # an answer counts once
    told = [(tool, round(took, 6)) for tool, took in session.session.took()]
    assert told == ([("free", seconds)] if seconds else [])


def test_the_times_of_a_long_session_are_the_last_ones() -> None:
    session = opened()
    for number in range(MAX_TOOK + 3):
        session.host(call(number, arguments={})).server({"id": wire(number), "result": TEXT})
    assert len(session.session.took()) == MAX_TOOK
