"""Lines that are no acceptable message: refused, dropped, recorded, and nobody left hanging."""

import pytest

from mcpguard.model import Json, JsonObject, Mode, RequestKind
from mcpguard.wire import exact
from mcpguard.wire.framing import Dropped, Framer
from mcpguard.wire.methods import CLIENT_INFO, PROTOCOL_VERSION
from tests.unit.proxy.play import (
    ALL,
    LIST_ROOTS,
    TOOLS,
    Play,
    blocked,
    call,
    line,
    locked,
    modern,
    opened,
    play,
    refused,
    wire,
)

GARBLED = (
    "mcpguard: the server's answer could not be read; the request may have run, "
    "do not retry blindly"
)
TOO_LONG = "Invalid Request: the line is longer than mcpguard passes on (8 MiB)"
ANSWER_TOO_LONG = "mcpguard: the server's answer is longer than mcpguard passes on (8 MiB)"


# from the host

NOISE: list[tuple[bytes, str]] = [
    (b"", "empty_line"),
    (b" \t\r", "empty_line"),
    (b"hello", "parse"),
    (b"Content-Length: 52\r", "parse"),
    (b"\x00\x01\x02", "parse"),
    (b'{"jsonrpc":"2.0","id":1,"method":"ping"', "parse"),
    (b'[{"jsonrpc":"2.0","method":"ping"},{"id":1,"result":{}},5]', "batch"),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', "bad_id"),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', "bad_id"),
    (b'{"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"}', "number_range"),
    (b'{"jsonrpc":"2.0","id":"' + b"i" * 8193 + b'","method":"ping"}', "bad_id"),
    (b"[]", "batch"),
    (b"5", "parse"),
    (b'"text"', "parse"),
    (b"null", "parse"),
    (b'{"jsonrpc":"2.0"}', "bad_id"),
    (b'{"jsonrpc":"2.0","id":1}', "envelope"),
    (b'{"jsonrpc":"2.0","id":1,"result":5}', "envelope"),
    (b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', "envelope"),
    (b'{"id":1,"result":{}}', "envelope"),
    (b'{"jsonrpc":"2.0","method":5}', "envelope"),
]


@pytest.mark.guarantee("framing:bad-lines-dropped")
@pytest.mark.parametrize(("noise", "reason"), NOISE)
def test_noise_is_dropped_and_recorded_and_the_session_goes_on(noise: bytes, reason: str) -> None:
    session = opened().host(noise).drops(reason).unrecorded()
    session.host({"id": 1, "method": "ping"}).sends_server({"id": wire(0), "method": "ping"})


UNREADABLE: list[bytes] = [
    b'{"jsonrpc":"2.0","id":1,"method":"pi\xffng"}',
    b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}{}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping"}\r{"a":1}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
    b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}',
]
"""No parser agrees about these, but their id can be told."""


@pytest.mark.guarantee("framing:bad-lines-dropped")
@pytest.mark.parametrize("line", UNREADABLE)
def test_an_unreadable_request_whose_id_can_be_told_is_answered(line: bytes) -> None:
    session = opened().host(line)
    session.sends_host(refused(1, -32600, "Invalid Request: not one JSON object in UTF-8"))
    session.recorded(decision="deny", reason="parse").quiet()
    session.host({"id": 1, "method": "ping"}).sends_server({"id": wire(0), "method": "ping"})


@pytest.mark.guarantee("framing:bad-lines-dropped")
def test_every_request_of_a_line_that_holds_several_is_answered_and_none_is_made_of_two() -> None:
    one, two = b'{"jsonrpc":"2.0","id":1,"method":"ping"}', b'{"id":"2","method":"ping"}'
    text = "Invalid Request: not one JSON object in UTF-8"
    session = (
        opened().host(one + two).sends_host(refused(1, -32600, text), refused("2", -32600, text))
    )
    session.recorded(decision="deny", reason="parse").quiet()
    session.host(b'{"jsonrpc":"2.0","id":3,"result":{}}{"jsonrpc":"2.0","method":"ping"}').quiet()


