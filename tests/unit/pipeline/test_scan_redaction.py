"""Which texts of a result are looked at, and what is left when something was taken out of them."""

import base64

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpguard.model import Decision, Json, JsonObject, Notice, Reason, Result
from mcpguard.scan import DETECTORS, find
from tests.unit.pipeline.scanning import REDACTING, TOKEN, b64, blob, called, judged, picture, stage
from tests.unit.scan.test_redact import TEXTS, VALUES, shape

SENSITIVE = tuple(DETECTORS[each] for each in ("secrets", "ssn", "card", "iban", "email", "phone"))

SEEN: dict[str, JsonObject] = {
    "text": {"content": [{"type": "text", "text": TOKEN}]},
    "structured": {"content": [], "structuredContent": {"n": 1, "s": TOKEN}},
    "a key of it": {"content": [], "structuredContent": {"n": 1, TOKEN: 2}},
    "data of it": {"content": [], "structuredContent": {"n": 1, "data": TOKEN, "type": "image"}},
    "embedded": {"content": [{"type": "resource", "resource": {"uri": "a:b", "text": TOKEN}}]},
    "link": {"content": [{"type": "resource_link", "uri": "a:b", "description": TOKEN}]},
    "its uri": {"content": [{"type": "resource_link", "uri": f"a:{TOKEN}", "name": "x"}]},
    "prompt": {"messages": [{"role": "user", "content": {"type": "text", "text": TOKEN}}]},
    "error": {"code": 1, "message": TOKEN},
    "error data": {"code": 1, "message": "x", "data": {"deep": [TOKEN]}},
    "asked": {"inputRequests": {"a": {"method": "x", "params": {"message": TOKEN}}}},
    "an odd type": {"content": [{"type": {"image": 1}, "text": TOKEN}]},
    "blocks of no kind": {"content": [TOKEN, None, 5, [TOKEN]]},
    "no blocks": {"content": {"a": [TOKEN]}},
    "future": {"content": [], "somethingNew": [TOKEN]},
}


@pytest.mark.guarantee("scan:redacts-results")
@pytest.mark.parametrize("body", SEEN.values(), ids=SEEN)
def test_every_text_that_a_model_is_shown_is_looked_at(body: JsonObject) -> None:
    decision = judged(Result("tools/call", "x", body), stage(REDACTING))
    assert decision.allowed
    assert decision.reason is Reason.REDACTED
    assert isinstance(decision.subject, Result)
    assert TOKEN not in orjson.dumps(decision.subject.body).decode()
    assert shape(decision.subject.body) == shape(body)


@pytest.mark.guarantee("scan:asked-names-kept")
def test_a_credential_for_which_the_host_has_to_answer_is_withheld() -> None:
    body: JsonObject = {"inputRequests": {TOKEN: {"method": "x", "params": {}}}}
    decision = judged(Result("tools/call", "x", body), stage(REDACTING))
    assert not decision.allowed
    assert decision.reason is Reason.SENSITIVE
    assert "cannot be taken out" in decision.detail


TASK: JsonObject = {"taskId": "t", "status": "working", "statusMessage": TOKEN}


@pytest.mark.guarantee("scan:task-messages")
@pytest.mark.parametrize(
    "subject",
    [
        Result("tasks/get", "t", TASK),
        Result("tasks/cancel", "t", TASK),
        Result("tasks/list", "", {"tasks": [TASK]}),
        Notice("notifications/tasks/status", TASK),
    ],
)
def test_the_message_of_a_task_is_looked_at(subject: Result | Notice) -> None:
    decision = judged(subject, stage(REDACTING))
    assert decision.allowed
    assert decision.reason is Reason.REDACTED
    assert TOKEN not in str(decision.subject)
    assert "t" in str(decision.subject)


PNG = b64(b"\x89PNG" + TOKEN.encode())

