"""Looking at a server: real processes, one behaviour each (fixtures/servers/probe_scripted.py)."""

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import orjson
import pytest

from mcpguard.daemon.client import TAIL_LINES
from mcpguard.daemon.environment import base_environment
from mcpguard.daemon.log import printable
from mcpguard.daemon.probe import Eras, probe
from mcpguard.errors import McpguardError, SurfaceError, UnreachableError
from mcpguard.lock.surface import Surface
from mcpguard.model import Era, ItemKind, JsonObject
from tests.tools import FIXTURES

SCRIPT = str(FIXTURES / "servers" / "probe_scripted.py")
PATIENCE = 30.0
"""Seconds for a probe that should succeed on a loaded machine."""


def look(
    behaviour: str,
    *more: str,
    timeout: float = PATIENCE,
    eras: Eras = Eras.LEGACY,
    env: Mapping[str, str] | None = None,
) -> Surface:
    """Probe the scripted server with `behaviour`."""

    async def run() -> Surface | McpguardError:
        try:
            with anyio.fail_after(2 * PATIENCE):
                given = base_environment(os.environ) if env is None else env
                return await probe(
                    [sys.executable, SCRIPT, behaviour, *more],
                    env=given,
                    timeout=timeout,
                    eras=eras,
                )
        except McpguardError as error:
            return error

    outcome = anyio.run(run)
    if isinstance(outcome, McpguardError):
        raise outcome
    return outcome


def tools(surface: Surface) -> list[str]:
    return sorted(surface.of(ItemKind.TOOL))


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        pytest.param("honest", ["echo"], id="one tool"),
        pytest.param(
            "noise-first", ["echo"], id="noise, forged and doubled answers are not answers"
        ),
        pytest.param("pages", ["page-0", "page-1", "page-2"], id="every page is read"),
        pytest.param("late", ["echo", "late"], id="what is registered late is waited for"),
        pytest.param("no-list", ["echo"], id="method not found is an empty list"),
        pytest.param("deaf", ["echo"], id="a server that reads late is waited for"),
        pytest.param("loud", ["echo"], id="10 MB of stderr does not stop it"),
        pytest.param(
            "capable",
            [
                "elicitation.form",
                "elicitation.url",
                "roots.listChanged",
                "sampling.context",
                "sampling.tools",
                "tasks.cancel",
                "tasks.list",
                "tasks.requests",
            ],
            id="every client capability is declared",
        ),
    ],
)
@pytest.mark.guarantee("probe:whole-surface")
def test_everything_a_server_lists_is_found(behaviour: str, expected: list[str]) -> None:
    assert tools(look(behaviour)) == expected


def test_a_server_that_asks_first_is_answered_so_that_it_goes_on() -> None:
    described = look("asks").of(ItemKind.TOOL)["answers"]["description"]
    assert isinstance(described, str)
    assert orjson.loads(described) == [[0, {}], [1, {"roots": []}], [2, -32601], [3, -32601]]


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        ("doubled", "the server lists the tool 'echo' twice"),
        ("nameless", "the server's tool number 1 has no name"),
        ("cursor-loop", "tools/list never ends: the cursor 'again\\x1b[2J' comes again"),
        ("endless-pages", "tools/list has more than 100 pages"),
        ("many", "tools/list lists more than 10000 items"),
        ("restless", "the server's lists still changed after 6 listings"),
        (
            "list-error",
            "the server refused: tools/list: error -32603: the database is away<U+001B>[31m",
        ),
        ("long-line", "sent a line longer than 8 MiB, the most any client reads"),
        ("flood", "sent more than 64 MiB"),
        ("future-version", "protocol version '2031-01-01', unknown here"),
    ],
)
@pytest.mark.guarantee("probe:never-half-a-surface")
def test_a_surface_that_cannot_be_pinned_is_an_error_that_names_it(
    behaviour: str, message: str
) -> None:
    with pytest.raises(SurfaceError) as caught:
        look(behaviour)
    assert message in caught.value.message
    assert caught.value.hint


HELLO: JsonObject = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "given"},
}
DISCOVERED: JsonObject = {"supportedVersions": ["2026-07-28"], "capabilities": {}}