ID = "Invalid Request: id is not a short string or a safe integer"
BATCH = "Invalid Request: a batch; no MCP revision since 2025-06-18 has them"
ANSWERED: dict[str, tuple[bytes, list[int | str | float], str, str]] = {
    "a-long-id": (
        b'{"jsonrpc":"2.0","id":"' + b"i" * 8192 + b'","method":"ping"}',
        ["i" * 8192],
        "bad_id",
        ID,
    ),
    "a-number-with-a-fraction": (
        b'{"jsonrpc":"2.0","id":18.0,"method":"ping"}',
        [18.0],
        "bad_id",
        ID,
    ),
    "a-long-number": (b'{"jsonrpc":"2.0","id":%d,"method":"ping"}' % 2**53, [2**53], "bad_id", ID),
    "one-of-a-batch": (b'[{"jsonrpc":"2.0","id":17,"method":"ping"}]', [17], "batch", BATCH),
    "some-of-a-batch": (
        b'[{"id":"a","method":"x"},{"method":"x"},{"id":2,"method":"x"},{"id":2,"method":""},[],7]',
        ["a", 2],
        "batch",
        BATCH,
    ),
    "the-first-of-a-great-batch": (
        b"[" + b",".join(b'{"id":%d,"method":"x"}' % each for each in range(2000)) + b"]",
        [*range(1024)],
        "batch",
        BATCH,
    ),
}


@pytest.mark.guarantee("ids:unusable-ids-answered")
@pytest.mark.parametrize(("line", "ids", "reason", "text"), ANSWERED.values(), ids=ANSWERED)
def test_whoever_asks_under_an_id_that_cannot_be_used_is_told(
    line: bytes, ids: list[int | str | float], reason: str, text: str
) -> None:
    session = opened().host(line).sends_host(*(refused(each, -32600, text) for each in ids))
    session.quiet().recorded(decision="deny", reason=reason).unrecorded()


@pytest.mark.guarantee("ids:unusable-ids-answered")
@pytest.mark.parametrize("given", [b"7.0", b"7"])
def test_no_such_error_passes_for_the_answer_of_a_request_in_flight(given: bytes) -> None:
    asked = b'{"jsonrpc":"2.0","id":' + given + b',"method":"ping"}'
    opened().host(call(7)).forget().host(asked if given != b"7" else b"[" + asked + b"]").quiet()


def request(rest: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":5,"method":"tools/call"' + rest + b"}"


REFUSED: list[tuple[bytes, str, str]] = [
    (
        request(b',"params":{"name":"free","name":"free"}'),
        "duplicate_key",
        "Invalid Request: an object holds the same key twice",
    ),
    (
        request(b',"params":{"name":"free","\\u006eame":"free"}'),
        "duplicate_key",
        "Invalid Request: an object holds the same key twice",
    ),
    (
        request(b',"\\u006dethod":"ping"'),
        "duplicate_key",
        "Invalid Request: an object holds the same key twice",
    ),
    (
        request(b',"params":{"name":"free","arguments":{"a":18446744073709551616}}'),
        "number_range",
        "Invalid Request: a number is outside 64 bits",
    ),
    (
        request(b',"params":{"name":"free","arguments":{"a":-9223372036854775809}}'),
        "number_range",
        "Invalid Request: a number is outside 64 bits",
    ),
    (
        request(b',"params":{"a":' + b"[" * 63 + b"]" * 63 + b"}"),
        "depth",
        "Invalid Request: nested deeper than 64 levels",
    ),
    (
        request(b',"params":{"a":' + b"[" * 300 + b"]" * 300 + b"}"),
        "depth",
        "Invalid Request: nested deeper than 64 levels",
    ),
    (
        request(b', "params":{"a":' + b"[" * 300 + b"]" * 300 + b"}"),
        "depth",
        "Invalid Request: nested deeper than 64 levels",
    ),
    (
        request(b',"Method":"ping"'),
        "envelope",
        "Invalid Request: a key that differs from a known one by case",
    ),
    (
        request(b',"param\xc5\xbf":{}'),
        "envelope",
        "Invalid Request: a key that differs from a known one by case",
    ),
    (
        request(b',"result":{}'),
        "envelope",
        "Invalid Request: a request and an answer in one message",
    ),
    (
        request(b',"error":null'),
        "envelope",
        "Invalid Request: a request and an answer in one message",
    ),
    (request(b',"params":[]'), "envelope", "Invalid Request: params is not an object"),
    (
        b'{"jsonrpc":"1.0","id":5,"method":"ping"}',
        "envelope",
        'Invalid Request: jsonrpc is not "2.0"',
    ),
    (b'{"id":5,"method":"ping"}', "envelope", 'Invalid Request: jsonrpc is not "2.0"'),
    (
        b'{"jsonrpc":"2.0","id":5,"method":["ping"]}',
        "envelope",
        "Invalid Request: method is not a string",
    ),
]


