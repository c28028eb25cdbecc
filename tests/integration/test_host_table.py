"""Everything odd a host can write, through a running proxy: whole bytes at host and server.

Each row is written after a finished handshake, then a ping fences it off: what the proxy answered
and what reached the server, byte for byte, is all there was. Wire ids at the server are w0, w1
and so on; the fence is not shown.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.host import RECORDER, Place, Session, ask, blocked, call, error, line, result
from tests.integration.rows import CALL, PING, Row, at_server, invalid, passes, raw, traded, unknown


def params(ident: int, why: str) -> tuple[bytes, ...]:
    return (error(ident, -32602, f"Invalid params: {why}"),)


A = b'{"text":"a"}'
FOLDED = "a key that differs from a known one by case"
FOLDED_PARAM = "a key differs from a known one by case"
SAME_KEY = "an object holds the same key twice"
NESTED = "nested deeper than 64 levels"
NOT_JSON = "not one JSON object in UTF-8"
BOTH_REFUSED = (*invalid(1, NOT_JSON), *invalid(2, NOT_JSON))
RANGE = "a number is outside 64 bits"
NO_METHOD = "Method not found"
BAD_ID = "id is not a short string or a safe integer"
BATCH = "a batch; no MCP revision since 2025-06-18 has them"
HTTP = b'Content-Length: 46\r\n\r\n{"jsonrpc":"2.0","id":1,"method":"ping"}\n'

IDS = (
    Row("0 comes back as 0", raw(b"0"), passes(b"0"), at_server(A)),
    Row('"0" comes back as "0"', raw(b'"0"'), passes(b'"0"'), at_server(A)),
    Row(
        '0 and "0" are two', raw(b"0") + raw(b'"0"'), passes(b"0") + passes(b'"0"'), at_server(A, A)
    ),
    Row("a negative id", raw(b"-5"), passes(b"-5"), at_server(A)),
    Row("the empty string", raw(b'""'), passes(b'""'), at_server(A)),
    Row("a string with quotes", raw(b'"a\\"b"'), passes(b'"a\\"b"'), at_server(A)),
    Row("2^53-1", raw(b"9007199254740991"), passes(b"9007199254740991"), at_server(A)),
    Row("256 bytes", raw(b'"' + b"x" * 256 + b'"'), passes(b'"' + b"x" * 256 + b'"'), at_server(A)),
    Row("257 bytes are refused", raw(b'"' + b"x" * 257 + b'"'), invalid("x" * 257, BAD_ID)),
    Row("2^53 is refused", raw(b"9007199254740992"), invalid(2**53, BAD_ID)),
    Row("2^53+1 is refused", raw(b"9007199254740993"), invalid(2**53 + 1, BAD_ID)),
    Row("2^64 is dropped", raw(b"18446744073709551616")),
    Row("-0 is refused", raw(b"-0"), invalid(0, BAD_ID)),
    Row("1.0 is refused", raw(b"1.0"), invalid(1.0, BAD_ID)),
    Row("1e2 is refused", raw(b"1e2"), invalid(100.0, BAD_ID)),
    Row("true is dropped", raw(b"true")),
    Row("false is dropped", raw(b"false")),
    Row("null is dropped", raw(b"null")),
    Row("an array is dropped", raw(b"[1]")),
    Row("an object is dropped", raw(b'{"a":1}')),
    Row("a lone surrogate is dropped", raw(b'"\\ud800"')),
    Row("no id is a notification nobody knows", line(method="tools/call", params={"name": "echo"})),
    Row(
        "in flight twice: the second goes nowhere and the first is answered once",
        call(1, "hold", text="first") + call(1, "echo", text="second") + call(2, "echo", text="a"),
        (*passes(b"2"), result(1, content=[])),
        (
            b'{"jsonrpc":"2.0","id":w0,"method":"tools/call","params":{"name":"hold","arguments":{"text":"first"}}}\n',
            CALL % (1, A),
        ),
    ),
    Row(
        '7 and "7" in flight together are two',
        call(7, "hold") + call("7", "echo", text="a"),
        (*passes(b'"7"'), result(7, content=[])),
        (
            b'{"jsonrpc":"2.0","id":w0,"method":"tools/call","params":{"name":"hold","arguments":{}}}\n',
            CALL % (1, A),
        ),
    ),
    Row("used again after its answer", raw(b"1") + b"", passes(b"1"), at_server(A)),
)

KEYS = (
    Row("a second id", b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}\n', invalid(2, SAME_KEY)),
    Row(
        "a second method",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/list"}\n',
        invalid(1, SAME_KEY),
    ),
    Row(
        "an escaped second method",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","\\u006dethod":"tools/list"}\n',
        invalid(1, SAME_KEY),
    ),
    Row("a second argument", raw(b"1", b'{"text":"a","text":"b"}'), invalid(1, SAME_KEY)),
    Row("a second deep key", raw(b"1", b'{"text":"a","x":[{"k":1,"k":2}]}'), invalid(1, SAME_KEY)),
    Row("a second key in an answer", b'{"jsonrpc":"2.0","id":1,"result":{},"result":{}}\n'),
    Row(
        "Method beside method",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","Method":"x"}\n',
        invalid(1, FOLDED),
    ),
    Row("METHOD alone", b'{"jsonrpc":"2.0","id":1,"METHOD":"ping"}\n'),
    Row("Id beside id", b'{"jsonrpc":"2.0","id":1,"Id":2,"method":"ping"}\n', invalid(1, FOLDED)),
    Row(
        "a long s in params",
        '{"jsonrpc":"2.0","id":1,"method":"ping","paramſ":{}}\n'.encode(),
        invalid(1, FOLDED),
    ),
    Row(
        "Arguments",
        ask(1, "tools/call", name="echo", arguments={"text": "a"}, Arguments={"text": "b"}),
        params(1, FOLDED_PARAM),
    ),
    Row(
        "argumentſ",
        line(
            id=1,
            method="tools/call",
            params={"name": "echo", "arguments": {"text": "a"}, "argumentſ": {"text": "b"}},
        ),
        params(1, FOLDED_PARAM),
    ),
    Row(
        "_Meta",
        ask(1, "tools/call", name="echo", arguments={"text": "a"}, _Meta={}),
        params(1, FOLDED_PARAM),
    ),
    Row(
        "ProgressToken",
        ask(1, "tools/call", name="echo", arguments={"text": "a"}, _meta={"ProgressToken": 1}),
        params(1, "_meta is not an object of known spelling"),
    ),
    Row(
        "an argument that differs by case from a reviewed one",
        raw(b"1", b'{"Text":"a"}'),
        (
            blocked(
                1,
                "surface.key_folding",
                "an argument is 'text' but for its case. "
                "Spell the arguments exactly as the input schema does.",
            ),
        ),
    ),
    Row(
        "unknown keys beside the envelope are left behind",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","extra":{"a":1}}\n',
        (result(1),),
        (PING % 0,),
    ),
    Row(
        "unknown parameters are left behind",
        ask(1, "ping", extra={"a": 1}),
        (result(1),),
        (PING % 0,),
    ),
    Row(
        "__proto__ in arguments stays",
        raw(b"1", b'{"__proto__":{"a":1}}'),
        passes(b"1", echo='{"__proto__": {"a": 1}}'),
        at_server(b'{"__proto__":{"a":1}}'),
    ),
    Row(
        "a request and an answer in one",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}\n',
        invalid(1, "a request and an answer in one message"),
    ),
    Row(
        "jsonrpc 1.0",
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}\n',
        invalid(1, 'jsonrpc is not "2.0"'),
    ),
    Row(
        "jsonrpc as a number",
        b'{"jsonrpc":2.0,"id":1,"method":"ping"}\n',
        invalid(1, 'jsonrpc is not "2.0"'),
    ),
    Row("no jsonrpc", b'{"id":1,"method":"ping"}\n', invalid(1, 'jsonrpc is not "2.0"')),
    Row(
        "a method that is no string",
        b'{"jsonrpc":"2.0","id":1,"method":5}\n',
        invalid(1, "method is not a string"),
    ),
    Row(
        "params as an array",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}\n',
        invalid(1, "params is not an object"),
    ),
    Row(
        "params null",
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":null}\n',
        invalid(1, "params is not an object"),
    ),
    Row("an answer nobody waits for", b'{"jsonrpc":"2.0","id":1,"result":{}}\n'),
    Row(
        "an error nobody waits for", b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}\n'
    ),
    Row("an empty object", b"{}\n"),
)

FRAMES = (
    Row("spaces and tabs around", b" \t " + raw(b"1")[:-1] + b" \t \n", passes(b"1"), at_server(A)),
    Row(
        "spaces inside",
        b'{ "jsonrpc" : "2.0" , "id" : 1 , "method" : "tools/call" , "params" : '
        b'{ "name" : "echo" , "arguments" : { "text" : "a" } } }\n',
        passes(b"1"),
        at_server(A),
    ),
    Row(
        "a carriage return before the newline", raw(b"1")[:-1] + b"\r\n", passes(b"1"), at_server(A)
    ),
    Row(
        "keys in another order",
        b'{"params":{"arguments":{"text":"a"},"name":"echo"},"method":"tools/call",'
        b'"id":1,"jsonrpc":"2.0"}\n',
        passes(b"1"),
        (
            b'{"jsonrpc":"2.0","id":w0,"method":"tools/call","params":{"arguments":{"text":"a"},"name":"echo"}}\n',
        ),
    ),
    Row(
        "escapes are the same text",
        raw(b"1", b'{"\\u0074ext":"\\u0061"}'),
        passes(b"1"),
        at_server(A),
    ),
    Row(
        "a line separator inside",
        raw(b"1", '{"text":"\u2028"}'.encode()),
        passes(b"1", echo='{"text": "\\u2028"}'),
        at_server('{"text":"\u2028"}'.encode()),
    ),
    Row("an empty line", b"\n"),
    Row("a line of spaces", b"   \t \n"),
    Row("a batch", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', invalid(1, BATCH)),
    Row("a batch of a call", b"[" + raw(b"1")[:-1] + b"]\n", invalid(1, BATCH)),
    Row("an empty batch", b"[]\n"),
    Row("two values on a line", raw(b"1")[:-1] + raw(b"2"), BOTH_REFUSED),
    Row(
        "two values with a carriage return between",
        raw(b"1")[:-1] + b"\r" + raw(b"2"),
        BOTH_REFUSED,
    ),
    Row("Content-Length framing", HTTP, (result(1),), (PING % 0,)),
    Row("text", b"hello there\n"),
    Row("a string", b'"ping"\n'),
    Row("a number", b"7\n"),
    Row("null", b"null\n"),
    Row("binary", bytes(range(1, 10)) + bytes(range(11, 256)) + b"\n"),
    Row("NUL bytes", b"\x00" * 100 + b"\n"),
    Row("a byte order mark", b"\xef\xbb\xbf" + raw(b"1"), invalid(1, NOT_JSON)),
    Row("invalid UTF-8", raw(b"1", b'{"text":"\xff"}'), invalid(1, NOT_JSON)),
    Row("an overlong encoding", raw(b"1", b'{"text":"\xc0\xaf"}'), invalid(1, NOT_JSON)),
    Row("a lone surrogate", raw(b"1", b'{"text":"\\ud800"}'), invalid(1, NOT_JSON)),
    Row("a raw control character", raw(b"1", b'{"text":"\x01"}'), invalid(1, NOT_JSON)),
    Row("cut in half", b'{"jsonrpc":"2.0","id":1,"meth\nod":"ping"}\n'),
)

NUMBERS = (
    Row("NaN", raw(b"1", b'{"n":NaN}'), invalid(1, NOT_JSON)),
    Row("Infinity", raw(b"1", b'{"n":-Infinity}'), invalid(1, NOT_JSON)),
    Row("1e400", raw(b"1", b'{"n":1e400}'), invalid(1, NOT_JSON)),
    Row("2^64", raw(b"1", b'{"n":18446744073709551616}'), invalid(1, RANGE)),
    Row("-2^63-1", raw(b"1", b'{"n":-9223372036854775809}'), invalid(1, RANGE)),
    Row(
        "2^63 keeps its digits",
        raw(b"1", b'{"n":9223372036854775808}'),
        passes(b"1", echo='{"n": 9223372036854775808}'),
        at_server(b'{"n":9223372036854775808}'),
    ),
    Row(
        "2^53+1 keeps its digits",
        raw(b"1", b'{"n":9007199254740993}'),
        passes(b"1", echo='{"n": 9007199254740993}'),
        at_server(b'{"n":9007199254740993}'),
    ),
    Row(
        "1.0 stays 1.0",
        raw(b"1", b'{"n":1.0}'),
        passes(b"1", echo='{"n": 1.0}'),
        at_server(b'{"n":1.0}'),
    ),
    Row(
        "-0.0 stays -0.0",
        raw(b"1", b'{"n":-0.0}'),
        passes(b"1", echo='{"n": -0.0}'),
        at_server(b'{"n":-0.0}'),
    ),
    Row(
        "60 levels pass",
        raw(b"1", b'{"x":' + b"[" * 60 + b"]" * 60 + b"}"),
        passes(b"1", echo='{"x": ' + "[" * 60 + "]" * 60 + "}"),
        at_server(b'{"x":' + b"[" * 60 + b"]" * 60 + b"}"),
    ),
    Row("70 levels", raw(b"1", b'{"x":' + b"[" * 70 + b"]" * 70 + b"}"), invalid(1, NESTED)),
    Row(
        "100000 levels",
        raw(b"1", b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        invalid(1, NOT_JSON),
    ),
    Row(
        "brackets in a text are no levels",
        raw(b"1", b'{"text":"' + b"[" * 100 + b'"}'),
        passes(b"1", echo='{"text": "' + "[" * 100 + '"}'),
        at_server(b'{"text":"' + b"[" * 100 + b'"}'),
    ),
)

NAMES = tuple(
    Row(
        f"{name!r}",
        line(id=1, method="tools/call", params={"name": name, "arguments": {}}),
        unknown(1, name),
    )
    for name in (
        "Echo",
        "ECHO",
        "echo ",
        " echo",
        "echo\t",
        "echo\x00",
        "e\u0441ho",
        "ech\u03bf",
        "\uff45\uff43\uff48\uff4f",
        "echo\u200b",
        "echo\u0301",
        "\u202eohce",
        "ecHO",
        "echo/",
        "echo;echo",
        "",
        "exec_shell",
        "__proto__",
        "x" * 100,
    )
)
METHODS = tuple(
    Row(
        f"method {name!r}",
        line(id=1, method=name, params={"name": "echo"}),
        (error(1, -32601, NO_METHOD),),
    )
    for name in (
        "Tools/call",
        "tools/Call",
        "tools/call ",
        " tools/call",
        "tools/\u0441all",
        "tools//call",
        "tools/call\x00",
        "",
        "tools/exec",
        "resources/delete",
        "roots/list",
        "sampling/createMessage",
        "notifications/initialized",
    )
)
NOT_NORMAL = (
    "Blocked by mcpguard [surface.uri_form]: the URI is not in normal form (RFC 3986). "
    "Use the URI's normal form (RFC 3986 section 6)."
)
URIS = tuple(
    Row(
        f"uri {uri!r} is unknown",
        ask(1, "resources/read", uri=uri),
        (error(1, -32602, f"Unknown resource: {uri}"),),
    )
    for uri in (
        "note://one/",
        "note://one#x",
        "note://one?x",
        "note:one",
        "file:///etc/passwd",
        "note://by-name/a/b",
        "note://other/x",
        "note://by-name.evil/x",
        "note://by-name/",
    )
) + tuple(
    Row(
        f"uri {uri!r} is not normal",
        ask(1, "resources/read", uri=uri),
        (error(1, -31001, NOT_NORMAL),),
    )
    for uri in (
        "NOTE://one",
        "note://ONE",
        "note://by-name/..",
        "note://by-name/%2e%2e",
        "note://by-name/%2E%2E",
        "note://by-name/a%2Fb",
        "note://by-name/a%00",
        "note://by-name/a\x00",
        "note://by-name/../one",
        "note://by-name/%41",
        "note://by-name/a b",
        "note://by-name/\u00e9",
    )
)

SHAPES = (
    Row(
        "no name", ask(1, "tools/call", arguments={}), params(1, "name is missing or not a string")
    ),
    Row(
        "a name that is a number",
        ask(1, "tools/call", name=5),
        params(1, "name is missing or not a string"),
    ),
    Row(
        "arguments as an array",
        ask(1, "tools/call", name="echo", arguments=[]),
        params(1, "arguments is not an object"),
    ),
    Row(
        "arguments null",
        ask(1, "tools/call", name="echo", arguments=None),
        params(1, "arguments is not an object"),
    ),
    Row(
        "no arguments",
        ask(1, "tools/call", name="echo"),
        passes(b"1", echo="null"),
        (b'{"jsonrpc":"2.0","id":w0,"method":"tools/call","params":{"name":"echo"}}\n',),
    ),
    Row(
        "an argument of the wrong type",
        raw(b"1", b'{"text":5}'),
        (
            blocked(
                1,
                "surface.arguments",
                "/text: does not satisfy 'type'. "
                "Change the arguments to fit the reviewed input schema.",
            ),
        ),
    ),
    Row(
        "_meta as an array",
        ask(1, "ping", _meta=[]),
        params(1, "_meta is not an object of known spelling"),
    ),
    Row(
        "a second initialize",
        ask(1, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={}),
        (error(1, -32600, "Session already initialized"),),
    ),
    Row("an unknown notification", line(method="notifications/unheard_of", params={})),
    Row("a cancel of nothing", line(method="notifications/cancelled", params={"requestId": 99})),
    Row(
        "progress for nothing",
        line(method="notifications/progress", params={"progressToken": 9, "progress": 1}),
    ),
)

TABLE = IDS + KEYS + FRAMES + NUMBERS + NAMES + METHODS + URIS + SHAPES

Open = tuple[Place, Session]


@pytest.fixture(scope="module")
def opened(recorder_lock: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """One session for the whole table: whatever a row is, the next finds it as it was.

    Of no score, which so many attacks lower until nothing is let through.
    """
    base = tmp_path_factory.mktemp("table")
    env = {"RECORDER_LOG": str(base / "seen"), "MCPGUARD_CONFIG_DIR": str(base / "config")}
    place = Place(base, RECORDER, env)
    shutil.copy(recorder_lock, place.lock)
    settings = base / "config" / "mcpguard.yaml"
    settings.parent.mkdir(mode=0o700)
    settings.write_text("trust: {min_trust: 0}")
    settings.chmod(0o600)
    with place.proxy() as session:
        session.start()
        session.names()
        yield place, session
        assert session.finish() == (0, [])
    place.records()


@pytest.mark.guarantee("parse:host-differentials")
@pytest.mark.parametrize(
    "row", TABLE, ids=lambda row: row.name[:60].encode("ascii", "backslashreplace").decode()
)
def test_what_a_host_writes_is_passed_or_refused_as_designed(opened: Open, row: Row) -> None:
    assert traded(*opened, row.sent) == (row.host, row.server)
