"""A survey as a SARIF 2.1.0 log: findings beside the lines of configs, lockfiles and sources."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

import mcpguard
from mcpguard.lock.sarif import SCHEMA
from mcpguard.model import Finding, Json, JsonObject, Severity
from mcpguard.policy.suppress import Suppression
from mcpguard.survey.judging import explained
from mcpguard.survey.report import Survey, placed
from mcpguard.survey.subjects import Place, State
from mcpguard.wire.canonical import digest

__all__ = ["sarif"]

_LEVELS: Final = {
    Severity.CRITICAL: "error",
    Severity.MODERATE: "warning",
    Severity.INFO: "note",
}
_SECURITY: Final = {Severity.CRITICAL: "9.0", Severity.MODERATE: "5.0", Severity.INFO: "1.0"}
"""`security-severity`: how code hosts rank a rule."""

_ROOT: Final = "%SRCROOT%"


def sarif(survey: Survey, root: Path) -> JsonObject:
    """One run. SARIF 2.1.0 sections 3.13, 3.19, 3.27, 3.35 (suppressions) and 3.58 (notifications).

    Files below `root` are named relative to it, others by their whole address. What could not be
    looked at is a notification of an invocation that did not succeed.
    """
    rows = list(placed(survey))
    known = sorted({finding.rule for finding, *_ in rows})
    index = {rule: at for at, rule in enumerate(known)}
    worst = {
        rule: max((f.severity for f, *_ in rows if f.rule == rule), key=lambda each: each.rank)
        for rule in known
    }
    seen: Counter[str] = Counter()
    results: list[Json] = [_result(row, index, root, seen) for row in rows]
    rules: list[Json] = [_rule(rule, worst[rule]) for rule in known]
    driver: JsonObject = {"name": "mcpguard", "version": mcpguard.__version__, "rules": rules}
    missed: list[Json] = list(_missed(survey))
    run: JsonObject = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": survey.complete, "toolExecutionNotifications": missed}
        ],
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str, severity: Severity) -> JsonObject:
    said = explained(rule)
    properties: JsonObject = {
        "security-severity": _SECURITY[severity],
        "tags": ["security", *filter(None, [said.threat]), *said.references],
    }
    told: JsonObject = {
        "id": rule,
        "shortDescription": {"text": said.sentence},
        "properties": properties,
    }
    return {**told, "help": {"text": said.fix}} if said.fix else told


def _result(
    row: tuple[Finding, Place | None, str, Suppression | None],
    index: dict[str, int],
    root: Path,
    seen: Counter[str],
) -> JsonObject:
    finding, place, name, suppression = row
    print_ = digest([finding.rule, name, finding.message])
    seen[print_] += 1
    location: JsonObject = {"logicalLocations": [{"fullyQualifiedName": name}]}
    if place is not None:
        location["physicalLocation"] = {
            "artifactLocation": _artifact(place.file, root),
            "region": {"startLine": place.line},
        }
        if place.live:
            location["message"] = {"text": f"{place.shown}; it is not written at this line"}
    threat = explained(finding.rule).threat
    result: JsonObject = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [location],
        "partialFingerprints": {"mcpguard/scan/v1": f"{print_}:{seen[print_]}"},
    }
    if threat:
        result["properties"] = {"threat": threat}
    if suppression is not None:
        why = f"{suppression.reason} (until {suppression.expires.isoformat()})"
        result["suppressions"] = [{"kind": "external", "justification": why}]
    return result


def _artifact(file: Path, root: Path) -> JsonObject:
    whole = file.absolute()
    if whole.is_relative_to(root):
        return {"uri": quote(whole.relative_to(root).as_posix()), "uriBaseId": _ROOT}
    return {"uri": whole.as_uri()}


def _missed(survey: Survey) -> Iterator[JsonObject]:
    for each in survey.subjects:
        if each.why:
            level = "error" if each.state is State.FAILED else "note"
            yield _notification(level, f"{each.name}: {each.state}: {each.why}")
    for file in survey.unread:
        yield _notification("error", f"{file.host}: {file.file}: {file.why}")


def _notification(level: str, text: str) -> JsonObject:
    return {"level": level, "message": {"text": text}}