@pytest.mark.guarantee("parse:host-differentials")
@pytest.mark.parametrize(("ambiguous", "reason", "message"), REFUSED)
def test_what_two_parsers_could_read_differently_is_refused(
    ambiguous: bytes, reason: str, message: str
) -> None:
    for mode in Mode:
        session = opened(mode=mode).host(ambiguous).sends_host(refused(5, -32600, message))
        session.recorded(decision="deny", reason=reason).quiet().idle()


@pytest.mark.guarantee("parse:host-differentials")
def test_sixty_four_levels_pass() -> None:
    nested: Json = 1
    for _ in range(61):
        nested = [nested]
    session = opened().host(call(1, arguments={"a": nested}))
    session.sends_server(call(wire(0), arguments={"a": nested})).quiet()
    opened().host(call(1, arguments={"a": [nested]})).recorded(decision="deny", reason="depth")


@pytest.mark.guarantee("parse:envelope-rebuilt")
def test_unknown_keys_do_not_reach_the_server_and_are_recorded() -> None:
    (
        opened()
        .host({**call(1, evil=1), "more": 1})
        .sends_server(call(wire(0)))
        .recorded(decision="note", reason="dropped_keys", method="")
        .recorded(decision="note", reason="dropped_keys", method="tools/call")
        .recorded(decision="allow")
        .quiet()
    )


FOLDING = "Invalid params: a key differs from a known one by case"
META_FOLDING = "Invalid params: _meta is not an object of known spelling"


@pytest.mark.guarantee("fold:parameters")
@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("tools/call", {"name": "free", "Name": "exec"}, FOLDING),
        ("tools/call", {"name": "free", "argumentſ": {}}, FOLDING),
        ("tools/call", {"name": "free", "_Meta": {}}, FOLDING),
        ("tools/call", {"name": "free", "_meta": {"ProgressToken": 1}}, META_FOLDING),
        ("tools/call", {"name": "free", "_meta": {"progreſſToken": 1}}, META_FOLDING),
        ("tools/call", {"name": "free", "_meta": {PROTOCOL_VERSION.upper(): 1}}, META_FOLDING),
        ("tools/call", {"name": "free", "_meta": 5}, META_FOLDING),
        ("tools/call", {"name": "free", "x": 1, "_meta": {CLIENT_INFO.upper(): 1}}, FOLDING),
        ("resources/read", {"uri": "file:///notes", "URI": "x"}, FOLDING),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "name": "greet", "Name": "x"}},
            "Invalid params: a key of ref differs from a known one by case",
        ),
        (
            "tools/call",
            {"name": "free", "arguments": []},
            "Invalid params: arguments is not an object",
        ),
        (
            "tools/call",
            {"name": "free", "arguments": None},
            "Invalid params: arguments is not an object",
        ),
        ("tools/call", {}, "Invalid params: name is missing or not a string"),
        ("tools/call", {"name": ["free"]}, "Invalid params: name is missing or not a string"),
        ("completion/complete", {"ref": 5}, "Invalid params: ref is missing or not a string"),
        ("completion/complete", {"ref": {}}, "Invalid params: ref is missing or not a string"),
        (
            "completion/complete",
            {"ref": {"type": "ref/prompt", "uri": "greet"}},
            "Invalid params: ref is missing or not a string",
        ),
    ],
)
def test_parameters_that_another_parser_would_read_differently_are_refused(
    method: str, params: JsonObject, message: str
) -> None:
    session = opened().host({"id": 1, "method": method, "params": params})
    session.sends_host(refused(1, -32602, message)).quiet().idle()
    session.recorded(decision="deny", reason="envelope", method=method)


