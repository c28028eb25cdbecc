"""Which risks and controls of public catalogues a denial is about.

owasp-mcp      OWASP MCP Top 10 (2025, beta): MCP01-MCP10
owasp-agentic  OWASP Top 10 for Agentic Applications 2026: ASI01-ASI10
hipaa          45 CFR 164.312, technical safeguards

References for whoever writes the report: that mcpguard names a control is no claim that it alone
fulfils it.
"""

from collections.abc import Mapping
from typing import Final

from mcpguard.model import Reason

__all__ = ["CATALOGUES", "CONTROLS", "controls_of"]

CATALOGUES: Final[Mapping[str, frozenset[str]]] = {
    "owasp-mcp": frozenset(f"MCP{number:02}" for number in range(1, 11)),
    "owasp-agentic": frozenset(f"ASI{number:02}" for number in range(1, 11)),
    "hipaa": frozenset(
        ("164.312(a)(1)", "164.312(b)", "164.312(c)(1)", "164.312(d)", "164.312(e)(1)")
    ),
}
"""The ids of each catalogue."""

_POISON = ("owasp-mcp:MCP03", "owasp-mcp:MCP04", "owasp-agentic:ASI04", "hipaa:164.312(c)(1)")
_SHADOW = ("owasp-mcp:MCP09", "owasp-agentic:ASI04", "hipaa:164.312(a)(1)")
_ACCESS = ("owasp-mcp:MCP02", "owasp-agentic:ASI03", "hipaa:164.312(a)(1)")
_AUTHENTIC = ("owasp-mcp:MCP07", "owasp-agentic:ASI03", "hipaa:164.312(d)")
_MISUSE = ("owasp-mcp:MCP05", "owasp-agentic:ASI02", "hipaa:164.312(a)(1)")
_FLOW = ("owasp-mcp:MCP06", "owasp-agentic:ASI01")
_LEAK = ("owasp-mcp:MCP01", "owasp-mcp:MCP10", "hipaa:164.312(e)(1)")
_HUMAN = ("owasp-agentic:ASI09", "hipaa:164.312(a)(1)")
_CASCADE = ("owasp-agentic:ASI08",)
_ROGUE = ("owasp-agentic:ASI10", "hipaa:164.312(a)(1)")
_AUDIT = ("owasp-mcp:MCP08", "hipaa:164.312(b)")
_SPOOF = ("owasp-agentic:ASI07", "hipaa:164.312(c)(1)")

CONTROLS: Final[Mapping[str, tuple[str, ...]]] = {
    Reason.NOT_LOCKED: _SHADOW,
    Reason.NOT_LISTED: _SHADOW,
    Reason.NO_LOCK: _SHADOW,
    Reason.DRIFTED: _POISON,
    Reason.DOUBLED: _POISON,
    Reason.UNVERIFIED: _POISON,
    Reason.ARGUMENTS: _MISUSE,
    Reason.KEY_FOLDING: _MISUSE,
    Reason.URI_FORM: _MISUSE,
    Reason.SCOPE: _MISUSE,
    Reason.SANITISED: _MISUSE,
    Reason.UNSCANNED: _MISUSE,
    Reason.LINK_NOT_LOCKED: _FLOW,
    Reason.AMBIGUOUS: _FLOW,
    Reason.REQUEST_KIND: _FLOW,
    Reason.REDACTED: _LEAK,
    Reason.TOOL_DENIED: _ACCESS,
    Reason.TOOL_NOT_ALLOWED: _ACCESS,
    Reason.TOOL_BLOCKED: _ACCESS,
    Reason.RULE: _ACCESS,
    Reason.RULE_FAULT: _ACCESS,
    Reason.CAPABILITY: _ACCESS,
    Reason.TRUST_SCORE: _ACCESS,
    Reason.TRUST_TIER: _ACCESS,
    Reason.TRUST_LEVEL: _AUTHENTIC,
    Reason.NO_PRINCIPAL: _AUTHENTIC,
    Reason.PRINCIPAL_BLOCKED: _ROGUE,
    Reason.KILLED: _ROGUE,
    Reason.APPROVAL: _HUMAN,
    Reason.RATE_LIMIT: _CASCADE,
    Reason.BUDGET: _CASCADE,
    Reason.REPEATED_FAILURE: _CASCADE,
    Reason.SATURATED: _CASCADE,
    Reason.AUDIT_UNWRITABLE: _AUDIT,
    Reason.UNKNOWN_ID: _SPOOF,
    Reason.DUPLICATE_ID: _SPOOF,
    Reason.UNKNOWN_TOKEN: _SPOOF,
    Reason.DUPLICATE_KEY: _SPOOF,
}
"""By the reason of a decision; a reason that is about the wire alone has none."""


def controls_of(reason: str) -> tuple[str, ...]:
    """`catalogue:id`, the most telling first."""
    return CONTROLS.get(reason, ())
