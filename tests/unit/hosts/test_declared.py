"""What files of every form declare, with lines; and what each shape of an entry means."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import HostError
from mcpguard.hosts.declared import MAX_SERVERS, Declared, Server, declared, server
from mcpguard.hosts.known import Form
from mcpguard.model import Json

MCP = ("mcpServers",)
A: dict[str, Json] = {"command": "a"}

FILES: dict[str, tuple[Form, tuple[str, ...], str, list[Declared]]] = {
    "a plain file": (
        Form.JSON, MCP, '{\n "mcpServers": {\n  "x": {"command": "a"}}}',
        [Declared("x", ("mcpServers", "x"), 3, A)],
    ),
    "no servers": (Form.JSON, MCP, "{}", []),
    "an empty file": (Form.JSON, MCP, " \n", []),
    "comments and commas": (
        Form.JSONC, ("servers",), '{ // team\n"servers": {"x": {"command": "a",},},}',
        [Declared("x", ("servers", "x"), 2, A)],
    ),
    "every project": (
        Form.JSON, ("projects", "*", "mcpServers"),
        '{"projects": {"/a": {"mcpServers": {"x": {"command": "a"}}}, "/b": {}}}',
        [Declared("x", ("projects", "/a", "mcpServers", "x"), 1, A)],
    ),
    "tables": (
        Form.TOML, ("mcp_servers",), 'model = "m"\n\n[mcp_servers.x]\ncommand = "a"\n',
        [Declared("x", ("mcp_servers", "x"), 3, A)],
    ),
    "a table in one line": (
        Form.TOML, ("mcp_servers",), '[mcp_servers]\nx = {command = "a"}\n',
        [Declared("x", ("mcp_servers", "x"), 2, A)],
    ),
    "no tables": (Form.TOML, ("mcp_servers",), 'model = "m"', []),
    "a list with names": (
        Form.YAML, MCP, "mcpServers:\n  - name: x\n    command: a\n",
        [Declared("x", ("mcpServers", "x"), 2, {"name": "x", **A})],
    ),
    "a mapping": (
        Form.YAML, MCP, "mcpServers:\n  x: {command: a}\n",
        [Declared("x", ("mcpServers", "x"), 2, A)],
    ),
    "no list": (Form.YAML, MCP, "name: x\n", []),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_every_form_declares_its_servers(case: str) -> None:
    form, path, text, wanted = FILES[case]
    assert declared(text.encode(), form, path) == wanted


BAD: dict[str, tuple[Form, bytes, str]] = {
    "a key twice": (Form.JSON, b'{"mcpServers": {"s3cret": 1, "s3cret": 2}}', "line 1 column 30"),
    "a comma too many": (Form.JSON, b'{"mcpServers": {},}', "a comma before }"),
    "half a file": (Form.JSON, b'{"mcpServers": {"s3cret"', "a colon is missing"),
    "another type": (Form.JSON, b"[]", "it is not an object"),
    "servers of another type": (Form.JSON, b'{"mcpServers": []}', "mcpServers is not an object"),
    "not UTF-8": (Form.TOML, b"\xff", "it is not UTF-8"),
    "not TOML": (Form.TOML, b"s3cret = ", "it is not TOML (at"),
    "a TOML key twice": (Form.TOML, b"s3cret = 1\ns3cret = 2", "it is not TOML (at"),
    "too deep a table": (Form.TOML, b"a = " + b"[" * 90 + b"]" * 90, "it is not TOML"),
    "much too deep a table": (Form.TOML, b"a = " + b"[" * 5000 + b"]" * 5000, "it is not TOML"),
    "a key of very many parts": (Form.TOML, b"a." * 65 + b"b = 1", "more than 64 parts"),
    "a scalar": (Form.TOML, b"mcpServers = 1", "mcpServers is not a table"),
    "an alias": (Form.YAML, b"mcpServers: &a [*a]", "it cannot be read strictly"),
    "a YAML scalar": (Form.YAML, b"mcpServers: 1", "mcpServers is not a list"),
    "too many": (
        Form.JSON,
        b'{"mcpServers": {%s}}' % b",".join(b'"%d": {}' % n for n in range(MAX_SERVERS + 1)),
        "more than 1000 servers",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_whole_is_an_error_without_a_word_of_it(case: str) -> None:
    form, data, said = BAD[case]
    with pytest.raises(HostError) as caught:
        declared(data, form, MCP)
    assert said in caught.value.message
    assert "s3cret" not in caught.value.message


ENTRIES: dict[str, tuple[Json, Server]] = {
    "a command": ({"command": "a", "args": ["b", 1]}, Server(("a", "b", "1"))),
    "all in one text": ({"command": "npx -y 'a b'"}, Server(("npx", "-y", "a b"))),
    "a path with blanks on Windows": ({"command": "C:\\a"}, Server(("C:\\a",))),
    "Zed's old shape": (
        {"command": {"path": "a", "args": ["b"], "env": {"K": "v"}}},
        Server(("a", "b"), {"K": "v"}),
    ),
    "an address": (
        {"serverUrl": "https://x", "headers": {"A": "b"}},
        Server(url="https://x", headers={"A": "b"}),
    ),
    "switched off": ({"command": "a", "disabled": True}, Server(("a",), off=True)),
    "not enabled": ({"command": "a", "enabled": False}, Server(("a",), off=True)),
    "trusted": ({"command": "a", "trust": True}, Server(("a",), unasked=("*",))),
    "some tools unasked": (
        {"command": "a", "autoApprove": ["x"]},
        Server(("a",), unasked=("x",)),
    ),
    "a number in env": ({"command": "a", "env": {"N": 1, "O": None}}, Server(("a",), {"N": "1"})),
    "a directory": ({"command": "a", "cwd": "/d"}, Server(("a",), cwd="/d")),
    "no object": (5, Server(problem="the entry is not an object")),
    "nothing in it": ({}, Server(problem="the entry has no command and no address")),
    "args of another type": (
        {"command": "a", "args": "b"},
        Server(problem="args is not a list of texts"),
    ),
    "env of another type": ({"command": "a", "env": []}, Server(problem="env is not an object")),
    "an address of another type": ({"url": 1}, Server(problem="its address is not a text")),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_every_shape_of_an_entry_has_its_meaning(case: str) -> None:
    said, wanted = ENTRIES[case]
    assert server(said) == wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(["command", "args", "env", "url", "trust", "path", "x"]), below
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_entry_means_something_or_has_a_problem(said: Json) -> None:
    found = server(said)
    assert bool(found.problem) != bool(found.words or found.url)


@given(st.binary(max_size=60), st.sampled_from(Form))
def test_any_file_is_read_or_refused(data: bytes, form: Form) -> None:
    with contextlib.suppress(HostError):
        assert isinstance(declared(data, form, MCP), list)