@pytest.mark.guarantee("parse:envelope-rebuilt")
def test_a_completion_names_one_thing() -> None:
    """A second name beside the judged one must not reach the server."""
    both: JsonObject = {"type": "ref/prompt", "name": "greet", "uri": "file:///secret", "x": 1}
    kept: JsonObject = {"type": "ref/prompt", "name": "greet"}
    session = opened().host({"id": 1, "method": "completion/complete", "params": {"ref": both}})
    session.sends_server(
        {"id": wire(0), "method": "completion/complete", "params": {"ref": kept}}
    ).quiet()
    hidden: JsonObject = {"type": "ref/resource", "name": "log:///{day}", "uri": "file:///secret"}
    session.host({"id": 2, "method": "completion/complete", "params": {"ref": hidden}})
    session.sends_host(refused(2, -32602, "Unknown reference: file:///secret")).quiet()


@pytest.mark.guarantee("fold:parameters")
@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        ({"text": "x", "Text": "y"}, "text"),
        ({"text": "x", "deep": {"Inner": "y"}}, "inner"),
        ({"text": "x", "many": [{}, {"INNER": "y"}]}, "inner"),
    ],
)
def test_argument_names_fold_only_onto_the_pinned_ones(arguments: JsonObject, known: str) -> None:
    sentence = (
        f"Blocked by mcpguard [surface.key_folding]: an argument is {known!r} but for its case. "
        "Spell the arguments exactly as the input schema does."
    )
    session = opened().host(call(1, "echo", arguments)).sends_host(blocked(1, sentence)).quiet()
    session.recorded(decision="deny", reason="key_folding")
    free: JsonObject = {"text": "x", "Text": "y", "other": {"Inner": "y"}}
    session.host(call(2, "free", free)).sends_server(call(wire(1), "free", free)).quiet()


def test_a_completion_that_names_its_reference_in_one_word_is_refused() -> None:
    params: JsonObject = {"ref": "greet", "argument": {"name": "a", "value": ""}}
    session = opened().host({"id": 1, "method": "completion/complete", "params": params})
    session.sends_host(refused(1, -32602, "Invalid params: ref is missing or not a string"))
    session.quiet().idle()


@pytest.mark.guarantee("parse:host-differentials")
@pytest.mark.parametrize("key", ["Type", "NAME", "Uri"])
def test_a_reference_with_a_key_that_differs_by_case_is_refused(key: str) -> None:
    ref: JsonObject = {"type": "ref/prompt", "name": "greet", key: "x"}
    params: JsonObject = {"ref": ref, "argument": {"name": "a", "value": ""}}
    session = opened().host({"id": 1, "method": "completion/complete", "params": params})
    text = "Invalid params: a key of ref differs from a known one by case"
    session.sends_host(refused(1, -32602, text)).quiet()


# over-long lines

LIMIT = 200


def long_request(given: str, pad: int) -> bytes:
    return (
        b'{"jsonrpc":"2.0","id":'
        + given.encode()
        + b',"method":"tools/call","params":{"name":"'
        + b"x" * pad
        + b'"}}\n'
    )


def pieces(data: bytes, size: int) -> list[bytes | Dropped]:
    """`data` read `size` bytes at a time by a framer with a small limit."""
    framer = Framer(LIMIT)
    read = [data[start : start + size] for start in range(0, len(data), size)]
    return [item for chunk in read for item in framer.feed(chunk)]


@pytest.mark.guarantee("ids:over-long-request-answered")
@pytest.mark.parametrize("size", [1, 7, 150, 100_000])
@pytest.mark.parametrize("given", ["5", '"five"'])
def test_an_over_long_request_is_refused_at_once(size: int, given: str) -> None:
    data = long_request(given, 1000) + line({"id": 6, "method": "ping"}) + b"\n"
    session = opened().host(*pieces(data, size))
    known: int | str = 5 if given == "5" else "five"
    session.sends_host(refused(known, -32600, TOO_LONG))
    session.sends_server({"id": wire(0), "method": "ping"}).quiet()
    session.recorded(decision="drop", reason="over_long")


