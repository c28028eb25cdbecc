"""OCSF 1.8.0: API Activity (6003), and Detection Finding (2004) for drift and what detectors find.

With the profiles `security_control` (what became of it) and, for a tool, `ai_operation`. The hash
of the chain stands in `unmapped`: `record_integrity` comes with OCSF 1.9.
"""

from collections.abc import Iterator
from typing import Final

import orjson

from mcpguard.model import Json, JsonObject
from mcpguard.siem.formats.event import PRODUCT, VERSION, Event, rest_of

__all__ = ["OCSF_VERSION", "ocsf"]

OCSF_VERSION: Final = "1.8.0"

_API, _FINDING = 6003, 2004
_OTHER, _CREATE = 99, 1
_SUCCESS, _FAILURE, _UNKNOWN = 1, 2, 0
_STATUS: Final = {"success": _SUCCESS, "failure": _FAILURE, "unknown": _UNKNOWN}
_SEVERITY: Final = {1: "Informational", 2: "Low", 3: "Medium", 4: "High", 5: "Critical"}
_ALERT = 3
"""The least severity of a decision that an analyst should see."""

_TOOL = 3
"""`message_context.ai_role_id`: what is called is a tool."""

_RULE = 1
"""`analytic.type_id`."""

_UNKNOWN_DEVICE = 0
"""`device.type_id`."""

_USER, _SERVICE = (1, "User"), (4, "Service")
"""`user.type_id` and its name."""

_SAID: Final = (
    "session", "seq", "ts", "server", "principal", "method", "target", "detail", "event", "rule",
    "stage", "by", "key", "why",
)  # fmt: skip


def ocsf(event: Event) -> bytes:
    """One event as a JSON object."""
    made = _common(event) | (_finding(event) if event.finding else _activity(event))
    return orjson.dumps(made)


def _common(event: Event) -> JsonObject:
    class_uid = _FINDING if event.finding else _API
    activity = _CREATE if event.finding else _OTHER
    tool = not event.finding and event.text("method") == "tools/call"
    profiles: list[Json] = [
        "security_control",
        *["ai_operation"] * tool,
        *["host"] * bool(event.host),
    ]
    made: JsonObject = {
        "class_uid": class_uid,
        "category_uid": class_uid // 1000,
        "activity_id": activity,
        "type_uid": class_uid * 100 + activity,
        "time": event.ms,
        "severity_id": event.severity,
        "severity": _SEVERITY[event.severity],
        "message": event.sentence,
        "action_id": event.fate.action,
        "disposition_id": event.fate.disposition,
        "is_alert": event.finding or event.severity >= _ALERT,
        "metadata": {
            "version": OCSF_VERSION,
            "product": {"name": PRODUCT, "vendor_name": PRODUCT, "version": VERSION},
            "profiles": profiles,
            "uid": event.uid,
            "correlation_uid": event.text("session"),
            "sequence": event.number("seq"),
            "original_time": event.text("ts"),
            "log_name": "audit",
        },
        "unmapped": rest_of(event, *_SAID),
    }
    if event.text("rule"):
        made["policy"] = {"name": event.text("stage") or "wire", "uid": event.text("rule")}
    if event.host:
        made["device"] = {"hostname": event.host, "type_id": _UNKNOWN_DEVICE, "type": "Unknown"}
    if resources := [*_resources(event)]:
        made["resources"] = resources
    return made


def _resources(event: Event) -> Iterator[Json]:
    """What it is about; of a change also the caller it is about."""
    kind, name = event.subject
    if name:
        uid = f"{event.server}/{name}" if event.target else name
        yield {"type": f"mcp {kind}", "name": name, "uid": uid}
    if event.affected and event.affected != name:
        yield {"type": "mcp principal", "name": event.affected, "uid": event.affected}


def _actor(event: Event) -> JsonObject:
    actor: JsonObject = {"session": {"uid": event.text("session")}}
    actor["app_name"] = PRODUCT if event.text("by") else "MCP host"
    if event.who:
        actor["user"] = _user(event)
    return actor


def _user(event: Event) -> JsonObject:
    """The person of a change, by the key that signed it; else the caller."""
    person, key = event.text("by"), event.text("key")
    number, word = _USER if person else _SERVICE
    user: JsonObject = {"uid": key if person and key else event.who, "type_id": number}
    user["type"] = word
    if person:
        user["name"] = person
    return user | ({"credential_uid": key} if person and key else {})


def _api(event: Event) -> JsonObject:
    return {"operation": event.name, "service": {"name": event.server or "unnamed"}}


def _activity(event: Event) -> JsonObject:
    made: JsonObject = {
        "activity_name": event.name,
        "status_id": _STATUS[event.fate.outcome],
        "actor": _actor(event),
        "api": _api(event),
        "src_endpoint": {"name": _from(event)},
        "dst_endpoint": {"name": _to(event)},
    }
    if event.text("method") == "tools/call":
        service: JsonObject = {"name": event.server or "unnamed"}
        made["message_context"] = {"ai_role_id": _TOOL, "ai_role": "Tool", "service": service}
    return made


def _from(event: Event) -> str:
    return _end(event, event.text("direction").partition(">")[0])


def _to(event: Event) -> str:
    return _end(event, event.text("direction").partition(">")[2])


def _end(event: Event, word: str) -> str:
    return (event.text("server") or "server") if word == "server" else word or PRODUCT


def _finding(event: Event) -> JsonObject:
    rule = event.text("rule") or "scan"
    findings = event.record.get("findings")
    types: list[Json] = [_kind(each) for each in findings] if isinstance(findings, list) else []
    information: JsonObject = {
        "uid": event.uid,
        "title": f"{rule} in {event.target or event.server}",
        "desc": event.why or event.sentence,
        "analytic": {"uid": rule, "type_id": _RULE, "type": "Rule"},
        "types": types or [event.text("reason")],
    }
    if event.controls:
        information["tags"] = [_tag(each) for each in event.controls]
    return {
        "activity_name": "Create",
        "status_id": 1,
        "finding_info": information,
        "evidences": [{"actor": _actor(event), "api": _api(event)}],
    }


def _kind(finding: Json) -> str:
    """The rule of a finding, which the record of a scan holds with its place."""
    return str(finding.get("rule", "scan") if isinstance(finding, dict) else finding)


def _tag(control: str) -> JsonObject:
    catalogue, _, number = control.partition(":")
    return {"name": catalogue, "value": number}
