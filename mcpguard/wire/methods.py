"""The MCP method table: every message that may pass, in which direction, with which parameters.

A method that has no row does not pass. Revisions 2024-11-05 to 2025-11-25 are the legacy era (they
begin with `initialize`), 2026-07-28 is the modern one (`server/discover`, an envelope in `_meta`).
"""

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from mcpguard.model import Era, ItemKind, Json, JsonObject, RequestKind, Side
from mcpguard.wire.jsonrpc import folds_onto

__all__ = [
    "CLIENT_CAPABILITIES",
    "CLIENT_INFO",
    "KNOWN_META",
    "LEGACY_VERSIONS",
    "LISTS",
    "LIST_CHANGED",
    "LOG_LEVEL",
    "MODERN_VERSIONS",
    "NOTIFICATIONS",
    "PROTOCOL_VERSION",
    "RELATED_TASK",
    "REQUESTS",
    "REQUEST_KINDS",
    "SERVER_INFO",
    "SUBSCRIPTION_ID",
    "VERSIONS",
    "About",
    "ListMethod",
    "Row",
    "folding_key",
    "folding_part",
    "folding_result",
    "reference_key",
]

LEGACY_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSIONS = ("2026-07-28",)
VERSIONS = frozenset(LEGACY_VERSIONS + MODERN_VERSIONS)
"""Protocol revisions mcpguard knows the rules of; any other ends the session."""

_PREFIX = "io.modelcontextprotocol/"
PROTOCOL_VERSION = _PREFIX + "protocolVersion"
CLIENT_CAPABILITIES = _PREFIX + "clientCapabilities"
CLIENT_INFO = _PREFIX + "clientInfo"
LOG_LEVEL = _PREFIX + "logLevel"
SERVER_INFO = _PREFIX + "serverInfo"
SUBSCRIPTION_ID = _PREFIX + "subscriptionId"
RELATED_TASK = _PREFIX + "related-task"

KNOWN_META = frozenset(
    {
        "progressToken",
        PROTOCOL_VERSION,
        CLIENT_CAPABILITIES,
        CLIENT_INFO,
        LOG_LEVEL,
        SERVER_INFO,
        SUBSCRIPTION_ID,
        RELATED_TASK,
        "traceparent",
        "tracestate",
        "baggage",
    }
)
"""`_meta` keys with a meaning; others pass, unless they only differ from one of these by case."""


About: TypeAlias = tuple[str, str]
"""A method, and the object it is about or empty."""


def reference_key(ref: JsonObject) -> str:
    """The key that names what a completion's `ref` refers to."""
    return "name" if ref.get("type") == "ref/prompt" else "uri"


@dataclass(frozen=True, slots=True)
class Row:
    """One method. `params`: its parameters but `_meta`; `known`: those and it.

    `target`: the parameter that names its object. `held`: waits until this session's lists are
    verified. `kept`: parameters that the answer is read with; the others are forgotten once sent,
    or a thousand of 8 MiB would be remembered. `era`: of a host's request, in which it exists.
    """

    name: str
    params: frozenset[str] = frozenset()
    target: str = ""
    held: bool = False
    kept: tuple[str, ...] = ()
    era: Era = Era.DUAL
    known: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known", self.params | {"_meta"})

    def about(self, params: JsonObject) -> About:
        """What a record of a request with `params` names."""
        value = params.get(self.target) if self.target else None
        if isinstance(value, dict) and self.target == "ref":
            value = value.get(reference_key(value))
        return self.name, value if isinstance(value, str) else ""

    def exists(self, *, modern: bool) -> bool:
        """Whether a request of that era can be of this method."""
        return self.era is Era.DUAL or (self.era is Era.MODERN) == modern


def _rows(*rows: Row) -> dict[str, Row]:
    return {row.name: row for row in rows}


_RETRY = frozenset({"inputResponses", "requestState"})
"""2026-07-28 multi-round-trip: what a repeated request carries."""

_CURSOR = frozenset({"cursor"})
_URI = frozenset({"uri"})
_TASK = frozenset({"taskId"})

REQUESTS: dict[Side, dict[str, Row]] = {
    Side.HOST: _rows(
        Row(
            "initialize",
            frozenset({"protocolVersion", "capabilities", "clientInfo"}),
            era=Era.LEGACY,
        ),
        Row("server/discover", era=Era.MODERN),
        Row("ping", era=Era.LEGACY),
        Row("logging/setLevel", frozenset({"level"}), era=Era.LEGACY),
        Row("tools/list", _CURSOR),
        Row("prompts/list", _CURSOR),
        Row("resources/list", _CURSOR),
        Row("resources/templates/list", _CURSOR),
        Row(
            "tools/call",
            frozenset({"name", "arguments", "task"}) | _RETRY,
            "name",
            held=True,
            kept=("task",),
        ),
        Row("prompts/get", frozenset({"name", "arguments"}) | _RETRY, "name", held=True),
        Row("resources/read", _URI | _RETRY, "uri", held=True),
        Row("resources/subscribe", _URI, "uri", held=True, era=Era.LEGACY),
        Row("resources/unsubscribe", _URI, "uri", held=True, era=Era.LEGACY),
        Row(
            "subscriptions/listen",
            frozenset({"notifications"}),
            held=True,
            kept=("notifications",),
            era=Era.MODERN,
        ),
        Row("completion/complete", frozenset({"ref", "argument", "context"}), "ref", held=True),
        Row("tasks/get", _TASK, "taskId", kept=("taskId",), era=Era.LEGACY),
        Row("tasks/result", _TASK, "taskId", kept=("taskId",), era=Era.LEGACY),
        Row("tasks/cancel", _TASK, "taskId", kept=("taskId",), era=Era.LEGACY),
        Row("tasks/list", _CURSOR, era=Era.LEGACY),
    ),
    Side.SERVER: _rows(
        Row("ping"),
        Row("roots/list"),
        Row(
            "sampling/createMessage",
            frozenset(
                {
                    "messages",
                    "modelPreferences",
                    "systemPrompt",
                    "includeContext",
                    "temperature",
                    "maxTokens",
                    "stopSequences",
                    "metadata",
                    "tools",
                    "toolChoice",
                    "task",
                }
            ),
        ),
        Row(
            "elicitation/create",
            frozenset({"message", "requestedSchema", "mode", "url", "elicitationId", "task"}),
            kept=("elicitationId",),
        ),
    ),
}
"""Requests by the side that sends them."""

