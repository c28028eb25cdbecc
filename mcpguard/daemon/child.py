"""The server process: its own process group, a guardian, three pipes, a bounded end.

Standard library only and light: it runs before the event loop is imported, so that the server
starts while the proxy does. The guardian is a `/bin/sh` of one megabyte that survives the proxy's
death by any signal, SIGKILL included, and ends the server's whole group; a death signal would not
reach the grandchild that npx starts. The window between the start of the server and the guardian's
hearing of it is two system calls.

A process that leaves the group (setsid, setpgid) is out of the guardian's reach, not of ours: on
Linux what loses its parent becomes our child (PR_SET_CHILD_SUBREAPER), so whatever the server
started is below us in the process table and is ended with it. A guardian that dies first takes the
server with it, as then nothing would end the server after us.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from mcpguard.errors import UnreachableError

__all__ = [
    "EOF_GRACE",
    "TERM_GRACE",
    "Child",
    "Process",
    "descendants",
    "ending",
    "find_executable",
    "send",
    "spawn",
    "stop",
]

EOF_GRACE = 1.0
"""Seconds between closing the server's stdin and SIGTERM. The official SDKs allow two in all."""

TERM_GRACE = 0.5
"""Seconds between SIGTERM and SIGKILL to the group."""

LEFTOVER_GRACE = 0.2
"""Seconds between SIGTERM and SIGKILL for what a server that has ended left behind."""

POLL = 0.005
"""Seconds between two looks at a process that is ending. Only while it ends."""

SWEEP_GRACE = 0.2
"""Seconds in which SIGKILL is sent again and again to what a server started outside its group."""

SWEEPS = 20
"""Such rounds, `POLL` apart, where no event loop runs any more. A process dies within one or two;
one that forks faster than it is killed is counted and left."""

PR_SET_CHILD_SUBREAPER = 36
"""The number of prctl(2), linux/prctl.h. Linux 3.4."""

READ_SIZE = 4096
"""Bytes a read of proc(5): more than any line about one process has."""

SHELL = "/bin/sh"
"""Present on every POSIX system (POSIX.1-2017 names no other shell)."""

GUARDIAN = """
exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
trap '' HUP INT QUIT TERM PIPE TSTP TTIN TTOU
read -r group || exit 0
read -r word && [ "$word" = done ] && exit 0
kill -TERM "-$group" || exit 0
tries=0
while kill -0 "-$group" && [ "$tries" -lt 10 ]; do sleep 0.05; tries=$((tries + 1)); done
kill -KILL "-$group"
"""
"""Reads the group's number, then `done`; end of file in its place means that the proxy is gone."""

_ENDED = getattr(os, "WEXITED", 0) | getattr(os, "WNOHANG", 0) | getattr(os, "WNOWAIT", 0)
"""For waitid(2): who has ended, without waiting and without taking it in."""

