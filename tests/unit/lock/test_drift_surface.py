"""Drift of a whole surface: the server, and items that are new, missing, renamed or reordered."""

import pytest

from mcpguard.lock.drift import compare
from mcpguard.lock.lockfile import Vary
from mcpguard.lock.surface import ServerFacts, Surface
from mcpguard.model import Era, Finding, ItemKind, Json, JsonObject, Severity
from tests.unit.lock.drifts import CRITICAL, INFO, MODERATE, SIZE, told
from tests.unit.lock.surfaces import (
    FACTS,
    PROMPT,
    RESOURCE,
    TEMPLATE,
    TOOL,
    cut,
    lock,
    put,
    surface,
)


def test_the_same_surface_has_no_findings() -> None:
    assert compare(lock(), surface(), missing=MODERATE) == ()


@pytest.mark.guarantee("drift:server-facts-compared")
def test_the_era_and_the_protocol_version_are_not_drift() -> None:
    facts = ServerFacts(
        Era.DUAL, "2026-07-28", FACTS.server_info, FACTS.instructions, FACTS.capabilities
    )
    assert compare(lock(), surface(facts), missing=MODERATE) == ()


def facts(**changed: Json) -> ServerFacts:
    fields: JsonObject = {
        "server_info": FACTS.server_info,
        "instructions": FACTS.instructions,
        "capabilities": FACTS.capabilities,
        **changed,
    }
    info, text, able = fields["server_info"], fields["instructions"], fields["capabilities"]
    assert isinstance(info, dict)
    assert isinstance(text, str)
    assert isinstance(able, dict)
    return ServerFacts(Era.LEGACY, "2025-11-25", info, text, able)


INFO_NOW: JsonObject = {"name": "files", "version": "2"}
SERVER_CHANGES: list[tuple[ServerFacts, Severity, str, str]] = [
    (
        facts(instructions="Ask before you write. Stay below the root. Or not."),
        CRITICAL,
        'the text of the server\'s instructions now also says: "Or not."',
        "/server/instructions",
    ),
    (
        facts(instructions=""),
        CRITICAL,
        "the text of the server's instructions no longer says: \"Ask",
        "/server/instructions",
    ),
    (
        facts(server_info=INFO_NOW),
        CRITICAL,
        'the server\'s version changed from "1.2.0" to "2"',
        "/server/serverInfo/version",
    ),
    (
        facts(server_info={**FACTS.server_info, "title": "x"}),
        CRITICAL,
        'the server\'s title is new: "x"',
        "/server/serverInfo/title",
    ),
    (
        facts(capabilities={**FACTS.capabilities, "logging": {}}),
        CRITICAL,
        "the server now declares the capability logging",
        "/server/capabilities/logging",
    ),
    (
        facts(capabilities={"tools": {"listChanged": True}, "resources": {"subscribe": True}}),
        CRITICAL,
        "the server now declares the capability resources.subscribe",
        "/server/capabilities/resources/subscribe",
    ),
    (
        facts(capabilities={"tools": {"listChanged": True}}),
        INFO,
        "the server no longer declares the capability resources",
        "/server/capabilities/resources",
    ),
    (
        facts(capabilities={"tools": {"listChanged": False}, "resources": {}}),
        INFO,
        "the server no longer declares the capability tools.listChanged",
        "/server/capabilities/tools/listChanged",
    ),
    (
        facts(capabilities={"tools": {"listChanged": 1}, "resources": {}}),
        CRITICAL,
        "the server's capability tools.listChanged changed from true to 1",
        "/server/capabilities/tools/listChanged",
    ),
    (
        facts(capabilities={**FACTS.capabilities, "x": False}),
        INFO,
        "the server now says that it has no capability x",
        "/server/capabilities/x",
    ),
]


@pytest.mark.guarantee("drift:server-facts-compared")
@pytest.mark.parametrize(("live", "severity", "text", "where"), SERVER_CHANGES)
def test_a_changed_server_gets_a_sentence_and_a_severity(
    live: ServerFacts, severity: Severity, text: str, where: str
) -> None:
    (finding,) = compare(lock(), surface(live), missing=MODERATE)
    assert finding.severity is severity
    assert finding.message.startswith(text)
    assert finding.where == where


EXEC: JsonObject = {"name": "exec_shell", "description": "Runs \x1b[31manything."}


