"""Parsing: what two parsers could read differently is refused from a host, exact from a server."""

import json
import math
from typing import cast

import orjson
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from mcpguard.errors import WireError
from mcpguard.model import Json, JsonObject, Reason
from mcpguard.wire import jsonrpc
from mcpguard.wire.jsonrpc import (
    MAX_DEPTH,
    MAX_ID_BYTES,
    MAX_SAFE_INTEGER,
    MAX_SERVER_DEPTH,
    Id,
    Message,
    Notification,
    Request,
    Response,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    folds_onto,
    is_id,
    parse_host,
    parse_server,
)

Refusal = tuple[Reason, Id | None]
Outcome = Message | Refusal


def outcome(parse: object, line: bytes) -> Outcome:
    assert callable(parse)
    try:
        return cast("Message", parse(line))
    except WireError as error:
        return Reason(error.reason), error.request_id


def call(arguments: str, *, given: str = "1") -> bytes:
    """A tools/call line with these arguments, compact."""
    head = f'{{"jsonrpc":"2.0","id":{given},"method":"tools/call","params":'
    return f'{head}{{"name":"t","arguments":{arguments}}}}}'.encode()


def called(
    arguments: Json, *, given: Id = 1, exact: bool = False, dropped: tuple[str, ...] = ()
) -> Request:
    return Request(given, "tools/call", {"name": "t", "arguments": arguments}, exact, dropped)


def with_id(given: str) -> bytes:
    return f'{{"jsonrpc":"2.0","id":{given},"method":"ping"}}'.encode()


def pinged(given: Id, *, exact: bool = False) -> Request:
    return Request(given, "ping", {}, exact)


def nest(depth: int, inside: str = "") -> str:
    """Arrays `depth` levels deep."""
    return "[" * depth + inside + "]" * depth


def nested(depth: int) -> Json:
    value: Json = []
    for _ in range(depth - 1):
        value = [value]
    return value


PARSE: Refusal = (Reason.PARSE, None)
BAD_ID: Refusal = (Reason.BAD_ID, None)
ENVELOPE: Refusal = (Reason.ENVELOPE, 1)
SERVER_ENVELOPE: Refusal = (Reason.ENVELOPE, 1)
BATCH: Refusal = (Reason.BATCH, None)
DUPLICATE: Refusal = (Reason.DUPLICATE_KEY, 1)
RANGE: Refusal = (Reason.NUMBER_RANGE, 1)

_PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'

IDS: dict[str, tuple[bytes, Outcome, Outcome]] = {
    # an id at the edge: line, from a host, from a server
    "zero": (with_id("0"), pinged(0), pinged(0)),
    "string-zero": (with_id('"0"'), pinged("0"), pinged("0")),
    "seven": (with_id("7"), pinged(7), pinged(7)),
    "string-seven": (with_id('"7"'), pinged("7"), pinged("7")),
    "empty-string": (with_id('""'), pinged(""), pinged("")),
    "negative": (with_id("-1"), pinged(-1), pinged(-1)),
    "largest": (with_id(str(2**53 - 1)), pinged(2**53 - 1), pinged(2**53 - 1)),
    "smallest": (with_id(str(1 - 2**53)), pinged(1 - 2**53), pinged(1 - 2**53)),
    "2^53": (with_id(str(2**53)), BAD_ID, BAD_ID),
    "2^53+1": (with_id(str(2**53 + 1)), BAD_ID, BAD_ID),
    "-2^53": (with_id(str(-(2**53))), BAD_ID, BAD_ID),
    "beyond-64-bits": (with_id(str(2**64)), (Reason.NUMBER_RANGE, None), BAD_ID),
    "minus-zero": (with_id("-0"), BAD_ID, pinged(0)),
    "float-one": (with_id("1.0"), BAD_ID, BAD_ID),
    "exponent": (with_id("1e2"), BAD_ID, BAD_ID),
    "true": (with_id("true"), BAD_ID, BAD_ID),
    "false": (with_id("false"), BAD_ID, BAD_ID),
    "null": (with_id("null"), BAD_ID, BAD_ID),
    "object": (with_id("{}"), BAD_ID, BAD_ID),
    "array": (with_id("[1]"), BAD_ID, BAD_ID),
    "256-bytes": (with_id(f'"{"x" * 256}"'), pinged("x" * 256), pinged("x" * 256)),
    "257-bytes": (with_id(f'"{"x" * 257}"'), BAD_ID, BAD_ID),
    "256-bytes-of-utf8": (with_id(f'"{"é" * 128}"'), pinged("é" * 128), pinged("é" * 128)),
    "258-bytes-of-utf8": (with_id(f'"{"é" * 129}"'), BAD_ID, BAD_ID),
    "lone-surrogate": (with_id('"\\ud800"'), PARSE, BAD_ID),
    "escaped": (with_id('"\\u0041"'), pinged("A"), pinged("A")),
}