LEFT = b64("[mcpguard:github-token] ü")
LEFT_ALONE = b64("[mcpguard:github-token]")
PACKED: dict[str, tuple[JsonObject, JsonObject]] = {
    "blob": (blob(b64(TOKEN + " ü")), blob(LEFT)),
    "in lines": (blob("\r\n".join(b64(TOKEN + " ü"))), blob(LEFT)),
    "without padding": (blob(b64(TOKEN + " ü").rstrip("=")), blob(LEFT)),
    "of another type": (
        blob(b64(TOKEN), mimeType="image/png"),
        blob(LEFT_ALONE, mimeType="image/png"),
    ),
    "contents": (
        {"contents": [{"uri": "a:b", "blob": b64(TOKEN + " ü")}, {"uri": "a:b", "blob": PNG}]},
        {"contents": [{"uri": "a:b", "blob": LEFT}, {"uri": "a:b", "blob": PNG}]},
    ),
    "picture": (picture(b64(TOKEN + " ü"), "image/svg+xml"), picture(LEFT, "image/svg+xml")),
    "of a prompt": (
        {"messages": [{"role": "user", "content": {"type": "resource", "blob": b64(TOKEN)}}]},
        {"messages": [{"role": "user", "content": {"type": "resource", "blob": LEFT_ALONE}}]},
    ),
    "no picture": (picture(TOKEN), picture("[mcpguard:github-token]")),
    "no text": (blob([TOKEN]), blob(["[mcpguard:github-token]"])),  # type: ignore[arg-type]
}


@pytest.mark.guarantee("scan:base64-is-read")
@pytest.mark.parametrize(("body", "left"), PACKED.values(), ids=PACKED)
def test_base64_of_a_text_is_looked_at_and_written_anew(body: JsonObject, left: JsonObject) -> None:
    decision = judged(Result("tools/call", "x", body), stage(REDACTING))
    assert decision.reason is Reason.REDACTED
    assert isinstance(decision.subject, Result)
    assert decision.subject.body == left


@pytest.mark.guarantee("scan:redacts-results")
@pytest.mark.parametrize("card", [4111111111111111, -4111111111111111, 4.111111111111111e15])
def test_a_card_is_found_however_its_number_is_written(card: float) -> None:
    given = Result("tools/call", "x", {"content": [], "structuredContent": {"n": [card]}})
    decision = judged(given, stage(REDACTING))
    assert isinstance(decision.subject, Result)
    assert decision.subject.body["structuredContent"] == {"n": ["[mcpguard:card]"]}


READ_TWICE: dict[str, JsonObject] = {
    "skipped letters": blob("*".join(b64(TOKEN))),
    "the other alphabet": blob(base64.urlsafe_b64encode(f"??>>~~ {TOKEN}".encode()).decode()),
    "no UTF-8": blob(b64(b"\xff " + TOKEN.encode()), mimeType="TEXT/plain"),
    "no type": blob(b64(b"\xff " + TOKEN.encode())),
    "either": blob(TOKEN[:36], mimeType="text/plain"),
    "no base64, if foreign letters count": blob(f"{TOKEN}: ü"),
    "a letter left over": blob(b64(f"x {TOKEN}") + "A", mimeType="text/plain"),
}


@pytest.mark.guarantee("scan:base64-is-read")
@pytest.mark.parametrize("body", READ_TWICE.values(), ids=READ_TWICE)
def test_what_may_be_read_in_two_ways_is_withheld_when_one_holds_something(
    body: JsonObject,
) -> None:
    decision = judged(Result("tools/call", "x", body), stage(REDACTING))
    assert not decision.allowed
    assert decision.reason is Reason.SENSITIVE
    harmless = blob("*".join(b64("nothing at all")))
    harmless["structuredContent"] = {"n": TOKEN}
    left = judged(Result("tools/call", "x", harmless), stage(REDACTING)).subject
    assert isinstance(left, Result)
    assert left.body["content"] == harmless["content"]


@pytest.mark.guarantee("scan:redacts-results")
def test_pictures_and_other_bytes_cost_no_finding() -> None:
    for body in (picture(PNG), blob(PNG, mimeType="application/octet-stream"), picture("")):
        given = Result("tools/call", "x", body)
        assert judged(given, stage(REDACTING)) == Decision(True, given)


UNSEEN: dict[str, JsonObject] = {
    "picture": picture(PNG),
    "blob": blob(PNG, mimeType="image/png"),
    "meta": {"content": [], "_meta": {"x": TOKEN}},
    "state": {"requestState": TOKEN},
    "what was asked for": {"contents": [{"uri": f"a:{TOKEN}", "text": "x"}]},
}


