"""What a server lists, asks for and announces, held against what was reviewed."""

from dataclasses import replace

import pytest

from mcpguard.model import (
    ALLOW,
    Answer,
    Definition,
    ItemKind,
    JsonObject,
    Notice,
    Reason,
    ServerRequest,
    Side,
    Verdict,
)
from mcpguard.pipeline.surface import SurfaceStage
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
