"""The server's process: what it inherits, and that nothing of it outlives the session."""

import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import anyio
import pytest

from mcpguard.daemon import child as processes
from mcpguard.daemon.environment import base_environment
from mcpguard.errors import UnreachableError
from tests.faults.proxied import LIMIT, RELAY, Host, Life

STUBBORN = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
fd = os.open(sys.argv[1], os.O_WRONLY); os.write(fd, b"up\\n"); os.write(1, b"up\\n")
while True: signal.pause()
"""
"""Ignores the end of its stdin and every polite signal, and holds the named pipe of `Life`."""

LEAVER = """
import os, signal, sys
host = os.getpgid(os.getppid())
if os.fork() == 0:
    {leave}
    for number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)
    for fd in (0, 1, 2): os.close(fd)
    fd = os.open(sys.argv[1], os.O_WRONLY); os.write(fd, b"up\\n")
    while True: signal.pause()
sys.stdin.read(); os._exit(6)
"""
"""A polite server with a stubborn descendant that is no longer in its process group."""

LEAVES = {
    "a session of its own": "os.setsid()",
    "a daemon": "os.setsid(); os.fork() and os._exit(0)",
    "a group of its own": "os.setpgid(0, 0)",
    "the proxy's group": "os.setpgid(0, host)",
    "a child of a daemon": "os.setsid(); os.fork() and os._exit(0); os.fork() and os._exit(0)",
}

ENV = base_environment(os.environ)


def leaver(life: Life, leave: str) -> tuple[str, ...]:
    return (sys.executable, "-c", LEAVER.format(leave=leave), str(life.path))


def below(pid: int) -> dict[int, str]:
    """The children of `pid`, ended ones too, and their command lines."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = {}
    for each in children:
        with suppress(FileNotFoundError, ProcessLookupError):  # reaped since it was listed
            found[int(each)] = Path(f"/proc/{each}/cmdline").read_text()
    return found