DIFFERENTIALS: dict[str, tuple[bytes, Outcome, Outcome]] = {
    # keys
    "duplicate-argument": (call('{"a":1,"a":2}'), DUPLICATE, called({"a": 2})),
    "duplicate-escaped": (call('{"a":1,"\\u0061":2}'), DUPLICATE, called({"a": 2})),
    "duplicate-method": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
        DUPLICATE,
        Request(1, "tools/call", {}),
    ),
    "duplicate-escaped-method": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/call"}',
        DUPLICATE,
        Request(1, "tools/call", {}),
    ),
    "duplicate-of-the-same-value": (call('{"a":1,"a":1}'), DUPLICATE, called({"a": 1})),
    "duplicate-in-a-notification": (
        b'{"jsonrpc":"2.0","method":"x","method":"x"}',
        (Reason.DUPLICATE_KEY, None),
        Notification("x", {}),
    ),
    "Method": (b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}', ENVELOPE, ENVELOPE),
    "METHOD-first": (b'{"METHOD":"x","jsonrpc":"2.0","id":1,"method":"ping"}', ENVELOPE, ENVELOPE),
    "METHOD-alone": (
        b'{"jsonrpc":"2.0","id":1,"METHOD":"ping"}',
        (Reason.ENVELOPE, None),
        (Reason.ENVELOPE, None),
    ),
    "long-s-in-params": (
        '{"jsonrpc":"2.0","id":1,"method":"ping","paramſ":{}}'.encode(),
        ENVELOPE,
        ENVELOPE,
    ),
    "long-s-in-jsonrpc": (
        '{"jſonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}'.encode(),
        ENVELOPE,
        ENVELOPE,
    ),
    "argument-ſ-is-left-to-the-method-table": (
        '{"jsonrpc":"2.0","id":1,"method":"m","params":{"argumentſ":{}}}'.encode(),
        Request(1, "m", {"argumentſ": {}}),
        Request(1, "m", {"argumentſ": {}}),
    ),
    "kelvin-sign-is-left-to-the-schema": (
        call('{"\u212aey":1}'),
        called({"\u212aey": 1}),
        called({"\u212aey": 1}),
    ),
    "unknown-envelope-key": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","extra":1,"x":2}',
        Request(1, "ping", {}, dropped=("extra", "x")),
        Request(1, "ping", {}, dropped=("extra", "x")),
    ),
    "proto": (
        call('{"__proto__":{"a":1}}'),
        called({"__proto__": {"a": 1}}),
        called({"__proto__": {"a": 1}}),
    ),
    # numbers
    "nan": (call('{"a":NaN}'), PARSE, PARSE),
    "infinity": (call('{"a":-Infinity}'), PARSE, PARSE),
    "overflow": (call('{"a":1e400}'), PARSE, PARSE),
    "overflow-to-minus": (call('{"a":-1E400}'), PARSE, PARSE),
    "long-overflow": (call('{"a":' + "9" * 400 + ".0}"), PARSE, PARSE),
    "uint64": (call(f'{{"a":{2**64 - 1}}}'), called({"a": 2**64 - 1}), called({"a": 2**64 - 1})),
    "int64": (call(f'{{"a":{-(2**63)}}}'), called({"a": -(2**63)}), called({"a": -(2**63)})),
    "2^64": (call(f'{{"a":{2**64}}}'), RANGE, called({"a": 2**64}, exact=True)),
    "-2^63-1": (call(f'{{"a":{-(2**63) - 1}}}'), RANGE, called({"a": -(2**63) - 1}, exact=True)),
    "4300-digits": (
        call('{"a":' + "9" * 4300 + "}"),
        PARSE,
        called({"a": int("9" * 4300)}, exact=True),
    ),
    "4301-digits": (call('{"a":' + "9" * 4301 + "}"), PARSE, PARSE),
    "float-of-20-digits": (
        call('{"a":0.12345678901234567890}'),
        called({"a": 0.12345678901234568}),
        called({"a": 0.12345678901234568}, exact=True),
    ),
    "one-point-zero": (call('{"a":1.0}'), called({"a": 1.0}), called({"a": 1.0})),
    "leading-zero": (call('{"a":01}'), PARSE, PARSE),
    "plus": (call('{"a":+1}'), PARSE, PARSE),
    "hexadecimal": (call('{"a":0x1}'), PARSE, PARSE),
    # text
    "lone-high-surrogate": (
        call('{"a":"\\ud800"}'),
        PARSE,
        called({"a": "\ud800"}, exact=True),
    ),
    "lone-low-surrogate": (
        call('{"a":"\\udc00x"}'),
        PARSE,
        called({"a": "\udc00x"}, exact=True),
    ),
    "surrogate-pair": (
        call('{"a":"\\ud83d\\ude00"}'),
        called({"a": "😀"}),
        called({"a": "😀"}),
    ),
    "invalid-utf-8": (
        call('{"a":"?"}').replace(b"?", b"\xff"),
        PARSE,
        called({"a": "\ufffd"}, exact=True),
    ),
    "overlong-utf-8": (
        call('{"a":"?"}').replace(b"?", b"\xc0\xae"),
        PARSE,
        called({"a": "\ufffd\ufffd"}, exact=True),
    ),
    "bom": (b"\xef\xbb\xbf" + _PING, PARSE, PARSE),
    "utf-16": (_PING.decode().encode("utf-16-le"), PARSE, PARSE),
    "nul-escape": (call('{"a":"\\u0000"}'), called({"a": "\x00"}), called({"a": "\x00"})),
    "nul-raw": (call('{"a":"\x00"}'), PARSE, PARSE),
    "tab-raw-in-a-string": (call('{"a":"\t"}'), PARSE, PARSE),
    "u+2028": (call('{"a":"\u2028"}'), called({"a": "\u2028"}), called({"a": "\u2028"})),
    "u+2028-between": (_PING + "\u2028".encode(), PARSE, PARSE),
    "carriage-return-behind": (_PING + b"\r", pinged(1), pinged(1)),
    "whitespace": (
        b' { "jsonrpc" : "2.0" ,\t"id" : 1 , "method":"ping" } ',
        pinged(1),
        pinged(1),
    ),
    "two-values": (_PING + _PING, PARSE, PARSE),
    "two-values-cr": (_PING + b"\r" + _PING, PARSE, PARSE),
    "trailing-comma": (b'{"jsonrpc":"2.0","id":1,"method":"ping",}', PARSE, PARSE),
    "comment": (_PING + b"//", PARSE, PARSE),
    "single-quotes": (b"{'jsonrpc':'2.0'}", PARSE, PARSE),
    "content-length": (b"Content-Length: 40", PARSE, PARSE),
    "empty": (b"", PARSE, PARSE),
    "blank": (b"  ", PARSE, PARSE),
    "half-a-line": (_PING[:-1], PARSE, PARSE),
    "binary": (b"\x00\x01\x02", PARSE, PARSE),
    # shapes
    "batch": (b"[" + _PING + b"]", BATCH, BATCH),
    "empty-batch": (b"[]", BATCH, BATCH),
    "batch-with-space": (b"[ " + _PING + b" ]", BATCH, BATCH),
    "string": (b'"ping"', PARSE, PARSE),
    "number": (b"1", PARSE, PARSE),
    "true": (b"true", PARSE, PARSE),
    "null": (b"null", PARSE, PARSE),
    "empty-object": (b"{}", (Reason.ENVELOPE, None), (Reason.ENVELOPE, None)),
    "no-jsonrpc": (b'{"id":1,"method":"ping"}', ENVELOPE, ENVELOPE),
    "jsonrpc-1": (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', ENVELOPE, ENVELOPE),
    "jsonrpc-number": (b'{"jsonrpc":2.0,"id":1,"method":"ping"}', ENVELOPE, ENVELOPE),
    "method-number": (b'{"jsonrpc":"2.0","id":1,"method":1}', ENVELOPE, ENVELOPE),
    "method-null": (b'{"jsonrpc":"2.0","id":1,"method":null}', ENVELOPE, ENVELOPE),
    "params-array": (b'{"jsonrpc":"2.0","id":1,"method":"m","params":[]}', ENVELOPE, ENVELOPE),
    "params-null": (b'{"jsonrpc":"2.0","id":1,"method":"m","params":null}', ENVELOPE, ENVELOPE),
    "method-and-result": (
        b'{"jsonrpc":"2.0","id":1,"method":"m","result":{}}',
        ENVELOPE,
        ENVELOPE,
    ),
    "method-and-error": (
        b'{"jsonrpc":"2.0","id":1,"method":"m","error":null}',
        ENVELOPE,
        ENVELOPE,
    ),
    "notification": (
        b'{"jsonrpc":"2.0","method":"m","params":{"a":1}}',
        Notification("m", {"a": 1}),
        Notification("m", {"a": 1}),
    ),
    "result": (
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        Response(1, {}, None),
        Response(1, {}, None),
    ),
    "result-first": (
        b'{"result":{"a":1},"jsonrpc":"2.0","id":"x"}',
        Response("x", {"a": 1}, None),
        Response("x", {"a": 1}, None),
    ),
    "error": (
        b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"m"}}',
        Response(1, None, {"code": -1, "message": "m"}),
        Response(1, None, {"code": -1, "message": "m"}),
    ),
    "error-null-beside-a-result": (
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":null}',
        Response(1, {}, None),
        Response(1, {}, None),
    ),
    "result-null-beside-an-error": (
        b'{"jsonrpc":"2.0","id":1,"result":null,"error":{}}',
        Response(1, None, {}),
        Response(1, None, {}),
    ),
    "result-null": (
        b'{"jsonrpc":"2.0","id":1,"result":null}',
        (Reason.ENVELOPE, None),
        (Reason.ENVELOPE, None),
    ),
    "result-and-error": (
        b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
        (Reason.ENVELOPE, None),
        (Reason.ENVELOPE, None),
    ),
    "result-list": (
        b'{"jsonrpc":"2.0","id":1,"result":[]}',
        (Reason.ENVELOPE, None),
        (Reason.ENVELOPE, None),
    ),
    "answer-without-id": (b'{"jsonrpc":"2.0","result":{}}', BAD_ID, BAD_ID),
    "answer-with-null-id": (b'{"jsonrpc":"2.0","id":null,"error":{}}', BAD_ID, BAD_ID),
    "answer-with-true-id": (b'{"jsonrpc":"2.0","id":true,"result":{}}', BAD_ID, BAD_ID),
    # depth: the envelope and params are two levels
    "depth-64": (
        call(nest(62)),
        called(nested(62)),
        called(nested(62)),
    ),
    "depth-65": (call(nest(63)), (Reason.DEPTH, 1), called(nested(63))),
    "depth-65-with-spaces": (call(nest(63, " ")), (Reason.DEPTH, 1), called(nested(63))),
    "brackets-in-a-string": (
        call('"' + nest(100) + '"'),
        called(nest(100)),
        called(nest(100)),
    ),
    "wide-is-not-deep": (
        call("[" + "{}," * 100 + "{}]"),
        called([{}] * 101),
        called([{}] * 101),
    ),
    "depth-254": (call(nest(252)), (Reason.DEPTH, 1), called(nested(252))),
    "depth-255": (call(nest(253)), (Reason.DEPTH, 1), (Reason.DEPTH, None)),
    "depth-1024": (call(nest(1022)), (Reason.DEPTH, 1), (Reason.DEPTH, None)),
    "depth-1500": (call(nest(1498)), PARSE, (Reason.DEPTH, None)),
    "depth-100000": (call(nest(99_998)), PARSE, (Reason.DEPTH, None)),
    "batch-of-depth-300": (nest(300).encode(), (Reason.DEPTH, None), (Reason.DEPTH, None)),
}

