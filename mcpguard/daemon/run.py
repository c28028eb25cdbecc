"""`mcpguard proxy`: check the launch, start the server, and only then import what moves the bytes.

The order is the point. A server takes hundreds of milliseconds to start; the event loop and the
session are imported meanwhile, so a person never waits for both.
"""

import contextlib
import gc
import hashlib
import os
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mcpguard.config.files import lock_bytes, lock_unread
from mcpguard.config.flags import APPROVERS, ProxySettings, data_dir, parse_proxy, typed
from mcpguard.config.plan import Plan, make_plan
from mcpguard.control import kill
from mcpguard.daemon import child as processes
from mcpguard.daemon import launch, prelude
from mcpguard.daemon.environment import server_environment, withheld
from mcpguard.daemon.log import Events, Log, open_log, printable, unusual
from mcpguard.errors import AuditError, McpguardError, UsageError
from mcpguard.evidence.leaving import Leaving
from mcpguard.lock import lockfile
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import JsonObject, Mode, Proof

if TYPE_CHECKING:
    from mcpguard.audit import AuditLog
    from mcpguard.audit.keeper import Keeper
    from mcpguard.audit.record import Record
    from mcpguard.control.socket import Answer
    from mcpguard.daemon.drivers import Beside, Driver
    from mcpguard.daemon.engine import Engine
    from mcpguard.identity.roster import Roster
    from mcpguard.live.desk import Desk
    from mcpguard.live.governor import Governor
    from mcpguard.wire.tracing import Tracer

    Keeping = Callable[[], Keeper]

__all__ = [
    "approvers",
    "close_audit",
    "end_governor",
    "keep",
    "main",
    "minter",
    "open_audit",
    "read_lock",
]

DRIVER_VARIABLE = "MCPGUARD_DRIVER"
"""Environment variable. Names a driver (`drivers.DRIVERS`) in place of the fastest that can be."""

GC_THRESHOLD = 50_000
"""Allocations between two collections. The session makes no cycles on a message's way."""

KEEP_SECONDS = 1.0
"""Seconds between two looks whether the audit log is to be signed or set aside."""

LAST_WORDS = 0.3
"""Seconds of a session's end for the store, beside `drivers.STOP_BUDGET`."""

NAMES_AFTER = 1.0
"""Seconds of a session before its lockfile is registered: the first calls have gone by then."""

SHOWN_NAMES = 12
"""Names of withheld variables listed when a server ends before it answered."""


def main(argv: Sequence[str]) -> int:
    """Run `mcpguard proxy` with `argv`; gives the server's exit code, or 1 or 2 of our errors."""
    _ensure_stdio()
    receipt = None
    try:
        flags = parse_proxy(argv)
        if flags.print_effective:
            return _print_effective(make_plan(flags, _lock(flags, None)))
        receipt = Leaving("run", data_dir, time.time)  # noqa: TID251 - the shell's clock
        return _proxy(flags, receipt)
    except McpguardError as error:
        _complain(error)
        if receipt is not None:
            _leave(receipt, error.exit_code, error=error)
        return error.exit_code


def read_lock(path: Path) -> Lockfile:
    """The lockfile at `path`. Raises LockfileError, naming the command that makes one."""
    return lockfile.parse(_lock_bytes(path), str(path))


def _lock_bytes(path: Path) -> bytes:
    try:
        return lock_bytes(path)
    except OSError as error:
        raise lock_unread(path, error) from error