def started(*argv: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(argv)


def guardian_of(pid: int) -> int:
    (found,) = [each for each, line in below(pid).items() if "mcpguard-guardian" in line]
    return found


def family(life: Life) -> tuple[str, ...]:
    """What npx does: a shell that waits for a grandchild, which is the stubborn one."""
    return ("sh", "-c", f"'{sys.executable}' -c '{STUBBORN}' '{life.path}'; exit 0")


def read_all(fd: int) -> bytes:
    with os.fdopen(fd, "rb", closefd=False) as stream:
        return stream.read()


async def end(child: processes.Child, grace: float = 5.0) -> int | None:
    with anyio.fail_after(LIMIT):
        await processes.stop(child, eof_grace=grace)
    child.release()
    return child.returncode


@pytest.mark.guarantee("child:no-orphans")
@pytest.mark.parametrize("driver", ["uvloop", "threads"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV])
def test_a_proxy_killed_at_once_leaves_no_descendant(
    driver: str, number: signal.Signals, tmp_path: Path
) -> None:
    life = Life(tmp_path)
    with Host((*RELAY, *family(life)), driver=driver) as host:
        life.up()
        host.process.send_signal(number)
        assert host.exit()[0] == -number
        life.gone()


@pytest.mark.guarantee("child:no-orphans")
def test_a_proxy_killed_before_its_loop_runs_leaves_no_descendant(tmp_path: Path) -> None:
    life = Life(tmp_path)
    code = (
        "import os, sys; from mcpguard.daemon.child import spawn\n"
        "os.read(spawn(sys.argv[1:], os.environ).stdout, 1); os.kill(os.getpid(), 9)"
    )
    with Host((sys.executable, "-c", code, *family(life))) as host:
        assert host.exit()[0] == -signal.SIGKILL
        life.gone()


@pytest.mark.timed
@pytest.mark.guarantee("child:no-orphans")
@pytest.mark.parametrize("driver", ["uvloop", "threads"])
def test_the_end_of_the_host_ends_a_stubborn_grandchild_too(driver: str, tmp_path: Path) -> None:
    life = Life(tmp_path)
    with Host((*RELAY, *family(life)), driver=driver) as host:
        life.up()
        host.end_input()
        code, seconds = host.exit()
        assert (code, seconds < 2.0) == (0, True)
        life.gone()


@pytest.mark.guarantee("child:no-orphans")
def test_what_a_server_leaves_behind_when_it_ends_is_ended(tmp_path: Path) -> None:
    life = Life(tmp_path)
    script = f"'{sys.executable}' -c '{STUBBORN}' '{life.path}' >/dev/null 2>&1 & read line; exit 4"
    with Host((*RELAY, "sh", "-c", script)) as host:
        life.up()
        host.send(b"go\n")
        assert host.exit()[0] == 4
        life.gone()


@pytest.mark.timed
@pytest.mark.guarantee("child:whole-tree")
@pytest.mark.parametrize("driver", ["uvloop", "threads"])
@pytest.mark.parametrize("leave", LEAVES.values(), ids=LEAVES)
def test_the_end_of_the_host_ends_what_left_the_group_too(
    leave: str, driver: str, tmp_path: Path
) -> None:
    life = Life(tmp_path)
    with Host((*RELAY, *leaver(life, leave)), driver=driver) as host:
        life.up()
        host.end_input()
        code, seconds = host.exit()
        assert (code, seconds < 2.0) == (6, True)
        life.gone()


SPARED = {
    "unheard": {"SIGKILL", "SIGSTOP"},
    "of a program that failed": {"SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV"}
    | {"SIGSYS", "SIGEMT"},
    "that end nobody": {"SIGCHLD", "SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG"}
    | {"SIGWINCH", "SIGINFO"},
    "ignored by Python": {"SIGPIPE", "SIGXFSZ"},
    "of the kill switch": {"SIGUSR1"},
}
ENDING = [each for each in signal.Signals if each.name not in set().union(*SPARED.values())]
"""Every signal there is, but for `SPARED`; of the real-time ones the first and the last."""


@pytest.mark.timed
@pytest.mark.guarantee("child:stop-signals", "child:whole-tree")
@pytest.mark.parametrize("number", ENDING, ids=lambda each: each.name)
def test_a_signal_that_would_end_us_ends_what_left_the_group_too(
    number: signal.Signals, tmp_path: Path
) -> None:
    life = Life(tmp_path)
    with Host((*RELAY, *leaver(life, LEAVES["a daemon"]))) as host:
        life.up()
        host.process.send_signal(number)
        code, seconds = host.exit()
        assert (code, seconds < 2.0) == (6, True)
        life.gone()


@pytest.mark.timed
@pytest.mark.guarantee("child:whole-tree")
def test_a_stubborn_server_and_what_left_its_group_are_ended_in_time(tmp_path: Path) -> None:
    life = Life(tmp_path)
    code = LEAVER.format(leave="os.setsid()").replace("sys.stdin.read()", "signal.pause()")
    with Host((*RELAY, sys.executable, "-c", f"import signal\n{code}", str(life.path))) as host:
        life.up()
        host.end_input()
        assert host.exit()[1] < 2.0
        life.gone()


@pytest.mark.guarantee("child:whole-tree")
async def test_looking_at_a_server_leaves_nothing_behind_and_spares_who_was_there_before(
    tmp_path: Path,
) -> None:
    life = Life(tmp_path)
    with started("sleep", "60") as bystander:
        child = processes.spawn(leaver(life, LEAVES["a daemon"]), ENV)
        life.up()
        assert await end(child) == 6
        life.gone()
        assert (bystander.poll(), child.left) == (None, 0)
        bystander.kill()


@pytest.mark.guarantee("child:whole-tree")
def test_an_abandoned_server_takes_along_what_left_its_group(tmp_path: Path) -> None:
    life = Life(tmp_path)
    child = processes.spawn(leaver(life, LEAVES["a daemon"]), ENV)
    life.up()
    child.abandon()
    life.gone()


@pytest.mark.guarantee("child:guarded")
@pytest.mark.parametrize("driver", ["uvloop", "asyncio", "threads", "trio"])
def test_a_server_whose_guardian_dies_is_ended_at_once(driver: str, tmp_path: Path) -> None:
    life = Life(tmp_path)
    with Host((*RELAY, *family(life)), driver=driver) as host:
        assert host.line() == b"up"
        life.up()
        os.kill(guardian_of(host.process.pid), signal.SIGKILL)
        assert host.exit()[0] == 128 + signal.SIGKILL
        life.gone()


@pytest.mark.guarantee("child:guarded")
def test_a_session_that_ends_with_its_guardian_says_so(tmp_path: Path) -> None:
    life = Life(tmp_path)
    proxy = (sys.executable, "-m", "mcpguard", "proxy", "--audit-only", "--", *family(life))
    with Host(proxy, env={"MCPGUARD_DATA_DIR": str(tmp_path / "data")}) as host:
        life.up()
        os.kill(guardian_of(host.process.pid), signal.SIGKILL)
        assert host.exit()[0] == 128 + signal.SIGKILL
        assert b"mcpguard: the guardian of the server was killed" in host.errors()
        life.gone()


def test_orphans_that_end_during_the_session_leave_no_zombies() -> None:
    code = (
        "import os\n"
        "reader, writer = os.pipe()\n"
        "for _ in range(20):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        os.fork()\n"  # the child and its orphan: the orphan becomes ours, and ends
        "        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n"
        "os.close(writer); os.read(reader, 1); print('done', flush=True); input()"
    )
    with Host((*RELAY, sys.executable, "-c", code)) as host:
        assert host.line() == b"done"
        server = {pid for pid, line in below(host.process.pid).items() if code in line}
        tries = 0
        while set(below(host.process.pid)) != server | {guardian_of(host.process.pid)}:
            select.select([], [], [], 0.01)
            tries += 1
            assert tries < 100 * LIMIT


def test_a_child_of_before_that_ended_hides_no_orphan(tmp_path: Path) -> None:
    script = "for i in $(seq 300); do (true &); done; read line; echo $line; read line"
    relay = " ".join(shlex.quote(word) for word in (*RELAY, "sh", "-c", script))
    with Host(("sh", "-c", f"sleep 0 & exec {relay}")) as host:
        tries = 0
        while len(below(host.process.pid)) != len(("before", "guardian", "server")):
            select.select([], [], [], 0.01)
            tries += 1
            assert tries < 100 * LIMIT
        host.send(b"up\n")
        assert host.line() == b"up"


@pytest.mark.guarantee("child:whole-tree")
def test_a_number_that_was_the_guardians_spares_nobody(tmp_path: Path) -> None:
    with subprocess.Popen(("sleep", "60")) as sleeper:
        (found,) = [each for each in processes.descendants(frozenset()) if each.pid == sleeper.pid]
        earlier = frozenset({(found.pid, found.started - 1)})
        spared = frozenset({(found.pid, found.started)})
        assert found.pid in {each.pid for each in processes.descendants(earlier)}
        assert found.pid not in {each.pid for each in processes.descendants(spared)}
        sleeper.kill()


async def test_a_group_that_is_gone_is_never_signalled_again() -> None:
    child = processes.spawn(("sh", "-c", "exit 3"), ENV)
    with anyio.fail_after(LIMIT):
        await processes.stop(child)
    assert (child.returncode, child.gone, child.guardian) == (3, True, -1)
    child.release()
    assert not child.unguarded


def test_a_signal_never_reaches_a_later_process_of_the_same_number(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen((str(program), "60")) as sleeper:
        (found,) = [each for each in processes.descendants(frozenset()) if each.pid == sleeper.pid]
        assert (found.parent, found.group) == (os.getpid(), os.getpgid(0))
        processes.send(found._replace(started=found.started - 1), signal.SIGKILL)
        assert sleeper.poll() is None
        processes.send(found, signal.SIGKILL)
        assert sleeper.wait(LIMIT) == -signal.SIGKILL
        processes.send(found, signal.SIGKILL)


@pytest.mark.guarantee("child:clean-start")
def test_the_guardian_holds_none_of_the_pipes_of_the_host() -> None:
    """A host that waits for the end of our stdout must not wait for the guardian."""
    with Host((*RELAY, "sh", "-c", "echo up; exec sleep 30")) as host:
        assert host.line() == b"up"
        host.process.kill()
        assert host.rest() == b""
        assert host.errors() == b""


@pytest.mark.guarantee("child:clean-start")
@pytest.mark.parametrize("driver", ["uvloop", "threads"])
def test_the_server_inherits_three_descriptors_and_a_group_of_its_own(driver: str) -> None:
    code = (
        "import os, signal\n"
        "print(sorted(int(fd) for fd in os.listdir('/dev/fd')),\n"
        "      os.getpgid(0) == os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    )
    with Host((*RELAY, sys.executable, "-I", "-S", "-c", code), driver=driver) as host:
        assert host.line() == b"[0, 1, 2, 3] True set()"  # 3 is the listing's own


@pytest.mark.guarantee("child:clean-start")
async def test_a_broken_pipe_kills_the_server_as_it_would_without_us() -> None:
    child = processes.spawn(("sh", "-c", "read line; kill -PIPE $$; exit 9"), ENV)
    os.write(child.stdin, b"go\n")
    assert await anyio.to_thread.run_sync(read_all, child.stdout) == b""
    assert await end(child) == 128 + signal.SIGPIPE


@pytest.mark.guarantee("child:environment")
async def test_the_server_gets_exactly_the_environment_it_is_given() -> None:
    child = processes.spawn(("/usr/bin/env",), {"ONE": "1", "PATH": "/usr/bin"})
    assert sorted((await anyio.to_thread.run_sync(read_all, child.stdout)).split()) == [
        b"ONE=1",
        b"PATH=/usr/bin",
    ]
    assert await end(child) == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("no-such-program-here",), "no such program on PATH"),
        (("./no/such/file",), "no such program"),
        (("/",), "no such program"),
        (("x" * 5000,), "no such program"),
        (("a\0b",), "no such program"),
    ],
    ids=["name", "path", "directory", "too-long", "nul"],
)
def test_a_program_that_is_not_there_is_unreachable(argv: tuple[str, ...], words: str) -> None:
    with pytest.raises(UnreachableError, match=words):
        processes.spawn(argv, ENV)