@pytest.mark.guarantee("ids:over-long-request-answered")
def test_an_id_that_comes_last_is_found_too() -> None:
    data = b'{"method":"ping","params":{"a":"' + b"\\" * 1000 + b'"},"jsonrpc":"2.0","id":5}\n'
    opened().host(*pieces(data, 64)).sends_host(refused(5, -32600, TOO_LONG)).quiet()


@pytest.mark.guarantee("ids:over-long-request-answered")
@pytest.mark.parametrize(
    "data",
    [
        b"x" * 1000 + b"\n",
        b'{"id":null,"method":"ping","p":"' + b"x" * 1000 + b'"}\n',
        b'{"id":5.0,"method":"ping","p":"' + b"x" * 1000 + b'"}\n',
        b'{"method":"ping","params":{"id":5},"p":"' + b"x" * 1000 + b'"}\n',
        b'{"id":5,"result":{"method":1,"p":"' + b"x" * 1000 + b'"}}\n',
    ],
)
def test_an_over_long_line_without_a_request_id_is_only_dropped(data: bytes) -> None:
    opened().host(*pieces(data, 64)).drops("over_long").unrecorded()


@pytest.mark.guarantee("ids:garbled-answer-answered")
@pytest.mark.parametrize("size", [1, 3, 16, 150, 100_000])
@pytest.mark.parametrize("last", [False, True])
def test_an_over_long_answer_ends_its_request_at_once(size: int, last: bool) -> None:
    body = b'"result":{"content":"' + b"1" * 1000 + b'"}'
    named = b'"id":%d' % wire(0)
    inside = body + b"," + named if last else named + b"," + body
    data = b'{"jsonrpc":"2.0",' + inside + b"}\n"
    session = opened().host(call(7)).forget().server(*pieces(data, size))
    session.sends_host(refused(7, -32603, ANSWER_TOO_LONG)).quiet().idle()
    session.recorded(decision="drop", reason="over_long").told("line.over_long", side="server")
    session.server({"id": wire(0), "result": {}}).drops("unknown_id")


@pytest.mark.guarantee("ids:garbled-answer-answered")
def test_an_over_long_list_fails_its_listing() -> None:
    session = opened().host({"id": 1, "method": "tools/list"}).forget()
    data = b'{"jsonrpc":"2.0","id":%d,"result":{"tools":["%s"]}}\n' % (wire(1), b"x" * 1000)
    session.server(*pieces(data, 64))
    text = "mcpguard cannot verify this list: it answered with an error"
    error: JsonObject = {"code": -32603, "message": ANSWER_TOO_LONG.removeprefix("mcpguard: ")}
    assert text
    session.sends_host({"id": 1, "error": error}).quiet().idle()
    session.recorded(decision="deny", reason="unverified")


@pytest.mark.guarantee("ids:garbled-answer-answered")
def test_an_over_long_answer_of_the_host_ends_the_servers_request() -> None:
    lock = locked(requests=[RequestKind.SAMPLING])
    data = b'{"jsonrpc":"2.0","id":%d,"result":{"content":"%s"}}\n' % (wire(0), b"x" * 1000)
    session = opened(lock).server({"id": "s", "method": "sampling/createMessage"}).forget()
    session.host(*pieces(data, 16))
    session.sends_server(refused("s", -32603, "the host's answer could not be read")).quiet()
    session.idle()


@pytest.mark.guarantee("ids:garbled-answer-answered")
@pytest.mark.parametrize("answer", [b'"result":{"a":1,"a":2}', b'"result":5', b'"Result":{}'])
def test_a_garbled_answer_of_the_host_ends_the_servers_request(answer: bytes) -> None:
    data = b'{"jsonrpc":"2.0","id":%d,%s}' % (wire(0), answer)
    session = opened().server({"id": "s", "method": "ping"}).forget().host(data)
    session.sends_server(refused("s", -32603, "the host's answer could not be read")).quiet()
    cancelled = opened().server({"id": "s", "method": "ping"})
    cancelled.server({"method": "notifications/cancelled", "params": {"requestId": "s"}}).forget()
    cancelled.host(data).quiet().idle()


