"""A reviewed surface of every kind of item, and sessions of the server that has it."""

from collections.abc import Mapping
from functools import partial

from mcpguard.lock.lockfile import Launch, Lockfile, from_surface
from mcpguard.lock.surface import ServerFacts, collect
from mcpguard.model import (
    Call,
    Context,
    Era,
    ItemKind,
    Json,
    JsonObject,
    Reason,
    RequestKind,
    Subject,
    Verdict,
)
from mcpguard.pipeline import Decide, NoRules, decide, make_stages
from mcpguard.pipeline.surface import SurfaceStage

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