def test_a_file_that_is_no_program_is_unreachable_and_leaves_nothing_open(tmp_path: Path) -> None:
    file = tmp_path / "tool"
    file.write_bytes(b"no program")
    file.chmod(0o755)
    before = len([*Path("/dev/fd").iterdir()])
    with pytest.raises(UnreachableError, match="cannot be started"):
        processes.spawn((str(file),), ENV)
    assert len([*Path("/dev/fd").iterdir()]) == before


def test_the_working_directory_is_no_part_of_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "mcp-tool"
    trap.write_text("#!/bin/sh\n")
    trap.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    for path in (f":{tmp_path / 'empty'}:", ".", "./", f"..{os.sep}{tmp_path.name}", ".:", ""):
        with pytest.raises(UnreachableError):
            processes.find_executable("mcp-tool", {"PATH": path})
    assert processes.find_executable("mcp-tool", {"PATH": f".:{tmp_path}"}) == str(trap)


async def test_a_server_that_ends_by_itself_keeps_its_code_and_one_we_end_has_none() -> None:
    own = processes.spawn(("sh", "-c", "cat; exit 5"), ENV)
    await end(own)
    assert processes.ending(own) == 5
    deaf = processes.spawn(("sleep", "60"), ENV)
    await end(deaf, 0.0)
    assert (deaf.signalled, deaf.returncode, processes.ending(deaf)) == (True, 143, 0)


def test_an_abandoned_server_is_gone_at_once(tmp_path: Path) -> None:
    life = Life(tmp_path)
    child = processes.spawn(family(life), ENV)
    life.up()
    child.abandon()
    life.gone()
