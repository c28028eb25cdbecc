"""What a person and a program are shown: nothing of a server's text may act on either."""

import io
import sys
from contextlib import redirect_stdout

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.cli import listing, render
from mcpguard.errors import UsageError
from mcpguard.lock.surface import ServerFacts, Surface
from mcpguard.model import Era, Finding, ItemKind, Json, JsonObject, Severity

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

NESTED: Json = {"type": "array", "items": {"type": "array"}}
TEXT = st.text(st.characters(categories=None), max_size=40)


def surface(tools: list[JsonObject], **facts: str) -> Surface:
    server = ServerFacts(
        Era.LEGACY,
        "2025-11-25",
        {"name": facts.get("name", "notes"), "version": facts.get("version", "1")},
        facts.get("instructions", ""),
        {"tools": {}},
    )
    return Surface(server, {ItemKind.TOOL: {str(tool["name"]): tool for tool in tools}})


def finding(severity: Severity, message: str) -> Finding:
    return Finding("tool.changed", severity, "/tools/echo", message, {"before": "a", "after": "b"})


@given(TEXT, TEXT, TEXT)
@pytest.mark.guarantee("cli:printable-only")
def test_no_line_of_an_answer_holds_what_a_terminal_obeys(one: str, two: str, three: str) -> None:
    tool: JsonObject = {
        "name": one,
        "title": three,
        "description": two,
        "inputSchema": {"properties": {two: {"description": one, "enum": [three]}}},
    }
    lines = [
        *listing.surface_lines(surface([tool], name=three, version=one, instructions=two)),
        *render.finding_lines([finding(Severity.CRITICAL, one)], evidence=True),
        *render.error_lines(UsageError(two, hint=three)),
    ]
    assert [line for line in lines if not line.replace("\ufe0f", "").isprintable()] == []


@given(st.recursive(TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
@pytest.mark.guarantee("cli:printable-only")
def test_json_shows_what_is_invisible_and_still_means_the_same(value: Json) -> None:
    text = render.json_text(value)
    assert all(line.replace("\ufe0f", "").isprintable() for line in text.split("\n"))
    if "\\ud" not in text:  # half a surrogate pair: orjson does not read it back
        assert orjson.loads(text) == value


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"type": "array", "items": {"type": "number"}}, "array of number"),
        ({"enum": ["a", 2, None]}, "a | 2 | null"),
        ({"const": "x"}, "x"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer | null"),
        ({"oneOf": [{"type": "integer"}, {"type": "integer"}]}, "integer"),
        ({"enum": ["long" * 30]}, ("long" * 30)[:45] + "..."),
        ({}, "any"),
        (True, "any"),
        ({"type": "array", "items": NESTED}, "array of array of array of any"),
    ],
)
def test_a_schema_is_a_few_words(schema: Json, words: str) -> None:
    assert listing.type_of(schema) == words


def test_a_surface_shows_all_that_a_model_is_told() -> None:
    tool: JsonObject = {
        "name": "write_file",
        "title": "Write",
        "description": "Writes.\nOverwrites!",
        "inputSchema": {
            "properties": {"path": {"type": "string", "description": "Where."}, "n": {}},
            "required": ["path"],
        },
        "annotations": {"destructiveHint": True, "readOnlyHint": False},
    }
    assert listing.surface_lines(surface([tool], instructions="Be careful.")) == [
        "notes 1",
        "  lists         1 tool",
        "  protocol      2025-11-25, legacy era",
        "  capabilities  tools",
        "  instructions  (every model connected to it is told this)",
        "                Be careful.",
        "",
        "Tools (1)",
        "",
        '  write_file  "Write", destructive',
        "    Writes.",
        "    Overwrites!",
        "      path  string, required",
        "          Where.",
        "      n     any",
        "",
        "Whole definitions, as the server wrote them: --format json",
    ]


def test_a_finding_is_a_sentence_a_place_and_both_texts() -> None:
    assert render.finding_lines([finding(Severity.MODERATE, "tool echo: gone")], evidence=True) == [
        "moderate  tool echo: gone",
        "          /tools/echo",
        "          - a",
        "          + b",
    ]


def test_an_error_says_what_and_what_next() -> None:
    error = UsageError("no such file\n  | last words", hint="make it")
    assert render.error_lines(error, "check") == [
        "mcpguard check: no such file",
        "  | last words",
        "  next: make it",
    ]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({}, "nothing"),
        (
            {ItemKind.TOOL: 1, ItemKind.PROMPT: 0, ItemKind.TEMPLATE: 2},
            "1 tool, 2 resource templates",
        ),
    ],
)
def test_counts_leave_out_what_there_is_not(numbers: dict[ItemKind, int], words: str) -> None:
    assert render.counted(numbers) == words


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, True),
        ({"NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, True),
        ({"TERM": "dumb"}, False),
    ],
)
def test_colour_is_for_terminals_that_want_it(
    environment: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (render.painted("good", "x", Terminal()) != "x") is coloured
    assert render.painted("good", "x", io.StringIO()) == "x"


def test_a_terminal_that_lacks_a_character_gets_its_escape() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    with redirect_stdout(stream):
        render.answer(["über 日"])
    stream.seek(0)
    assert stream.read() == "\\xfcber \\u65e5\n"
