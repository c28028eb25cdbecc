"""Elastic Common Schema 9.4: what it has no field for stands under `mcpguard`."""

from typing import Final

import orjson

from mcpguard.model import Json, JsonObject
from mcpguard.siem.formats.event import PRODUCT, VERSION, Event, rest_of

__all__ = ["ECS_VERSION", "ecs"]

ECS_VERSION: Final = "9.4.0"

_ALERT = 3
"""The least severity of an alert."""

_SAID: Final = (
    "v", "seq", "ts", "hash", "server", "principal", "session", "rule", "reason", "event", "by",
    "why",
)  # fmt: skip


def ecs(event: Event) -> bytes:
    """One document, as a JSON object."""
    made: JsonObject = {
        "@timestamp": event.stamp,
        "ecs": {"version": ECS_VERSION},
        "message": event.sentence,
        "event": _event(event),
        "observer": {"vendor": PRODUCT, "product": PRODUCT, "version": VERSION, "type": "proxy"},
        "service": {"name": event.server, "type": "mcp"},
        PRODUCT: {"session": event.text("session"), **rest_of(event, *_SAID)},
    }
    if event.host:
        made["host"] = {"name": event.host, "hostname": event.host}
    if event.who:
        made["user"] = _user(event)
        known = (event.who, event.text("principal"), event.affected)
        made["related"] = {"user": list[Json](dict.fromkeys(filter(None, known)))}
    if event.text("rule"):
        made["rule"] = {"id": event.text("rule"), "ruleset": event.text("stage")}
    if event.tool:
        said: JsonObject = {"tool": {"name": event.tool, "type": "function"}}
        called: JsonObject = {"operation": {"name": "execute_tool"}}
        made["gen_ai"] = said if event.text("event") else said | called
    return orjson.dumps(made)


def _user(event: Event) -> JsonObject:
    """The person of a change, by the key that signed it; else the caller."""
    if person := event.text("by"):
        return {"id": event.text("key") or person, "name": person}
    return {"id": event.who}


def _event(event: Event) -> JsonObject:
    alert = event.finding or event.severity >= _ALERT
    category: list[Json] = ["api", *["intrusion_detection"] * event.finding]
    types: list[Json] = list(event.fate.types)
    made: JsonObject = {
        "kind": "alert" if alert else "event",
        "category": category,
        "type": types,
        "action": f"mcp-{event.name.replace('/', '-').replace('.', '-')}",
        "outcome": event.fate.outcome,
        "severity": event.severity,
        "id": event.uid,
        "sequence": event.number("seq"),
        "hash": event.text("hash"),
        "dataset": f"{PRODUCT}.audit",
        "module": PRODUCT,
        "provider": PRODUCT,
    }
    if event.text("reason"):
        made["code"] = event.text("reason")
    if reason := event.text("why") or (event.why if "code" in made else "") or event.text("reason"):
        made["reason"] = reason
    return made
