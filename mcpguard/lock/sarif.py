"""Findings as a SARIF 2.1.0 log, which code hosts show beside the line they belong to."""

from collections import Counter
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from mcpguard.lock.wording import RULES
from mcpguard.model import Finding, Json, JsonObject, Severity
from mcpguard.wire.canonical import digest

__all__ = ["SCHEMA", "sarif"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
"""Named in the log for editors; never fetched."""

_LEVELS = {Severity.CRITICAL: "error", Severity.MODERATE: "warning", Severity.INFO: "note"}
_FINGERPRINT = "mcpguard/finding/v1"


def sarif(
    findings: Iterable[Finding],
    *,
    artifact: str,
    tool_version: str,
    rules: Mapping[str, str] = RULES,
) -> JsonObject:
    """One run with a result per finding. SARIF 2.1.0 sections 3.13, 3.19 and 3.27.

    Args:
        findings: What to report, in order.
        artifact: The lockfile, as a path relative to the repository's root.
        tool_version: Of mcpguard.
        rules: Rule id to its sentence, for those that appear.
    """
    found = list(findings)
    known = sorted({finding.rule for finding in found})
    index = {rule: at for at, rule in enumerate(known)}
    seen: Counter[str] = Counter()
    results: list[Json] = [_result(each, index[each.rule], artifact, seen) for each in found]
    listed: list[Json] = [_rule(rule, rules.get(rule, rule)) for rule in known]
    driver: JsonObject = {"name": "mcpguard", "version": tool_version, "rules": listed}
    run: JsonObject = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: str, sentence: str) -> JsonObject:
    return {"id": rule, "shortDescription": {"text": sentence}}


def _result(finding: Finding, index: int, artifact: str, seen: Counter[str]) -> JsonObject:
    print_ = digest([finding.rule, finding.where, finding.message])
    seen[print_] += 1
    file: JsonObject = {"uri": quote(artifact.replace("\\", "/"))}
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [
            {
                "physicalLocation": {"artifactLocation": file, "region": {"startLine": 1}},
                "logicalLocations": [{"fullyQualifiedName": finding.where}],
            }
        ],
        "partialFingerprints": {_FINGERPRINT: f"{print_}:{seen[print_]}"},
    }
