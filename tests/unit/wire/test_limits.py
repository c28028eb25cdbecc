"""The limits of what is read, as numbers that are promised, and the last value within them."""

import orjson
import pytest

from mcpguard.errors import WireError
from mcpguard.model import Json
from mcpguard.wire import canonical, exact, framing, jsonrpc, recover, uri
from mcpguard.wire.jsonrpc import MAX_ID_BYTES, MAX_SAFE_INTEGER, is_id
from mcpguard.wire.uri import MAX_TEMPLATE, MAX_URI, Template, is_normal

LIMITS: dict[str, tuple[int, int]] = {
    "a line": (framing.MAX_LINE, 8_388_608),
    "depth of a host's line": (jsonrpc.MAX_DEPTH, 64),
    "depth of a server's line": (jsonrpc.MAX_SERVER_DEPTH, 254),
    "a string id": (jsonrpc.MAX_ID_BYTES, 256),
    "an integer id": (jsonrpc.MAX_SAFE_INTEGER, 9_007_199_254_740_991),
    "depth of strict JSON": (exact.MAX_DEPTH, 64),
    "digits of an integer": (exact.MAX_DIGITS, 4300),
    "tokens of an over-long line": (recover.MAX_TOKENS, 100_000),
    "messages of a batch that are answered": (recover.MAX_BATCH, 1024),
    "an id that is given back": (recover.MAX_ECHO, 8192),
    "digits of a wire id": (recover.WIRE_ID_DIGITS, 16),
    "depth of canonical JSON": (canonical.MAX_DEPTH, 200),
    "a URI": (uri.MAX_URI, 8192),
    "a template": (uri.MAX_TEMPLATE, 2048),
    "variables of a template": (uri.MAX_VARIABLES, 16),
    "a prefix": (uri.MAX_PREFIX, 255),
}


@pytest.mark.parametrize(("limit", "promised"), LIMITS.values(), ids=LIMITS)
def test_a_limit_is_the_number_that_is_promised(limit: int, promised: int) -> None:
    assert limit == promised


@pytest.mark.parametrize(
    ("value", "usable"),
    [
        ("a" * MAX_ID_BYTES, True),
        ("a" * (MAX_ID_BYTES + 1), False),
        ("é" * (MAX_ID_BYTES // 2), True),
        ("é" * (MAX_ID_BYTES // 2 + 1), False),
        (MAX_SAFE_INTEGER, True),
        (-MAX_SAFE_INTEGER, True),
        (MAX_SAFE_INTEGER + 1, False),
        (-MAX_SAFE_INTEGER - 1, False),
    ],
)
def test_an_id_is_usable_up_to_its_limit(value: Json, usable: bool) -> None:
    assert is_id(value) is usable


def test_a_uri_and_a_template_may_be_as_long_as_their_limits() -> None:
    longest = "x://h/".ljust(MAX_URI, "a")
    assert (is_normal(longest), is_normal(longest + "a")) == (True, False)
    text = "x://h/".ljust(MAX_TEMPLATE, "a")
    assert Template.parse(text).matches(text)
    with pytest.raises(ValueError, match="2048 characters"):
        Template.parse(text + "a")


def nested(shape: str, levels: int, text: str) -> bytes:
    """A ping of so many levels, of which two are its own, with a text in it. As orjson writes."""
    value: Json = text
    for level in range(levels - 2):
        value = {"a": value} if shape[level % len(shape)] == "{" else [value]
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"v": value}}
    return orjson.dumps(ping)


@pytest.mark.guarantee("parse:host-differentials")
@pytest.mark.parametrize("text", ["", "x" * jsonrpc.SHORT, "{" * jsonrpc.SHORT, "[{" * 33])
@pytest.mark.parametrize("shape", ["{", "[", "{["])
def test_short_and_long_lines_are_as_deep_as_they_may_be_and_no_deeper(
    shape: str, text: str
) -> None:
    deepest = nested(shape, jsonrpc.MAX_DEPTH, text)
    message = jsonrpc.parse_host(deepest)
    assert isinstance(message, jsonrpc.Request)
    assert orjson.dumps(message.params) in deepest
    with pytest.raises(WireError, match="nested deeper than 64 levels") as caught:
        jsonrpc.parse_host(nested(shape, jsonrpc.MAX_DEPTH + 1, text))
    assert (caught.value.reason, caught.value.request_id) == ("depth", 1)
