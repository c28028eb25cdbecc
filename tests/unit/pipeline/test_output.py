"""What of a server's message is looked at, in which bytes, and what it is when it was redacted."""

import base64

import orjson
import pytest

from mcpguard.errors import ScanError
from mcpguard.model import Json, JsonObject
from mcpguard.pipeline.output import encoded, only_text, readable, redacted, restored
from mcpguard.scan import DETECTORS

TEXT: JsonObject = {"type": "text", "text": "x"}
ONLY: dict[str, tuple[JsonObject, bytes | None]] = {
    "one text": ({"content": [TEXT]}, b"x"),
    "not only ASCII": ({"content": [{"type": "text", "text": "ü"}]}, b"\xc3\xbc"),
    "which says that it is no error": ({"content": [TEXT], "isError": False}, b"x"),
    "an error": ({"content": [TEXT], "isError": True}, None),
    "more beside it": ({"content": [TEXT], "structuredContent": {}}, None),
    "more beside no error": ({"content": [TEXT], "isError": False, "more": "y"}, None),
    "two texts": ({"content": [TEXT, TEXT]}, None),
    "no text": ({"content": []}, None),
    "no content": ({"contents": [TEXT]}, None),
    "content that is no list": ({"content": TEXT}, None),
    "more in the block": ({"content": [{**TEXT, "_meta": {"y": 1}}]}, None),
    "a block of another type": ({"content": [{"type": "image", "text": "x"}]}, None),
    "a block of no type": ({"content": [{"kind": "text", "text": "x"}]}, None),
    "a block without a text": ({"content": [{"type": "text", "data": "x"}]}, None),
    "a text that is none": ({"content": [{"type": "text", "text": ["x"]}]}, None),
    "a block that is none": ({"content": ["ab"]}, None),
    "half a surrogate pair": ({"content": [{"type": "text", "text": "\ud800"}]}, None),
}


@pytest.mark.guarantee("scan:quick-look-misses-nothing")
@pytest.mark.parametrize(("body", "expected"), ONLY.values(), ids=ONLY)
def test_a_result_is_one_text_or_is_looked_at_whole(
    body: JsonObject, expected: bytes | None
) -> None:
    assert only_text(body) == expected


ENCODED: dict[str, tuple[JsonObject, int, bytes | None]] = {
    "plain": ({"a": "x"}, 9, b'{"a":"x"}'),
    "a line end": ({"a": "x\ny"}, 12, b'{"a":"x\ny"}'),
    "a quote": ({"a": 'x"y'}, 12, b'{"a":"x"y"}'),
    "a tab": ({"a": "x\ty"}, 12, b'{"a":"x\ty"}'),
    "a carriage return": ({"a": "x\ry"}, 12, b'{"a":"x\ry"}'),
    "a backspace": ({"a": "x\by"}, 12, b'{"a":"x\by"}'),
    "a form feed": ({"a": "x\fy"}, 12, b'{"a":"x\fy"}'),
    "all of them": ({"\n": '"\t\r\b\f\n'}, 21, b'{"\n":""\t\r\b\f\n"}'),
    "a backslash": ({"a": "x\\y"}, 12, None),
    "a backslash and a line end": ({"a": "\\\n"}, 12, None),
    "a rarer control character": ({"a": "x\x01y"}, 16, None),
    "beyond ASCII": ({"a": "ü"}, 10, '{"a":"ü"}'.encode()),
}


@pytest.mark.guarantee("scan:quick-look-misses-nothing")
@pytest.mark.parametrize(("value", "size", "raw"), ENCODED.values(), ids=ENCODED)
def test_every_text_stands_whole_in_the_bytes_or_there_are_none(
    value: JsonObject, size: int, raw: bytes | None
) -> None:
    assert encoded(value) == (size, raw)
    assert size == len(orjson.dumps(value))


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"a": 2**70}])
def test_what_no_other_program_reads_has_a_size_and_no_bytes(value: JsonObject) -> None:
    assert encoded(value) == (len(repr(value)), None)


def test_what_nothing_was_taken_out_of_is_not_copied() -> None:
    picture: JsonObject = {"type": "image", "data": "iVBO", "mimeType": "image/png"}
    whole: JsonObject = {"content": [picture], "structuredContent": {"a": [1]}}
    view = readable(whole)
    assert restored(view, view, whole) is whole


CARDS = (DETECTORS["card"],)
CARD = "4111111111111111"
LEFT: dict[str, tuple[Json, Json]] = {
    "nothing": (["a", {"b": 5}], ["a", {"b": 5}]),
    "a text": ([f"x {CARD}", 1], ["x [mcpguard:card]", 1]),
    "JSON in a list": ([f"[{CARD}]", None], ['["[mcpguard:card]"]', None]),
    "JSON in an object": ({"a": {"b": f"[{CARD}]"}}, {"a": {"b": '["[mcpguard:card]"]'}}),
    "a number": ({"a": int(CARD)}, {"a": "[mcpguard:card]"}),
}


@pytest.mark.guarantee("scan:redacts-results")
@pytest.mark.parametrize(("value", "left"), LEFT.values(), ids=LEFT)
def test_what_is_left_of_a_value(value: Json, left: Json) -> None:
    made, hits = redacted(value, CARDS)
    assert made == left
    assert bool(hits) is (left != value)


@pytest.mark.guarantee("scan:redacts-results")
def test_what_is_found_again_in_the_json_that_is_left_is_not_taken_out() -> None:
    """Under its name the number is what is looked for; as JSON of its own it was not."""
    value: Json = {"ssn": f'{{"n": {CARD}, "ssn": 536221234}}'}
    with pytest.raises(ScanError, match=r"^what was found cannot be taken out$"):
        redacted(value, (*CARDS, DETECTORS["ssn"]))


def test_base64_that_is_more_than_one_text_is_not_written_anew() -> None:
    blob = base64.b64encode(b"x").decode()
    with pytest.raises(ScanError, match=r"^what was found cannot be taken out$"):
        restored(["[mcpguard:card]", "x"], [CARD, "x"], blob)