def asked() -> Play:
    return opened(ALL).server(LIST_ROOTS).forget()


def test_half_an_id_at_the_end_of_one_over_long_line_is_no_part_of_the_next() -> None:
    head, tail = f"{wire(0)}"[:-1].encode(), f"{wire(0)}"[-1:].encode()
    session = asked().host(Dropped(b"x" + head, first=True, end=True))
    session.host(Dropped(tail + b"x", first=True, end=True)).quiet()
    session.host(Dropped(head, first=True, end=False), Dropped(tail, first=False, end=True))
    session.sends_server(refused("s", -32603, "the host's answer could not be read")).quiet()


# from the server

BAD_ANSWERS: list[tuple[str, str]] = [
    ('{"jsonrpc":"2.0","id":%d,"result":{}', "parse"),
    ("garbage %d", "parse"),
    ('{"jsonrpc":"2.0","id":%d,"result":5}', "envelope"),
    ('{"jsonrpc":"2.0","id":%d,"result":null}', "envelope"),
    ('{"jsonrpc":"2.0","id":%d}', "envelope"),
    ('{"jsonrpc":"2.0","id":%d,"result":{},"error":{}}', "envelope"),
    ('{"jsonrpc":"2.0","id":%d,"error":"text"}', "envelope"),
    ('{"jsonrpc":"2.0","id":%d.0,"result":{}}', "bad_id"),
    ('{"id":%d,"result":{}}', "envelope"),
    ('{"jsonrpc":"2.0","id":%d,"result":{},"method":"ping"}', "envelope"),
    ('{"jsonrpc":"2.0","id":%d,"result":{},"Error":{}}', "envelope"),
    ('[{"jsonrpc":"2.0","id":%d,"result":{}}]', "batch"),
    ('{"jsonrpc":"2.0","id":%d,"result":{"a":NaN}}', "parse"),
    ('{"jsonrpc":"2.0","id":%d,"result":{"a":1e400}}', "parse"),
    ('{"jsonrpc":"2.0","id":%d,"result":{"a":' + "[" * 260 + "]" * 260 + "}}", "depth"),
    ('{"jsonrpc":"2.0","id":%d,"result":{"a":' + "[" * 2000 + "]" * 2000 + "}}", "depth"),
]


@pytest.mark.guarantee("ids:garbled-answer-answered")
@pytest.mark.parametrize(("template", "reason"), BAD_ANSWERS)
def test_an_answer_that_cannot_be_read_ends_its_request_at_once(template: str, reason: str) -> None:
    session = opened().host(call(7)).forget()
    session.server(template.replace("%d", str(wire(0))).encode())
    session.sends_host(refused(7, -32603, GARBLED)).quiet().idle()
    session.recorded(decision="drop", reason=reason).recorded(decision="deny", method="tools/call")


@pytest.mark.guarantee("ids:garbled-answer-answered")
def test_a_page_that_cannot_be_read_fails_its_listing() -> None:
    session = opened().host({"id": 1, "method": "tools/list"}).forget()
    session.server(b"%d" % wire(1))
    session.sends_host(refused(1, -32603, GARBLED.removeprefix("mcpguard: "))).quiet().idle()


@pytest.mark.guarantee("framing:bad-lines-dropped")
@pytest.mark.parametrize(
    ("noise", "reason"),
    [
        (b"", "empty_line"),
        (b"  ", "empty_line"),
        (b"Server listening on stdio", "parse"),
        (b"\xff\xfe\x00", "parse"),
        (b"12345678901234567", "parse"),
        (b"[]", "batch"),
        (b'{"jsonrpc":"2.0","id":null,"error":{}}', "bad_id"),
    ],
)
def test_noise_of_a_server_is_dropped(noise: bytes, reason: str) -> None:
    opened().host({"id": 1, "method": "ping"}).forget().server(noise).drops(reason).unrecorded()


