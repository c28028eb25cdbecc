"""The kill switch with real processes: a signal, a file, a server that will not end."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from mcpguard.audit.verify import read, verify
from mcpguard.control.kill import KILLED
from tests.faults.proxied import RELAY, ROOT, Host, Life
from tests.faults.test_child import family

DRIVERS = ("uvloop", "asyncio", "threads", "trio")
CALL = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x","arguments":{}}}\n'


@pytest.mark.timed
@pytest.mark.guarantee("control:kill-signal")
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_signal_denies_what_is_in_flight_and_ends_even_a_stubborn_server(
    driver: str, tmp_path: Path
) -> None:
    life = Life(tmp_path)
    with Host((*RELAY, *family(life)), driver=driver) as host:
        life.up()
        assert host.line() == b"up"
        host.send(b'{"id":1}\n')
        host.process.send_signal(signal.SIGUSR1)
        assert host.rest() in {b'{"killed":1}\n', b'{"killed":0}\n'}
        code, seconds = host.exit()
        assert (code, seconds < 2.0) == (KILLED, True)
        life.gone()


@pytest.mark.guarantee("control:kill-signal")
@pytest.mark.parametrize("driver", ["uvloop", "threads"])
def test_a_signal_to_stop_that_came_before_is_overtaken(driver: str, tmp_path: Path) -> None:
    life = Life(tmp_path)
    with Host((*RELAY, *family(life)), driver=driver) as host:
        life.up()
        host.send(b'{"id":1}\n')
        host.process.send_signal(signal.SIGTERM)
        host.process.send_signal(signal.SIGUSR1)
        assert host.exit()[0] == KILLED
        life.gone()


@pytest.mark.guarantee("child:stop-signals")
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT, signal.SIGRTMIN + 1])
def test_a_session_ended_by_a_signal_that_comes_again_and_again_closes_its_log(
    number: int, driver: str, tmp_path: Path
) -> None:
    with proxy(tmp_path, sys.executable, "-c", ECHO, driver=driver) as host:
        host.send(CALL)
        host.line()
        while host.process.poll() is None:
            host.process.send_signal(number)
            select.select([], [], [], 0.0001)
        assert b"Traceback" not in host.errors()
        assert host.process.returncode >= 0, "the exit code is the server's, not that of the signal"
    (log,) = (tmp_path / "audit").iterdir()
    events = [record["event"] for record in read(log) if "event" in record]
    assert events == ["session.start", "session.end", "audit.checkpoint"]
    assert verify(log).intact


PROXY = (sys.executable, "-m", "mcpguard", "proxy", "--audit-only", "--name", "files", "--")
ECHO = """
import json, sys
for line in sys.stdin:
    told = {"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": {}}
    print(json.dumps(told), flush=True)
"""


def proxy(data: Path, *command: str, driver: str = "") -> Host:
    env = {"MCPGUARD_DATA_DIR": str(data)}
    return Host((*PROXY, *command), driver=driver, env=env)


@pytest.mark.guarantee("control:kill-fleet")
def test_the_switch_in_the_store_ends_the_sessions_of_another_machine(tmp_path: Path) -> None:
    config = tmp_path / "config" / "mcpguard.yaml"
    config.parent.mkdir()
    config.write_text(f"store: {{backend: sqlite, where: {tmp_path}/shared.db}}\n")
    env = {"MCPGUARD_CONFIG_DIR": str(config.parent)}
    here, there = ({**env, "MCPGUARD_DATA_DIR": str(tmp_path / name)} for name in "ab")
    command = (*PROXY, sys.executable, "-c", ECHO)
    with Host(command, env=here) as host:
        host.send(CALL)
        assert host.line() == b'{"jsonrpc":"2.0","id":7,"result":{}}'
        kill = (sys.executable, "-m", "mcpguard", "kill", "--fleet", "--server", "files")
        path = {"PYTHONPATH": str(ROOT)}
        subprocess.run(kill, env={**os.environ, **there, **path}, check=True, capture_output=True)
        assert host.exit()[0] == KILLED
        assert b"the kill switch of the shared store is on" in host.errors()
    with Host(command, env=here) as again:
        again.send(CALL)
        assert again.exit()[0] == KILLED


@pytest.mark.guarantee("control:kill-file")
@pytest.mark.parametrize(
    ("driver", "place"), [*((driver, "kill") for driver in DRIVERS), ("", "kill.d/files")]
)
def test_the_file_ends_a_running_session_with_an_answer_and_a_record(
    driver: str, place: str, tmp_path: Path
) -> None:
    life = Life(tmp_path)
    hears = f"exec 9>'{life.path}'; trap '' TERM; read line; echo up >&9; cat >/dev/null; sleep 60"
    with proxy(tmp_path, "sh", "-c", hears, driver=driver) as host:
        host.send(CALL)
        life.up()
        file = tmp_path / place
        file.parent.mkdir(exist_ok=True)
        file.touch()
        answer = orjson.loads(host.line())
        assert (answer["id"], answer["error"]["code"]) == (7, -31001)
        assert host.exit()[0] == KILLED
        life.gone()
        assert b"the kill switch" in host.errors()
    (log,) = (tmp_path / "audit").iterdir()
    events = [record["event"] for record in read(log) if "event" in record]
    assert events == ["session.start", "session.killed", "session.end", "audit.checkpoint"]
    assert verify(log).intact


@pytest.mark.guarantee("control:kill-file")
@pytest.mark.parametrize("driver", ["", *DRIVERS])
def test_while_the_file_is_there_no_server_is_started(driver: str, tmp_path: Path) -> None:
    (tmp_path / "kill").write_text("drill")
    with proxy(tmp_path, "touch", str(tmp_path / "started"), driver=driver) as host:
        assert host.rest() == b""
        assert host.exit()[0] == 1
        said = host.errors().decode()
    assert said == (
        f"mcpguard: files is not started: the kill switch {tmp_path}/kill is on: drill\n"
        "  next: when it may run again: mcpguard kill --off, or delete the file\n"
    )
    assert not (tmp_path / "started").exists()


def test_the_hint_names_the_switch_that_is_on(tmp_path: Path) -> None:
    (tmp_path / "kill.d").mkdir()
    (tmp_path / "kill.d" / "files").touch()
    with proxy(tmp_path, "cat") as host:
        assert host.rest() == b""
        assert host.exit()[0] == 1
        said = host.errors().decode()
    assert said.endswith(
        "  next: when it may run again: mcpguard kill --off --server files, or delete the file\n"
    )


def test_the_switch_of_another_server_is_not_this_ones(tmp_path: Path) -> None:
    (tmp_path / "kill.d").mkdir()
    (tmp_path / "kill.d" / "other").touch()
    with proxy(tmp_path, "cat") as host:
        host.end_input()
        assert host.exit()[0] == 0
