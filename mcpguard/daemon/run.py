"""`mcpguard proxy`: check the launch, start the server, and only then import what moves the bytes.

The order is the point. A server takes hundreds of milliseconds to start; the event loop and the
session are imported meanwhile, so a person never waits for both.
"""

import contextlib
import gc
import os
import struct
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcpguard.config.flags import ProxySettings, data_dir, parse_proxy
from mcpguard.control import kill
from mcpguard.daemon import child as processes
from mcpguard.daemon import launch, prelude
from mcpguard.daemon.environment import server_environment
from mcpguard.daemon.log import Log, open_log, printable
from mcpguard.errors import AuditError, LockfileError, McpguardError, UsageError
from mcpguard.lock import lockfile
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Mode

if TYPE_CHECKING:
    from mcpguard.audit import AuditLog
    from mcpguard.control.governor import Governor
    from mcpguard.daemon.drivers import Beside, Driver
    from mcpguard.daemon.engine import Engine

__all__ = ["PRINCIPAL", "main", "minter", "read_lock"]

PRINCIPAL = "local:default"
"""Who the host is: the user's own desktop, enrolled by starting mcpguard (DESIGN section 7)."""

DRIVER_VARIABLE = "MCPGUARD_DRIVER"
"""Environment variable. Names a driver (`drivers.DRIVERS`) in place of the fastest that can be."""

GC_THRESHOLD = 50_000
"""Allocations between two collections. The session makes no cycles on a message's way."""

LAST_WORDS = 0.3
"""Seconds of a session's end for the store, beside `drivers.STOP_BUDGET`."""

SHOWN_NAMES = 12
"""Names of withheld variables listed when a server ends before it answered."""

SHELL_NOISE = frozenset({"_", "COLUMNS", "LINES", "OLDPWD", "PWD", "SHLVL"})
"""Variables a shell sets for itself; no server misses them."""


def main(argv: Sequence[str]) -> int:
    """Run `mcpguard proxy` with `argv`; gives the server's exit code, or 1 or 2 of our errors."""
    gc.disable()  # importing collects a dozen times for nothing: a tenth of the start
    _ensure_stdio()
    try:
        return _proxy(parse_proxy(argv))
    except McpguardError as error:
        _complain(error)
        return error.exit_code


def read_lock(path: Path) -> Lockfile:
    """The lockfile at `path`. Raises LockfileError, naming the command that makes one."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LockfileError(
            f"{path}: the lockfile cannot be read: {error.strerror}",
            hint=f"make one: mcpguard lock -o {path} -- CMD ARGS...",
        ) from error
    return lockfile.parse(data, str(path))


def _proxy(settings: ProxySettings) -> int:
    lock = read_lock(settings.lock) if settings.lock is not None else None
    if settings.print_effective:
        return _print_effective(settings, lock)
    argv = settings.command
    if lock is not None:
        launch.verify(lock.launch, argv)
        argv = lock.launch.argv
    names = settings.env if lock is None else lock.launch.env
    env = server_environment(os.environ, names)
    name = settings.name or (lock.name if lock else "") or Path(argv[0]).name
    _refuse_killed(name)
    alarm = prelude.Alarm()
    child = processes.spawn(argv, env)
    try:
        return _session(settings, lock, (name, _withheld(env)), child, alarm)
    except BaseException:
        child.abandon()
        raise


def _session(
    settings: ProxySettings,
    lock: Lockfile | None,
    facts: tuple[str, str],
    child: processes.Child,
    alarm: prelude.Alarm,
) -> int:
    log = open_log(settings.log_format, settings.log_output)
    audit = governor = None
    try:
        audit = _open_audit(settings, lock, facts[0], log)
        engine, governor = _engine(settings, lock, audit, log, facts)
        beside = (_governed(engine, governor), _kill_watch(facts[0]))
        code, lingering = _run(engine, child, log, alarm, beside)
        _tell(child, log)
    finally:
        if governor is not None:
            _end(governor)
        if audit is not None:
            _close(audit, log)
        log.close()
    if lingering:  # a thread blocked in a read of our stdin would hold up the interpreter's exit
        os._exit(code)
    return code


def _refuse_killed(name: str) -> None:
    """Raises KilledError while the kill switch is on."""
    try:
        home = data_dir()
    except UsageError:  # there is none, so no switch in it; a session that enforces ends for that
        return
    kill.refuse(home, name)


def _tell(child: processes.Child, log: Log) -> None:
    """What a person should know about the processes of a session that has ended."""
    if child.unguarded:
        log.event("guardian.lost", "error", {})
    if child.left:
        log.event("processes.left", "error", {"count": child.left})
    if sys.platform == "linux" and not child.adopts:
        log.event("processes.group_only", "warning", {})


def _run(
    engine: "Engine",
    child: processes.Child,
    log: Log,
    alarm: prelude.Alarm,
    beside: "tuple[Beside, ...]",
) -> tuple[int, bool]:
    wanted = os.environ.get(DRIVER_VARIABLE, "")
    if prelude.fits(wanted):
        prelude.serve_while_importing(engine, child, alarm)
    from mcpguard.daemon import drivers

    driver = drivers.choose(wanted)
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 100)
    gc.enable()
    code = drivers.run(engine, child, log.stderr, alarm, driver=driver, beside=beside)
    return code, drivers.DRIVERS[driver][0] is drivers.Threads


def _governed(engine: "Engine", governor: "Governor") -> "Beside":
    """Asks the store for what the session's counters want; what waited is judged again."""

    async def beside(driver: "Driver") -> None:
        def resume() -> None:
            engine.resume()
            driver.flush()

        try:
            await governor.serve(resume, engine.tell)
        except Exception as error:  # noqa: BLE001 - a defect of ours ends the session
            engine.crash(error)
            driver.flush()

    return beside