def test_a_garbled_answer_to_a_cancelled_request_is_nothing() -> None:
    session = opened().host(call(7))
    session.host({"method": "notifications/cancelled", "params": {"requestId": 7}}).forget()
    session.server(b"%d" % wire(0)).quiet().idle()


@pytest.mark.guarantee("parse:server-exact")
@pytest.mark.parametrize(
    "result",
    [
        b'{"content":[],"n":123456789012345678901234567890}',
        b'{"content":[],"n":-9223372036854775809}',
        b'{"content":[],"s":"\\ud800"}',
        b'{"content":[{"type":"text","text":"a\\udfffb"}]}',
    ],
)
def test_numbers_and_surrogates_of_a_server_pass_exactly(result: bytes) -> None:
    session = opened().host(call(7)).forget()
    session.server(b'{"result":%s,"jsonrpc":"2.0","id":%d}' % (result, wire(0)))
    session.sends_host(b'{"jsonrpc":"2.0","id":7,"result":%s}' % result).quiet()
    session.recorded(decision="note", reason="parser_fallback")


@pytest.mark.guarantee("parse:server-exact")
def test_exact_values_of_an_error_pass_through_calls_and_lists() -> None:
    error: JsonObject = {"code": -32000, "message": "\ud800", "data": 2**70}
    session = opened().host(call(7), {"id": 8, "method": "tools/list"}).forget()
    for given, own in ((wire(0), 7), (wire(2), 8)):
        session.server(exact.dumps_exact({"jsonrpc": "2.0", "id": given, "error": error}))
        session.sends_host(exact.dumps_exact({"jsonrpc": "2.0", "id": own, "error": error}))
    session.quiet().idle()


@pytest.mark.guarantee("parse:server-exact")
def test_invalid_utf8_of_a_server_becomes_the_replacement_character() -> None:
    session = opened().host(call(7)).forget()
    session.server(b'{"jsonrpc":"2.0","id":%d,"result":{"t":"a\xffb"}}' % wire(0))
    session.sends_host({"id": 7, "result": {"t": "a\ufffdb"}}).quiet()


@pytest.mark.guarantee("parse:server-exact")
def test_a_null_error_beside_a_result_is_a_result() -> None:
    session = opened().host(call(7), call(8)).forget()
    session.server(b'{"jsonrpc":"2.0","id":%d,"result":{"a":1},"error":null}' % wire(0))
    session.sends_host({"id": 7, "result": {"a": 1}}).quiet()
    session.server(b'{"jsonrpc":"2.0","id":%d,"error":{"code":1},"result":null}' % wire(1))
    session.sends_host(refused(8, 1, "the server gave no message")).quiet()


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        ({}, {"code": -32603, "message": "the server gave no message"}),
        ({"code": "5", "message": 5}, {"code": -32603, "message": "the server gave no message"}),
        ({"code": True, "message": ""}, {"code": -32603, "message": ""}),
        (
            {"code": 5, "message": "m", "data": None, "more": 1},
            {"code": 5, "message": "m", "data": None},
        ),
    ],
)
def test_an_error_is_rebuilt_from_known_keys(error: JsonObject, shown: JsonObject) -> None:
    session = opened().host(call(7)).forget().server({"id": wire(0), "error": error})
    session.sends_host({"id": 7, "error": shown}).quiet().idle()


def test_a_carriage_return_and_spaces_change_nothing() -> None:
    framer = Framer()
    (item,) = framer.feed(b' {"jsonrpc":"2.0","id":7,"method":"ping"} \r\n')
    assert isinstance(item, bytes)
    opened().host(item).sends_server({"id": wire(0), "method": "ping"}).quiet()


def test_requests_before_anything_else_are_read_the_same_way() -> None:
    session: Play = play(None, Mode.AUDIT_ONLY).host(call(1)).sends_server(call(wire(0)))
    session.recorded(decision="would_deny", reason="no_lock").quiet()
    modern().host(call(1)).sends_host(
        refused(1, -32600, "Session not initialized: send initialize first")
    )
    assert TOOLS
