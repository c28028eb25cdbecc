"""A principal, a server and a Wednesday morning, for rules to be asked about."""

from dataclasses import replace

from mcpguard.model import Call, Json, JsonObject, Result
from mcpguard.policy.cel import Facts, Moment

FACTS = Facts(
    principal="local:desk",
    level=1,
    score=500,
    capabilities=("filesystem:/data/**",),
    trust_level=1,
    trust_score=500,
    annotations={"readOnlyHint": True},
    tier="T0_observe",
    server="files",
    moment=Moment(10, 30, "wed", "2026-11-18"),
    calls=3,
    tool_calls=1,
    denied=0,
)


def facts(**changed: object) -> Facts:
    """`FACTS` with some changed."""
    return replace(FACTS, **changed)  # type: ignore[arg-type]


def call(tool: str, **arguments: Json) -> Call:
    return Call("tools/call", tool, arguments)


def result(tool: str, text: str, **more: Json) -> Result:
    body: JsonObject = {"content": [{"type": "text", "text": text}], **more}
    return Result("tools/call", tool, body)
