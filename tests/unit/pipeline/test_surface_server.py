"""What a server lists, asks for and announces, held against what was reviewed."""

import json
from dataclasses import replace

import pytest

from mcpguard.model import (
    ALLOW,
    Answer,
    Definition,
    Effect,
    ItemKind,
    JsonObject,
    Notice,
    Reason,
    RequestKind,
    ServerRequest,
    Side,
    Verdict,
)
from mcpguard.pipeline.surface import MAX_LINKS, SurfaceStage
from mcpguard.wire.methods import NOTIFICATIONS
from tests.unit.pipeline.surfaces import CTX, FACTS, LISTED, LOCK, judged

# --- definitions ---------------------------------------------------------------------------------

SCHEMA: JsonObject = {"type": "object"}
FREE: JsonObject = {"name": "free", "inputSchema": SCHEMA}
DEFINITIONS: dict[str, tuple[Definition, Reason]] = {
    "same": (Definition(ItemKind.TOOL, "free", FREE), Reason.OK),
    "another-order": (
        Definition(ItemKind.TOOL, "free", {"inputSchema": SCHEMA, "name": "free"}),
        Reason.OK,
    ),
    "unknown": (Definition(ItemKind.TOOL, "new", {"name": "new"}), Reason.NOT_LOCKED),
    "of-another-kind": (Definition(ItemKind.PROMPT, "free", FREE), Reason.NOT_LOCKED),
    "doubled": (Definition(ItemKind.TOOL, "free", FREE, doubled=True), Reason.DOUBLED),
    "new-key": (Definition(ItemKind.TOOL, "free", {**FREE, "x": None}), Reason.DRIFTED),
    "description": (
        Definition(ItemKind.TOOL, "free", {**FREE, "description": "!"}),
        Reason.DRIFTED,
    ),
    "key-less": (Definition(ItemKind.TOOL, "free", {"name": "free"}), Reason.DRIFTED),
}


@pytest.mark.guarantee("drift:every-field")
@pytest.mark.parametrize(("definition", "reason"), DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_definition_is_shown_only_when_it_is_the_locked_one(
    definition: Definition, reason: Reason
) -> None:
    assert judged(definition).reason is reason


# --- what the server asks and says ---------------------------------------------------------------


@pytest.mark.guarantee("requests:denied-unless-locked")
@pytest.mark.parametrize(
    ("method", "reason", "detail"),
    [
        ("ping", Reason.OK, ""),
        ("roots/list", Reason.OK, ""),
        (
            "sampling/createMessage",
            Reason.REQUEST_KIND,
            "the lockfile does not let this server ask for sampling",
        ),
        (
            "elicitation/create",
            Reason.REQUEST_KIND,
            "the lockfile does not let this server ask for elicitation",
        ),
        ("Roots/list", Reason.UNKNOWN_METHOD, "no server may ask for that"),
        ("tools/call", Reason.UNKNOWN_METHOD, "no server may ask for that"),
        ("", Reason.UNKNOWN_METHOD, "no server may ask for that"),
    ],
)
def test_a_server_asks_only_for_what_the_lockfile_allows(
    method: str, reason: Reason, detail: str
) -> None:
    verdict = judged(ServerRequest(method, {}))
    assert (verdict.reason, verdict.detail) == (reason, detail)


LINKS: dict[str, JsonObject] = {
    "a block": {"role": "user", "content": {"type": "resource_link", "uri": "x://y"}},
    "a list": {"role": "user", "content": [{"type": "resource_link", "uri": "x://y"}]},
    "what a tool answered": {
        "role": "user",
        "content": [
            {"type": "tool_result", "content": [{"type": "resource_link", "uri": "x://y"}]}
        ],
    },
}


@pytest.mark.guarantee("surface:links-are-locked")
@pytest.mark.parametrize("message", LINKS.values(), ids=LINKS)
def test_messages_for_the_hosts_model_link_to_nothing_that_is_not_locked(
    message: JsonObject,
) -> None:
    lock = replace(LOCK, requests=frozenset(RequestKind))
    params: JsonObject = {"messages": [{"role": "user", "content": WELL}, message], "maxTokens": 1}
    asked = ServerRequest("sampling/createMessage", params)
    verdict = judged(asked, lock=lock)
    assert (verdict.effect, verdict.reason) == (Effect.ALLOW, Reason.LINK_NOT_LOCKED)
    left = verdict.rewrite
    assert isinstance(left, ServerRequest)
    assert "x://y" not in str(left.params)
    assert left.params == json.loads(json.dumps(params).replace(json.dumps(FAR), json.dumps(NOTE)))
    assert judged(left, lock=lock) is ALLOW
    many: JsonObject = {"messages": [{"role": "user", "content": [WELL] * (MAX_LINKS + 1)}]}
    assert judged(asked._replace(params=many), lock=lock).reason is Reason.OVER_LONG
    most: JsonObject = {"messages": [{"role": "user", "content": [WELL] * MAX_LINKS}]}
    assert judged(asked._replace(params=most), lock=lock) is ALLOW


@pytest.mark.guarantee("fold:answers")
@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": {"type": "text", "text": "x", "Text": "y"}},
        {"role": "user", "content": [{"type": "resource_link", "uri": "memo://1", "URI": "x://y"}]},
        {"role": "user", "content": {"type": "text", "text": "x"}, "Content": []},
    ],
)
def test_messages_are_no_others_to_a_host_that_folds_case(message: JsonObject) -> None:
    lock = replace(LOCK, requests=frozenset(RequestKind))
    params: JsonObject = {"messages": [message], "maxTokens": 1}
    verdict = judged(ServerRequest("sampling/createMessage", params), lock=lock)
    assert (verdict.effect, verdict.reason) == (Effect.DENY, Reason.AMBIGUOUS)


