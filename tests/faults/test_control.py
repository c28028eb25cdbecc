"""The control socket beside a session that moves bytes: with every driver, and under attack."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from mcpguard.cli import main
from mcpguard.control import client, places, stuck
from mcpguard.control.kill import KILLED
from mcpguard.control.socket import MAX_CONNECTIONS
from mcpguard.errors import ControlError
from tests.faults.proxied import RELAY, Host

DRIVERS = ("uvloop", "asyncio", "threads", "trio")
STATUS = b'{"v":1,"verb":"status"}\n'
ECHO = b'{"id":1}\n'


@contextmanager
def session(folder: Path, driver: str) -> Iterator[Host]:
    """A session whose control socket is there."""
    with Host((*RELAY, "cat"), driver=driver, env={"RELAY_CONTROL": str(folder)}) as host:
        while not (folder / "run" / "relay.sock").exists():
            host.send(b"x\n")
            assert host.line() == b"x"
        yield host


@pytest.mark.guarantee("control:no-client-slows-a-session")
@pytest.mark.parametrize("driver", DRIVERS)
def test_messages_pass_while_clients_flood_stay_silent_and_never_read(
    driver: str, tmp_path: Path
) -> None:
    with session(tmp_path, driver) as host, ExitStack() as clients:
        with places.folder(tmp_path) as place:
            for number in range(3 * MAX_CONNECTIONS):
                sock = clients.enter_context(socket.socket(socket.AF_UNIX))
                sock.setblocking(False)
                if sock.connect_ex(place.address("relay.sock")) == 0:
                    sock.send((STATUS * 2000, b"", STATUS[:9], b"x" * 100_000)[number % 4])
        for _ in range(300):
            host.send(ECHO)
            assert host.line() == ECHO[:-1]
        host.end_input()
        assert host.exit()[0] == 0
        assert host.errors() == b""
    assert not (tmp_path / "run" / "relay.sock").exists()


@pytest.mark.guarantee("control:kill-signal")
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_kill_by_the_socket_is_answered_and_ends_the_session(driver: str, tmp_path: Path) -> None:
    with session(tmp_path, driver) as host:
        with client.connected(tmp_path, "relay") as line:
            assert line.ask("kill", {"why": "drill"}) == {"session": "relay"}
        assert host.rest().endswith(b'{"killed":0}\n')
        assert host.exit()[0] == KILLED


@pytest.mark.guarantee("control:stuck-session")
def test_a_session_that_does_not_answer_is_ended_by_signals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path))
    with session(tmp_path, "uvloop") as host:
        host.process.send_signal(signal.SIGSTOP)
        assert main(("kill", "--session", "relay")) == 0
        told = capsys.readouterr().out
        assert f"which did not answer, by SIGKILL to its process {host.process.pid}." in told
        assert host.exit()[0] == -signal.SIGKILL


@pytest.mark.guarantee("control:stuck-session")
@pytest.mark.parametrize(("age", "ended"), [(0.0, "SIGUSR1"), (60.0, "")])
def test_a_process_that_is_younger_than_the_socket_is_left_alone(age: float, ended: str) -> None:
    with subprocess.Popen(("cat",), stdin=subprocess.PIPE) as other:
        who = stuck.Holder(other.pid, age)
        if ended:
            assert stuck.end(who) == ended
        else:
            with pytest.raises(ControlError, match="it is another one"):
                stuck.end(who)
            assert other.poll() is None
            other.kill()
    assert stuck.end(who) == ""


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_session_without_room_for_its_socket_says_so_and_goes_on(
    driver: str, tmp_path: Path
) -> None:
    (tmp_path / "run").write_text("in the way")
    with Host((*RELAY, "cat"), driver=driver, env={"RELAY_CONTROL": str(tmp_path)}) as host:
        assert host.process.stderr is not None
        assert b"control: " in host.process.stderr.readline()
        host.send(ECHO)
        assert host.line() == ECHO[:-1]
        host.end_input()
        assert host.exit()[0] == 0
