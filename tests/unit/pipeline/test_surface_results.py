"""Links, contents and structured results: what an answer may point at and must look like."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.lock.lockfile import Launch, from_surface
from mcpguard.lock.surface import ServerFacts, collect
from mcpguard.model import (
    ALLOW,
    OFF_SCHEMA,
    Context,
    Decision,
    Era,
    ItemKind,
    Json,
    JsonObject,
    Reason,
    Result,
)
from mcpguard.pipeline.surface import MAX_LINKS, SurfaceStage
from tests.unit.pipeline.surfaces import CTX, LOCK, judged, ruleless

GOOD: JsonObject = {"type": "resource_link", "uri": "file:///srv/readme", "name": "r"}
MATCHED: JsonObject = {"type": "resource_link", "uri": "memo://7", "name": "m"}
BAD: JsonObject = {"type": "resource_link", "uri": "https://evil/", "name": "click"}
NO_URI: JsonObject = {"type": "resource_link", "name": "x"}
TEXT: JsonObject = {"type": "text", "text": "hello https://evil/"}
WITHHELD: JsonObject = {
    "type": "text",
    "text": "[mcpguard: a link to a resource that is not in the lockfile was withheld]",
}


def message(content: Json) -> JsonObject:
    return {"role": "user", "content": content}


BODIES: dict[str, tuple[JsonObject, JsonObject]] = {
    "no-links": ({"content": [TEXT]}, {"content": [TEXT]}),
    "good-link": ({"content": [GOOD, TEXT]}, {"content": [GOOD, TEXT]}),
    "link-by-template": ({"content": [MATCHED]}, {"content": [MATCHED]}),
    "bad-link": (
        {"content": [TEXT, BAD], "isError": False},
        {"content": [TEXT, WITHHELD], "isError": False},
    ),
    "link-without-uri": ({"content": [NO_URI]}, {"content": [WITHHELD]}),
    "link-with-dots": (
        {"content": [{**GOOD, "uri": "file:///srv/../etc"}]},
        {"content": [WITHHELD]},
    ),
    "message-link": (
        {"messages": [message(BAD), message(TEXT)]},
        {"messages": [message(WITHHELD), message(TEXT)]},
    ),
    "message-good": ({"messages": [message(GOOD)]}, {"messages": [message(GOOD)]}),
    "message-with-a-list": (
        {"messages": [message([TEXT, BAD])]},
        {"messages": [message([TEXT, WITHHELD])]},
    ),
    "both": (
        {"content": [], "messages": [message(BAD)]},
        {"content": [], "messages": [message(WITHHELD)]},
    ),
    "block-in-a-block": (
        {"content": [{"type": "tool_result", "content": [BAD]}]},
        {"content": [{"type": "tool_result", "content": [WITHHELD]}]},
    ),
    "link-in-a-text": (
        {"content": [{**TEXT, "content": [BAD]}]},
        {"content": [{**TEXT, "content": [WITHHELD]}]},
    ),
    "good-link-in-a-text": (
        {"content": [{**TEXT, "content": [GOOD]}]},
        {"content": [{**TEXT, "content": [GOOD]}]},
    ),
    "content-of-no-shape": ({"content": 5, "messages": None}, {"content": 5, "messages": None}),
    "content-that-is-no-list": ({"content": BAD}, {"content": WITHHELD}),
    "odd-shapes": (
        {"content": [None, 1, "x", []], "messages": [None, {}]},
        {"content": [None, 1, "x", []], "messages": [None, {}]},
    ),
    "nothing": ({}, {}),
}


@pytest.mark.guarantee("surface:links-are-locked")
@pytest.mark.parametrize(("body", "passed"), BODIES.values(), ids=BODIES)
def test_links_outside_the_lockfile_are_withheld(body: JsonObject, passed: JsonObject) -> None:
    before = copy.deepcopy(body)
    decision = ruleless(LOCK)(Result("tools/call", "free", body), CTX)
    assert isinstance(decision, Decision)
    assert decision.allowed
    assert decision.subject == Result("tools/call", "free", passed)
    assert body == before
    changed = body != passed
    assert (decision.subject.body is body) is not changed
    assert decision.rule == ("surface.link_not_locked" if changed else "")


def text(**more: Json) -> JsonObject:
    return {"type": "text", "text": "x", **more}


FOLDED: dict[str, tuple[JsonObject, str]] = {
    "known": ({"content": [text(annotations={}, _meta={})], "isError": False}, ""),
    "unknown": ({"content": [text(more=1, Other=2)], "more": 1, "Other": 2}, ""),
    "a-tools-own": ({"content": [], "structuredContent": {"Content": 1, "Type": 2}}, ""),
    "a-parts-own": ({"content": [{"type": "tool_use", "input": {"Uri": 1}}]}, ""),
    "meta": ({"content": [], "_meta": {"Type": 1}}, ""),
    "another-content": ({"content": [TEXT], "Content": [BAD]}, "Content"),
    "content-alone": ({"CONTENT": [BAD]}, "CONTENT"),
    "another-kind": ({"content": [], "ResultType": "input_required"}, "ResultType"),
    "questions": ({"content": [], "inputrequests": {}}, "inputrequests"),
    "another-task": ({"content": [], "Task": {"taskId": "t"}}, "Task"),
    "long-s": ({"content": [], "i\u017fError": False}, "i\u017fError"),
    "names": ({"content": [], "_Meta": {}}, "_Meta"),
    "link-behind-a-text": ({"content": [TEXT, text(Type="resource_link", Uri="x://y")]}, "Type"),
    "uri-of-a-link": ({"content": [{**GOOD, "URI": "x://y"}]}, "URI"),
    "long-s-in-a-block": ({"content": [{**TEXT, "re\u017fource": {}}]}, "re\u017fource"),
    "within-a-resource": (
        {"content": [{"type": "resource", "resource": {"uri": "memo://1", "Uri": "x://y"}}]},
        "Uri",
    ),
    "within-a-block": ({"content": [{"type": "x", "content": [text(tyPe="y")]}]}, "tyPe"),
    "message": ({"messages": [{**message(TEXT), "Role": "assistant"}]}, "Role"),
    "within-a-message": ({"messages": [message([text(Text="y")])]}, "Text"),
    "no-list": ({"content": text(TEXT="y")}, "TEXT"),
}


@pytest.mark.guarantee("fold:answers")
@pytest.mark.parametrize("method", ["tools/call", "prompts/get", "completion/complete"])
@pytest.mark.parametrize(("body", "key"), FOLDED.values(), ids=FOLDED)
def test_no_answer_is_another_to_a_host_that_folds_case(
    body: JsonObject, key: str, method: str
) -> None:
    verdict = judged(Result(method, "free", body))
    assert verdict.reason is (Reason.AMBIGUOUS if key else Reason.OK)
    assert verdict.detail == (
        f"it has a key {key!a}, which a host that folds case takes for another" if key else ""
    )


@pytest.mark.guarantee("fold:answers")
@pytest.mark.parametrize(
    "body",
    [
        {"contents": [{"uri": "memo://1", "text": "x", "URI": "x://y"}]},
        {"contents": [{"uri": "memo://1", "text": "x", "Text": "y"}]},
        {"contents": {"uri": "memo://1", "Uri": "x://y"}},
        {"contents": [], "Contents": [{"uri": "x://y"}]},
    ],
)
def test_nor_is_what_was_read(body: JsonObject) -> None:
    verdict = judged(Result("resources/read", "memo://1", body))
    assert verdict.reason is Reason.AMBIGUOUS


CONTENTS: dict[str, tuple[Json, bool]] = {
    "the-one-asked-for": ([{"uri": "file:///srv/readme", "text": "x"}], True),
    "another-locked-one": ([{"uri": "memo://1", "text": "x"}], True),
    "one-that-is-not-locked": ([{"uri": "file:///srv/readme"}, {"uri": "https://evil/"}], False),
    "without-uri": ([{"text": "x"}], False),
    "no-object": (["x"], False),
    "uri-of-another-type": ([{"uri": 1}], False),
    "empty": ([], True),
    "no-list": ({"uri": "https://evil/"}, False),
    "no-list-but-locked": ({"uri": "memo://1"}, True),
    "absent": (None, True),
}


@pytest.mark.guarantee("surface:links-are-locked")
@pytest.mark.parametrize(("contents", "allowed"), CONTENTS.values(), ids=CONTENTS)
def test_contents_of_a_read_are_of_locked_resources(contents: Json, allowed: bool) -> None:
    body: JsonObject = {} if contents is None else {"contents": contents}
    verdict = judged(Result("resources/read", "file:///srv/readme", body))
    assert verdict.reason is (Reason.OK if allowed else Reason.LINK_NOT_LOCKED)


LINK: JsonObject = {"type": "resource_link", "uri": "memo://1"}
MANY: dict[str, tuple[str, JsonObject]] = {
    "blocks": ("tools/call", {"content": [LINK] * 10_000}),
    "one-block-after-another": ("tools/call", {"content": [{"content": [LINK]}] * MAX_LINKS}),
    "messages": ("prompts/get", {"messages": [{"content": LINK}] * MAX_LINKS}),
    "contents": ("resources/read", {"contents": [{"uri": "memo://1"}] * MAX_LINKS}),
}


@pytest.mark.guarantee("surface:links-bounded")
@pytest.mark.parametrize(("method", "body"), MANY.values(), ids=MANY)
def test_a_result_of_too_many_links_is_not_looked_up(method: str, body: JsonObject) -> None:
    assert judged(Result(method, "file:///srv/readme", body)).reason is Reason.OK
    key, blocks = next(iter(body.items()))
    assert isinstance(blocks, list)
    more: JsonObject = {key: [*blocks, blocks[0]]}
    assert judged(Result(method, "file:///srv/readme", more)).reason is Reason.OVER_LONG


ANSWERS: dict[str, tuple[str, JsonObject, str]] = {
    "as it says": ("count", {"content": [], "structuredContent": {"n": 1}}, ""),
    "something missing": (
        "count",
        {"structuredContent": {"secret": 1}},
        "the structured content: missing 'n'",
    ),
    "no object": ("count", {"structuredContent": [1]}, "there is no structured content"),
    "nothing": ("count", {"content": [TEXT]}, "there is no structured content"),
    "a complete one": ("count", {"resultType": "complete"}, "there is no structured content"),
    "a failure of the tool": ("count", {"content": [], "isError": True}, ""),
    "a task": ("count", {"task": {"taskId": "x"}}, ""),
    "a question to the host": ("count", {"resultType": "input_required"}, ""),
    "a tool that says nothing": ("free", {"structuredContent": {}}, ""),
    "a schema that does not compile": ("odd", {"structuredContent": {}}, ""),
    "a tool nobody locked": ("other", {"structuredContent": {}}, ""),
}


@pytest.mark.parametrize(("tool", "body", "wrong"), ANSWERS.values(), ids=ANSWERS)
def test_a_result_is_held_against_the_reviewed_output_schema_and_passes(
    tool: str, body: JsonObject, wrong: str
) -> None:
    decision = ruleless(LOCK)(Result("tools/call", tool, body), CTX)
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.subject.body is body) == (True, True)  # type: ignore[union-attr]
    told = [each.message.partition("says: ")[2] for each in decision.findings]
    assert told == ([wrong] if wrong else [])
    assert {(each.rule, each.where) for each in decision.findings} <= {
        (OFF_SCHEMA, "/structuredContent")
    }


def test_an_error_carries_no_blocks() -> None:
    assert judged(Result("tools/call", "write", {"content": [BAD]}, error=True)) == ALLOW


@given(
    st.recursive(
        st.none() | st.sampled_from([GOOD, BAD, TEXT, NO_URI, "resource_link"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["content", "type", "uri"]), inner)
        ),
    )
)
def test_whatever_a_result_holds_no_unlocked_link_block_is_left(body: Json) -> None:
    given_body: JsonObject = {"content": body, "messages": body}
    decision = ruleless(LOCK)(Result("prompts/get", "sum", given_body), CTX)
    assert isinstance(decision, Decision)
    assert isinstance(decision.subject, Result)
    assert not list(_bad_blocks(decision.subject.body))


def _bad_blocks(value: Json) -> list[Json]:
    if isinstance(value, list):
        return [bad for each in value for bad in _bad_blocks(each)]
    if not isinstance(value, dict):
        return []
    below = [value[key] for key in ("content", "messages") if key in value]
    linking = value.get("type") == "resource_link" and value not in (GOOD, MATCHED)
    return [value] * linking + [bad for each in below for bad in _bad_blocks(each)]


URI = "file:///srv/readme"


class Drifted:
    """A session in which everything changed since the call."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.DRIFTED


def test_a_read_that_was_allowed_is_answered_although_its_resource_changed_meanwhile() -> None:
    facts = ServerFacts(Era.LEGACY, "2025-11-25", {"name": "s"}, "", {"resources": {}})
    surface = collect(facts, {ItemKind.RESOURCE: [{"uri": URI, "name": "readme"}]})
    launch = Launch(("server",), "", (), {})
    stage = SurfaceStage(from_surface(surface, name="s", launch=launch, requests=()))
    result = Result("resources/read", URI, {"contents": [{"uri": URI, "text": "x"}]})
    assert stage.judge(result, Context("s", "local", Drifted())) is ALLOW
