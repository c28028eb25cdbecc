"""SARIF 2.1.0, held against the standard's own schema."""

import jsonschema_rs
import orjson

from mcpguard.lock.drift import compare
from mcpguard.lock.sarif import sarif
from mcpguard.lock.wording import RULES
from mcpguard.model import Finding, Json, JsonObject, Severity
from tests.tools import ROOT
from tests.unit.lock.surfaces import TOOL, cut, lock, put, surface

PUBLISHED = (ROOT / "fixtures" / "sarif" / "sarif-2.1.0-rtm.5.json").read_bytes()
SCHEMA = orjson.loads(PUBLISHED.replace(b"[a-zA-Z]{2}]?$", b"[a-zA-Z]{2}$"))
"""Without the stray bracket in the pattern for languages, which no strict validator compiles."""


def findings() -> tuple[Finding, ...]:
    live = cut(put(TOOL, "description", "Evil \u202e."), "inputSchema/properties/size")
    return compare(lock(), surface(tools=[live], prompts=[]), missing=Severity.INFO)


def written(found: tuple[Finding, ...], artifact: str = "mcp-lock.json") -> JsonObject:
    log = sarif(found, artifact=artifact, tool_version="1.2.3")
    jsonschema_rs.validator_for(SCHEMA).validate(log)
    return log


def results(log: JsonObject) -> list[dict[str, Json]]:
    read = orjson.loads(orjson.dumps(log))
    return list(read["runs"][0]["results"])


def test_a_log_is_valid_with_and_without_findings() -> None:
    assert results(written(())) == []
    assert len(results(written(findings()))) == 3


def test_each_finding_has_its_rule_level_message_and_place() -> None:
    first, *_, last = results(written(findings(), "ci/my lock.json"))
    assert first["ruleId"] == "drift.text"
    assert first["level"] == "error"
    message = first["message"]
    assert isinstance(message, dict)
    assert str(message["text"]).startswith('tool write_file: description now says: "Evil <U+202E>')
    assert first["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "ci/my%20lock.json"},
                "region": {"startLine": 1},
            },
            "logicalLocations": [{"fullyQualifiedName": "/tools/write_file/description"}],
        }
    ]
    assert last["level"] == "note"


def test_the_levels_are_error_warning_and_note() -> None:
    levels = {each["level"] for each in results(written(findings()))}
    assert levels == {"error", "warning", "note"}


def test_every_rule_that_appears_is_described_once() -> None:
    read = orjson.loads(orjson.dumps(written(findings() + findings())))
    run = read["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == sorted({each["ruleId"] for each in run["results"]})
    assert all(rule["shortDescription"]["text"] == RULES[rule["id"]] for rule in rules)
    assert all(rules[each["ruleIndex"]]["id"] == each["ruleId"] for each in run["results"])


def test_fingerprints_are_stable_and_tell_results_apart() -> None:
    def prints(found: tuple[Finding, ...]) -> list[str]:
        return [str(each["partialFingerprints"]) for each in results(written(found))]

    twice = prints(findings() + findings())
    assert len(set(twice)) == len(twice)
    assert prints(findings()) == prints(findings()) == twice[:3]


def test_a_windows_path_becomes_a_relative_uri() -> None:
    (result, *_) = results(written(findings(), "ci\\lock.json"))
    assert "ci/lock.json" in str(result["locations"])