_PROGRESS = frozenset({"progressToken", "progress", "total", "message"})
_CANCELLED = frozenset({"requestId", "reason"})

NOTIFICATIONS: dict[Side, dict[str, Row]] = {
    Side.HOST: _rows(
        Row("notifications/initialized"),
        Row("notifications/cancelled", _CANCELLED),
        Row("notifications/progress", _PROGRESS),
        Row("notifications/roots/list_changed"),
    ),
    Side.SERVER: _rows(
        Row("notifications/cancelled", _CANCELLED),
        Row("notifications/progress", _PROGRESS),
        Row("notifications/message", frozenset({"level", "logger", "data"})),
        Row("notifications/tools/list_changed"),
        Row("notifications/prompts/list_changed"),
        Row("notifications/resources/list_changed"),
        Row("notifications/resources/updated", _URI, "uri"),
        Row("notifications/subscriptions/acknowledged", frozenset({"notifications"})),
        Row("notifications/elicitation/complete", frozenset({"elicitationId"})),
        Row(
            "notifications/tasks/status",
            frozenset(
                {
                    "taskId",
                    "status",
                    "statusMessage",
                    "createdAt",
                    "lastUpdatedAt",
                    "ttl",
                    "pollInterval",
                }
            ),
            "taskId",
        ),
    ),
}
"""Notifications by the side that sends them."""

REQUEST_KINDS: dict[str, RequestKind] = {
    "roots/list": RequestKind.ROOTS,
    "sampling/createMessage": RequestKind.SAMPLING,
    "elicitation/create": RequestKind.ELICITATION,
}
"""Server requests that the lockfile must allow."""


class ListMethod(NamedTuple):
    """How one kind of item is listed. `capability`: the server capability that announces it."""

    kind: ItemKind
    method: str
    key: str
    capability: str


LISTS: dict[str, ListMethod] = {
    row.method: row
    for row in (
        ListMethod(ItemKind.TOOL, "tools/list", "tools", "tools"),
        ListMethod(ItemKind.PROMPT, "prompts/list", "prompts", "prompts"),
        ListMethod(ItemKind.RESOURCE, "resources/list", "resources", "resources"),
        ListMethod(ItemKind.TEMPLATE, "resources/templates/list", "resourceTemplates", "resources"),
    )
}

LIST_CHANGED: dict[str, tuple[ItemKind, ...]] = {
    "notifications/tools/list_changed": (ItemKind.TOOL,),
    "notifications/prompts/list_changed": (ItemKind.PROMPT,),
    "notifications/resources/list_changed": (ItemKind.RESOURCE, ItemKind.TEMPLATE),
}
"""Which listings a server's notification puts in doubt."""


RESULT_KEYS = frozenset(
    {
        "_meta",
        "content",
        "contents",
        "inputRequests",
        "isError",
        "messages",
        "requestState",
        "resultType",
        "structuredContent",
        "task",
    }
)
"""Members of a result by which somebody decides what becomes of it."""

PART_KEYS = frozenset(
    {"blob", "content", "data", "mimeType", "resource", "role", "text", "type", "uri"}
)
"""The same, of messages, and of the blocks that they and results hold."""

_PARTS = ("content", "contents", "messages")
"""Where a result holds such."""

_WITHIN = ("content", "resource")
"""Where they hold others."""


def folding_key(row: Row, params: object) -> str:
    """A parameter or `_meta` key that a case-folding parser would take for another; or empty."""
    if not isinstance(params, dict):
        return ""
    known = row.params | {"_meta"}
    for key in params:
        if folds_onto(key, known):
            return str(key)
    meta = params.get("_meta")
    if isinstance(meta, dict):
        for key in meta:
            if folds_onto(key, KNOWN_META):
                return str(key)
    return ""


def folding_result(body: JsonObject) -> str:
    """A key of a result, or in its parts, that a case-folding parser takes for another; or empty.

    What a tool answers in its own terms (`structuredContent`) is not looked into.
    """
    return _folding(body, RESULT_KEYS) or folding_part([body[key] for key in _PARTS if key in body])


def folding_part(value: Json) -> str:
    """As `folding_result`, of messages and blocks."""
    if isinstance(value, list):
        return next(filter(None, map(folding_part, value)), "")
    if not isinstance(value, dict):
        return ""
    within = [value[key] for key in _WITHIN if key in value]
    return _folding(value, PART_KEYS) or folding_part(within)


def _folding(given: JsonObject, known: frozenset[str]) -> str:
    return next((key for key in given if folds_onto(key, known)), "")
