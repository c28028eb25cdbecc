"""The first stage: is it in the lockfile, seen unchanged in this session, and well-formed?"""

from collections.abc import Callable, Mapping
from operator import is_
from typing import NamedTuple

from mcpguard.lock.arguments import Check, SchemaError, compile_schema
from mcpguard.lock.folding import Names
from mcpguard.lock.lockfile import Item, Lockfile
from mcpguard.model import (
    ALLOW,
    OFF_SCHEMA,
    Answer,
    Call,
    Context,
    Definition,
    Effect,
    Finding,
    ItemKind,
    Json,
    JsonObject,
    Notice,
    Reason,
    Result,
    ServerRequest,
    Severity,
    Side,
    Subject,
    SubjectKind,
    Verdict,
)
from mcpguard.pipeline.templates import Templates
from mcpguard.wire.methods import (
    LIST_CHANGED,
    LISTS,
    NOTIFICATIONS,
    REQUEST_KINDS,
    REQUESTS,
    RESULT_KEYS,
    folding_part,
    folding_result,
)
from mcpguard.wire.uri import is_normal

__all__ = ["SurfaceStage"]

_UNLISTED: dict[Reason, str] = {
    Reason.NOT_LOCKED: "it is not in the lockfile",
    Reason.NOT_LISTED: "the server does not list it in this session",
    Reason.DRIFTED: "it changed since it was reviewed",
    Reason.DOUBLED: "the server lists two items of this name",
    Reason.UNVERIFIED: "the server's list could not be verified",
}
"""Why an item may not be used, as the end of a sentence."""

_FREE = frozenset({name for name, row in REQUESTS[Side.HOST].items() if not row.target}) | {
    "tasks/get",
    "tasks/result",
    "tasks/cancel",
}
"""Requests that name no item; the session holds a task to the call that made it."""

_NOTICES = frozenset(NOTIFICATIONS[Side.SERVER])

_ANNOUNCES = {
    notice: row.capability
    for notice, kinds in LIST_CHANGED.items()
    for row in LISTS.values()
    if row.kind in kinds
}
"""Which capability the lockfile must hold for a `list_changed`."""

_TOOL, _OK = ItemKind.TOOL, Reason.OK
"""On every call's way: a global is read fifty times faster than a member of an enumeration."""

_QUARANTINED = frozenset({Reason.DRIFTED, Reason.DOUBLED})
"""States of a resource that no template makes good."""

_LINKING = ("content", "messages")
"""Keys of a result under which blocks, and so links, stand."""

MAX_LINKS = 10_000
"""Links of one result that are looked up, each in some 30 microseconds; nothing else goes on."""

_KNOWN = RESULT_KEYS.issuperset
"""Whether a result has no members but those."""

_OF_TEXT = frozenset({"type", "text", "annotations", "_meta"}).issuperset
"""Whether a block of text has no members but its own (MCP 2025-06-18)."""

_LINK_WITHHELD = "[mcpguard: a link to a resource that is not in the lockfile was withheld]"


class _Pin(NamedTuple):
    """What a tool's reviewed input schema says, compiled at its first call."""

    names: Names
    check: Check
    shapes: set[tuple[object, ...]]
    """Keys and types of arguments that are right, whatever their values are."""


MAX_SHAPES = 256
"""Shapes of one tool's arguments that are remembered; then it begins anew."""

_UNCHECKED = Check(lambda _: True, lambda _: "")
"""For a schema that does not compile: locked as `arguments: unchecked`, with a finding."""


class SurfaceStage:
    """Judges everything against the reviewed surface. Without a lockfile it allows nothing."""

    def __init__(self, lock: Lockfile | None) -> None:
        self._lock = lock
        self.pins: dict[str, _Pin] = {}
        self._shaped = _shaped(lock)
        self._outputs: dict[str, Check] = {}
        self._templates = Templates(lock)
        self._others: Mapping[str, Callable[[Call, Context], Verdict]] = {
            "prompts/get": self._prompt,
            "resources/read": self._resource,
            "resources/subscribe": self._resource,
            "resources/unsubscribe": self._resource,
            "completion/complete": self._completion,
        }
        self.by_kind: Mapping[
            SubjectKind, Callable[[Call, Context], Verdict] | Callable[[Result, Context], Verdict]
        ] = {SubjectKind.CALL: self._call, SubjectKind.RESULT: self._result} if lock else {}

    def judge(self, subject: Subject, ctx: Context) -> Verdict:
        """See `Stage.judge`."""
        lock = self._lock
        if lock is None:
            return Verdict.deny(Reason.NO_LOCK, "there is no lockfile to hold it against")
        if isinstance(subject, Call):
            return self._call(subject, ctx)
        if isinstance(subject, Result):
            return self._result(subject, ctx)
        return self._other(subject, ctx, lock)

    def _other(
        self, subject: Definition | ServerRequest | Answer | Notice, ctx: Context, lock: Lockfile
    ) -> Verdict:
        match subject:
            case Definition():
                return self._definition(subject, lock)
            case ServerRequest():
                return self._server_request(subject, ctx, lock)
            case Answer():
                return ALLOW
            case Notice():
                return self._notice(subject, ctx, lock)

    # calls

    def _call(self, call: Call, ctx: Context) -> Verdict:
        method, target, arguments, _, _, _ = call
        if method != "tools/call":
            return self._others.get(method, _unnamed)(call, ctx)
        pin = self.pins.get(target)
        if pin is None:
            if self._item(_TOOL, target) is None:
                return _unusable(Reason.NOT_LOCKED)
            pin = self._pin(target)
        state = ctx.session.item_state(_TOOL, target)
        if state is not _OK:
            return _unusable(state)
        shape = (*arguments, *map(type, arguments.values()))
        _, _, right = pin
        return ALLOW if shape in right else _unfamiliar(arguments, pin, shape)

    def _listed(self, kind: ItemKind, name: str, ctx: Context) -> Verdict:
        state = self._state(kind, name, ctx)
        return ALLOW if state is Reason.OK else _unusable(state)

    def _state(self, kind: ItemKind, name: str, ctx: Context) -> Reason:
        """What keeps the item from use. No session makes an item that is not locked usable."""
        if self._item(kind, name) is None:
            return Reason.NOT_LOCKED
        return ctx.session.item_state(kind, name)

    def _item(self, kind: ItemKind, name: str) -> Item | None:
        return self._lock.item(kind, name) if self._lock else None

    def _pin(self, name: str) -> _Pin:
        item = self._item(ItemKind.TOOL, name)
        schema = item.definition.get("inputSchema") if item else None
        checked = item is not None and item.arguments_checked and isinstance(schema, dict)
        check = compile_schema(schema) if checked and isinstance(schema, dict) else _UNCHECKED
        pin = self.pins[name] = _Pin(Names(schema, schema), check, set())
        return pin

    def _prompt(self, call: Call, ctx: Context) -> Verdict:
        verdict = self._listed(ItemKind.PROMPT, call.target, ctx)
        if verdict.effect is not Effect.ALLOW:
            return verdict
        item = self._item(ItemKind.PROMPT, call.target)
        known = _argument_names(item) if item else frozenset()
        for name, value in call.arguments.items():
            if name not in known:
                return Verdict.deny(Reason.ARGUMENTS, "an argument the prompt does not declare")
            if not isinstance(value, str):
                return Verdict.deny(Reason.ARGUMENTS, f"argument {name!r} is not a string")
        return ALLOW

    def _resource(self, call: Call, ctx: Context) -> Verdict:
        return self._uri(call.target, ctx)

    def _uri(self, uri: str, ctx: Context) -> Verdict:
        exact = self._state(ItemKind.RESOURCE, uri, ctx)
        if exact is Reason.OK:
            return ALLOW
        if exact in _QUARANTINED:
            return _unusable(exact)
        if not is_normal(uri):
            return Verdict.deny(Reason.URI_FORM, "the URI is not in normal form (RFC 3986)")
        states = [
            self._state(ItemKind.TEMPLATE, template.text, ctx)
            for template in self._templates.of(uri)
        ]
        if Reason.OK in states:
            return ALLOW
        return _unusable(states[0] if states else exact)

    def _completion(self, call: Call, ctx: Context) -> Verdict:
        kinds = {"ref/prompt": ItemKind.PROMPT, "ref/resource": ItemKind.TEMPLATE}
        ref = call.arguments.get("ref")
        kind = kinds.get(str(ref.get("type"))) if isinstance(ref, dict) else None
        if kind is None:
            return Verdict.deny(Reason.NOT_LOCKED, "it refers to no prompt and no template")
        verdict = self._listed(kind, call.target, ctx)
        if verdict.effect is not Effect.ALLOW and kind is ItemKind.TEMPLATE:
            verdict = self._listed(ItemKind.RESOURCE, call.target, ctx)
        if verdict.effect is not Effect.ALLOW:
            return verdict
        wrong = _wrong_completion(call.arguments, self._completable(kind, call.target))
        return Verdict.deny(Reason.ARGUMENTS, wrong) if wrong else ALLOW

    def _completable(self, kind: ItemKind, name: str) -> frozenset[str]:
        """What the item leaves to be filled in. A resource that is no template: nothing."""
        if kind is ItemKind.TEMPLATE:
            return self._templates.variables(name)
        item = self._item(kind, name)
        return _argument_names(item) if item else frozenset()

    # what the server lists, answers and asks

    def _definition(self, subject: Definition, lock: Lockfile) -> Verdict:
        if lock.item(subject.item, subject.target) is None:
            return _unusable(Reason.NOT_LOCKED)
        if subject.doubled:
            return _unusable(Reason.DOUBLED)
        if not lock.same(subject.item, subject.target, subject.definition):
            return _unusable(Reason.DRIFTED)
        return ALLOW

    def _server_request(self, subject: ServerRequest, ctx: Context, lock: Lockfile) -> Verdict:
        if subject.method == "ping":
            return ALLOW
        kind = REQUEST_KINDS.get(subject.method)
        if kind is None:
            return Verdict.deny(Reason.UNKNOWN_METHOD, "no server may ask for that")
        if kind in lock.requests:
            return self._messages(subject, ctx)
        text = f"the lockfile does not let this server ask for {kind}"
        return Verdict.deny(Reason.REQUEST_KIND, text)

    def _messages(self, subject: ServerRequest, ctx: Context) -> Verdict:
        """ALLOW for what links to nothing that is not locked; else without those links."""
        given = subject.params.get("messages")
        if name := folding_part(given):
            return _ambiguous(name)
        if _links(given) > MAX_LINKS:
            return Verdict.deny(Reason.OVER_LONG, f"it holds more than {MAX_LINKS} links")
        safe = self._safe(given, ctx)
        if safe is given:
            return ALLOW
        return _withheld(subject._replace(params={**subject.params, "messages": safe}))

    def _notice(self, subject: Notice, ctx: Context, lock: Lockfile) -> Verdict:
        if subject.method == "notifications/resources/updated":
            return self._uri(str(subject.params.get("uri")), ctx)
        if subject.method not in _NOTICES:
            return Verdict.deny(Reason.UNKNOWN_METHOD, "no server may announce that")
        needed = _ANNOUNCES.get(subject.method)
        if needed is not None and needed not in lock.server.capabilities:
            return Verdict.deny(Reason.NOT_LOCKED, f"the reviewed server has no {needed}")
        return ALLOW

    def _result(self, subject: Result, ctx: Context) -> Verdict:
        method, target, body, error, _ = subject
        if error:
            return ALLOW
        if method == "resources/read":
            return self._contents(subject, ctx)
        plain = "messages" not in body and _KNOWN(body) and _without_links(body.get("content", []))
        if not plain:
            verdict = self._linking(subject, ctx)
            if verdict is not ALLOW:
                return verdict
        if target in self._shaped and method == "tools/call":
            return self._fitting(subject, self._shaped[target])
        return ALLOW

    def _linking(self, subject: Result, ctx: Context) -> Verdict:
        """ALLOW for a result whose links are all locked; else without them, or denied."""
        kept = body = subject.body
        if name := folding_result(body):
            return _ambiguous(name)
        for key in _LINKING:
            if key in body and not _without_links(body[key]):
                if _links(body[key]) > MAX_LINKS:
                    text = f"the result holds more than {MAX_LINKS} links"
                    return Verdict.deny(Reason.OVER_LONG, text)
                safe = self._safe(body[key], ctx)
                kept = kept if safe is body[key] else {**kept, key: safe}
        return ALLOW if kept is body else _withheld(subject._replace(body=kept))

    def _fitting(self, subject: Result, schema: JsonObject) -> Verdict:
        """ALLOW, with a finding if the result is not what the tool's `outputSchema` says.

        The host judges that for itself; what the server is worth is what is observed here.
        """
        check = self._outputs.get(subject.target)
        if check is None:
            check = self._outputs[subject.target] = _output_check(schema)
        if check is _UNCHECKED or not _has_ended(subject.body):
            return ALLOW
        given = subject.body.get("structuredContent")
        if not isinstance(given, dict):
            return _off_schema("there is no structured content")
        return ALLOW if check.valid(given) else _off_schema(check.wrong(given))

    def _contents(self, subject: Result, ctx: Context) -> Verdict:
        if name := folding_result(subject.body):
            return _ambiguous(name)
        contents = subject.body.get("contents", [])
        parts = contents if isinstance(contents, list) else [contents]
        if len(parts) > MAX_LINKS:
            return Verdict.deny(Reason.OVER_LONG, f"the answer has more than {MAX_LINKS} parts")
        for part in parts:
            uri = part.get("uri") if isinstance(part, dict) else None
            if uri == subject.target:
                continue
            if not isinstance(uri, str) or self._uri(uri, ctx).effect is not Effect.ALLOW:
                text = "the answer is about a resource that is not in the lockfile"
                return Verdict.deny(Reason.LINK_NOT_LOCKED, text)
        return ALLOW

    def _safe(self, value: Json, ctx: Context) -> Json:
        """Blocks, or messages of blocks, without links outside the lockfile; the same if none."""
        if isinstance(value, list):
            kept = [self._safe(each, ctx) for each in value]
            return value if all(map(is_, kept, value)) else kept
        if not isinstance(value, dict):
            return value
        if "content" in value:
            content = self._safe(value["content"], ctx)
            value = value if content is value["content"] else {**value, "content": content}
        return self._linked(value, ctx) if value.get("type") == "resource_link" else value

    def _linked(self, block: JsonObject, ctx: Context) -> Json:
        """A link itself, or a text in its place when it leads outside the lockfile."""
        uri = block.get("uri")
        if isinstance(uri, str) and self._uri(uri, ctx).effect is Effect.ALLOW:
            return block
        return {"type": "text", "text": _LINK_WITHHELD}


def _unfamiliar(arguments: JsonObject, pin: _Pin, shape: tuple[object, ...]) -> Verdict:
    """Holds arguments of a shape that is not known against what the tool was reviewed for."""
    name = pin.names.folding(arguments)
    if name:
        return Verdict.deny(Reason.KEY_FOLDING, f"an argument is {name!r} but for its case")
    if not pin.check.valid(arguments):
        return Verdict.deny(Reason.ARGUMENTS, pin.check.wrong(arguments))
    if pin.check.by_shape(arguments):
        if len(pin.shapes) >= MAX_SHAPES:
            pin.shapes.clear()
        pin.shapes.add(shape)
    return ALLOW


def _shaped(lock: Lockfile | None) -> dict[str, JsonObject]:
    """The locked tools that say what they answer, and what they say."""
    tools = lock.items.get(_TOOL, {}) if lock else {}
    said = ((name, item.definition.get("outputSchema")) for name, item in tools.items())
    return {name: schema for name, schema in said if isinstance(schema, dict)}


def _output_check(schema: JsonObject) -> Check:
    """The check of what a tool answers; of nothing where its schema does not compile."""
    try:
        return compile_schema(schema, "the structured content")
    except SchemaError:
        return _UNCHECKED


def _has_ended(body: JsonObject) -> bool:
    """Whether it is what a tool answers: no failure, no task, no question to the host."""
    return (
        body.get("isError", False) is False
        and body.get("resultType", "complete") == "complete"
        and "task" not in body
    )