def _lock(flags: ProxySettings, receipt: Leaving | None) -> Lockfile | None:
    if flags.lock is None:
        return None
    told: JsonObject = {"path": str(flags.lock), "sha256": None}
    if receipt is not None:
        receipt.facts["lockfile"] = told
    data = _lock_bytes(flags.lock)
    told["sha256"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return lockfile.parse(data, str(flags.lock))


def _proxy(flags: ProxySettings, receipt: Leaving) -> int:
    lock = _lock(flags, receipt)
    plan = make_plan(flags, lock)
    receipt.facts["server"] = plan.name
    receipt.facts["policy"] = {"preset": plan.settings.preset.value, "mode": plan.mode.value}
    receipt.begin(plan.settings.audit.receipts)
    argv = flags.command
    if lock is not None:
        launch.verify(lock.launch, argv, flags.lock)
        argv = lock.launch.argv
    env = server_environment(os.environ, flags.env if lock is None else lock.launch.env)
    _refuse_killed(plan.name)
    with prelude.Alarm() as alarm, _shipping(plan) as deliver:
        child = processes.spawn(argv, env)
        try:
            return _session(plan, _withheld(env, lock), child, alarm, deliver, receipt=receipt)
        except BaseException:
            child.abandon()
            raise


@contextlib.contextmanager
def _shipping(plan: Plan) -> "Iterator[Callable[[Path], None]]":
    """A process that delivers the audit log beside the session, if somebody wants it delivered.

    Gives what tells it which log. Without one what waits is kept in the log, as for any collector
    that is away: nothing is refused for it.
    """
    if not plan.settings.audit.sinks:
        yield lambda _: None
        return
    from mcpguard.siem.process import Shipper

    try:
        shipper = Shipper.start(plan.settings.audit.sinks, plan.settings.audit.host)
    except OSError as error:
        sys.stderr.write(printable(f"mcpguard: the audit log is not delivered: {error}") + "\n")
        yield lambda _: None
        return
    try:
        yield shipper.deliver
    finally:
        shipper.end()


def _session(
    plan: Plan,
    early_exit: str,
    child: processes.Child,
    alarm: prelude.Alarm,
    deliver: "Callable[[Path], None]",
    *,
    receipt: Leaving,
) -> int:
    prelude.one_heap()
    log = open_log(plan.flags.log_format, plan.flags.log_output)
    audit = governor = keeping = None
    stuck = False
    try:
        session_id = os.urandom(8).hex()
        log.about = {"server": plan.name, "session": session_id}
        audit, keeping = open_audit(plan, session_id, log)
        _tell_lacking(plan, log)
        if audit is not None:
            deliver(audit.path)
        engine, governor = _engine(plan, session_id, audit, log, early_exit)
        beside = (
            _governed(engine, governor),
            _examined(engine, governor),
            _hurried(engine, governor),
            _kill_watch(plan.name, governor),
            _named(plan, log),
            _controlled(engine, governor),
            _kept(engine, keeping),
        )
        code, lingering = _run(engine, child, log, alarm, beside)
        _tell(child, log)
    finally:
        if governor is not None:
            end_governor(governor)
            stuck = governor.stuck(LAST_WORDS)
        if audit is not None:
            close_audit(audit, keeping, log)
        log.close()
    if audit is not None:
        receipt.facts["audit"] = {
            "log": str(audit.path.absolute()),
            "session": session_id,
            "seq": audit.seq,
            "hash": f"sha256:{audit.head.hex()}",
        }
    _leave(receipt, code, status=_status(engine.exit_code))
    if lingering or stuck:  # a thread blocked in a read of our stdin, or in a store that does not
        # answer, would hold up the interpreter's exit
        os._exit(code)
    return code


def _leave(
    receipt: Leaving, code: int, *, error: McpguardError | None = None, status: str = ""
) -> None:
    missing = receipt.left(code, error=error, status=status)
    if missing is not None:
        lines = [f"mcpguard: there is no receipt of this session: {missing.message}"]
        lines += [f"  next: {missing.hint}"] if missing.hint else []
        with contextlib.suppress(OSError):  # the server's exit code counts, heard or not
            sys.stderr.write("".join(printable(line) + "\n" for line in lines))
            sys.stderr.flush()


def _status(own: int | None) -> str:
    """Of a receipt: what mcpguard says of the session, whatever the server's exit code."""
    if own is None:
        return "pass"
    return "fail" if own == kill.KILLED else "error"


def _refuse_killed(name: str) -> None:
    """Raises KilledError while the kill switch is on."""
    try:
        home = data_dir()
    except UsageError:  # there is none, so no switch in it; a session that enforces ends for that
        return
    kill.refuse(home, name)


def _tell_lacking(plan: Plan, log: Log) -> None:
    """What the lockfile and the settings name, and is not there: the session begins without it."""
    named = plan.flags.env if plan.lock is None else plan.lock.launch.env
    unset = [name for name in named if name not in os.environ]
    if unset:
        log.event("environment.unset", "warning", {"names": ", ".join(unset)})
    sinks = plan.settings.audit.sinks
    if sinks:
        from mcpguard.siem.sinks import lacking

        for target in sinks:
            for _, why in lacking(target, os.environ):
                log.event("sink.unready", "warning", {"name": target.name, "detail": why})


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


def _resuming(engine: "Engine", driver: "Driver") -> Callable[[], None]:
    """Has what waits judged again, and what comes of that written."""

    def resume() -> None:
        engine.resume()
        driver.flush()

    return resume


def _governed(engine: "Engine", governor: "Governor") -> "Beside":
    """Asks the store for what the session's counters want; what waited is judged again."""

    async def beside(driver: "Driver") -> None:
        try:
            await governor.serve(_resuming(engine, driver), engine.tell)
        except Exception as error:  # noqa: BLE001 - a defect of ours ends the session
            engine.crash(error)
            driver.flush()

    return beside


def _examined(engine: "Engine", governor: "Governor") -> "Beside":
    """Looks large results through; what waited for that is judged again."""

    async def beside(driver: "Driver") -> None:
        def warm() -> None:
            governor.warm()
            prelude.give_memory_back()

        await governor.examiner.run(_resuming(engine, driver), warm)

    return beside


def _hurried(engine: "Engine", governor: "Governor") -> "Beside":
    """Calls that wait for a store which takes long are denied."""

    async def beside(driver: "Driver") -> None:
        await governor.hurry(_resuming(engine, driver))

    return beside


def _kill_watch(name: str, governor: "Governor") -> "Beside":
    """Looks once a second whether a kill switch is on: this machine's, or that of the store."""

    async def beside(driver: "Driver") -> None:
        with contextlib.suppress(UsageError):  # as in `_refuse_killed`
            home = data_dir()
            await kill.watch(lambda: kill.check(home, name) or governor.blocked.killed, driver.kill)

    return beside


def _named(plan: Plan, log: Log) -> "Beside":
    """Puts the lockfile into the machine's registry of names, once the session's start is over."""

    async def beside(_: "Driver") -> None:
        lock, file = plan.lock, plan.flags.lock
        if lock is None or file is None:
            return
        import anyio
        import anyio.to_thread

        def remember() -> None:
            from mcpguard.live.names import remember as register

            register(data_dir(), lock, file, plan.digest)

        await anyio.sleep(NAMES_AFTER)
        try:
            await anyio.to_thread.run_sync(remember, abandon_on_cancel=True)
        except (McpguardError, OSError) as error:
            log.event("names.off", "warning", {"detail": str(error)})

    return beside


def _controlled(engine: "Engine", governor: "Governor") -> "Beside":
    """Answers people on the session's control socket, once its bytes move."""

    async def beside(driver: "Driver") -> None:
        from mcpguard.control.socket import attend

        def off(error: Exception) -> None:
            engine.tell("control.off", str(error))

        try:
            home = data_dir()
        except UsageError as error:
            off(error)
        else:
            converse = _conversation(engine, governor, driver)
            await attend(home, governor.session, converse, off)

    return beside


def _kept(engine: "Engine", keeping: "Keeping | None") -> "Beside":
    async def beside(_driver: "Driver") -> None:
        if keeping is not None:
            await keep(keeping, engine.tell)

    return beside


async def keep(keeping: "Keeping", tell: Callable[[str, str], None]) -> None:
    """Sign the audit log, and set it aside when it is large or old enough, until cancelled."""
    import anyio
    import anyio.to_thread

    away = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
    keeper = keeping()
    told = ""
    while True:
        await anyio.sleep(KEEP_SECONDS)
        if not keeper.due():
            continue
        keeper.take()
        await away(keeper.sign)
        prelude.give_memory_back()  # where the hashes lay: thousands of them lift what lies above
        try:
            await away(keeper.commit())
        except (McpguardError, OSError) as error:
            keeper.failure = str(error)
        if keeper.failure and keeper.failure != told:
            tell("audit.unsigned", keeper.failure)
        told = keeper.failure


def _keeper_of(audit: "AuditLog", plan: Plan, own: bytes) -> "Keeping":
    """Gives the log's keeper, which is made when the messages move already, or at the end.

    `own`: the 32 bytes of the key that signs the log.
    """
    made: list[Keeper] = []

    def keeping() -> "Keeper":
        if not made:
            from mcpguard.audit.checkpoint import Signer
            from mcpguard.audit.keeper import Keeper, Rotation

            chosen = plan.settings.audit
            signer = Signer(own, data_dir())
            rotation = Rotation(chosen.rotate_size, chosen.rotate_age, chosen.keep)
            anchors = Path(chosen.anchors) if chosen.anchors else None
            made.append(Keeper(audit, signer, rotation, anchors))
        return made[0]

    return keeping


def _conversation(
    engine: "Engine", governor: "Governor", driver: "Driver"
) -> "Callable[[], Answer]":
    """Makes a conversation for each connection; nothing of it is imported before the first."""
    since = time.time()  # noqa: TID251 - the shell hands its clock in; nothing below reads one

    def converse() -> "Answer":
        from mcpguard.live.desk import Desk

        if not desks:
            desks.append(
                Desk(
                    governor,
                    resume=_resuming(engine, driver),
                    kill=driver.kill,
                    killed=lambda: driver.killed,
                    since=since,
                    clock=time.time,  # noqa: TID251 - as above
                )
            )
        return desks[0].conversation(time.monotonic)

    desks: list[Desk] = []
    return converse


def _engine(
    plan: Plan, session_id: str, audit: "AuditLog | None", log: Log, early_exit: str
) -> "tuple[Engine, Governor]":
    from mcpguard.daemon.engine import Engine
    from mcpguard.live.governor import Governor
    from mcpguard.live.stages.latency import Latency
    from mcpguard.live.stages.recording import recording_of
    from mcpguard.proxy.denial import DenyStyle
    from mcpguard.proxy.session import Session, SessionSettings

    governor = Governor(plan, session_id, audit, data_dir, approvers())
    recording, captured = recording_of(audit, lambda: governor.settings)
    session = Session(
        lock=plan.lock,
        mode=plan.mode,
        decide=governor.decide,
        mint=minter(),
        settings=SessionSettings(
            deny_style=DenyStyle(plan.flags.deny_style),
            timeout=plan.flags.timeout,
            principal=plan.principal,
            server=plan.name,
            early_exit=early_exit,
            review=_review(plan.flags.lock),
            unrecorded=plan.settings.audit.on_failure == "continue",
            captured=captured,
            parties=governor.parties,
            ready=governor.ready,
            settle=governor.examiner.settle,
            tracer=_tracer(plan),
        ),
        now=time.monotonic(),
    )
    governor.held = lambda: session.held_calls
    governor.latency = Latency(time.monotonic, lambda: session.now, session.took)
    return Engine(session, recording, log, governor), governor


def _tracer(plan: Plan) -> "Tracer | None":
    if not plan.settings.telemetry.trace:
        return None
    from mcpguard.wire.tracing import Tracer

    return Tracer(os.urandom)


def approvers() -> "Roster":
    """The approvers who count in this session. Raises IdentityError for a chain that is broken."""
    from mcpguard.identity import keys, roster

    try:
        return keys.roster(data_dir() / APPROVERS)
    except UsageError:  # there is no data directory, so nobody in it
        return roster.EMPTY


def end_governor(governor: "Governor") -> None:
    """Tell the store, for as long as there is time: it forgets by itself what it is not told."""
    import threading

    thread = threading.Thread(target=governor.end, name="store", daemon=True)
    thread.start()
    thread.join(LAST_WORDS)


def open_audit(
    plan: Plan, session_id: str, log: Events
) -> "tuple[AuditLog, Keeping] | tuple[None, None]":
    """The session's audit log, and what gives its keeper, who signs with the key of now.

    Enforcing without a log is refused; other modes say so and go on.
    """
    from mcpguard.audit import AuditLog
    from mcpguard.audit.key import DIGEST_KEY, SIGNING_KEY, load_or_create_key

    mode, settings = str(plan.mode), plan.settings
    try:
        home = data_dir()
        path = plan.flags.audit_log or (Path(settings.audit.log) if settings.audit.log else None)
        if path is None:
            path = home / "audit" / f"{_file_name(plan.name)}.jsonl"
            path.parent.mkdir(mode=0o700, exist_ok=True)
        own = load_or_create_key(home / SIGNING_KEY)
        audit = AuditLog.open(
            path,
            key=load_or_create_key(home / DIGEST_KEY),
            session=session_id,
            server=plan.name,
            principal=plan.principal,
            clock=time.time,  # noqa: TID251 - the shell hands its clock in; nothing below reads one
            durability=settings.audit.durability,
            tracked=True,
            defaults={"mode": mode},
            facts={
                "mode": mode,
                "lock": plan.digest,
                "preset": settings.preset,
                "zone": settings.zone,
                "proved": plan.proof,
                **_evident(plan),
            },
            prove=_proving(plan, own),
        )
    except (McpguardError, OSError) as error:
        if plan.mode is Mode.ENFORCE and settings.audit.on_failure == "deny":
            raise _no_audit(error) from error
        log.event("audit.off", "warning", {"detail": str(error)})
        return None, None
    unusual(audit.origin, log.event)
    return audit, _keeper_of(audit, plan, own)


def _proving(plan: Plan, own: bytes) -> "Callable[[JsonObject, bytes], JsonObject] | None":
    """Signs the first record of a session whose principal is proved by its key.

    `own`: the 32 bytes of the key that signs the log.
    """
    holder = plan.holder
    if holder is None or plan.proof is not Proof.KEY:
        return None
    from mcpguard.identity.possession import prover

    return prover(holder, own)


def _evident(plan: Plan) -> JsonObject:
    """What the first record of a session says that evidence of its calls is made of."""
    if not plan.settings.audit.evidence:
        return {}
    from mcpguard.live.reloading import digest

    return {"evidence": True, "policy": digest(plan.loaded)}


def _no_audit(error: McpguardError | OSError) -> AuditError:
    hint = error.hint if isinstance(error, McpguardError) else ""
    return AuditError(
        f"the audit log cannot be opened, and nothing is let through unrecorded: {error}",
        hint=hint or "give --audit-log a file this user may write to",
    )


def close_audit(audit: "AuditLog", keeping: "Keeping | None", log: Events) -> None:
    """Sign the log a last time and close it; what goes wrong is said."""
    try:
        audit.close(lambda: _last(keeping, log))
    except (McpguardError, OSError) as error:
        log.event("audit.unwritable", "error", {"detail": str(error)})


def _last(keeping: "Keeping | None", log: Events) -> "Sequence[Record]":
    """The records behind the closing one: the last checkpoint."""
    records: Sequence[Record] = ()
    why = ""
    try:
        if keeping is not None:
            keeper = keeping()
            records, why = keeper.last(), keeper.failure
    except (McpguardError, OSError) as error:
        why = str(error)
    if why:
        log.event("audit.unsigned", "warning", {"detail": why})
    return records


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


def _withheld(env: dict[str, str], lock: Lockfile | None) -> str:
    """What to tell when the server ends at once: variables it did not get are the usual reason."""
    names = withheld(os.environ, env)
    if not names:
        return ""
    shown = ", ".join(names[:SHOWN_NAMES])
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    given = "--env NAME" if lock is None else "mcpguard lock --update -o FILE --env NAME"
    return f"environment variables not passed to it: {shown}{more} ({given})"


def _review(lock: Path | None) -> str:
    """What shows a person a change, on stderr."""
    return "" if lock is None else typed("diff", "--lock", str(lock))


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


def _print_effective(plan: Plan) -> int:
    """What the session would allow, as text on stdout. Starts nothing."""
    from mcpguard.config import showing
    from mcpguard.live.observing import stops

    names: Sequence[str] = ()
    if plan.lock is not None:
        launch.verify(plan.lock.launch, plan.flags.command, plan.flags.lock)
        names = [*server_environment(os.environ, plan.lock.launch.env)]
    lines = showing.effective(plan, names, stops(plan))
    sys.stdout.write("".join(printable(line).rstrip() + "\n" for line in lines))
    return 0
