"""What each rule means and what to do about it, whichever room has it."""

from typing import NamedTuple

from mcpguard.hosts import checks
from mcpguard.scan.threats import DETECTORS
from mcpguard.survey.judging import UNSCANNED

__all__ = ["Explained", "explained"]


class Explained(NamedTuple):
    """`sentence`: what the rule finds. `fix`: what to do next. `references`: of public lists."""

    sentence: str
    fix: str
    references: tuple[str, ...]


def explained(rule: str) -> Explained:
    """The explanation of `rule`; of an unknown one, its own name."""
    row = checks.RULES.get(rule)
    if row is not None:
        return Explained(row.sentence, row.fix, (f"OWASP {row.reference}",))
    threat = DETECTORS.get(rule.removeprefix("scan.").partition(".")[0])
    if threat is not None:
        lists = (("OWASP", threat.owasp), ("OWASP", threat.agentic), ("ATLAS", threat.atlas))
        references = tuple(f"{name} {entry}" for name, entry in lists if entry)
        return Explained(threat.explanation, threat.fix, references)
    if rule == UNSCANNED:
        return Explained(_TOO_MUCH, "Look at it by hand: mcpguard scan --list -- CMD", ())
    return Explained(rule, "", ())


_TOO_MUCH = "A definition is too large to be looked through, so nobody knows what it says."
