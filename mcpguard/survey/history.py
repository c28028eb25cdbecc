"""What scans found, as records of the audit log: one a server, in a chained file of their own."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from mcpguard.audit import AuditLog, load_or_create_key
from mcpguard.errors import McpguardError
from mcpguard.model import Json, JsonObject, Severity
from mcpguard.survey.subjects import Subject

__all__ = ["FILE", "record"]

FILE: Final = "scans.jsonl"
"""In `audit/` of the data directory, where `audit verify` and `trust show` look."""

MAX_FINDINGS = 50
"""Findings of one server that its record names; the others are counted."""


def record(home: Path, event: str, subjects: Iterable[Subject], outcome: str) -> str:
    """Write a record `event` for each of `subjects`; why it could not be done, or empty.

    A scan whose record cannot be written still tells its answer: nothing is let through by it.
    """
    rows = [(_told(event, each, outcome), b"") for each in subjects]
    if not rows:
        return ""
    try:
        (home / "audit").mkdir(mode=0o700, parents=True, exist_ok=True)
        log = AuditLog.open(
            home / "audit" / FILE,
            key=load_or_create_key(home / "audit.key"),
            session=os.urandom(8).hex(),
            server="",
            principal="",
            clock=time.time,  # noqa: TID251 - the shell hands its clock in
            durability="grouped",
        )
        try:
            log.write(rows)
        finally:
            log.close()
    except (McpguardError, OSError) as error:
        return f"this scan is not in the audit log: {error}"
    return ""


def _told(event: str, subject: Subject, outcome: str) -> JsonObject:
    counting = [each.finding for each in subject.told if each.suppressed is None]
    findings: list[Json] = [
        {"rule": each.rule, "severity": each.severity.value, "where": each.where[:256]}
        for each in counting[:MAX_FINDINGS]
    ]
    numbers: JsonObject = {
        severity.value: sum(each.severity is severity for each in counting) for severity in Severity
    }
    return {
        "event": event,
        "target": subject.name,
        "state": subject.state.value,
        "host": subject.host,
        "outcome": outcome,
        "listed": {kind.value: number for kind, number in subject.listed.items()},
        "summary": numbers,
        "findings": findings,
        "suppressed": sum(each.suppressed is not None for each in subject.told),
    }
