"""Everything odd a host can write, through a running proxy: whole bytes at host and server.

Each row is written after a finished handshake, then a ping fences it off: what the proxy answered
and what reached the server, byte for byte, is all there was. Wire ids at the server are w0, w1
and so on; the fence is not shown.
"""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mcpguard.wire.framing import MAX_LINE
from tests.integration.host import (
    RECORDER,
    Place,
    Session,
    ask,
    blocked,
    call,
    error,
    line,
    mapped_ids,
    result,
)

CALL = b'{"jsonrpc":"2.0","id":w%d,"method":"tools/call","params":{"name":"echo","arguments":%s}}\n'
PING = b'{"jsonrpc":"2.0","id":w%d,"method":"ping"}\n'
TEN_MB = 10 * 1024 * 1024


def at_server(*arguments: bytes) -> tuple[bytes, ...]:
    """What the server gets for calls of echo with these encoded arguments."""
    return tuple(CALL % (number, each) for number, each in enumerate(arguments))


@dataclass(frozen=True)
class Row:
    """`sent` by the host; `host`: the lines it gets; `server`: the lines that reach the server."""

    name: str
    sent: bytes
    host: tuple[bytes, ...] = ()
    server: tuple[bytes, ...] = ()


def raw(ident: bytes, arguments: bytes = b'{"text":"a"}', name: bytes = b'"echo"') -> bytes:
    """A call written by hand, for what no encoder would write."""
    return (
        b'{"jsonrpc":"2.0","id":'
        + ident
        + b',"method":"tools/call","params":{"name":'
        + name
        + b',"arguments":'
        + arguments
        + b"}}\n"
    )


def passes(
    ident: bytes, arguments: bytes = b'{"text":"a"}', echo: str = '{"text": "a"}'
) -> tuple[bytes, ...]:
    words = json.dumps(echo).encode()
    return (
        b'{"jsonrpc":"2.0","id":'
        + ident
        + b',"result":{"content":[{"type":"text","text":'
        + words
        + b"}]}}",
    )


