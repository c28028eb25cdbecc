"""Borders and tables that no other test of the room pins: what scripts/mutation found."""

import orjson
import pytest

from mcpguard.errors import WireError
from mcpguard.model import ItemKind, Json, Side
from mcpguard.wire import canonical, exact, framing, jsonrpc, methods, recover, uri
from mcpguard.wire.jsonrpc import MAX_ID_BYTES, MAX_SAFE_INTEGER, is_id
from mcpguard.wire.methods import KNOWN_META, LIST_CHANGED, LISTS, NOTIFICATIONS, REQUESTS
from mcpguard.wire.recover import RequestIdFinder
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


@pytest.mark.parametrize(
    ("scheme", "port"), [("http", 80), ("https", 443), ("ws", 80), ("wss", 443), ("ftp", 21)]
)
def test_a_default_port_is_left_out_and_a_path_is_not(scheme: str, port: int) -> None:
    assert is_normal(f"{scheme}://h/")
    assert is_normal(f"{scheme}://h:{port + 1}/")
    assert not is_normal(f"{scheme}://h:{port}/")
    assert not is_normal(f"{scheme}://h")
    assert not is_normal(f"{scheme}:///a")


@pytest.mark.parametrize(
    "text", ["x://h/%zz", "x://h/%4", "x://h/%", "x://h/%4z/{a}", "x://h/{%z}"]
)
def test_a_template_holds_no_bare_percent_sign(text: str) -> None:
    with pytest.raises(ValueError, match="percent sign"):
        Template.parse(text)


def test_a_template_may_hold_percent_encoding_and_knows_its_text() -> None:
    template = Template.parse("x://h/%C3%A9/{a}")
    assert template.text == "x://h/%C3%A9/{a}"
    assert template.matches("x://h/%C3%A9/1")


@pytest.mark.parametrize("rest", ["a]b", "a[b", "]", "["])
def test_a_bracket_stands_in_an_authority_alone(rest: str) -> None:
    assert not is_normal(f"x://h/{rest}")


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ("x://h/{a*}", "x://h/1,2"),
        ("x://h/{+a*}", "x://h/1,2"),
        ("x://h{.a*}", "x://h.1.2"),
        ("x://h{/a*}", "x://h/1/2"),
        ("x://h/{;a*}", "x://h/;a=1;a=2"),
        ("x://h/{?a*}", "x://h/?a=1&a=2"),
        ("x://h/?z=1{&a*}", "x://h/?z=1&a=1&a=2"),
        ("x://h/{#a*}", "x://h/#1,2"),
    ],
)
def test_a_list_is_written_with_the_separator_of_its_operator(template: str, given: str) -> None:
    assert Template.parse(template).matches(given)
    assert not Template.parse(template).matches(given.replace("1", "1X|"))


@pytest.mark.parametrize(
    ("template", "given"),
    [
        ("x://h/{a}", "x://h/v!"),
        ("x://h/{a}", "x://h/!"),
        ("x://h/{a}", "x://h/.!"),
        ("x://h/{a:3}", "x://h/v!"),
        ("x://h/{a:3}", "x://h/!"),
        ("x://h/{a,b}", "x://h/1!,2"),
        ("x://h/{?a}", "x://h/?a=!"),
    ],
)
def test_a_reserved_character_is_no_part_of_a_plain_value(template: str, given: str) -> None:
    assert not Template.parse(template).matches(given)
    assert Template.parse(template).matches(given.replace("!", "v"))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"a": 1e21}, b'{"a":1e+21}'),
        ({"a": [{"b": 1.0}]}, b'{"a":[{"b":1}]}'),
        ([{"a": 1e21}], b'[{"a":1e+21}]'),
    ],
)
def test_a_number_inside_an_object_has_its_canonical_form_too(value: Json, form: bytes) -> None:
    assert canonical.canonical(value) == form


def test_objects_count_as_levels_too() -> None:
    value: Json = 1
    for _ in range(canonical.MAX_DEPTH):
        value = {"a": value}
    assert canonical.canonical(value).startswith(b'{"a":{"a":')
    with pytest.raises(ValueError, match="deeper"):
        canonical.canonical({"a": value})


def test_every_meta_key_with_a_meaning_is_known() -> None:
    prefix = "io.modelcontextprotocol/"
    names = (
        "protocolVersion",
        "clientCapabilities",
        "clientInfo",
        "logLevel",
        "serverInfo",
        "subscriptionId",
        "related-task",
    )
    trace = {"progressToken", "traceparent", "tracestate", "baggage"}
    assert {*(prefix + name for name in names), *trace} == KNOWN_META