@pytest.mark.parametrize(
    ("results", "message"),
    [
        ({"tools/list": {"tools": {}}}, "tools/list gave no array `tools`"),
        ({"tools/list": {"tools": ["echo"]}}, "tool number 1 is not an object"),
        ({"tools/list": {"tools": [], "nextCursor": 2}}, "tools/list: nextCursor is not a string"),
        ({"tools/list": {"resultType": "input_required"}}, "gave no list but asked for input"),
        ({"initialize": {}}, "initialize: protocolVersion is not a string"),
        ({"initialize": HELLO | {"capabilities": []}}, "capabilities is not an object"),
        ({"initialize": HELLO | {"serverInfo": "x"}}, "serverInfo is not an object"),
        ({"initialize": HELLO | {"instructions": ["x"]}}, "instructions is not a string"),
        (
            {"initialize": HELLO | {"instructions": "Obey."}, "server/discover": DISCOVERED},
            "shows other definitions in protocol 2026-07-28 than in 2025-11-25: instructions",
        ),
    ],
)
@pytest.mark.guarantee("probe:never-half-a-surface")
def test_an_answer_of_the_wrong_shape_is_an_error_that_names_it(
    results: JsonObject, message: str
) -> None:
    with pytest.raises(SurfaceError) as caught:
        look("given", orjson.dumps(results).decode(), eras=Eras.BOTH)
    assert message in caught.value.message


def test_a_server_that_speaks_no_revision_known_here_is_not_modern() -> None:
    results = orjson.dumps({"server/discover": DISCOVERED | {"supportedVersions": ["2031-01-01"]}})
    assert look("given", results.decode(), eras=Eras.BOTH).server.era is Era.LEGACY
    with pytest.raises(UnreachableError, match="does not speak revision 2026-07-28"):
        look("given", results.decode(), eras=Eras.MODERN)


@pytest.mark.parametrize(
    ("behaviour", "timeout", "message"),
    [
        ("silent", 0.5, "did not answer in 0.5 s"),
        ("silent-lists", 1.5, "did not finish listing in 1.5 s\n  | still loading"),
        (
            "garbled",
            0.5,
            "did not answer in 0.5 s, but wrote 2 lines that cannot be read as MCP: not one JSON",
        ),
        (
            "garbled-lists",
            1.5,
            "did not finish listing in 1.5 s, but wrote a line that cannot be read as MCP: not one",
        ),
        (
            "dies",
            PATIENCE,
            "ended before it answered initialize\n  | fatal: PROBE_API_KEY is not set",
        ),
        ("dies-listing", PATIENCE, "ended before it answered tools/list\n  | out of memory"),
    ],
)
@pytest.mark.guarantee("probe:unreachable-is-not-empty")
def test_a_server_that_does_not_answer_is_unreachable(
    behaviour: str, timeout: float, message: str
) -> None:
    with pytest.raises(UnreachableError) as caught:
        look(behaviour, timeout=timeout)
    assert message in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("behaviour", "hint"),
    [("silent", "a longer --timeout"), ("garbled", "MCP messages and nothing")],
)
def test_more_time_is_advised_only_where_nothing_came(behaviour: str, hint: str) -> None:
    with pytest.raises(UnreachableError) as caught:
        look(behaviour, timeout=0.5)
    assert hint in caught.value.hint


def test_what_a_dead_server_was_not_given_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_API_KEY", "a-secret-value")
    with pytest.raises(UnreachableError) as caught:
        look("dies", eras=Eras.BOTH)
    assert (
        caught.value.hint == "it was not given PROBE_API_KEY; pass it on with: --env PROBE_API_KEY"
    )
    assert "a-secret-value" not in caught.value.message + caught.value.hint


def test_a_dead_server_that_names_no_variable_is_not_answered_with_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("KEY", "API", "UNRELATED_A", "fatal_"):  # parts of what is said, and none of it
        monkeypatch.setenv(name, "x")
    with pytest.raises(UnreachableError) as caught:
        look("dies", eras=Eras.BOTH)
    hint = caught.value.hint
    assert hint.startswith("read what it said, above; then run the command alone")
    assert hint.endswith("a variable it needs is passed with: --env NAME")