def unknown(ident: object, name: str) -> tuple[bytes, ...]:
    return (
        json.dumps(
            {
                "jsonrpc": "2.0",
                "id": ident,
                "error": {"code": -32602, "message": f"Unknown tool: {name}"},
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode(),
    )


def invalid(ident: float | str, why: str) -> tuple[bytes, ...]:
    refused = {"code": -32600, "message": f"Invalid Request: {why}"}
    return (line(id=ident, error=refused)[:-1],)


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
OVER = "the line is longer than mcpguard passes on (8 MiB)"
BAD_ID = "id is not a short string or a safe integer"
BATCH = "a batch; no MCP revision since 2025-06-18 has them"
NESTING_63 = b"[" * 30 + b"]" * 30
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


def sent_to_server(place: Place) -> list[bytes]:
    return Path(place.env["RECORDER_LOG"]).read_bytes().splitlines(keepends=True)


def exchanged(
    place: Place, session: Session, sent: bytes
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """What the host got for `sent` in a new session, and what the server got."""
    session.start()
    session.names()
    return traded(place, session, sent)


def traded(
    place: Place, session: Session, sent: bytes
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The same, in one that has begun."""
    before = len(sent_to_server(place))
    session.send(sent, ask("fence", "ping"))
    *got, fence = session.until("fence")
    assert fence == result("fence")
    reached = mapped_ids(sent_to_server(place)[before:])
    assert b'"method":"ping"' in reached[-1]
    return tuple(got), tuple(reached[:-1])


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


@pytest.mark.guarantee("framing:line-limit")
@pytest.mark.parametrize(
    ("sent", "host"),
    [
        (raw(b"1", b'{"text":"' + b"x" * TEN_MB + b'"}'), invalid(1, OVER)),
        (
            b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","arguments":{"text":"'
            + b"x" * TEN_MB
            + b'"}},"id":1}\n',
            invalid(1, OVER),
        ),
        (b"x" * TEN_MB + b"\n", ()),
        (b'{"text":"' + b"x" * TEN_MB + b"\n", ()),
        (b"[" * TEN_MB + b"\n", ()),
    ],
    ids=["id-first", "id-last", "no-json", "no-end", "brackets"],
)
def test_a_line_of_ten_megabytes_is_refused_at_once_and_the_session_goes_on(
    recorder: Place, sent: bytes, host: tuple[bytes, ...]
) -> None:
    with recorder.proxy() as session:
        assert exchanged(recorder, session, sent) == (host, ())
        assert session.exchange(raw(b"2"), 2) == passes(b"2")[0]
        assert session.finish() == (0, [])
    assert "over_long" in recorder.reasons()


@pytest.mark.guarantee("framing:line-limit")
def test_a_line_just_under_the_limit_passes(recorder: Place) -> None:
    words = "x" * (MAX_LINE - 200)
    with recorder.proxy("--policy", "permissive") as session:  # which adds no note to a long result
        session.start()
        session.names()
        before = len(sent_to_server(recorder))
        session.send(raw(b"1", b'{"text":"%s"}' % words.encode()))
        same = session.answer(1) == passes(b"1", echo=json.dumps({"text": words}))[0]
        reached = mapped_ids(sent_to_server(recorder)[before:])
        there = tuple(reached) == at_server(b'{"text":"%s"}' % words.encode())
        assert (same, there) == (True, True)  # not the lines: nobody reads 16 MiB of difference


@pytest.mark.guarantee("framing:chunks-never-matter")
def test_a_line_may_come_byte_by_byte(recorder: Place) -> None:
    with recorder.proxy() as session:
        session.start()
        session.names()
        for byte in raw(b"1"):
            session.send(bytes([byte]))
        assert session.answer(1) == passes(b"1")[0]


@pytest.mark.guarantee("framing:chunks-never-matter")
def test_half_a_line_at_the_end_never_reaches_the_server(recorder: Place) -> None:
    with recorder.proxy() as session:
        session.start()
        session.names()
        before = len(sent_to_server(recorder))
        session.send(raw(b"1")[:-1])
        assert session.finish() == (0, [])
    assert sent_to_server(recorder)[before:] == []


EARLY = "Session not initialized: send initialize first"
BEFORE = (
    Row("a call", raw(b"1"), (error(1, -32600, EARLY),)),
    Row("a list", ask(1, "tools/list"), (error(1, -32600, EARLY),)),
    Row("a read", ask(1, "resources/read", uri="note://one"), (error(1, -32600, EARLY),)),
    Row("a level", ask(1, "logging/setLevel", level="debug"), (error(1, -32600, EARLY),)),
    Row("a notification", line(method="notifications/initialized")),
    Row("a ping", ask(1, "ping"), (result(1),), (PING % 0,)),
)


@pytest.mark.guarantee("handshake:first")
@pytest.mark.parametrize("row", BEFORE, ids=lambda row: row.name)
def test_before_initialize_only_pings_pass(recorder: Place, row: Row) -> None:
    with recorder.proxy() as session:
        session.send(row.sent, ask("fence", "ping"))
        *host, _fence = session.until("fence")
        assert tuple(host) == row.host
        assert tuple(mapped_ids(sent_to_server(recorder))[:-1]) == row.server


@pytest.mark.guarantee("pending:held-until-verified")
def test_calls_written_together_with_the_handshake_are_held_and_answered(recorder: Place) -> None:
    handshake = ask(
        "start", "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={}
    )
    with recorder.proxy() as session:
        session.send(
            handshake, line(method="notifications/initialized"), raw(b"1"), call(2, "exec_shell")
        )
        session.answer("start")
        assert sorted([session.line() or b"", session.line() or b""]) == sorted(
            passes(b"1") + unknown(2, "exec_shell")
        )


@pytest.mark.guarantee("handshake:unknown-version-stops")
def test_a_version_nobody_knows_is_negotiated_by_the_server(recorder: Place) -> None:
    with recorder.proxy() as session:
        assert session.start(protocolVersion="1999-01-01")["protocolVersion"] == "2025-11-25"
        assert session.exchange(raw(b"1"), 1) == passes(b"1")[0]


def test_the_words_of_a_denial_never_repeat_an_argument(recorder: Place) -> None:
    with recorder.proxy() as session:
        host, server = exchanged(recorder, session, call(1, "echo", text={"secret": "hunter2"}))
        assert b"hunter2" not in host[0]
        assert server == ()


def test_names_it_cannot_find_are_repeated_only_in_part(recorder: Place) -> None:
    with recorder.proxy() as session:
        host, _ = exchanged(recorder, session, call(1, "x" * 5000))
        assert len(host[0]) < 400
