"""`mcpguard check`: is the server still the one that was reviewed? Made for CI."""

from collections.abc import Sequence
from pathlib import Path

import click

from mcpguard.cli import compare, look, render
from mcpguard.cli.receipt.leaving import note, receipted
from mcpguard.config import flags
from mcpguard.daemon import launch as launches
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Finding, ItemKind, JsonObject, Severity

__all__ = ["check"]


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=render.examples(
        "mcpguard check --fail-on moderate", "mcpguard check --format sarif > mcpguard.sarif"
    ),
)
@look.lock_option
@click.option(
    "--fail-on",
    type=click.Choice([each.value for each in Severity]),
    default=Severity.CRITICAL.value,
    show_default=True,
    help="The mildest severity that fails.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
)
@look.timeout_option
@look.command_argument
@receipted("check")
def check(*, lock: Path, fail_on: str, form: str, timeout: float, command: Sequence[str]) -> int:
    """Compare a server with its lockfile. Without CMD, the locked command is started.

    A command or file that is not the reviewed one is critical, and is not started; what of the
    command no lockfile can pin is remarked on stderr. JSON has the keys server, lockfile,
    drift (rule, severity, where, message, evidence), summary (critical, moderate, info), failOn and
    outcome (pass or fail).

    Exit codes: 0 nothing at or above --fail-on; 1 there is; 2 it could not be found out (the server
    did not answer, the lockfile cannot be read). Unreachable is never a pass.
    """  # fmt: skip
    note(lockfile=str(lock))
    argv = flags.command(command)
    locked = look.read_lockfile(lock)
    note(server=locked.name)
    findings = compare.drift_of(locked, argv, timeout=timeout, unreviewed=False).findings
    note(drift=dict(render.counts(findings)))
    failed = any(each.severity.rank >= Severity(fail_on).rank for each in findings)
    if form == "sarif":
        render.answer([compare.sarif_text(findings, lock)])
    elif form == "json":
        render.answer([render.json_text(_as_json(locked, lock, findings, fail_on, failed=failed))])
    else:
        render.answer(render.finding_lines(findings) + [""] * bool(findings))
        render.answer([_verdict(locked, lock, findings, fail_on, failed=failed)])
        render.talk(*render.finding_lines(launches.remarks(locked.launch)))
    if failed and form == "text":
        first = any(each.rule == compare.LAUNCH for each in findings)
        what = "read that change first; what is listed with it" if first else "see all of it"
        render.talk(f"  next: {what}: mcpguard diff --lock {lock}")
    return int(failed)


def _as_json(
    locked: Lockfile, lock: Path, findings: Sequence[Finding], fail_on: str, *, failed: bool
) -> JsonObject:
    return {
        "server": locked.name,
        "lockfile": str(lock),
        "drift": render.as_json(findings),
        "summary": dict(render.counts(findings)),
        "failOn": fail_on,
        "outcome": "fail" if failed else "pass",
    }


def _verdict(
    locked: Lockfile, lock: Path, findings: Sequence[Finding], fail_on: str, *, failed: bool
) -> str:
    name = render.printable(locked.name)
    if not findings:
        what = render.counted({kind: len(locked.items[kind]) for kind in ItemKind})
        return f"{render.painted('good', 'pass')}: {name} is as locked in {lock} ({what})"
    numbers = ", ".join(f"{n} {word}" for word, n in render.counts(findings).items() if n)
    if failed:
        return f"{render.painted('critical', 'fail')}: {name} is not as locked in {lock}: {numbers}"
    return f"{render.painted('good', 'pass')}: {name}: {numbers}; fails on {fail_on}"