def test_the_last_words_of_a_server_cannot_move_the_cursor() -> None:
    with pytest.raises(UnreachableError) as caught:
        look("dies")
    assert caught.value.message.endswith("not set<U+001B>[2J<U+202E>")
    assert caught.value.message.count("\n") <= TAIL_LINES


def test_a_program_that_does_not_exist_is_unreachable() -> None:
    async def run() -> Surface:
        return await probe(["/nonexistent/server"], env={})

    with pytest.raises(UnreachableError):
        anyio.run(run)


@pytest.mark.parametrize(
    ("behaviour", "era", "version"),
    [
        ("honest", Era.LEGACY, "2025-11-25"),
        ("discover-kills", Era.LEGACY, "2025-11-25"),
        ("modern", Era.MODERN, "2026-07-28"),
        ("dual", Era.DUAL, "2025-11-25"),
    ],
)
def test_the_era_is_what_the_server_speaks(behaviour: str, era: Era, version: str) -> None:
    surface = look(behaviour, eras=Eras.BOTH)
    assert (surface.server.era, surface.server.protocol_version) == (era, version)
    assert tools(surface) == ["echo"]
    assert surface.server.server_info == {"name": "scripted", "version": "1"}


def test_a_server_silent_to_discover_is_legacy_after_a_bounded_wait() -> None:
    assert look("discover-hangs", eras=Eras.BOTH).server.era is Era.LEGACY


def test_the_capabilities_of_both_eras_are_one_set() -> None:
    assert look("dual", eras=Eras.BOTH).server.capabilities == {
        "tools": {"listChanged": True},
        "extensions": {"example.org/x": {}},
    }


@pytest.mark.guarantee("probe:never-half-a-surface")
def test_a_server_with_another_surface_in_the_other_era_is_refused() -> None:
    with pytest.raises(SurfaceError) as caught:
        look("two-faced", eras=Eras.BOTH)
    assert "tool 'echo', tool 'exec_shell'" in caught.value.message
    assert "--era" in caught.value.hint


@pytest.mark.parametrize(
    ("eras", "expected"), [(Eras.LEGACY, ["echo"]), (Eras.MODERN, ["echo", "exec_shell"])]
)
def test_one_era_can_be_chosen(eras: Eras, expected: list[str]) -> None:
    assert tools(look("two-faced", eras=eras)) == expected


def test_nothing_is_left_of_a_server_that_ignores_its_end() -> None:
    described = look("stubborn").of(ItemKind.TOOL)["pids"]["description"]
    assert isinstance(described, str)
    assert [alive(int(pid)) for pid in described.split()] == [False, False]


def alive(pid: int) -> bool:
    """Running, or at least not ended: a zombie that nobody waited for has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        return status.rpartition(")")[2].split()[0] != "Z"
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ESRCH}:
            raise
        return False


def test_the_server_gets_exactly_the_environment_it_was_given(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    held = tmp_path_factory.mktemp("surface") / "surface.json"
    held.write_bytes(orjson.dumps({"tools": [{"name": "one"}], "prompts": [{"name": "two"}]}))
    surface = look("surface", env={**base_environment(os.environ), "PROBE_SURFACE": str(held)})
    assert {kind: list(surface.of(kind)) for kind in ItemKind} == {
        ItemKind.TOOL: ["one"],
        ItemKind.PROMPT: ["two"],
        ItemKind.RESOURCE: [],
        ItemKind.TEMPLATE: [],
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ümläut, 日本語, 🎉", "plain text, ümläut, 日本語, 🎉"),
        ("\x1b[31mred\x9b0m", "<U+001B>[31mred<U+009B>0m"),
        ("a\u202eb\u2066c\u200bd\ufeff", "a<U+202E>b<U+2066>c<U+200B>d<U+FEFF>"),
        (
            "tag \U000e0041, selector \U000e0101 \ufe01",
            "tag <U+E0041>, selector <U+E0101> <U+FE01>",
        ),
        ("line\nbreak\r\ttab\u2028", "line\\nbreak\\r\\ttab<U+2028>"),
        ("filler \u3164\u115f", "filler <U+3164><U+115F>"),
        ("lone \ud800", "lone <U+D800>"),
    ],
)
@pytest.mark.guarantee("cli:printable-only")
def test_what_a_terminal_would_obey_or_hide_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown
