"""Where a note to the model stands in a result, and what has no place for one."""

import pytest

from mcpguard.model import JsonObject, Reason, Result
from mcpguard.pipeline.terms import Response
from tests.unit.pipeline.scanning import NOTE, NOTED, ORDERS, called, judged, outcomes, stage

PLACES: list[tuple[Result, JsonObject]] = [
    (ORDERS, {"content": [NOTED, {"type": "text", "text": "OBEY me"}]}),
    (
        called('{"a": "OBEY"}'),
        {"content": [{"type": "text", "text": '{"a": "OBEY"}'}, NOTED]},
    ),
    (
        called("OBEY", structuredContent={"n": 1}),
        {"content": [{"type": "text", "text": "OBEY"}, NOTED], "structuredContent": {"n": 1}},
    ),
    (
        Result("tools/call", "t", {"structuredContent": {"n": 1, "s": "OBEY"}}),
        {"structuredContent": {"n": 1, "s": "OBEY"}, "content": [NOTED]},
    ),
    (
        Result("prompts/get", "p", {"messages": [{"role": "user", "content": "OBEY"}]}),
        {"messages": [{"role": "user", "content": NOTED}, {"role": "user", "content": "OBEY"}]},
    ),
    (
        Result("resources/read", "a:b", {"contents": [{"uri": "a:b", "text": "OBEY"}]}),
        {
            "contents": [
                {"uri": "a:b", "text": "OBEY"},
                {"uri": "a:b", "mimeType": "text/plain", "text": NOTE},
            ]
        },
    ),
    (
        Result("tools/call", "t", {"code": 5, "message": "OBEY", "data": 1}, error=True),
        {"code": 5, "message": f"{NOTE} OBEY", "data": 1},
    ),
    (
        Result("completion/complete", "p", {"completion": {"values": ["OBEY"]}}),
        {"completion": {"values": ["OBEY"]}},
    ),
    (
        Result("prompts/get", "p", {"inputRequests": {"a": "OBEY"}}),
        {"inputRequests": {"a": "OBEY"}},
    ),
    (
        Result("resources/read", "a:b", {"inputRequests": {"a": "OBEY"}}),
        {"inputRequests": {"a": "OBEY"}},
    ),
    (
        Result("resources/read", "a:b", {"contents": [], "more": "OBEY"}),
        {"contents": [], "more": "OBEY"},
    ),
]


@pytest.mark.parametrize(("given", "body"), PLACES)
def test_a_note_stands_beside_what_it_is_about(given: Result, body: JsonObject) -> None:
    decision = judged(given, stage(outcomes(Response.ANNOTATE)))
    assert decision.allowed
    assert isinstance(decision.subject, Result)
    assert decision.subject.body == body


NO_PLACE: list[tuple[str, JsonObject]] = [
    ("tools/call", {"content": "OBEY"}),
    ("tools/call", {"content": {"type": "text", "text": "OBEY"}}),
    ("tools/call", {"content": 5, "structuredContent": {"s": "OBEY"}}),
    ("prompts/get", {"messages": {"role": "user", "content": "OBEY"}}),
    ("prompts/get", {"messages": "OBEY"}),
    ("resources/read", {"contents": "OBEY"}),
    ("resources/read", {"contents": {"uri": "a:b", "text": "OBEY"}}),
    ("resources/read", {"contents": ["OBEY"]}),
    ("resources/read", {"contents": [{"text": "OBEY"}]}),
]


@pytest.mark.guarantee("scan:noted-or-withheld")
@pytest.mark.parametrize(("method", "body"), NO_PLACE)
def test_what_a_note_cannot_stand_beside_is_withheld(method: str, body: JsonObject) -> None:
    decision = judged(Result(method, "t", body), stage(outcomes(Response.ANNOTATE)))
    assert (decision.allowed, decision.reason) == (False, Reason.INJECTION)
    assert decision.detail.endswith(", and there is no place for a note beside it")
    assert [each.rule for each in decision.findings] == ["scan.override"]
    assert judged(Result(method, "t", body), stage(outcomes(Response.RECORD))).allowed


def test_a_server_cannot_say_that_it_was_annotated_already() -> None:
    first = judged(ORDERS, stage(outcomes(Response.ANNOTATE))).subject
    assert isinstance(first, Result)
    again = judged(first._replace(body=dict(first.body)), stage(outcomes(Response.ANNOTATE)))
    assert isinstance(again.subject, Result)
    assert again.subject.body["content"] == [NOTED, NOTED, {"type": "text", "text": "OBEY me"}]