def _off_schema(wrong: str) -> Verdict:
    text = f"it is not what the reviewed output schema says: {wrong}"
    found = Finding(OFF_SCHEMA, Severity.MODERATE, "/structuredContent", text)
    return Verdict(Effect.ALLOW, findings=(found,))


def _links(value: Json) -> int:
    """How many blocks `SurfaceStage._safe` looks up."""
    if isinstance(value, list):
        return sum(map(_links, value))
    if not isinstance(value, dict):
        return 0
    return _links(value.get("content")) + (value.get("type") == "resource_link")


def _without_links(value: Json) -> bool:
    """Whether `value` is a list of plain texts: the usual result, and nothing to look into."""
    if type(value) is not list:
        return False
    for block in value:
        if type(block) is not dict or block.get("type") != "text" or not _OF_TEXT(block):
            return False
    return True


def _unusable(state: Reason) -> Verdict:
    return Verdict.deny(state, _UNLISTED.get(state, "it is not usable"))


def _unnamed(call: Call, _: Context) -> Verdict:
    if call.method in _FREE:
        return ALLOW
    return Verdict.deny(Reason.UNKNOWN_METHOD, "nothing says what it may name")


def _ambiguous(name: str) -> Verdict:
    """What one host reads as it was judged, and another, which folds case, otherwise."""
    text = f"it has a key {name!a}, which a host that folds case takes for another"
    return Verdict.deny(Reason.AMBIGUOUS, text)


def _withheld(rewrite: Result | ServerRequest) -> Verdict:
    text = "a link was withheld"
    return Verdict(Effect.ALLOW, Reason.LINK_NOT_LOCKED, text, rewrite=rewrite)


def _wrong_completion(given: JsonObject, known: frozenset[str]) -> str:
    """What is wrong with the parameters `given` of a completion that fills in `known`, or nothing.

    A key beside the two of an argument could be taken for one of them by a server that folds case.
    """
    argument, context = given.get("argument", {}), given.get("context", {})
    if not isinstance(argument, dict) or not argument.keys() <= {"name", "value"}:
        return "the argument to complete is not a name and a value"
    if not isinstance(context, dict) or not context.keys() <= {"arguments"}:
        return "the context of the completion is not an object of arguments"
    others = context.get("arguments", {})
    if not isinstance(others, dict):
        return "the context of the completion is not an object of arguments"
    named = [*others, *(argument[key] for key in argument if key == "name")]
    if not all(isinstance(name, str) and name in known for name in named):
        return "an argument that what is completed does not declare"
    values = [*others.values(), *(argument[key] for key in argument if key == "value")]
    if not all(isinstance(value, str) for value in values):
        return "the value of an argument is not a string"
    return ""


def _argument_names(item: Item) -> frozenset[str]:
    declared = item.definition.get("arguments")
    return frozenset(
        str(argument["name"])
        for argument in (declared if isinstance(declared, list) else ())
        if isinstance(argument, dict) and "name" in argument
    )
