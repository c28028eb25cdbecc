"""Opening a guard: settings, lockfile, audit log, store and control socket, until it is closed."""

import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from mcpguard.config.flags import ProxySettings, data_dir
from mcpguard.config.plan import Plan, make_plan
from mcpguard.control import kill
from mcpguard.daemon import run
from mcpguard.embed.guard import Guard
from mcpguard.embed.words import Approve
from mcpguard.errors import UsageError
from mcpguard.live.governor import Governor
from mcpguard.model import Mode

if TYPE_CHECKING:
    from anyio.abc import TaskGroup, TaskStatus

    from mcpguard.control.socket import Answer as Converse

__all__ = ["open_guard"]

Tell = Callable[[str, str], None]

Where = str | os.PathLike[str]
"""A file, as a program names it."""

_LOG = logging.getLogger("mcpguard")
"""Where events go unless the program takes them: to whatever it does with its own."""


def _logged(name: str, detail: str) -> None:
    _LOG.warning("%s: %s", name, detail)


class _Events:
    """`log.Events`, as a function of name and detail."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def event(self, name: str, _level: str, fields: Mapping[str, str | int]) -> None:
        """Say `name`."""
        self._tell(name, ", ".join(map(str, fields.values())))


@asynccontextmanager
async def open_guard(
    lock: Where,
    *,
    principal: str = "",
    name: str = "",
    config: Where | None = None,
    policy: str | None = None,
    mode: Mode = Mode.ENFORCE,
    audit_log: Where | None = None,
    approve: Approve | None = None,
    tell: Tell = _logged,
) -> AsyncIterator[Guard]:
    """The guard of one principal before the server of `lock`, for as long as the block runs.

    Args:
        lock: The reviewed lockfile.
        principal: `local:NAME` or a did:key that the settings name under `principals`; empty: who
            the settings say, by `profile` or `identity`.
        name: The server's, in records and limits; empty: the lockfile's.
        config: The settings, as for `mcpguard proxy --config`.
        policy: A preset's word or a file, as for `mcpguard proxy --policy`.
        mode: As for `mcpguard proxy`; the settings may ask for a stricter one.
        audit_log: Where decisions are recorded; None: as the settings say.
        approve: Is asked about calls that need a person, where one yes is enough.
        tell: Hears of what goes on beside the calls: an event's name, and why.

    Raises:
        McpguardError: Something cannot be read or opened or is of no use, the principal is not
            enrolled, or the kill switch is on.
    """
    _check(approve)
    plan = _planned(Path(lock), principal, ProxySettings(
        lock=Path(lock), mode=_mode(mode), audit_log=_path(audit_log), name=name,
        config=_path(config), policy=policy,
    ))  # fmt: skip
    kill.refuse(data_dir(), plan.name)
    events, session, asks = _Events(tell), os.urandom(8).hex(), approve is not None
    audit, keeping = run.open_audit(plan, session, events)
    try:
        governor = Governor(plan, session, audit, data_dir, run.approvers(), program=asks)
        failure: Exception | None = None
        try:
            async with _beside() as tasks:
                guard = _begun(governor, tasks, approve, tell)
                if keeping is not None:
                    tasks.start_soon(run.keep, keeping, tell)
                try:
                    yield guard
                except Exception as error:  # noqa: BLE001 - raised below, as what it is
                    failure = error
                guard.kill("the guard was closed")
        finally:
            run.end_governor(governor)
        if failure is not None:
            raise failure
    finally:
        if audit is not None:
            run.close_audit(audit, keeping, events)


def _check(approve: Approve | None) -> None:
    if not (approve is None or callable(approve)):
        raise UsageError("approve: it cannot be called", hint="give a function of `async def`")


def _path(given: Where | None) -> Path | None:
    return None if given is None else Path(given)


def _mode(given: str) -> Mode:
    try:
        return Mode(given)
    except ValueError:
        raise UsageError(
            f"mode: {str(given)[:100]!r} is none", hint=f"one of {', '.join(Mode)}"
        ) from None


@asynccontextmanager
async def _beside() -> AsyncIterator["TaskGroup"]:
    """A task group in a task of its own, cancelled at the end; nothing of the program's is.

    Of a program whose `asyncio.TaskGroup` failed, asyncio counts a cancellation that is over; a
    scope around that and cancelled in the same task would take itself for it, and raise it.
    """
    async with anyio.create_task_group() as own:
        tasks: TaskGroup = await own.start(_group)
        yield tasks
        tasks.cancel_scope.cancel()


async def _group(*, task_status: "TaskStatus[TaskGroup]") -> None:
    async with anyio.create_task_group() as tasks:
        task_status.started(tasks)
        await anyio.sleep_forever()


def _planned(lock: Path, principal: str, flags: ProxySettings) -> Plan:
    plan = make_plan(flags, run.read_lock(lock))
    if not principal:
        return plan
    if principal not in plan.settings.principals:
        raise UsageError(
            f"{principal[:100]} is no principal of the settings",
            hint="enrol it: name it under `principals` in mcpguard.yaml",
        )
    return replace(plan, said=principal)


def _begun(governor: Governor, tasks: "TaskGroup", approve: Approve | None, tell: Tell) -> Guard:
    """The guard, with all that goes on beside it begun in `tasks`."""
    plan = governor.plan
    if plan.lock is None:
        raise UsageError("there is no lockfile", hint="make one: mcpguard lock -- CMD ARGS...")
    guard = Guard(governor, plan.lock, approve, tell)
    tasks.start_soon(_served, governor, guard, tell)
    tasks.start_soon(governor.hurry, guard.resume)
    tasks.start_soon(governor.examiner.run, guard.resume, governor.warm)
    look = partial(_switch, governor)
    tasks.start_soon(kill.watch, look, guard.kill)
    tasks.start_soon(_attended, governor, guard, tell)
    return guard


async def _served(governor: Governor, guard: Guard, tell: Tell) -> None:
    """Asks the store for what the guard needs."""
    try:
        await governor.serve(guard.resume, tell)
    except Exception as error:  # noqa: BLE001 - a defect of ours ends the guard, not the program
        tell("guard.crashed", type(error).__name__)
        guard.kill("mcpguard itself failed")


def _switch(governor: Governor) -> str | None:
    return kill.check(data_dir(), governor.plan.name) or governor.blocked.killed


async def _attended(governor: Governor, guard: Guard, tell: Tell) -> None:
    """People see, approve and block on the control socket, as with any session."""
    from mcpguard.control.socket import attend
    from mcpguard.live.desk import Desk

    desk = Desk(
        governor,
        resume=guard.resume,
        kill=guard.kill,
        killed=lambda: bool(guard.killed),
        since=time.time(),  # noqa: TID251 - the shell hands its clock in; nothing below reads one
        clock=time.time,  # noqa: TID251 - as above
    )

    def converse() -> "Converse":
        return desk.conversation(time.monotonic)

    def off(error: Exception) -> None:
        tell("control.off", str(error))

    await attend(data_dir(), governor.session, converse, off)
