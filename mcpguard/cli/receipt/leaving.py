"""A receipt for every run of a command, whatever comes of it.

A command whose words cannot be understood did nothing and leaves none. One that was let begin
leaves one: with the answer, the kind of error, or the signal that ended it.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import click

from mcpguard.cli import render
from mcpguard.config.files import plain_bytes
from mcpguard.config.flags import data_dir
from mcpguard.config.loading import load
from mcpguard.errors import McpguardError
from mcpguard.evidence.leaving import Leaving, kind_of
from mcpguard.model import Json, JsonObject

__all__ = ["file_fact", "note", "receipted"]

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT."""

UNKNOWN = 2
"""Exit code of a command that ended by an error that nobody foresaw."""

_META: Final = "mcpguard.receipt"

P = ParamSpec("P")
R = TypeVar("R")


def note(**facts: Json) -> None:
    """What the receipt of the running command says more: members of its schema.

    `lockfile`: a path; its hash is taken when the command has ended. Says nothing in a command
    that leaves no receipt.
    """
    context = click.get_current_context(silent=True)
    leaving: object = context.meta.get(_META) if context is not None else None
    if isinstance(leaving, Leaving):
        leaving.facts.update(facts)


def receipted(command: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The decorated command leaves a receipt as `command`. Stands right above the function."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            leaving = Leaving(command, data_dir, _now)
            leaving.begin(_chosen())
            click.get_current_context().meta[_META] = leaving
            try:
                given = function(*args, **kwargs)
            except BaseException as error:
                _left(leaving, *_fate(error))
                raise
            _left(leaving, given if isinstance(given, int) else 0, "")
            return given

        return run

    return decorate


def _left(leaving: Leaving, code: int, kind: str) -> None:
    """Raises AuditError for a command that went well, if there must be a receipt and is none."""
    lockfile = leaving.facts.get("lockfile")
    if isinstance(lockfile, str):
        leaving.facts["lockfile"] = file_fact(Path(lockfile))
    missing = leaving.left(code, kind)
    if missing is None:
        return
    if leaving.chosen != "on" and code == 0:
        raise missing
    render.talk(
        f"mcpguard: there is no receipt of this: {render.printable(missing.message)}",
        *([f"  next: {render.printable(missing.hint)}"] if missing.hint else []),
    )


def _now() -> float:
    return datetime.now(UTC).timestamp()


def _fate(error: BaseException) -> tuple[int, str]:
    """The exit code that comes of `error`, and its kind; empty where it is none."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code, ""
        case McpguardError():
            return error.exit_code, kind_of(error)
        case KeyboardInterrupt() | click.exceptions.Abort():
            return INTERRUPTED, ""
        case click.ClickException():
            return error.exit_code, "usage"
        case _:
            return UNKNOWN, "unexpected"


def _chosen() -> str:
    """The setting; `unknown` when it cannot be read: who wrote it may have required one."""
    try:
        return load().settings.audit.receipts
    except McpguardError:
        return "unknown"


def file_fact(path: Path) -> JsonObject:
    """`path`, and the SHA-256 of what is there; null when that cannot be read."""
    try:
        digest: str | None = f"sha256:{hashlib.sha256(plain_bytes(path)).hexdigest()}"
    except OSError:
        digest = None
    return {"path": str(path), "sha256": digest}
