"""A gateway stage, the server that it guards, and calls of it."""

from mcpguard.lock.lockfile import Launch, Lockfile, from_surface
from mcpguard.lock.surface import ServerFacts, collect
from mcpguard.model import (
    ALLOW,
    Call,
    Context,
    Era,
    ItemKind,
    Json,
    JsonObject,
    Reason,
    Result,
    Verdict,
    Wait,
)
from mcpguard.pipeline import STAGES, NoRules, Stage
from mcpguard.pipeline.gateway import GatewayStage
from mcpguard.pipeline.terms import Binding, GatewayPolicy, Handling
from mcpguard.scan.patterns import Action, Form, Pattern, Patterns
from mcpguard.scan.semantics import Resource, Scope, System

DENY, REDACT, RECORD = Handling.DENY, Handling.REDACT, Handling.RECORD
CARD = "4111 1111 1111 1111"
SSN = "536-22-1234"
SPENT = Verdict.deny(Reason.BUDGET, "no calls are left")
REFUSED = Verdict.deny(Reason.APPROVAL, "a person said no")


class NoSession:
    """Facts of a session that listed everything."""

    def item_state(self, kind: ItemKind, name: str) -> Reason:
        return Reason.OK


CTX = Context("files", "local", NoSession())

WILLING: dict[str, Stage] = dict.fromkeys(STAGES, NoRules())
"""Every stage, with nothing against anything."""


class Asked:
    """Budgets and approvals that answer what they were given, or raise; they remember."""

    def __init__(
        self, budget: Verdict | Wait | None = ALLOW, approval: Verdict | Wait | None = ALLOW
    ) -> None:
        self.budget, self.approval = budget, approval
        self.log: list[str] = []
        self.results: list[Result] = []

    def answered(self, result: Result, ctx: Context) -> None:
        self.results.append(result)

    def take(self, call: Call, ctx: Context) -> Verdict | Wait:
        self.log.append("take")
        return self._said(self.budget)

    def give_back(self, call: Call, ctx: Context) -> None:
        self.log.append("give back")

    def approve(self, call: Call, ctx: Context) -> Verdict | Wait:
        self.log.append("approve")
        return self._said(self.approval)

    @staticmethod
    def _said(answer: Verdict | Wait | None) -> Verdict | Wait:
        if answer is None:
            raise OSError("the store is down")
        return answer


LINKS = {"/srv/docs/link": "/etc", "/srv/docs/lost": None}


def real(path: str) -> str | None:
    """A file system of one link and one place that cannot be found out."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
        there = "/" + "/".join(parts)
        if there in LINKS:
            target = LINKS[there]
            if target is None:
                return None
            parts = target.strip("/").split("/")
    return "/" + "/".join(parts)


SYSTEM = System(real, home="/home/u")
FACTS = ServerFacts(Era.LEGACY, "2025-11-25", {"name": "s", "version": "1"}, "", {"tools": {}})
TOOLS: list[Json] = [
    {
        "name": "write",
        "inputSchema": {
            "type": "object",
            "properties": {
                "path": {"type": "string"},
                "content": {"type": "string", "maxLength": 30},
                "number": {"type": "integer"},
                "where": {"type": "string", "format": "uri"},
            },
        },
    },
    {"name": "odd", "inputSchema": {"type": "object", "properties": 5}},
]
LOCK = from_surface(
    collect(
        FACTS,
        {
            ItemKind.TOOL: TOOLS,
            ItemKind.PROMPT: [{"name": "ask", "arguments": [{"name": "text"}]}],
            ItemKind.RESOURCE: [{"uri": "http://169.254.169.254/", "name": "reviewed"}],
            ItemKind.TEMPLATE: [{"uriTemplate": "http://{host}/", "name": "any"}],
        },
    ),
    name="s",
    launch=Launch(("server",), "", (), {}),
    requests=(),
)


def stage(
    policy: GatewayPolicy, asked: Asked | None = None, lock: Lockfile | None = LOCK
) -> GatewayStage:
    asked = asked or Asked()
    return GatewayStage(policy, lock, budgets=asked, approve=asked.approve, system=SYSTEM)


def call(arguments: JsonObject, tool: str = "write") -> Call:
    return Call("tools/call", tool, arguments)


def scopes(*texts: str) -> tuple[Scope, ...]:
    return tuple(map(Scope.parse, texts))


TAKEN = GatewayPolicy(
    detectors={"card": REDACT, "ssn": REDACT, "phone": RECORD},
    patterns=Patterns.of([Pattern("name", Form.SUBSTRING, "Project X", Action.REDACT)]),
    scopes=scopes("filesystem:/srv/** x read", "command:git x run"),
    bindings=(Binding(("bound",), "thing", Resource.FILESYSTEM, "read"),),
)

WRITTEN = ("web:///{+url}", "api:///{host}/x", "net:///{+a}/{+b}", "doc:///{+path}{?url,q}")
TEMPLATES: list[JsonObject] = [{"uriTemplate": text, "name": text} for text in WRITTEN]
TEMPLATED = from_surface(
    collect(FACTS, {ItemKind.TEMPLATE: TEMPLATES}),
    name="s",
    launch=Launch(("server",), "", (), {}),
    requests=(),
)

BIND = Binding(("*",), "path", Resource.FILESYSTEM, "read")
