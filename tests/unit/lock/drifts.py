"""What a comparison found, as its tests read it."""

from mcpguard.lock.drift import compare_item
from mcpguard.model import Finding, ItemKind, JsonObject, Severity
from tests.unit.lock.surfaces import lock

CRITICAL, MODERATE, INFO = Severity.CRITICAL, Severity.MODERATE, Severity.INFO
SIZE = "inputSchema/properties/size"


def of_tool(live: JsonObject) -> tuple[Finding, ...]:
    item = lock().item(ItemKind.TOOL, "write_file")
    assert item is not None
    return compare_item(ItemKind.TOOL, item, live)


def told(findings: tuple[Finding, ...]) -> list[tuple[Severity, str]]:
    return [(finding.severity, finding.message) for finding in findings]
