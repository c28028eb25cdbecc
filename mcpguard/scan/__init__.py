"""What arguments and results must not hold: detectors, the operator's patterns, scopes.

`find` looks a JSON value through, `redact` takes out what was found, `semantics` resolves a path, a
host or a command before it is compared with a configured scope. Pure: no file, no clock, no name is
looked up.

A detector is one file in `detectors/`, a row here, and `fixtures/scan/<id>/{bad,good}.jsonl`.
"""

from typing import Final

from mcpguard.scan.detectors import (
    card,
    email,
    iban,
    local_url,
    path_traversal,
    phone,
    secrets,
    shell_injection,
    ssn,
    ssrf_url,
)
from mcpguard.scan.redact import Hit, redact
from mcpguard.scan.sites import Detector
from mcpguard.scan.walk import BUDGET, Budget, find, finding

__all__ = [
    "BUDGET",
    "CONFIDENTIAL",
    "DETECTORS",
    "PERSONAL",
    "Budget",
    "Detector",
    "Hit",
    "find",
    "finding",
    "redact",
]

DETECTORS: dict[str, Detector] = {
    "ssn": ssn.DETECTOR,
    "card": card.DETECTOR,
    "iban": iban.DETECTOR,
    "secrets": secrets.DETECTOR,
    "shell_injection": shell_injection.DETECTOR,
    "path_traversal": path_traversal.DETECTOR,
    "ssrf_url": ssrf_url.DETECTOR,
    "local_url": local_url.DETECTOR,
    "email": email.DETECTOR,
    "phone": phone.DETECTOR,
}
"""Id -> detector."""

PERSONAL: Final = ("ssn", "card", "iban", "email", "phone")
"""Ids of those that find data about persons."""

CONFIDENTIAL: Final = tuple(DETECTORS[name] for name in ("secrets", *PERSONAL))
"""Those that find what is nobody else's to read. The others find deeds, such as a path that leads
out."""