FAR: JsonObject = {"type": "resource_link", "uri": "x://y"}
WELL: JsonObject = {"type": "resource_link", "uri": "file:///srv/readme"}
NOTE: JsonObject = {
    "type": "text",
    "text": "[mcpguard: a link to a resource that is not in the lockfile was withheld]",
}


def test_the_hosts_answers_pass() -> None:
    assert judged(Answer("roots/list", {"roots": []})) == ALLOW


@pytest.mark.parametrize(
    ("notice", "reason"),
    [
        (Notice("notifications/message", {"data": "x"}), Reason.OK),
        (Notice("notifications/resources/updated", {"uri": "file:///srv/readme"}), Reason.OK),
        (Notice("notifications/resources/updated", {"uri": "memo://1"}), Reason.OK),
        (Notice("notifications/resources/updated", {"uri": "x://y"}), Reason.NOT_LOCKED),
        (Notice("notifications/resources/updated", {"uri": "memo://a/../b"}), Reason.URI_FORM),
        (Notice("notifications/resources/updated", {}), Reason.URI_FORM),
        (Notice("notifications/unheard-of", {}), Reason.UNKNOWN_METHOD),
    ],
)
def test_a_notice_about_a_resource_needs_that_resource_locked(
    notice: Notice, reason: Reason
) -> None:
    assert judged(notice).reason is reason


@pytest.mark.parametrize("method", NOTIFICATIONS[Side.SERVER])
def test_every_notification_of_the_method_table_is_judged_on_purpose(method: str) -> None:
    assert judged(Notice(method, {"uri": "memo://1"})) == ALLOW


@pytest.mark.guarantee("notices:known-only")
@pytest.mark.parametrize("kind", LISTED)
def test_a_list_that_the_reviewed_server_does_not_have_cannot_change(kind: str) -> None:
    facts = FACTS._replace(capabilities={name: {} for name in LISTED if name != kind})
    stage = SurfaceStage(replace(LOCK, server=facts))
    for name in LISTED:
        verdict = stage.judge(Notice(f"notifications/{name}/list_changed", {}), CTX)
        assert verdict == (
            Verdict.deny(Reason.NOT_LOCKED, f"the reviewed server has no {kind}")
            if name == kind
            else ALLOW
        )