def test_each_kind_has_its_list_its_key_and_its_capability() -> None:
    assert {(r.kind, r.method, r.key, r.capability) for r in LISTS.values()} == {
        (ItemKind.TOOL, "tools/list", "tools", "tools"),
        (ItemKind.PROMPT, "prompts/list", "prompts", "prompts"),
        (ItemKind.RESOURCE, "resources/list", "resources", "resources"),
        (ItemKind.TEMPLATE, "resources/templates/list", "resourceTemplates", "resources"),
    }
    assert {
        "notifications/tools/list_changed": (ItemKind.TOOL,),
        "notifications/prompts/list_changed": (ItemKind.PROMPT,),
        "notifications/resources/list_changed": (ItemKind.RESOURCE, ItemKind.TEMPLATE),
    } == LIST_CHANGED


def test_what_names_an_object_is_the_parameter_that_is_judged() -> None:
    rows = [*REQUESTS[Side.HOST].values(), *NOTIFICATIONS[Side.SERVER].values()]
    assert {row.name: row.target for row in rows if row.target} == {
        "tools/call": "name",
        "prompts/get": "name",
        "resources/read": "uri",
        "resources/subscribe": "uri",
        "resources/unsubscribe": "uri",
        "completion/complete": "ref",
        "tasks/get": "taskId",
        "tasks/result": "taskId",
        "tasks/cancel": "taskId",
        "notifications/resources/updated": "uri",
        "notifications/tasks/status": "taskId",
    }


def test_the_status_of_a_task_passes_whole() -> None:
    known = NOTIFICATIONS[Side.SERVER]["notifications/tasks/status"].params
    of_a_task = {"taskId", "status", "statusMessage", "createdAt", "lastUpdatedAt", "ttl"}
    assert known == of_a_task | {"pollInterval"}


def test_only_what_an_answer_is_read_with_is_kept() -> None:
    rows = [row for side in Side for row in REQUESTS[side].values()]
    assert {row.name: row.kept for row in rows if row.kept} == {
        "tools/call": ("task",),
        "subscriptions/listen": ("notifications",),
        "tasks/get": ("taskId",),
        "tasks/result": ("taskId",),
        "tasks/cancel": ("taskId",),
        "elicitation/create": ("elicitationId",),
    }


def test_the_eras_have_their_versions() -> None:
    assert methods.LEGACY_VERSIONS == ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
    assert methods.MODERN_VERSIONS == ("2026-07-28",)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"method":"m","params":{"id":1},"id":2}', 2),
        (b'{"method":"m","params":[{"id":1},{"id":3}],"id":2}', 2),
        (b'{"id":2,"params":{"method":"m"}}', None),
        (b'{"method":"m","id":{"id":1}}', None),
        (b'{"method":"m","id":[1]}', None),
        (b'{"method":"m","x":"id","id":2}', 2),
        (b'{"method":"m","x":"\\"id\\":1","id":2}', 2),
        (b'{ "method" : "m" , "id" : 2 }', 2),
        (b'{"method":"m","id":"' + b"a" * 256 + b'"}', "a" * 256),
        (b'{"method":"m","id":"' + b"a" * 400 + b'"}', None),
    ],
)
def test_an_id_is_the_top_level_one(line: bytes, found: Json) -> None:
    assert RequestIdFinder().feed(line) == ([] if found is None else [found])


@pytest.mark.guarantee("framing:chunks-never-matter")
@pytest.mark.parametrize("sizes", [[20_000], [20_000, 5, 7, 20_000], [5, framing.SMALL, 3, 20_000]])
def test_a_line_of_large_and_small_pieces_comes_whole(sizes: list[int]) -> None:
    framer = framing.Framer()
    pieces = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    for piece in pieces:
        assert framer.feed(piece) == []
    assert framer.unfinished == sum(sizes)
    assert framer.feed(b"end\nnext\n") == [b"".join(pieces) + b"end", b"next"]
    assert framer.unfinished == 0


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


def test_the_parameters_of_a_method_are_known_beside_its_meta() -> None:
    row = methods.Row("m", frozenset({"a", "b"}))
    assert row.params == {"a", "b"}
    assert row.known == {"a", "b", "_meta"}
