"""The surface stage: what is locked and listed unchanged may pass, and nothing else."""

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.lock.lockfile import Launch, Lockfile, from_surface
from mcpguard.lock.surface import ServerFacts, collect
from mcpguard.model import (
    ALLOW,
    OFF_SCHEMA,
    Answer,
    Call,
    Context,
    Decision,
    Definition,
    Effect,
    Era,
    ItemKind,
    Json,
    JsonObject,
    Notice,
    Reason,
    RequestKind,
    Result,
    ServerRequest,
    Side,
    Subject,
    Verdict,
)
from mcpguard.pipeline import Decide, NoRules, decide, make_stages
from mcpguard.pipeline.surface import MAX_LINKS, MAX_SHAPES, SurfaceStage
from mcpguard.wire.methods import NOTIFICATIONS, REQUESTS

LISTED: JsonObject = {"tools": {}, "prompts": {}, "resources": {}}
FACTS = ServerFacts(Era.DUAL, "2025-11-25", {"name": "s", "version": "1"}, "", LISTED)
MANY_NAMES = "abcdefghi"
TOOLS: list[Json] = [
    {
        "name": "many",
        "inputSchema": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in MANY_NAMES},
        },
    },
    {
        "name": "write",
        "inputSchema": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "options": {"type": "object", "properties": {"mode": {"type": "string"}}},
                "edits": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"line": {"type": "integer"}}},
                },
            },
            "required": ["path"],
        },
    },
    {"name": "free", "inputSchema": {"type": "object"}},
    {
        "name": "pick",
        "inputSchema": {
            "type": "object",
            "properties": {
                "kind": {"type": "string", "enum": ["a", "b"]},
                "count": {"type": "integer"},
                "note": {"type": "string"},
                "below": {"type": "object"},
            },
            "required": ["count"],
        },
    },
    {"name": "broken", "inputSchema": {"type": "nonsense", "properties": {"path": {}}}},
    {"name": "bare"},
    {"name": "count", "inputSchema": {}, "outputSchema": {"required": ["n"]}},
    {"name": "odd", "inputSchema": {}, "outputSchema": {"type": "nonsense"}},
]
PROMPTS: list[Json] = [
    {"name": "sum", "arguments": [{"name": "path", "required": True}, "odd", {"title": "x"}]},
    {"name": "plain"},
]
RESOURCES: list[Json] = [
    {"uri": "file:///srv/readme", "name": "readme"},
    {"uri": "file:///srv/drifted", "name": "drifted"},
    {"uri": "Demo://Odd/../Form", "name": "not in normal form, and locked"},
]
TEMPLATES: list[Json] = [
    {"uriTemplate": "file:///srv/{name}", "name": "any"},
    {"uriTemplate": "memo://{id}", "name": "memo"},
    {"uriTemplate": "broken://{", "name": "no template"},
]
LOCK = from_surface(
    collect(
        FACTS,
        {
            ItemKind.TOOL: TOOLS,
            ItemKind.PROMPT: PROMPTS,
            ItemKind.RESOURCE: RESOURCES,
            ItemKind.TEMPLATE: TEMPLATES,
        },
    ),
    name="s",
    launch=Launch(("server",), "", (), {}),
    requests={RequestKind.ROOTS},
)


class Session:
    """Facts: every locked item was listed unchanged, except those of `odd`."""

    def __init__(self, odd: Mapping[tuple[ItemKind, str], Reason]) -> None:
        self._odd = odd

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return self._odd.get((kind, name), Reason.OK)


def context(**odd: Reason) -> Context:
    """A context; `odd` maps a tool's name to its state."""
    return Context("s", "local", Session({(ItemKind.TOOL, k): v for k, v in odd.items()}))


CTX = context()


def ruleless(lock: Lockfile) -> Decide:
    """The pipeline of an operator without rules."""
    return partial(decide, make_stages(lock, {"policy": NoRules(), "gateway": NoRules()}))


def judged(subject: Subject, ctx: Context = CTX, lock: Lockfile | None = LOCK) -> Verdict:
    return SurfaceStage(lock).judge(subject, ctx)


def tool(name: str, arguments: JsonObject) -> Call:
    return Call("tools/call", name, arguments)


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


# --- results -------------------------------------------------------------------------------------

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


# --- properties ----------------------------------------------------------------------------------

secrets = st.text(st.characters(categories=["Lu"]), min_size=12, max_size=20)


@pytest.mark.guarantee("denial:no-values-echoed")
@given(secrets, st.sampled_from(["write", "other", "sum", "file:///etc/x"]), st.booleans())
def test_a_denial_never_repeats_what_the_host_wrote(secret: str, name: str, deep: bool) -> None:
    arguments: JsonObject = {secret: {secret: 1}, "path": [secret], "options": {"mode": [secret]}}
    target = secret if deep else name
    for method in ("tools/call", "prompts/get", "resources/read", "completion/complete"):
        verdict = judged(Call(method, target, arguments))
        assert secret.casefold() not in verdict.detail.casefold()


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
