"""What a person does without a running session, written to an audit log of its own.

`<data dir>/audit/operator/acts.jsonl`: beside the sessions' logs, as no score is made from it.
"""

import getpass
import os
import time

from mcpguard.audit import AuditLog, load_or_create_key
from mcpguard.audit.record import changed
from mcpguard.cli import reach

__all__ = ["recorded"]


def recorded(event: str, *, by: str = "", key: str = "", why: str = "", **what: str) -> None:
    """One record of `event`, see `audit.record.CONTROL`. Raises AuditError: then do not do it."""
    home = reach.home()
    folder = home / "audit" / "operator"
    for each in (folder.parent, folder):
        each.mkdir(mode=0o700, exist_ok=True)
    log = AuditLog.open(
        folder / "acts.jsonl",
        key=load_or_create_key(home / "audit.key"),
        session=os.urandom(8).hex(),
        server="",
        principal=f"user:{_user()}",
        clock=time.time,  # noqa: TID251 - the shell hands its clock in; nothing below reads one
        durability="strict",
    )
    try:
        log.write(
            [(changed(event, by=by or "a user of the command line", key=key, why=why, **what), b"")]
        )
    finally:
        log.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        return str(os.geteuid()) if hasattr(os, "geteuid") else ""