def _kill_watch(name: str) -> "Beside":
    """Looks once a second whether the kill switch is on."""

    async def beside(driver: "Driver") -> None:
        with contextlib.suppress(UsageError):  # as in `_refuse_killed`
            home = data_dir()
            await kill.watch(lambda: kill.check(home, name), driver.kill)

    return beside


def _engine(
    settings: ProxySettings,
    lock: Lockfile | None,
    audit: "AuditLog | None",
    log: Log,
    facts: tuple[str, str],
) -> "tuple[Engine, Governor]":
    from mcpguard.config.settings import Settings
    from mcpguard.control.governor import Governor
    from mcpguard.daemon.engine import Engine
    from mcpguard.proxy.denial import DenyStyle
    from mcpguard.proxy.session import Session, SessionSettings

    governor = Governor(Settings(), lock, facts[0], mode=settings.mode, data=data_dir)
    session = Session(
        lock=lock,
        mode=settings.mode,
        decide=governor.decide,
        mint=minter(),
        settings=SessionSettings(
            deny_style=DenyStyle(settings.deny_style),
            timeout=settings.timeout,
            principal=PRINCIPAL,
            server=facts[0],
            early_exit=facts[1],
            parties=governor.parties,
        ),
        now=time.monotonic(),
    )
    return Engine(session, audit, log, governor), governor


def _end(governor: "Governor") -> None:
    """Tell the store, for as long as there is time: it forgets by itself what it is not told."""
    import threading

    thread = threading.Thread(target=governor.end, name="store", daemon=True)
    thread.start()
    thread.join(LAST_WORDS)


def _open_audit(
    settings: ProxySettings, lock: Lockfile | None, name: str, log: Log
) -> "AuditLog | None":
    """The session's audit log. Enforcing without one is refused; other modes say so and go on."""
    from mcpguard.audit import AuditLog, load_or_create_key

    try:
        home = data_dir()
        path = settings.audit_log or home / "audit" / f"{_file_name(name)}.jsonl"
        if settings.audit_log is None:
            path.parent.mkdir(mode=0o700, exist_ok=True)
        return AuditLog.open(
            path,
            key=load_or_create_key(home / "audit.key"),
            session=os.urandom(8).hex(),
            server=name,
            principal=PRINCIPAL,
            clock=time.time,  # noqa: TID251 - the shell hands its clock in; nothing below reads one
            defaults={"mode": str(settings.mode)},
            facts={"mode": str(settings.mode), "lock": lock.digest if lock else ""},
        )
    except (McpguardError, OSError) as error:
        if settings.mode is Mode.ENFORCE:
            raise _no_audit(error) from error
        log.event("audit.off", "warning", {"detail": str(error)})
        return None


def _no_audit(error: McpguardError | OSError) -> AuditError:
    hint = error.hint if isinstance(error, McpguardError) else ""
    return AuditError(
        f"the audit log cannot be opened, and nothing is let through unrecorded: {error}",
        hint=hint or "give --audit-log a file this user may write to",
    )


def _close(audit: "AuditLog", log: Log) -> None:
    try:
        audit.close()
    except (McpguardError, OSError) as error:
        log.event("audit.unwritable", "error", {"detail": str(error)})


def _file_name(name: str) -> str:
    """`name` as a file name: letters, digits, `.`, `_` and `-`; never hidden, never a directory."""
    safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in name[:80])
    return safe.lstrip(".") or "server"


def minter() -> Callable[[], int]:
    """Draws wire ids: 52 random bits and the bit above them, so that all have the same length.

    Random bytes are fetched for 64 ids at a time; a source that fails raises at every draw.
    """
    pool: list[int] = []

    def mint() -> int:
        if not pool:
            pool.extend(struct.unpack("64Q", os.urandom(512)))
        return pool.pop() >> 12 | 1 << 52

    return mint


def _withheld(env: dict[str, str]) -> str:
    """What to tell when the server ends at once: variables it did not get are the usual reason."""
    names = sorted(os.environ.keys() - env.keys() - SHELL_NOISE)
    if not names:
        return ""
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return f"environment variables not passed to it: {shown}{more} (mcpguard lock --env NAME)"


def _ensure_stdio() -> None:
    """Open what the host left closed, so that no pipe of ours becomes a standard stream."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _complain(error: McpguardError) -> None:
    lines = [f"mcpguard: {error.message}"] + [f"  next: {error.hint}"] * bool(error.hint)
    sys.stderr.write("".join(printable(line) + "\n" for line in lines))


def _print_effective(settings: ProxySettings, lock: Lockfile | None) -> int:
    """What the session would allow, as text on stdout. Starts nothing."""
    lines = [f"mode: {settings.mode}", f"command: {_as_typed(settings.command)}"]
    if lock is not None:
        launch.verify(lock.launch, settings.command)
        lines = _effective(settings, lock)
    sys.stdout.write("".join(printable(line) + "\n" for line in lines))
    return 0


def _as_typed(argv: Sequence[str]) -> str:
    import shlex  # brings `re`, which a session does without

    return shlex.join(argv)


def _effective(settings: ProxySettings, lock: Lockfile) -> list[str]:
    lines = [
        f"mode: {settings.mode}",
        f"server: {settings.name or lock.name}",
        f"lockfile: {settings.lock} {lock.digest}",
        f"command: {_as_typed(lock.launch.argv)}",
        f"environment: {', '.join(sorted(server_environment(os.environ, lock.launch.env)))}",
        f"server may ask for: {', '.join(sorted(lock.requests)) or 'nothing'}",
    ]
    for kind, items in lock.items.items():
        lines += [f"{kind.singular}: {name}" for name in sorted(items)]
    return lines