TABLE = {**{f"id-{name}": row for name, row in IDS.items()}, **DIFFERENTIALS}


def without_answer(expected: Outcome) -> Outcome:
    """A server's bad line is refused for the same reason; whether it names an id is not used."""
    if isinstance(expected, Request | Notification | Response):
        return expected
    return expected[0], None


@pytest.mark.guarantee("parse:host-differentials")
@pytest.mark.parametrize(("line", "host"), [row[:2] for row in TABLE.values()], ids=TABLE)
def test_a_host_line_has_one_meaning_or_is_refused(line: bytes, host: Outcome) -> None:
    found = outcome(parse_host, line)
    assert found == host
    assert typed(found) == typed(host)


@pytest.mark.guarantee("parse:server-exact")
@pytest.mark.parametrize(
    ("line", "server"), [(row[0], row[2]) for row in TABLE.values()], ids=TABLE
)
def test_a_server_line_is_never_corrupted(line: bytes, server: Outcome) -> None:
    found = outcome(parse_server, line)
    assert without_answer(found) == without_answer(server)
    assert typed(without_answer(found)) == typed(without_answer(server))


def typed(value: object) -> str:
    """`repr` tells 1 from 1.0 and True, which `==` does not."""
    return repr(value)


@pytest.mark.guarantee("ids:exact-types")
@pytest.mark.parametrize("given", [0, "0", 7, "7", "", -1, MAX_SAFE_INTEGER, "x" * MAX_ID_BYTES])
def test_an_id_goes_out_as_it_came_in(given: Id) -> None:
    text = orjson.dumps(given)
    assert encode_result(given, {}) == b'{"jsonrpc":"2.0","id":' + text + b',"result":{}}\n'
    line = b'{"jsonrpc":"2.0","id":' + text + b',"method":"ping"}\n'
    assert encode_request(given, "ping", {}) == line
    assert typed(parse_host(line.rstrip())) == typed(Request(given, "ping", {}))


