"""What a session's records are written to: its log, or what adds to them on the way there."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from mcpguard.audit import AuditLog
    from mcpguard.config.settings import Settings
    from mcpguard.evidence.capture import Witness

__all__ = ["recording_of"]

Recording: TypeAlias = "tuple[AuditLog | Witness | None, Callable[[str], bool] | None]"


def recording_of(audit: "AuditLog | None", settings: "Callable[[], Settings]") -> Recording:
    """Where records go, and of which tools they hold the results; None: of none.

    `settings`: those that hold now. What of `audit` is captured stays as it was when it was opened.
    """
    chosen = settings().audit
    says_more = chosen.evidence or chosen.capture_arguments or chosen.capture_results
    if audit is None or not says_more:
        return audit, None
    from mcpguard.evidence.capture import Choice, Witness

    results = Choice(chosen.capture_results)
    witness = Witness(
        audit,
        arguments=Choice(chosen.capture_arguments),
        evidence=chosen.evidence,
        patterns=lambda: settings().gateway.patterns,
    )
    return witness, results.takes if results else None
