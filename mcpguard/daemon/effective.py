"""`mcpguard proxy --print-effective`: what a session would allow. Starts nothing."""

import os
import shlex
import sys

from mcpguard.config import showing
from mcpguard.config.plan import Plan
from mcpguard.daemon import launch
from mcpguard.daemon.environment import server_environment
from mcpguard.daemon.log import printable
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Mode

__all__ = ["print_effective"]


def print_effective(plan: Plan) -> int:
    """What the session of `plan` would allow, as text on stdout."""
    lines = [f"mode: {plan.mode}", f"command: {shlex.join(plan.flags.command)}"]
    if plan.lock is not None:
        launch.verify(plan.lock.launch, plan.flags.command)
        lines = _effective(plan, plan.lock)
    lines += ["settings:", *(f"  {line}" for line in showing.lines(plan.loaded, origin=True))]
    sys.stdout.write("".join(printable(line).rstrip() + "\n" for line in lines))
    return 0


def _effective(plan: Plan, lock: Lockfile) -> list[str]:
    lines = [
        f"mode: {plan.mode}",
        f"server: {plan.name}",
        f"lockfile: {plan.flags.lock} {plan.digest}",
        f"command: {shlex.join(lock.launch.argv)}",
        f"environment: {', '.join(sorted(server_environment(os.environ, lock.launch.env)))}",
        f"server may ask for: {_asked(plan.mode, lock)}",
    ]
    for kind, items in lock.items.items():
        lines += [f"{kind.singular}: {name}" for name in sorted(items)]
    return lines


def _asked(mode: Mode, lock: Lockfile) -> str:
    locked = ", ".join(sorted(lock.requests)) or "nothing"
    return (
        locked if mode is Mode.ENFORCE else f"anything, as the mode lets it pass; locked: {locked}"
    )