@pytest.mark.parametrize("body", UNSEEN.values(), ids=UNSEEN)
def test_what_no_model_reads_as_text_stays(body: JsonObject) -> None:
    given = Result("resources/read", f"a:{TOKEN}", body)
    assert judged(given, stage(REDACTING)) == Decision(True, given)


@pytest.mark.guarantee("scan:redacts-results")
def test_what_was_not_looked_at_is_put_back_beside_what_was_taken_out() -> None:
    body: JsonObject = {
        "content": [
            {"type": "image", "data": PNG, "mimeType": "image/png"},
            {"type": "text", "text": TOKEN, "_meta": {"k": TOKEN}},
        ],
        "_meta": {"k": 1},
    }
    decision = judged(Result("tools/call", "x", body), stage(REDACTING))
    assert isinstance(decision.subject, Result)
    assert decision.subject.body == {
        "content": [
            {"type": "image", "data": PNG, "mimeType": "image/png"},
            {"type": "text", "text": "[mcpguard:github-token]", "_meta": {"k": TOKEN}},
        ],
        "_meta": {"k": 1},
    }


@pytest.mark.guarantee("scan:redacts-results")
@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"n": 4111111111111111}', '{"n":"[mcpguard:card]"}'),
        ('{\n  "n": 4111111111111111\n}', '{\n  "n": "[mcpguard:card]"\n}'),
        ('[4111111111111111, "x"]', '["[mcpguard:card]","x"]'),
        ('{"a": "4111111111111111"}', '{"a": "[mcpguard:card]"}'),
        ("4111111111111111", "[mcpguard:card]"),
        ("{4111111111111111}", "{[mcpguard:card]}"),
    ],
)
def test_a_text_that_was_json_is_json_when_something_was_taken_out(text: str, left: str) -> None:
    decision = judged(called(text), stage(REDACTING))
    assert isinstance(decision.subject, Result)
    assert decision.subject.body == called(left).body


@pytest.mark.guarantee("scan:redacts-results")
@settings(max_examples=120, deadline=None)
@given(st.one_of(VALUES, TEXTS.map(lambda text: {"t": text})))
def test_no_detector_fires_on_what_is_left_of_a_result(value: Json) -> None:
    inner = orjson.dumps(value).decode() if encodable(value) else "x"
    given_ = called(inner, more=value)
    decision = judged(given_, stage(REDACTING))
    if decision.allowed:
        assert isinstance(decision.subject, Result)
        assert find(decision.subject.body, SENSITIVE) == ()
        content = decision.subject.body["content"]
        assert isinstance(content, list)
        if inner.startswith(("{", "[")):
            orjson.loads(content[0]["text"])  # type: ignore[index, call-overload, arg-type]
    else:
        assert decision.reason is Reason.SENSITIVE


def encodable(value: Json) -> bool:
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


@pytest.mark.guarantee("scan:redacts-results")
@pytest.mark.parametrize(
    ("structured", "allowed"),
    [
        ({"n": 1, "s": TOKEN}, True),
        ({"n": 4111111111111111}, False),
        ({"n": 1, "more": 4111111111111111}, True),
    ],
)
def test_what_is_left_satisfies_the_reviewed_output_schema_or_does_not_pass(
    structured: JsonObject, allowed: bool
) -> None:
    decision = judged(called("x", structuredContent=structured), stage(REDACTING))
    assert decision.allowed is allowed
    if not allowed:
        assert decision.reason is Reason.SENSITIVE
        assert decision.detail == "it holds data about a person, which cannot be taken out"


UNCHECKED: dict[str, tuple[str, JsonObject]] = {
    "nothing was taken out of it": ("t", {"n": "no number"}),
    "the schema is none": ("odd", {"n": 4111111111111111}),
    "there is no schema": ("free", {"n": 4111111111111111}),
}


@pytest.mark.parametrize(("tool", "structured"), UNCHECKED.values(), ids=UNCHECKED)
def test_what_no_output_schema_speaks_against_passes(tool: str, structured: JsonObject) -> None:
    given_ = called(TOKEN, structuredContent=structured)._replace(target=tool)
    decision = judged(given_, stage(REDACTING))
    assert (decision.allowed, decision.reason) == (True, Reason.REDACTED)