_DEFAULTED = ("SIGPIPE", "SIGXFSZ", "SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
_RESET = [getattr(signal, name) for name in _DEFAULTED if hasattr(signal, name)]


@dataclass(slots=True)
class Child:
    """A running server. `stdin`, `stdout`, `stderr`: our ends of its pipes, not inherited.

    `signalled`: the stop sequence sent it a signal. `returncode`: None while it runs. `adopts`:
    what it starts outside its group is found and ended too. `spared`: our children that are none
    of its, by number and start, as a number alone is soon another process's. `gone`: its group was
    seen to be empty, so the number of that is not ours any more either. `unguarded`: its guardian
    died, so it was killed. `left`: processes of it that could not be ended. `displaced`: the
    SIGCHLD handler of before. `burying`, `unburied`: see `_bury`. One at a time: two that run at
    once would end each other's orphans.
    """

    pid: int
    stdin: int
    stdout: int
    stderr: int
    guardian: int = -1
    guardian_pid: int = 0
    signalled: bool = False
    returncode: int | None = None
    adopts: bool = False
    spared: frozenset[tuple[int, int]] = frozenset()
    gone: bool = False
    unguarded: bool = False
    left: int = 0
    displaced: Any = None
    burying: bool = False
    unburied: bool = False

    def poll(self) -> int | None:
        """The exit code (128 + n after signal n) once the server has ended; else None."""
        if self.returncode is None:
            pid, status = _wait(self.pid)
            if pid:
                self.returncode = _code(status)
                self._look_for_group()
        return self.returncode

    def close_stdin(self) -> None:
        """End of file for the server. Twice does no harm."""
        self.stdin = _close(self.stdin)

    def signal(self, number: int) -> None:
        """Send signal `number` to the group and what left it; what is gone is no error."""
        if not self.gone:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)
        for process in self.strays():
            send(process, number)

    def strays(self) -> "list[Process]":
        """What the server started and is no longer in its group. Linux; elsewhere none is found."""
        if not self.adopts:
            return []
        return [each for each in descendants(self.spared) if each.group != self.pid]

    def watch(self) -> None:
        """From now on take in what ends: orphans we adopted, and the guardian. Main thread only."""
        with contextlib.suppress(ValueError):  # not the main thread: orphans wait for our own end
            self.displaced = signal.signal(signal.SIGCHLD, self._child_ended)
            self._child_ended()  # who ended before we listened

    def _child_ended(self, *_: object) -> None:
        if self.guardian_pid and _wait(self.guardian_pid)[0]:
            self.guardian_pid = 0
            if not self.gone:
                self.unguarded = True
                self.signal(signal.SIGKILL)
        self._bury()

    def _look_for_group(self) -> None:
        """The server was taken in: its number is held by what is left of its group, if anything.

        Once nothing is, neither we nor the guardian may signal that number again.
        """
        if self.gone:
            return
        try:
            os.killpg(self.pid, 0)
        except (ProcessLookupError, PermissionError):
            self.gone = True
            self._dismiss()

    def _dismiss(self) -> None:
        """Tell the guardian that there is nothing left to end."""
        with contextlib.suppress(OSError):
            os.write(self.guardian, b"done\n")
        self.guardian = _close(self.guardian)

    def _bury(self) -> None:
        """Reap what nobody else will. The server is left to `poll`: its code is wanted.

        A signal in the middle of it asks for one more turn: a turn within a turn, for each of a
        thousand orphans, would be deeper than Python's stack.
        """
        self.unburied = True
        if self.burying:
            return
        self.burying = True
        try:
            while self.unburied:
                self.unburied = False
                self._bury_ended()
        finally:
            self.burying = False

    def _bury_ended(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while self.adopts and (ended := os.waitid(os.P_ALL, 0, _ENDED)):
                if ended.si_pid in {self.pid, self.guardian_pid}:
                    return
                if ended.si_pid in {pid for pid, _ in self.spared}:
                    self._bury_behind()
                    return
                os.waitpid(ended.si_pid, 0)

    def _bury_behind(self) -> None:
        """As `_bury`, when one that is not ours to reap is all that waitid(2) ever shows."""
        known = self.spared | set(_known((self.pid, self.guardian_pid)))
        us = os.getpid()
        for each in _processes():
            if each.state == "Z" and each.parent == us and (each.pid, each.started) not in known:
                _wait(each.pid)

    def terminate(self) -> None:
        """Ask the whole group to end."""
        self.signalled = True
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the whole group at once."""
        self.signalled = True
        self.signal(signal.SIGKILL)

    def alone(self) -> bool:
        """Nothing it started is left. True only after the server was polled to its end."""
        if self.returncode is None:
            return False
        self._bury()
        self._look_for_group()
        return self.gone and not self.strays()

    def swept(self) -> bool:
        """Kill what is left, once. True when nothing was."""
        if not self.alone():
            self.signal(signal.SIGKILL)
        return self.alone()

    def _sweep(self) -> None:
        """The last look: whatever the way here, nothing stays that can be ended."""
        for _ in range(SWEEPS):
            strays = self.strays()
            self.left = len(strays)
            if not strays:
                return
            for process in strays:
                send(process, signal.SIGKILL)
            time.sleep(POLL)
            self._bury()

    def release(self) -> None:
        """The group has ended: end what left it, tell the guardian, close what is open."""
        self._sweep()
        if self.displaced is not None:
            signal.signal(signal.SIGCHLD, self.displaced)
            self.displaced = None
        self._dismiss()
        self.close_stdin()
        self.stdout = _close(self.stdout)
        self.stderr = _close(self.stderr)
        if self.guardian_pid:
            _wait(self.guardian_pid)
            self.guardian_pid = 0

    def abandon(self) -> None:
        """Kill the group and release, without waiting: for errors before the session starts."""
        if self.returncode is None:
            self.kill()
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self.release()


def find_executable(name: str, environ: Mapping[str, str]) -> str:
    """The file that `name` starts: itself if it has a directory, else the first on PATH.

    PATH entries that are not absolute (the working directory and what is below it) are not
    searched. Raises UnreachableError.
    """
    is_path = Path(name).name != name
    entries = map(Path, environ.get("PATH", os.defpath).split(os.pathsep))
    found = [Path(name)] if is_path else [each / name for each in entries if each.is_absolute()]
    for path in found:
        if _is_program(path):
            return name if is_path else str(path)
    if is_path and _is_file(found[0]):
        raise UnreachableError(
            f"{name}: it is not executable",
            hint=f"run: chmod +x {name}; or name what runs it: python3 {name}",
        )
    raise UnreachableError(
        f"{name}: no such program" + ("" if is_path else " on PATH"),
        hint="check the command; hosts start programs with a short PATH of their own",
    )


def _is_program(path: Path) -> bool:
    return _is_file(path) and os.access(path, os.X_OK)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name too long, a NUL inside
        return False


def spawn(argv: Sequence[str], env: Mapping[str, str]) -> Child:
    """Start `argv` with exactly `env`, in the working directory, as a group of its own.

    Main thread only. Raises UnreachableError when the program is missing or cannot be started.
    """
    if sys.platform == "win32":
        return _spawn_windows(argv, env)
    path = find_executable(argv[0], env)
    spared = _children()
    guardian_pid, guardian = _spawn_guardian()
    adopts = spared is not None and _adopt()  # before the server can start anything
    try:
        child = _spawn_server(path, argv, env)
    except OSError as error:
        _close(guardian)
        raise UnreachableError(
            f"{argv[0]} cannot be started: {error.strerror}",
            hint="run the command alone, without mcpguard, to see what is wrong",
        ) from error
    with contextlib.suppress(OSError):
        os.write(guardian, b"%d\n" % child.pid)
    child.guardian, child.guardian_pid = guardian, guardian_pid
    child.adopts, child.spared = adopts, frozenset(_known({*(spared or ()), guardian_pid}))
    child.watch()
    return child


async def stop(child: Child, *, eof_grace: float = EOF_GRACE) -> None:
    """Close stdin, wait `eof_grace` seconds, SIGTERM, 0.5 s, SIGKILL; then the leftovers.

    Afterwards `child.returncode` is set, unless the kernel could not end the server. Needs anyio.
    """
    child.close_stdin()
    if not await _within(eof_grace, lambda: child.poll() is not None):
        child.terminate()
        if not await _within(TERM_GRACE, lambda: child.poll() is not None):
            child.kill()
            await _within(LEFTOVER_GRACE, lambda: child.poll() is not None)
    if not child.alone():
        child.signal(signal.SIGTERM)
        if not await _within(LEFTOVER_GRACE, child.alone):
            await _within(SWEEP_GRACE, child.swept)


def ending(child: Child) -> int:
    """The exit code to pass on: the server's own, 0 where the stop sequence had to end it."""
    if child.signalled or child.returncode is None:
        return 0
    return child.returncode


async def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    import anyio

    with anyio.move_on_after(seconds):
        while not condition():  # noqa: ASYNC110 - waitpid has no event on every system
            await anyio.sleep(POLL)
    return condition()


def _wait(pid: int) -> tuple[int, int]:
    try:
        return os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return pid, 0


def _code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _close(fd: int) -> int:
    if fd >= 0:
        with contextlib.suppress(OSError):
            os.close(fd)
    return -1


class Process(NamedTuple):
    """A process as proc(5) shows it. `started`: in clock ticks; with `pid` it is never used again.

    `state`: one letter, Z and X for one that has ended.
    """

    pid: int
    parent: int
    group: int
    started: int
    state: str


def _process(pid: int) -> Process | None:
    """What /proc/PID/stat says; None when there is no such process."""
    try:
        stat = _read_proc(f"{pid}/stat")
    except OSError:
        return None
    # The name stands in parentheses and may hold any byte, parentheses too.
    fields = stat.rpartition(b")")[2].split()
    return Process(pid, int(fields[1]), int(fields[2]), int(fields[19]), fields[0].decode())


def _read_proc(name: str) -> bytes:
    """A file of proc(5). Without pathlib: this is on the way to the first byte."""
    fd = os.open(f"/proc/{name}", os.O_RDONLY)
    try:
        pieces = []
        while piece := os.read(fd, READ_SIZE):
            pieces.append(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)


def _known(pids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """`pids`, each with the start that tells it from a later process of its number."""
    for pid in pids:
        process = _process(pid)
        if process is not None:
            yield pid, process.started


def descendants(spared: frozenset[tuple[int, int]]) -> list[Process]:
    """Every living process below us, but for those of `spared` and what is below them."""
    below: dict[int, list[Process]] = {}
    for process in _processes():
        below.setdefault(process.parent, []).append(process)
    found: list[Process] = []
    waiting = [os.getpid()]
    while waiting:
        children = below.pop(waiting.pop(), [])
        children = [each for each in children if (each.pid, each.started) not in spared]
        waiting += [each.pid for each in children]
        found += [each for each in children if each.state not in "ZX"]
    return found


def _processes() -> Iterator[Process]:
    with contextlib.suppress(OSError):
        for name in os.listdir("/proc"):  # noqa: PTH208 - as `_read_proc`
            if name.isdigit() and (process := _process(int(name))):
                yield process


def send(process: Process, number: int) -> None:
    """Send signal `number` to `process` and to no later one of its number."""
    try:
        handle = os.pidfd_open(process.pid)
    except OSError:  # gone, or Linux before 5.3: then looking again must do
        handle = -1
    now = _process(process.pid)
    if now is not None and now.started == process.started:
        with contextlib.suppress(OSError):
            if handle < 0:
                os.kill(process.pid, number)
            else:
                signal.pidfd_send_signal(handle, number)
    _close(handle)


def _children() -> frozenset[int] | None:
    """Our children, whoever started them; None where proc(5) does not show them."""
    us = os.getpid()
    if _process(us) is None:
        return None
    try:
        tasks = os.listdir("/proc/self/task")  # noqa: PTH208 - as `_read_proc`
        lists = [_read_proc(f"self/task/{task}/children") for task in tasks]
        return frozenset(int(pid) for each in lists for pid in each.split())
    except OSError:  # a kernel without these lists
        return frozenset(each.pid for each in _processes() if each.parent == us)


def _adopt() -> bool:
    """Become the parent of whatever loses its own below us (prctl(2)). False: it cannot be done."""
    try:
        import _ctypes  # `ctypes` takes 3 ms more, for classes that nobody needs here

        ourselves = _ctypes.dlopen(None, 0)  # type: ignore[arg-type] # dlopen(3) knows NULL
        prctl = _ctypes.dlsym(ourselves, "prctl")
        return bool(_ctypes.call_function(prctl, (PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0)
    except (ImportError, AttributeError, OSError):
        return False


def _spawn_guardian() -> tuple[int, int]:
    reader, writer = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, reader, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    argv = [SHELL, "-c", GUARDIAN, "mcpguard-guardian"]
    env = {"PATH": "/usr/bin:/bin"}
    try:
        pid = os.posix_spawn(
            SHELL, argv, env, file_actions=actions, setpgroup=0, setsigmask=[], setsigdef=_RESET
        )
    except OSError as error:
        _close(writer)
        raise UnreachableError(
            f"{SHELL} cannot be started: {error.strerror}",
            hint="the server is not run without the guardian that ends it",
        ) from error
    finally:
        _close(reader)
    return pid, writer


def _spawn_server(path: str, argv: Sequence[str], env: Mapping[str, str]) -> Child:
    ours: list[int] = []
    theirs: list[int] = []
    try:
        for number in range(3):
            reader, writer = os.pipe()
            ours.append(reader if number else writer)
            theirs.append(writer if number else reader)
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(theirs)]
        pid = os.posix_spawn(
            path, [*argv], env, file_actions=actions, setpgroup=0, setsigmask=[], setsigdef=_RESET
        )
    except OSError:
        for fd in ours:
            _close(fd)
        raise
    finally:
        for fd in theirs:
            _close(fd)
    return Child(pid, ours[0], ours[1], ours[2])


if sys.platform == "win32":  # pragma: no cover - written from the documentation, never run so far
    import ctypes
    import shutil
    import subprocess

    _KILL_ON_CLOSE = 0x2000
    """JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE: the kernel ends the job when our last handle closes, as
    the guardian does elsewhere."""

    _EXTENDED_LIMITS = 9
    """JobObjectExtendedLimitInformation."""

    _LIMIT_FLAGS_AT = 16
    """Byte offset of LimitFlags in JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _LIMITS_SIZE = 144 if sys.maxsize > 2**32 else 112
    """Bytes of JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    class _WindowsChild(Child):
        """A server in a job object: no process groups, and no polite signal but Ctrl-Break."""

        process: subprocess.Popen[bytes]
        job: int

        def poll(self) -> int | None:
            self.returncode = self.process.poll()
            return self.returncode

        def terminate(self) -> None:
            self.signalled = True
            with contextlib.suppress(OSError):
                self.process.send_signal(signal.CTRL_BREAK_EVENT)

        def kill(self) -> None:
            self.signalled = True
            ctypes.windll.kernel32.TerminateJobObject(self.job, 1)

        def alone(self) -> bool:
            return self.returncode is not None  # `release` ends what is left in the job

        def release(self) -> None:
            if self.job:
                ctypes.windll.kernel32.CloseHandle(self.job)
                self.job = 0
            for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()

        def close_stdin(self) -> None:
            if self.process.stdin is not None:
                with contextlib.suppress(OSError):
                    self.process.stdin.close()

        def abandon(self) -> None:
            self.kill()
            self.process.wait()
            self.release()

    def _spawn_windows(argv: Sequence[str], env: Mapping[str, str]) -> Child:
        program = shutil.which(argv[0], path=env.get("PATH"))
        if program is None:
            raise UnreachableError(f"{argv[0]}: no such program on PATH", hint="check the command")
        try:
            process = subprocess.Popen(
                [program, *argv[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=dict(env),
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
            )
        except OSError as error:
            raise UnreachableError(
                f"{argv[0]} cannot be started: {error}", hint="run the command alone to see why"
            ) from error
        streams = (process.stdin, process.stdout, process.stderr)
        ends = [stream.fileno() for stream in streams if stream is not None]
        child = _WindowsChild(process.pid, *ends)
        child.process, child.job = process, _job_of(process)
        return child

    def _job_of(process: "subprocess.Popen[bytes]") -> int:
        kernel = ctypes.windll.kernel32
        job = kernel.CreateJobObjectW(None, None)
        limits = bytearray(_LIMITS_SIZE)
        limits[_LIMIT_FLAGS_AT : _LIMIT_FLAGS_AT + 4] = _KILL_ON_CLOSE.to_bytes(4, "little")
        buffer = (ctypes.c_char * _LIMITS_SIZE).from_buffer(limits)
        kernel.SetInformationJobObject(job, _EXTENDED_LIMITS, buffer, _LIMITS_SIZE)
        if not kernel.AssignProcessToJobObject(job, int(process._handle)):  # noqa: SLF001
            process.kill()
            raise UnreachableError(
                "the server cannot be put into a job object",
                hint="mcpguard runs no server that it could not end",
            )
        return int(job)