@pytest.mark.guarantee("ids:exact-types")
@pytest.mark.parametrize(
    "given", [True, False, None, 1.0, -0.0, 2**53, -(2**53), [], {}, "x" * 257, "\ud800", "é" * 129]
)
def test_what_some_peer_would_change_is_no_id(given: Json) -> None:
    assert is_id(given) is False


ENCODED = {
    "request": (
        encode_request(1, "tools/call", {"name": "é"}),
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"é"}}\n',
    ),
    "empty-params-are-left-out": (
        encode_request("a", "ping", {}),
        '{"jsonrpc":"2.0","id":"a","method":"ping"}\n',
    ),
    "notification": (
        encode_notification("n", {"a": None}),
        '{"jsonrpc":"2.0","method":"n","params":{"a":null}}\n',
    ),
    "bare-notification": (encode_notification("n", {}), '{"jsonrpc":"2.0","method":"n"}\n'),
    "result": (encode_result(0, {"a": [1]}), '{"jsonrpc":"2.0","id":0,"result":{"a":[1]}}\n'),
    "error": (
        encode_error("0", {"code": -32601, "message": "Method not found"}),
        '{"jsonrpc":"2.0","id":"0","error":{"code":-32601,"message":"Method not found"}}\n',
    ),
    "exact-request": (
        encode_request(1, "m", {"n": 2**70}, exact_form=True),
        '{"jsonrpc":"2.0","id":1,"method":"m","params":{"n":1180591620717411303424}}\n',
    ),
    "exact-notification": (
        encode_notification("m", {"s": "\ud800é"}, exact_form=True),
        '{"jsonrpc":"2.0","method":"m","params":{"s":"\\ud800é"}}\n',
    ),
    "exact-result": (
        encode_result(1, {"n": -(2**64)}, exact_form=True),
        '{"jsonrpc":"2.0","id":1,"result":{"n":-18446744073709551616}}\n',
    ),
    "what-orjson-refuses-without-being-told": (
        encode_result(1, {"n": 2**70, "s": "\ud800"}),
        '{"jsonrpc":"2.0","id":1,"result":{"n":1180591620717411303424,"s":"\\ud800"}}\n',
    ),
    "exact-error": (
        encode_error(1, {"code": 1, "message": "\udfff"}, exact_form=True),
        '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"\\udfff"}}\n',
    ),
}


