"""What the redaction of a rule leaves: every text, and nothing that the host must give back."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.model import Json, JsonObject
from mcpguard.policy.redaction import Redaction, compile_pattern, redacted, redacted_result


def redactions(*patterns: str) -> tuple[Redaction, ...]:
    found = [compile_pattern(each) for each in patterns]
    return tuple(Redaction(each, r"<\a>") for each in found if each is not None)


REDACTED: list[tuple[Json, Json]] = [
    ("a1b22c", r"a<\a>b<\a>c"),
    ([1, "1", None, True], [1, r"<\a>", None, True]),
    ({"k": {"l": ["1"]}}, {"k": {"l": [r"<\a>"]}}),
    ({"1": 0, "2": 1}, {r"<\a>": 0, r"<\a>+": 1}),
    ({r"<\a>": 0, "2": 1}, {r"<\a>": 0, r"<\a>+": 1}),
    ({"2": 1, r"<\a>": 0}, {r"<\a>": 1, r"<\a>+": 0}),
    ("a\x001", "a\x00<\\a>"),
    ("\ud8001", "\ufffd<\\a>"),
]


@pytest.mark.parametrize(("value", "expected"), REDACTED)
def test_every_text_is_redacted_and_nothing_is_lost(value: Json, expected: Json) -> None:
    assert redacted(value, redactions(r"(\d+)")) == expected


def test_what_holds_no_match_stays_the_same_object() -> None:
    body: JsonObject = {"content": [{"type": "text", "text": "a"}], "structuredContent": {"b": []}}
    assert redacted_result(body, redactions("x")) is body
    assert redacted(body, redactions("z")) is body


def test_a_results_own_words_are_kept_and_the_servers_are_not() -> None:
    body: JsonObject = {
        "content": [
            {"type": "text", "text": "text"},
            {"type": "resource", "resource": {"uri": "text:a", "text": "a text"}},
        ],
        "structuredContent": {"text": "a", "type": "text"},
        "isError": False,
    }
    assert redacted_result(body, redactions("text")) == {
        "content": [
            {"type": "text", "text": r"<\a>"},
            {"type": "resource", "resource": {"uri": r"<\a>:a", "text": r"a <\a>"}},
        ],
        "structuredContent": {r"<\a>": "a", "type": r"<\a>"},
        "isError": False,
    }


def test_what_the_server_chose_is_redacted_wherever_it_stands() -> None:
    body: JsonObject = {
        "code": -1,
        "message": "m 1",
        "data": {"type": "t1", "k1": [{"type": "text1"}]},
        "content": [{"type": "x1", "text": "a", "odd1": 1}, {"type": "text", "_meta": {"m1": 1}}],
        "top1": "1",
        "top2": "2",
    }
    assert redacted_result(body, redactions("[0-9]")) == {
        "code": -1,
        "message": r"m <\a>",
        "data": {"type": r"t<\a>", r"k<\a>": [{"type": r"text<\a>"}]},
        "content": [
            {"type": r"x<\a>", "text": "a", r"odd<\a>": 1},
            {"type": "text", "_meta": {r"m<\a>": 1}},
        ],
        r"top<\a>": r"<\a>",
        r"top<\a>+": r"<\a>",
    }


FORM: JsonObject = {
    "type": "object",
    "properties": {"k1": {"type": "string", "title": "t1", "enum": ["1", "x"]}},
    "required": ["k1", "n1"],
}
FORM_LEFT: JsonObject = {
    "type": "object",
    "properties": {"k1": {"type": "string", "title": r"t<\a>", "enum": [r"<\a>", "x"]}},
    "required": ["k1", r"n<\a>"],
}


@pytest.mark.guarantee("policy:continuation-kept")
@pytest.mark.parametrize(
    ("pattern", "asked", "left"),
    [
        ("[0-9]", {"message": "m1", "requestedSchema": FORM}, (r"m<\a>", FORM_LEFT)),
        ("object|string|form", {"mode": "form", "requestedSchema": FORM}, (None, FORM)),
        ("elicit|input|create", {"message": "input"}, (r"<\a>", None)),
    ],
)
def test_what_the_host_must_give_back_is_kept(
    pattern: str, asked: JsonObject, left: tuple[str | None, Json]
) -> None:
    message, schema = left
    told = {"message": message, "requestedSchema": schema}
    params = {**asked, **{key: each for key, each in told.items() if each is not None}}

    def interrupted(params: JsonObject) -> JsonObject:
        asking: JsonObject = {"method": "elicitation/create", "params": params}
        requests: JsonObject = {"ask1-input": asking}
        state = "state 1 input"
        return {"resultType": "input_required", "inputRequests": requests, "requestState": state}

    assert redacted_result(interrupted(asked), redactions(pattern)) == interrupted(params)


def base64_of(text: str) -> str:
    return b64encode(text.encode()).decode()


LATIN = b64encode("1 é".encode("latin-1")).decode()
BLOBS: list[tuple[JsonObject, JsonObject]] = [
    ({"blob": base64_of("a 1")}, {"blob": base64_of(r"a <\a>")}),
    (
        {"blob": base64_of("a 1"), "mimeType": "text/plain"},
        {"blob": base64_of(r"a <\a>"), "mimeType": "text/plain"},
    ),
    (
        {"type": "image", "data": base64_of("k1"), "mimeType": "text/plain"},
        {"type": "image", "data": base64_of(r"k<\a>"), "mimeType": "text/plain"},
    ),
    (
        {"blob": LATIN, "mimeType": "text/plain"},
        {"blob": base64_of(r"<\a>"), "mimeType": "text/plain"},
    ),
    ({"blob": LATIN, "mimeType": "image/png"}, {"blob": LATIN, "mimeType": "image/png"}),
    ({"blob": "~~ 1 ~~"}, {"blob": base64_of(r"<\a>")}),
]


@pytest.mark.guarantee("policy:redact-base64")
@pytest.mark.parametrize(("block", "left"), BLOBS)
@pytest.mark.parametrize("member", ["contents", "content"])
def test_base64_of_a_text_is_redacted_as_that_text(
    block: JsonObject, left: JsonObject, member: str
) -> None:
    assert redacted_result({member: [block]}, redactions("1")) == {member: [left]}
    resource: JsonObject = {member: [{"type": "resource", "resource": block}]}
    assert redacted_result(resource, redactions("1")) == {
        member: [{"type": "resource", "resource": left}]
    }


@given(
    st.recursive(
        st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_no_match_is_left_anywhere(value: Json) -> None:
    def texts(each: Json) -> list[str]:
        if isinstance(each, dict):
            return [*each, *(text for inner in each.values() for text in texts(inner))]
        if isinstance(each, list):
            return [text for inner in each for text in texts(inner)]
        return [str(each)]

    found = redacted(value, redactions("[0-9b-m]+"))
    pattern = compile_pattern("[0-9b-m]+")
    assert pattern is not None
    left = [text.replace(r"<\a>", "") for text in texts(found)]
    assert not any(pattern.search(text) for text in left)