@pytest.mark.guarantee("drift:widening-is-critical")
def test_a_new_item_of_each_kind_is_critical() -> None:
    live = surface(
        tools=[TOOL, EXEC],
        prompts=[PROMPT, {"name": "p"}],
        resources=[RESOURCE, {"uri": "file:///etc", "name": "etc"}],
        resourceTemplates=[TEMPLATE, {"uriTemplate": "x://{a}"}],
    )
    assert told(compare(lock(), live, missing=INFO)) == [
        (CRITICAL, 'new tool exec_shell, described as: "Runs <U+001B>[31manything."'),
        (CRITICAL, "new prompt p"),
        (CRITICAL, "new resource file:///etc"),
        (CRITICAL, "new resource template x://{a}"),
    ]


@pytest.mark.parametrize("severity", [INFO, MODERATE])
def test_a_missing_item_is_as_severe_as_the_caller_says(severity: Severity) -> None:
    (finding,) = compare(lock(), surface(tools=[]), missing=severity)
    assert finding == Finding(
        "drift.missing",
        severity,
        "/tools/write_file",
        "tool write_file: the server no longer lists it",
    )


def test_a_renamed_tool_is_recognised() -> None:
    (finding,) = compare(lock(), surface(tools=[put(TOOL, "name", "save")]), missing=INFO)
    assert finding.rule == "drift.renamed"
    assert finding.severity is CRITICAL
    assert finding.message == "tool write_file was renamed to save"


def test_a_renamed_and_changed_tool_is_recognised_with_its_changes() -> None:
    live = put(put(TOOL, "name", "save"), "annotations/readOnlyHint", True)
    (finding,) = compare(lock(), surface(tools=[live]), missing=INFO)
    assert finding.message == (
        "tool write_file was renamed to save, and changed:"
        " annotation readOnlyHint changed from false to true"
    )


def test_each_renamed_tool_finds_its_own_old_name() -> None:
    words = ["apple banana", "granite slate", "violin oboe", "river lake"]
    tools: list[JsonObject] = [
        {"name": f"t{index}", "description": f"{each} " * 9} for index, each in enumerate(words)
    ]
    moved = [put(each, "name", f"n{each['name']}") for each in tools]
    findings = compare(lock(surface(tools=tools)), surface(tools=moved), missing=INFO)
    assert [each.message for each in findings] == [
        f"tool t{index} was renamed to nt{index}" for index in range(4)
    ]


def test_an_unlike_tool_is_not_a_renaming() -> None:
    findings = compare(lock(), surface(tools=[EXEC]), missing=INFO)
    assert [each.rule for each in findings] == ["drift.added", "drift.missing"]
    bare = lock(surface(tools=[{"name": "a"}]))
    findings = compare(bare, surface(tools=[{"name": "b"}]), missing=INFO)
    assert [each.rule for each in findings] == ["drift.added", "drift.missing"]


def test_a_new_tool_that_cannot_be_written_down_is_no_renaming_and_no_crash() -> None:
    live = Surface(FACTS, {ItemKind.TOOL: {"x": {**TOOL, "name": "x", "y": float("nan")}}})
    made = lock(surface(prompts=[], resources=[], resourceTemplates=[]))
    rules = [each.rule for each in compare(made, live, missing=INFO)]
    assert rules == ["drift.added", "drift.missing"]


def test_the_worst_comes_first_and_the_order_is_stable() -> None:
    live = surface(
        facts(capabilities={}),
        tools=[cut(TOOL, SIZE), {"name": "b"}, {"name": "a"}],
        prompts=[],
    )
    findings = compare(lock(), live, missing=INFO)
    assert [each.severity.rank for each in findings] == sorted(
        (each.severity.rank for each in findings), reverse=True
    )
    assert [each.message for each in findings[:2]] == ["new tool a", "new tool b"]
    assert findings == compare(lock(), live, missing=INFO)


def test_reviewed_exceptions_are_not_drift_here_either() -> None:
    vary = [
        Vary("/tools/write_file/title", "Write .*"),
        Vary("/server/instructions", r"Ask before you \w+\. Stay below the root\."),
        Vary("/server/serverInfo/version", "[0-9.]+"),
    ]
    made = lock(vary=vary)
    live = surface(
        facts(
            instructions="Ask before you go. Stay below the root.",
            server_info={"name": "files", "version": "9"},
        ),
        tools=[put(TOOL, "title", "Write now")],
    )
    assert compare(made, live, missing=INFO) == ()
    both = put(put(TOOL, "title", "Write now"), "x", 1)
    assert told(compare(made, surface(tools=[both]), missing=INFO)) == [
        (CRITICAL, "tool write_file: x is new: 1")
    ]