@pytest.mark.parametrize(("line", "text"), ENCODED.values(), ids=ENCODED)
def test_every_encoder_writes_one_exact_line(line: bytes, text: str) -> None:
    assert line == text.encode()


@pytest.mark.guarantee("parse:envelope-rebuilt")
@pytest.mark.parametrize("parse", [parse_host, parse_server])
def test_nothing_but_known_keys_is_written_again(parse: object) -> None:
    line = b'{ "x":1, "method":"m", "jsonrpc":"2.0", "id":1, "params":{"a":1} }'
    message = outcome(parse, line)
    assert isinstance(message, Request)
    assert encode_request(message.id, message.method, message.params) == (
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1}}\n'
    )
    assert message.dropped == ("x",)


KNOWN = frozenset({"method", "params", "arguments", "key"})


@pytest.mark.guarantee("fold:go-matches")
@pytest.mark.parametrize(
    ("key", "folds"),
    [
        ("method", False),
        ("Method", True),
        ("METHOD", True),
        ("argumentſ", True),
        ("\u212aey", True),
        ("methods", False),
        ("", False),
        ("meth0d", False),
        ("ｍethod", False),
    ],
)
def test_a_key_folds_onto_a_known_one_only_by_case(key: str, folds: bool) -> None:
    assert folds_onto(key, KNOWN) is folds


@pytest.mark.parametrize("line", [b"", b"{", b'{"a":1}x', b"\xff"])
def test_a_line_of_a_server_that_is_no_json_is_called_that(line: bytes) -> None:
    with pytest.raises(WireError, match=r"^not one JSON object$") as caught:
        jsonrpc.parse_server(line)
    assert caught.value.reason == "parse"


BOTH = "a request and an answer in one message"
WRONG: list[tuple[dict[str, Json], str]] = [
    ({"method": "m", "result": {}}, BOTH),
    ({"method": "m", "error": {}}, BOTH),
    ({"method": 5, "error": {}, "result": {}}, BOTH),
    ({"method": 5, "params": 5}, "method is not a string"),
    ({"method": None}, "method is not a string"),
    ({"method": "m", "params": []}, "params is not an object"),
]


@pytest.mark.parametrize(("members", "sentence"), WRONG)
def test_a_message_that_is_no_request_is_told_why(members: dict[str, Json], sentence: str) -> None:
    line = orjson.dumps({"jsonrpc": "2.0", "id": 1, **members})
    for parse in (jsonrpc.parse_host, jsonrpc.parse_server):
        with pytest.raises(WireError) as caught:
            parse(line)
        assert (str(caught.value), caught.value.reason) == (sentence, "envelope")


def test_what_needs_no_exact_form_is_written_in_the_short_one() -> None:
    small: dict[str, Json] = {"n": 1e-7}
    begun, ended = b'{"jsonrpc":"2.0",', b':{"n":1e-7}}\n'
    request = begun + b'"id":1,"method":"m","params"' + ended
    assert jsonrpc.encode_request(1, "m", small) == request
    assert jsonrpc.encode_notification("m", small) == begun + b'"method":"m","params"' + ended
    assert jsonrpc.encode_result(1, small) == begun + b'"id":1,"result"' + ended
    assert jsonrpc.encode_error(1, small) == begun + b'"id":1,"error"' + ended


# --- properties ----------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
objects: st.SearchStrategy[JsonObject] = st.dictionaries(texts, values, max_size=4)
ids: st.SearchStrategy[Id] = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=64
)
PLAIN = {"exact": st.just(False), "dropped": st.just(())}
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Request, ids, texts, objects, **PLAIN),
    st.builds(Notification, texts, objects, **PLAIN),
    st.builds(Response, ids, objects, st.none(), **PLAIN),
    st.builds(Response, ids, st.none(), objects, **PLAIN),
)


def encoded(message: Message) -> bytes:
    """`message` as mcpguard writes it, without the newline."""
    if isinstance(message, Request):
        line = encode_request(message.id, message.method, message.params, exact_form=message.exact)
    elif isinstance(message, Notification):
        line = encode_notification(message.method, message.params, exact_form=message.exact)
    elif message.result is not None:
        line = encode_result(message.id, message.result, exact_form=message.exact)
    else:
        line = encode_error(message.id, message.error or {}, exact_form=message.exact)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    return line[:-1]


@given(messages)
def test_what_is_encoded_reads_back_the_same_from_either_side(message: Message) -> None:
    line = encoded(message)
    assert typed(parse_host(line)) == typed(message)
    back = parse_server(line)._replace(exact=False)  # floats of many digits take the exact path
    assert typed(back) == typed(message)


def spaced(value: Json, indent: int | None, escape: bool) -> bytes:
    return json.dumps(value, ensure_ascii=escape, indent=indent).replace("\n", " ").encode()


@given(objects, st.sampled_from([None, 1]), st.booleans())
def test_layout_and_escapes_change_nothing(params: JsonObject, indent: int, escape: bool) -> None:
    whole: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "m", "params": params}
    assert typed(parse_host(spaced(whole, indent, escape))) == typed(Request(1, "m", params))


big_values = st.recursive(
    scalars | st.integers(-(2**80), 2**80) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@pytest.mark.guarantee("parse:server-exact")
@given(st.dictionaries(st.text(max_size=3), big_values, max_size=4), st.booleans())
@example({"a": 2**64, "b": "\ud800"}, True)
def test_a_servers_numbers_and_characters_survive(result: JsonObject, escape: bool) -> None:
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}, ensure_ascii=escape)
    line = text.encode("utf-8", "replace" if not escape else "strict")
    message = parse_server(line)
    assert isinstance(message, Response)
    expected = json.loads(line)["result"]
    assert typed(json.loads(encoded(message))["result"]) == typed(expected)


LINES = st.one_of(
    st.sampled_from([row[0] for row in TABLE.values() if len(row[0]) < 5000]),
    st.binary(max_size=40),
    messages.map(encoded),
)


@pytest.mark.guarantee("parse:host-differentials")
@given(LINES, st.lists(st.tuples(st.integers(0, 300), st.binary(max_size=3)), max_size=3))
def test_what_a_host_may_say_every_parser_reads_alike(
    line: bytes, edits: list[tuple[int, bytes]]
) -> None:
    for place, text in edits:
        at = place % (len(line) + 1)
        line = line[:at] + text + line[at + len(text) :]
    message = outcome(parse_host, line)
    assume(isinstance(message, Request | Notification | Response))
    again = encoded(cast("Message", message))
    assert typed(orjson.loads(again)) == typed(json.loads(again))
    given = orjson.loads(line)
    for key, value in orjson.loads(again).items():
        if key != "error" or given.get("error") is not None:
            assert typed(value) == typed(given[key])


@given(st.floats())
def test_no_number_that_is_not_finite_gets_in(number: float) -> None:
    line = call(json.dumps({"a": number}))
    if math.isfinite(number):
        assert parse_host(line) == called({"a": number})
    else:
        assert outcome(parse_host, line) == PARSE


@given(st.integers(1, 300))
def test_depth_is_counted_to_the_level(depth: int) -> None:
    line = call(nest(depth))
    allowed = depth + 2 <= MAX_DEPTH
    assert isinstance(outcome(parse_host, line), Request) is allowed
    assert isinstance(outcome(parse_server, line), Request) is (depth + 2 <= MAX_SERVER_DEPTH)
