"""What a host may call, read, get and complete: what is locked, listed and well-formed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Decision,
    Effect,
    ItemKind,
    JsonObject,
    Reason,
    Side,
    Verdict,
)
from mcpguard.pipeline.surface import MAX_SHAPES, SurfaceStage
from mcpguard.wire.methods import REQUESTS
from tests.unit.pipeline.surfaces import (
    CTX,
    LOCK,
    MANY_NAMES,
    Session,
    context,
    judged,
    ruleless,
    tool,
)

UNDECLARED = "an argument that what is completed does not declare"
ARGUMENT = "the argument to complete is not a name and a value"
CONTEXT = "the context of the completion is not an object of arguments"
VALUE = "the value of an argument is not a string"
PATH: JsonObject = {"name": "path", "value": "x"}
COMPLETIONS: tuple[tuple[str, str, str, JsonObject, str], ...] = (
    ("whole", "ref/prompt", "sum", {"argument": PATH, "context": {"arguments": {"path": "y"}}}, ""),
    ("undeclared", "ref/prompt", "sum", {"argument": {**PATH, "name": "Path"}}, UNDECLARED),
    ("nameless", "ref/prompt", "sum", {"argument": {**PATH, "name": ["path"]}}, UNDECLARED),
    ("context", "ref/prompt", "sum", {"context": {"arguments": {"x": "y"}}}, UNDECLARED),
    ("in-a-word", "ref/prompt", "sum", {"argument": "path"}, ARGUMENT),
    ("twice", "ref/prompt", "sum", {"argument": {**PATH, "Name": "x"}}, ARGUMENT),
    ("context-word", "ref/prompt", "sum", {"context": "path"}, CONTEXT),
    ("context-more", "ref/prompt", "sum", {"context": {"Arguments": {}}}, CONTEXT),
    ("context-list", "ref/prompt", "sum", {"context": {"arguments": ["path"]}}, CONTEXT),
    ("no-text", "ref/prompt", "sum", {"argument": {**PATH, "value": 1}}, VALUE),
    ("context-no-text", "ref/prompt", "sum", {"context": {"arguments": {"path": {}}}}, VALUE),
    ("variable", "ref/resource", "memo://{id}", {"argument": {"name": "id", "value": ""}}, ""),
    ("no-variable", "ref/resource", "memo://{id}", {"argument": PATH}, UNDECLARED),
    ("resource", "ref/resource", "file:///srv/readme", {"argument": PATH}, UNDECLARED),
)
"""What is completed, of what kind, with which parameters, and what is wrong with them."""

NOT_LOCKED = "it is not in the lockfile"
URI_FORM = "the URI is not in normal form (RFC 3986)"
CASE = "an argument is {!r} but for its case"
CALLS: dict[str, tuple[Call, Reason, str]] = {
    "tool": (tool("write", {"path": "x"}), Reason.OK, ""),
    "unknown-tool": (tool("other", {}), Reason.NOT_LOCKED, NOT_LOCKED),
    "tool-of-another-case": (tool("Write", {"path": "x"}), Reason.NOT_LOCKED, NOT_LOCKED),
    "tool-with-a-space": (tool("write ", {"path": "x"}), Reason.NOT_LOCKED, NOT_LOCKED),
    "tool-look-alike": (tool("wrіte", {"path": "x"}), Reason.NOT_LOCKED, NOT_LOCKED),
    "prompt-as-tool": (tool("sum", {}), Reason.NOT_LOCKED, NOT_LOCKED),
    "missing-argument": (tool("write", {}), Reason.ARGUMENTS, "the arguments: missing 'path'"),
    "wrong-type": (tool("write", {"path": 5}), Reason.ARGUMENTS, "/path: does not satisfy 'type'"),
    "extra-argument": (tool("write", {"path": "x", "more": 1}), Reason.OK, ""),
    "folded": (tool("write", {"path": "x", "Path": "y"}), Reason.KEY_FOLDING, CASE.format("path")),
    "folded-below": (
        tool("write", {"path": "x", "options": {"MODE": "y"}}),
        Reason.KEY_FOLDING,
        CASE.format("mode"),
    ),
    "folded-in-a-list": (
        tool("write", {"path": "x", "edits": [{"line": 1}, {"Line": 2}]}),
        Reason.KEY_FOLDING,
        CASE.format("line"),
    ),
    "free-tool": (tool("free", {"Anything": [1]}), Reason.OK, ""),
    "unchecked-tool": (tool("broken", {"q": 1}), Reason.OK, ""),
    "unchecked-tool-still-folds": (
        tool("broken", {"PATH": 1}),
        Reason.KEY_FOLDING,
        CASE.format("path"),
    ),
    "tool-without-schema": (tool("bare", {"q": 1}), Reason.OK, ""),
    "prompt": (Call("prompts/get", "sum", {"path": "x"}), Reason.OK, ""),
    "prompt-without-arguments": (Call("prompts/get", "plain", {}), Reason.OK, ""),
    "unknown-prompt": (Call("prompts/get", "other", {}), Reason.NOT_LOCKED, NOT_LOCKED),
    "prompt-argument-undeclared": (
        Call("prompts/get", "sum", {"Path": "x"}),
        Reason.ARGUMENTS,
        "an argument the prompt does not declare",
    ),
    "prompt-argument-of-a-prompt-without-any": (
        Call("prompts/get", "plain", {"a": "x"}),
        Reason.ARGUMENTS,
        "an argument the prompt does not declare",
    ),
    "prompt-argument-no-string": (
        Call("prompts/get", "sum", {"path": 1}),
        Reason.ARGUMENTS,
        "argument 'path' is not a string",
    ),
    "resource": (Call("resources/read", "file:///srv/readme", {}), Reason.OK, ""),
    "resource-in-odd-form-as-locked": (
        Call("resources/read", "Demo://Odd/../Form", {}),
        Reason.OK,
        "",
    ),
    "template": (Call("resources/read", "file:///srv/other", {}), Reason.OK, ""),
    "template-with-dots": (
        Call("resources/read", "file:///srv/..", {}),
        Reason.URI_FORM,
        URI_FORM,
    ),
    "template-with-encoded-slash": (
        Call("resources/read", "file:///srv/a%2Fb", {}),
        Reason.URI_FORM,
        URI_FORM,
    ),
    "template-with-nul": (
        Call("resources/read", "file:///srv/a%00", {}),
        Reason.URI_FORM,
        URI_FORM,
    ),
    "no-template-matches": (
        Call("resources/read", "file:///etc/passwd", {}),
        Reason.NOT_LOCKED,
        NOT_LOCKED,
    ),
    "a-broken-template-matches-nothing": (
        Call("resources/read", "broken://x", {}),
        Reason.NOT_LOCKED,
        NOT_LOCKED,
    ),
    "subscribe": (Call("resources/subscribe", "memo://7", {}), Reason.OK, ""),
    "unsubscribe-unknown": (
        Call("resources/unsubscribe", "http://x/y", {}),
        Reason.NOT_LOCKED,
        NOT_LOCKED,
    ),
    "completion-of-a-prompt": (
        Call("completion/complete", "sum", {"ref": {"type": "ref/prompt", "name": "sum"}}),
        Reason.OK,
        "",
    ),
    "completion-of-an-unknown-prompt": (
        Call("completion/complete", "x", {"ref": {"type": "ref/prompt", "name": "x"}}),
        Reason.NOT_LOCKED,
        NOT_LOCKED,
    ),
    "completion-of-a-template": (
        Call("completion/complete", "memo://{id}", {"ref": {"type": "ref/resource"}}),
        Reason.OK,
        "",
    ),
    "completion-of-a-resource": (
        Call("completion/complete", "file:///srv/readme", {"ref": {"type": "ref/resource"}}),
        Reason.OK,
        "",
    ),
    "completion-of-an-expanded-template": (
        Call("completion/complete", "memo://7", {"ref": {"type": "ref/resource"}}),
        Reason.NOT_LOCKED,
        NOT_LOCKED,
    ),
    "completion-of-a-tool": (
        Call("completion/complete", "write", {"ref": {"type": "ref/tool", "name": "write"}}),
        Reason.NOT_LOCKED,
        "it refers to no prompt and no template",
    ),
    "completion-of-nothing": (
        Call("completion/complete", "sum", {"ref": "ref/prompt"}),
        Reason.NOT_LOCKED,
        "it refers to no prompt and no template",
    ),
    **{
        f"completion-{name}": (
            Call("completion/complete", target, {"ref": {"type": kind}, **given}),
            Reason.ARGUMENTS if detail else Reason.OK,
            detail,
        )
        for name, kind, target, given, detail in COMPLETIONS
    },
    "list": (Call("tools/list", "", {}), Reason.OK, ""),
    "task": (Call("tasks/get", "write", {}), Reason.OK, ""),
    "unknown-method": (
        Call("tools/delete", "write", {}),
        Reason.UNKNOWN_METHOD,
        "nothing says what it may name",
    ),
}


@pytest.mark.guarantee("surface:completions-declared", "surface:only-locked")
@pytest.mark.parametrize(("call", "reason", "detail"), CALLS.values(), ids=CALLS)
def test_a_call_passes_only_when_what_it_names_is_locked(
    call: Call, reason: Reason, detail: str
) -> None:
    verdict = judged(call)
    assert (verdict.reason, verdict.detail) == (reason, detail)
    assert verdict.effect is (Effect.ALLOW if reason is Reason.OK else Effect.DENY)


@pytest.mark.guarantee("surface:only-locked")
@pytest.mark.parametrize("kind", ItemKind)
def test_no_session_makes_an_item_usable_that_is_not_locked(kind: ItemKind) -> None:
    method = {
        ItemKind.TOOL: "tools/call",
        ItemKind.PROMPT: "prompts/get",
        ItemKind.RESOURCE: "resources/read",
        ItemKind.TEMPLATE: "completion/complete",
    }[kind]
    arguments: JsonObject = {"ref": {"type": "ref/resource"}} if kind is ItemKind.TEMPLATE else {}
    assert judged(Call(method, "x://unknown", arguments)).reason is Reason.NOT_LOCKED


@pytest.mark.parametrize("method", REQUESTS[Side.HOST])
def test_every_request_of_the_method_table_is_judged_on_purpose(method: str) -> None:
    assert judged(Call(method, "nothing", {})).reason is not Reason.UNKNOWN_METHOD


STATES = {
    Reason.NOT_LISTED: "the server does not list it in this session",
    Reason.DRIFTED: "it changed since it was reviewed",
    Reason.DOUBLED: "the server lists two items of this name",
    Reason.UNVERIFIED: "the server's list could not be verified",
    Reason.SERVER_GONE: "it is not usable",
}
NAMED: dict[ItemKind, tuple[str, str, JsonObject]] = {
    ItemKind.TOOL: ("tools/call", "write", {"path": "x"}),
    ItemKind.PROMPT: ("prompts/get", "sum", {"path": "x"}),
    ItemKind.RESOURCE: ("resources/read", "Demo://Odd/../Form", {}),
    ItemKind.TEMPLATE: ("completion/complete", "memo://{id}", {"ref": {"type": "ref/resource"}}),
}


@pytest.mark.guarantee("surface:listed-unchanged")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", [ItemKind.TOOL, ItemKind.PROMPT])
def test_a_locked_item_passes_only_as_this_session_listed_it(kind: ItemKind, state: Reason) -> None:
    method, name, arguments = NAMED[kind]
    ctx = Context("s", "local", Session({(kind, name): state}))
    assert judged(Call(method, name, arguments), ctx) == Verdict.deny(state, STATES[state])
    assert judged(Call(method, name, arguments)) == ALLOW


@pytest.mark.guarantee("surface:listed-unchanged")
@pytest.mark.parametrize("state", STATES)
def test_a_template_opens_only_what_it_matches_while_it_is_listed_unchanged(state: Reason) -> None:
    ctx = Context("s", "local", Session({(ItemKind.TEMPLATE, "memo://{id}"): state}))
    read = Call("resources/read", "memo://7", {})
    assert judged(read, ctx) == Verdict.deny(state, STATES[state])
    assert judged(read) == ALLOW


@pytest.mark.guarantee("surface:quarantine-beats-template")
@pytest.mark.parametrize(
    ("state", "allowed"),
    [
        (Reason.DRIFTED, False),
        (Reason.DOUBLED, False),
        (Reason.NOT_LISTED, True),
        (Reason.UNVERIFIED, True),
    ],
)
def test_a_resource_in_quarantine_is_not_read_through_a_template(
    state: Reason, allowed: bool
) -> None:
    ctx = Context("s", "local", Session({(ItemKind.RESOURCE, "file:///srv/drifted"): state}))
    verdict = judged(Call("resources/read", "file:///srv/drifted", {}), ctx)
    assert verdict == (ALLOW if allowed else Verdict.deny(state, STATES[state]))


def test_a_template_is_parsed_once_and_a_schema_compiled_once() -> None:
    stage = SurfaceStage(LOCK)
    for _ in range(2):
        assert stage.judge(Call("resources/read", "memo://7", {}), CTX) == ALLOW
        assert stage.judge(tool("write", {"path": "x"}), CTX) == ALLOW


PICKED: dict[str, tuple[JsonObject, JsonObject, Reason]] = {
    # name: arguments that pass, others that come after them, what those are
    "another-text": ({"count": 1, "note": "a"}, {"count": 2, "note": "b"}, Reason.OK),
    "another-order": ({"count": 1, "note": "a"}, {"note": "b", "count": 2}, Reason.OK),
    "another-choice": ({"count": 1, "kind": "a"}, {"count": 1, "kind": "c"}, Reason.ARGUMENTS),
    "another-type": ({"count": 1, "note": "a"}, {"count": 1, "note": 1}, Reason.ARGUMENTS),
    "types-exchanged": ({"count": 1, "note": "a"}, {"count": "a", "note": 1}, Reason.ARGUMENTS),
    "true-is-no-number": ({"count": 1}, {"count": True}, Reason.ARGUMENTS),
    "half": ({"count": 1.0}, {"count": 1.5}, Reason.ARGUMENTS),
    "one-missing": ({"count": 1, "note": "a"}, {"note": "a"}, Reason.ARGUMENTS),
    "one-more": ({"count": 1}, {"count": 1, "x": "y"}, Reason.OK),
    "one-more-of-another-case": ({"count": 1, "x": 1}, {"count": 1, "Note": 1}, Reason.KEY_FOLDING),
    "what-is-below": (
        {"count": 1, "below": {"Note": 1}},
        {"count": 1, "below": {"note": 1}, "Below": {}},
        Reason.KEY_FOLDING,
    ),
}


@pytest.mark.guarantee("surface:each-call-anew")
@pytest.mark.parametrize(("first", "then", "reason"), PICKED.values(), ids=PICKED)
def test_arguments_that_passed_let_no_others_pass(
    first: JsonObject, then: JsonObject, reason: Reason
) -> None:
    stage = SurfaceStage(LOCK)
    for _ in range(2):
        assert stage.judge(tool("pick", first), CTX) == ALLOW
        assert stage.judge(tool("pick", then), CTX).reason is reason
    assert stage.judge(tool("pick", first), context(pick=Reason.DRIFTED)).reason is Reason.DRIFTED


@pytest.mark.guarantee("surface:each-call-anew")
def test_a_caller_cannot_fill_the_memory_with_shapes() -> None:
    stage = SurfaceStage(LOCK)
    for number in range(2 * MAX_SHAPES):
        assert stage.judge(tool("pick", {"count": 1, f"k{number}": 1}), CTX) == ALLOW
        assert stage.judge(tool("free", {f"k{number}": 1}), CTX) == ALLOW
    assert not any(pin.shapes for pin in stage.pins.values())
    for number in range(256):
        assert stage.judge(tool("many", chosen(number)), CTX) == ALLOW
    assert stage.judge(tool("many", chosen(7)), CTX) == ALLOW
    assert len(stage.pins["many"].shapes) == 256
    assert stage.judge(tool("many", chosen(256)), CTX) == ALLOW
    assert len(stage.pins["many"].shapes) == 1


def chosen(number: int) -> JsonObject:
    """Those of the arguments of `many` whose bit is set."""
    return {name: "x" for place, name in enumerate(MANY_NAMES) if number >> place & 1}


def test_a_schema_that_was_locked_as_checked_and_does_not_compile_denies() -> None:
    items = {kind: dict(named) for kind, named in LOCK.items.items()}
    broken = items[ItemKind.TOOL]["broken"]
    assert broken.arguments_checked is False
    whole = dict(items[ItemKind.TOOL])
    whole["broken"] = type(broken)(broken.kind, "broken", broken.definition, broken.digest)
    lock = Lockfile(
        LOCK.version,
        LOCK.name,
        LOCK.server,
        LOCK.launch,
        LOCK.requests,
        {**items, ItemKind.TOOL: whole},
        (),
        None,
    )
    decision = ruleless(lock)(tool("broken", {}), CTX)
    assert isinstance(decision, Decision)
    assert (decision.allowed, decision.reason) == (False, Reason.STAGE_FAILED)


secrets = st.text(st.characters(categories=["Lu"]), min_size=12, max_size=20)


@pytest.mark.guarantee("denial:no-values-echoed")
@given(secrets, st.sampled_from(["write", "other", "sum", "file:///etc/x"]), st.booleans())
def test_a_denial_never_repeats_what_the_host_wrote(secret: str, name: str, deep: bool) -> None:
    arguments: JsonObject = {secret: {secret: 1}, "path": [secret], "options": {"mode": [secret]}}
    target = secret if deep else name
    for method in ("tools/call", "prompts/get", "resources/read", "completion/complete"):
        verdict = judged(Call(method, target, arguments))
        assert secret.casefold() not in verdict.detail.casefold()
