"""One entry: what it starts, what of it can be wrapped, and which bytes change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import HostError
from mcpguard.hosts.entry import Entry, Proxied, behind_mcpguard, expanded, read, rewritten
from mcpguard.hosts.splice import Edit, find, parse, spliced, value
from mcpguard.model import Json
from tests.unit.hosts.documents import TEXTS, Document, documents

BEFORE = ("proxy", "--lock", "/l.json", "--")

REWRITTEN = {
    "one line": (
        b'{"command": "npx", "args": ["-y", "x"]}',
        b'{"command": "/m", "args": ["proxy", "--lock", "/l.json", "--", "npx", "-y", "x"]}',
    ),
    "no spaces": (
        b'{"args":["-y"],"command":"npx"}',
        b'{"args":["proxy", "--lock", "/l.json", "--", "npx", "-y"],"command":"/m"}',
    ),
    "a line each": (
        b'{\r\n\t"command": "npx",\r\n\t"args": [\r\n\t\t"x"\r\n\t]\r\n}',
        (
            b'{\r\n\t"command": "/m",\r\n\t"args": [\r\n\t\t"proxy",\r\n\t\t"--lock",'
            b'\r\n\t\t"/l.json",\r\n\t\t"--",\r\n\t\t"npx",\r\n\t\t"x"\r\n\t]\r\n}'
        ),
    ),
    "empty args": (
        b'{"command": "a", "args": [ ]}',
        b'{"command": "/m", "args": ["proxy", "--lock", "/l.json", "--", "a" ]}',
    ),
    "no args": (
        b'{\n  "command": "a"\n}',
        b'{\n  "command": "/m",\n  "args": ["proxy", "--lock", "/l.json", "--", "a"]\n}',
    ),
    "no args, no space": (
        b'{"command":"a","env":{}}',
        b'{"command":"/m", "args": ["proxy", "--lock", "/l.json", "--", "a"],"env":{}}',
    ),
    "comments": (
        b'{"command": "a" /* c */, "args": [ // all, of them\n "b", // b\n "c" ]}',
        (
            b'{"command": "/m" /* c */, "args": [ // all, of them\n "proxy", "--lock",'
            b' "/l.json", "--", "a", "b", // b\n "c" ]}'
        ),
    ),
    "a comment in empty args": (
        b'{"command": "a", "args": [ // none\n]}',
        b'{"command": "/m", "args": ["proxy", "--lock", "/l.json", "--", "a" // none\n]}',
    ),
    "escapes stay as they were written": (
        b'{"comm\\u0061nd": "\\u0061\\/b", "args": ["\\u00e9"]}',
        (
            b'{"comm\\u0061nd": "/m", "args": ["proxy", "--lock", "/l.json", "--", "\\u0061\\/b",'
            b' "\\u00e9"]}'
        ),
    ),
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_an_entry_is_rewritten_in_its_own_layout(name: str) -> None:
    before, after = REWRITTEN[name]
    assert rewritten(before, "/m", BEFORE) == after


@pytest.mark.guarantee("hosts:only-the-entry")
@given(documents(), TEXTS, st.lists(TEXTS))
def test_no_byte_outside_the_entry_changes_and_it_says_what_it_should(
    document: Document, program: str, before: list[str]
) -> None:
    data = document.data
    old = find(parse(data), document.path)
    assert old is not None
    entry = rewritten(data[old.start : old.end], program, before)
    new = spliced(data, [Edit(old.start, old.end, entry)])
    found = find(parse(new), document.path)
    assert found is not None
    assert (new[: found.start], new[found.end :]) == (data[: old.start], data[old.end :])
    was, now = value(data, old), value(new, found)
    assert isinstance(was, dict)
    words = [*before, was["command"], *_listed(was.get("args", []))]
    assert now == {**was, "command": program, "args": words}


def _listed(said: Json) -> list[Json]:
    assert isinstance(said, list)
    return said


REMOTE = "reached over the network"
NOT_WRAPPABLE = {
    "http": ({"type": "http", "url": "https://x"}, REMOTE),
    "sse": ({"type": "sse", "url": "https://x"}, REMOTE),
    "a url alone": ({"url": "https://x"}, REMOTE),
    "a url beside a command": ({"command": "a", "url": "https://x"}, REMOTE),
    "serverUrl": ({"serverUrl": "https://x"}, REMOTE),
    "another type": ({"type": "ws", "command": "a"}, REMOTE),
    "no command": ({"args": []}, "no command"),
    "an empty command": ({"command": ""}, "no command"),
    "a command that is a list": ({"command": ["a"]}, "no command"),
    "args of numbers": ({"command": "a", "args": [1]}, "args is not a list of strings"),
    "args that are text": ({"command": "a", "args": "b"}, "args is not a list of strings"),
    "null args": ({"command": "a", "args": None}, "args is not a list of strings"),
    "env of numbers": ({"command": "a", "env": {"A": 1}}, "env is not an object of strings"),
    "a list as env": ({"command": "a", "env": []}, "env is not an object of strings"),
    "a number as cwd": ({"command": "a", "cwd": 1}, "cwd is not a string"),
    "not an object": (["a"], "not an object"),
    "what steers mcpguard": ({"command": "a", "env": {"mcpguard_DRIVER": ""}}, "steer mcpguard"),
    "a NUL in the command": ({"command": "a\0"}, "hold a NUL"),
    "a NUL in an argument": ({"command": "a", "args": ["b", "\0"]}, "hold a NUL"),
    "a NUL in a value": ({"command": "a", "env": {"A": "\0"}}, "hold a NUL"),
}


@pytest.mark.parametrize("name", NOT_WRAPPABLE)
def test_what_cannot_run_behind_mcpguard_says_why(name: str) -> None:
    said: Json
    said, why = NOT_WRAPPABLE[name]  # type: ignore[assignment]
    with pytest.raises(HostError) as caught:
        read(said)
    assert why in caught.value.message
    assert caught.value.hint


@pytest.mark.guarantee("hosts:entry-steers-nothing")
@pytest.mark.parametrize(
    "name",
    [
        "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "APPDATA", "LocalAppData", "USERPROFILE",
        "HOMEDRIVE", "HOMEPATH", "ProgramData", "WIN_PD_OVERRIDE_LOCAL_APPDATA",
        "MCPGUARD_CONFIG_DIR",
    ],
)  # fmt: skip
def test_no_entry_says_where_the_files_of_mcpguard_are(name: str) -> None:
    with pytest.raises(HostError, match=f"env sets {name}, which would steer mcpguard") as caught:
        read({"command": "a", "env": {"API_KEY": "k", name: "/repo"}})
    assert f'"command": "env", "args": ["{name}=VALUE"' in caught.value.hint


@pytest.mark.parametrize("name", ["API_KEY", "XDG_CACHE_HOME", "PATH", "HOME_PAGE"])
def test_other_variables_are_the_servers_own(name: str) -> None:
    assert read({"command": "a", "env": {name: "x"}}).env == {name: "x"}


BEHIND = {
    ("npx", "-y", "x"): None,
    ("mcpguard", "scan"): None,
    ("/a/mcpguard", "proxy", "--lock", "/l", "--", "npx", "--"): Proxied("/l", ("npx", "--")),
    ("C:\\x\\MCPGuard.exe", "proxy", "--lock", "l", "--", "a"): Proxied("l", ("a",)),
    ("mcpguard", "proxy", "--lock", "l"): Proxied("l"),
    ("mcpguard", "proxy", "--", "a", "--lock", "b"): Proxied("", ("a", "--lock", "b")),
    ("sh", "-c", "exec ~/.local/bin/mcpguard proxy --lock x"): Proxied(),
    ("python3", "-m", "mcpguard", "proxy", "--lock", "x"): Proxied(),
    ("uv", "run", "/a/mcpguard", "proxy", "--lock", "x"): Proxied(),
    ("cmd", "/c", "C:\\x\\mcpguard.exe", "proxy", "--lock", "x"): Proxied(),
    ("npx", "mcpguard-proxy", "proxy"): None,
    ("mcpguard",): None,
}


@pytest.mark.parametrize("words", BEHIND)
def test_an_entry_that_runs_behind_mcpguard_is_known(words: tuple[str, ...]) -> None:
    assert behind_mcpguard(Entry(words, {})) == BEHIND[words]


EXPANDED = {
    "plain": "plain",
    "${A}": "1",
    "x${A}y${B:-z}": "x1yz",
    "${B:-}": "",
    "${A:-z}": "1",
    "${E:-z}": "",
    "$A": "$A",
    "${A": "${A",
    "${B:-${A}": "${A",
}


@pytest.mark.parametrize("text", EXPANDED)
def test_variables_are_filled_in_as_the_host_does(text: str) -> None:
    entry = expanded(Entry((text,), {"N": text}), {"A": "1", "E": ""})
    assert (entry.words, entry.env) == ((EXPANDED[text],), {"N": EXPANDED[text]})


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(HostError, match="the variable TOKEN, which is not set"):
        expanded(Entry(("${TOKEN}",), {}), {})
