"""A server compared with its lockfile: the launch and everything it lists, as findings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import mcpguard
from mcpguard.cli import look, render
from mcpguard.daemon import launch as launches
from mcpguard.daemon.probe import Eras
from mcpguard.errors import LaunchError, SurfaceError
from mcpguard.lock import drift, wording
from mcpguard.lock.lockfile import Lockfile
from mcpguard.lock.sarif import sarif
from mcpguard.lock.surface import Surface
from mcpguard.model import Era, Finding, Severity

__all__ = ["LAUNCH", "RULES", "Seen", "drift_of", "sarif_text"]

LAUNCH, SURFACE = "drift.launch", "drift.surface"

RULES: Final[Mapping[str, str]] = {
    **wording.RULES,
    LAUNCH: "The command, or a file it runs, is not the reviewed one.",
    SURFACE: "What the server lists cannot be pinned.",
}
"""Every rule a comparison can name, with the sentence that SARIF shows for it."""

_ERAS: Final[Mapping[Era, Eras]] = {
    Era.LEGACY: Eras.LEGACY,
    Era.MODERN: Eras.MODERN,
    Era.DUAL: Eras.BOTH,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What comparing found, worst first. `surface`: None when there is none that can be pinned."""

    findings: tuple[Finding, ...]
    surface: Surface | None


def drift_of(lock: Lockfile, argv: Sequence[str], *, timeout: float, unreviewed: bool) -> Seen:
    """Start `argv` (empty: the locked command) and compare the launch and all it lists with `lock`.

    `unreviewed`: also start what is not the reviewed launch. Only the eras that were reviewed are
    compared. Raises UnreachableError, UsageError.
    """
    found = _launch_findings(lock, argv, "" if unreviewed else "; the server was not started")
    if found and not unreviewed:
        return Seen(found, None)
    try:
        surface = look.surface_of(
            argv or lock.launch.argv, lock.launch.env, timeout=timeout, eras=_ERAS[lock.server.era]
        )
    except SurfaceError as error:
        return Seen((*found, _critical(SURFACE, "", error.message)), None)
    return Seen((*found, *drift.compare(lock, surface, missing=Severity.MODERATE)), surface)


def _launch_findings(lock: Lockfile, argv: Sequence[str], so: str) -> tuple[Finding, ...]:
    try:
        launches.verify(lock.launch, argv)
    except LaunchError as error:
        return (_critical(LAUNCH, "/launch", error.message + so),)
    return ()


def _critical(rule: str, where: str, message: str) -> Finding:
    return Finding(rule=rule, severity=Severity.CRITICAL, where=where, message=message)


def sarif_text(findings: Sequence[Finding], lock: Path) -> str:
    """`findings` as a SARIF 2.1.0 log about `lock`, which is named relative to where we run."""
    here, whole = Path.cwd(), lock.absolute()
    artifact = whole.relative_to(here) if whole.is_relative_to(here) else lock
    document = sarif(
        findings, artifact=str(artifact), tool_version=mcpguard.__version__, rules=RULES
    )
    return render.json_text(document)
