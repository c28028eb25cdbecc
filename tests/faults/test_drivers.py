"""The drivers with real processes on both sides. Every driver passes every test."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.proxied import LIMIT, RELAY, ROOT, TICK, Aside, Host

DRIVERS = ("uvloop", "asyncio", "threads", "trio")
LOOPS = ("uvloop", "asyncio")
STOP_LIMIT = 2.0
"""Seconds. What the official SDKs give a process between closing its stdin and killing it."""

REQUEST = b'{"id":1}\n'
SLOW = """
import os, sys, time
for line in sys.stdin.buffer:
    time.sleep(0.3)
    sys.stdout.buffer.write(b'{"id":"answer"}\\n'); sys.stdout.buffer.flush()
"""
LATE = """
import sys, time
sys.stdin.buffer.readline()
time.sleep(2.2)
sys.stdout.buffer.write(b"late\\n"); sys.stdout.buffer.flush()
for line in sys.stdin.buffer: pass
"""
DEAF = """
import signal, sys, threading
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
while True: signal.pause()
"""


def python(code: str, *args: str) -> tuple[str, ...]:
    return (*RELAY, sys.executable, "-S", "-c", code, *args)


@pytest.mark.guarantee("driver:any-stdio")
@pytest.mark.parametrize("sockets", [False, True], ids=["pipes", "socketpair"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_lines_pass_both_ways_and_the_end_of_the_host_ends_the_server(
    driver: str, sockets: bool
) -> None:
    with Host((*RELAY, "cat"), driver=driver, sockets=sockets) as host:
        for size in (1, 1000, 8_000_000):
            in_background(host.send, b"x" * size + b"\n")
            assert host.line() == b"x" * size
        host.end_input()
        assert host.rest() == b""
        assert host.exit()[0] == 0
        assert host.errors() == b""


def in_background(action: Callable[[bytes], None], data: bytes) -> None:
    """So that neither side waits for the other."""
    threading.Thread(target=action, args=(data,), daemon=True).start()


@pytest.mark.guarantee("driver:any-stdio")
@pytest.mark.parametrize("driver", ["", *DRIVERS])
def test_files_and_the_null_device_serve_as_stdio(driver: str, tmp_path: Path) -> None:
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(b"one\ntwo\n")
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MCPGUARD_DRIVER": driver}
    with source.open("rb") as given, target.open("wb") as taken:
        done = subprocess.run(
            (*RELAY, "cat"), stdin=given, stdout=taken, env=env, timeout=LIMIT, check=False
        )
    assert (done.returncode, target.read_bytes()) == (0, b"one\ntwo\n")
    null = subprocess.run(
        (*RELAY, "cat"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=env,
        timeout=LIMIT,
        check=False,
    )
    assert null.returncode == 0


@pytest.mark.guarantee("child:exit-code")
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    ("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("kill -15 $$", 143), ("exit 0", 0)]
)
def test_the_exit_code_of_the_server_is_passed_on(driver: str, script: str, code: int) -> None:
    with Host((*RELAY, "sh", "-c", script), driver=driver) as host:
        assert host.exit()[0] == code


@pytest.mark.guarantee("pending:server-death-answers")
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_dies_in_the_middle_of_a_line_leaves_no_request_unanswered(
    driver: str,
) -> None:
    script = "read line; printf '{\"half'; exit 3"
    with Host((*RELAY, "sh", "-c", script), driver=driver) as host:
        host.send(REQUEST)
        assert host.line() == b'{"gone":1}'
        assert host.exit()[0] == 3


@pytest.mark.guarantee("pending:server-death-answers")
@pytest.mark.parametrize("driver", ["", *DRIVERS])
def test_a_server_that_closed_its_stdin_before_the_first_request_ends_with_its_code(
    driver: str,
) -> None:
    script = "exec 0<&-; sleep 0.2; exit 4"
    with Host((*RELAY, "sh", "-c", script), driver=driver) as host:
        host.send(REQUEST)
        assert host.exit()[0] == 4


@pytest.mark.guarantee("driver:last-words")
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_a_server_wrote_before_it_ended_reaches_a_host_that_reads_late(driver: str) -> None:
    script = "import sys; sys.stdout.write('y' * 900_000 + '\\n'); sys.stderr.write('bye\\n')"
    with Host(python(script), driver=driver) as host:
        assert host.process.stderr is not None
        assert host.process.stderr.readline() == b"bye\n"
        assert host.line() == b"y" * 900_000
        assert host.exit()[0] == 0


@pytest.mark.timed
@pytest.mark.guarantee("stop:under-two-seconds")
@pytest.mark.parametrize("way", ["eof", "SIGTERM", "SIGINT", "SIGHUP"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_deaf_to_everything_is_gone_in_under_two_seconds(driver: str, way: str) -> None:
    with Host(python(DEAF), driver=driver) as host:
        assert host.line() == b"up"
        host.end_input() if way == "eof" else host.process.send_signal(getattr(signal, way))
        code, seconds = host.exit()
        assert (code, seconds < STOP_LIMIT) == (0, True), seconds


@pytest.mark.timed
@pytest.mark.guarantee("stop:in-flight-answers")
@pytest.mark.parametrize("way", ["eof", "SIGTERM"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_is_in_flight_is_answered_before_the_server_is_told_to_end(
    driver: str, way: str
) -> None:
    with Host(python(SLOW), driver=driver) as host:
        host.send(REQUEST * 2)
        assert host.line() == b'{"id":"answer"}'
        host.end_input() if way == "eof" else host.process.send_signal(signal.SIGTERM)
        assert host.rest() == b'{"id":"answer"}\n'
        code, seconds = host.exit()
        assert (code, seconds < STOP_LIMIT) == (0, True), seconds


@pytest.mark.guarantee("stop:engine-decides")
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_engine_can_end_the_session_with_a_code_of_its_own(driver: str) -> None:
    with Host((*RELAY, "cat"), driver=driver) as host:
        host.send(b'{"stop":2}\n')
        assert host.exit()[0] == 2


@pytest.mark.guarantee("pending:deadline")
@pytest.mark.parametrize("driver", DRIVERS)
def test_the_clock_ticks_while_a_request_waits(driver: str) -> None:
    with Host((*RELAY, "sh", "-c", "read line; read line"), driver=driver) as host:
        host.send(REQUEST)
        assert host.next() == TICK


@pytest.mark.guarantee("pending:deadline")
@pytest.mark.parametrize("driver", LOOPS)
def test_the_clock_ticks_again_after_a_long_silence(driver: str) -> None:
    with Host(python(LATE), driver=driver) as host:
        host.send(b"a\n")
        assert host.line() == b"late"
        host.send(REQUEST)
        assert host.next() == TICK


@pytest.mark.timed
@pytest.mark.parametrize("driver", LOOPS)
def test_the_last_answer_ends_the_waiting_for_it(driver: str) -> None:
    with Host(python(SLOW), driver=driver) as host:
        host.send(REQUEST)
        assert host.line() == b'{"id":"answer"}'
        host.send(REQUEST)
        host.end_input()
        assert host.line() == b'{"id":"answer"}'
        code, seconds = host.exit()
        assert (code, seconds < 0.3) == (0, True), seconds


@pytest.mark.timed
@pytest.mark.guarantee("flow:bounded-memory")
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_host_that_stops_reading_costs_bounded_memory_and_can_still_send(
    driver: str, tmp_path: Path
) -> None:
    aside = Aside(tmp_path)
    flood = f"yes {'z' * 1000} & while read line; do echo $line > {aside.path}; done; kill $!"
    with Host((*RELAY, "sh", "-c", flood), driver=driver) as host:
        for word in (b"hello\n", b"again\n"):
            host.send(word)
            assert aside.hear() == word
        assert host.peak_rss() < 64 * 1024
        host.process.send_signal(signal.SIGTERM)
        assert host.exit()[1] < STOP_LIMIT


@pytest.mark.guarantee("flow:bounded-memory")
@pytest.mark.parametrize("sockets", [False, True], ids=["pipes", "socketpair"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_stops_reading_costs_bounded_memory_and_is_still_heard(
    driver: str, sockets: bool, tmp_path: Path
) -> None:
    aside = Aside(tmp_path)
    deaf = f"echo up; while read word; do echo $word; done < {aside.path}"
    with Host((*RELAY, "sh", "-c", deaf), driver=driver, sockets=sockets) as host:
        assert host.line() == b"up"
        taken = host.fill(b"q" * 999 + b"\n")
        assert 1024 * 1024 <= taken < 4 * 1024 * 1024
        for word in (b"one", b"two"):
            aside.say(word + b"\n")
            assert host.line() == word
        assert host.peak_rss() < 64 * 1024


@pytest.mark.guarantee("flow:bounded-memory")
@pytest.mark.parametrize("driver", DRIVERS)
def test_when_both_sides_stop_reading_nothing_grows_and_all_of_it_arrives_later(
    driver: str,
) -> None:
    with Host((*RELAY, "cat"), driver=driver) as host:
        line = b"w" * 999 + b"\n"
        host.send(b"up\n")
        assert host.line() == b"up"
        taken = host.fill(line)
        assert taken < 6 * 1024 * 1024
        assert host.peak_rss() < 64 * 1024
        cut = taken % len(line)
        in_background(host.finish, line[cut:] if cut else b"")
        host_total = taken + (len(line) - cut if cut else 0)
        assert len(host.rest()) == host_total
        assert host.exit()[0] == 0


@pytest.mark.guarantee("flow:bounded-memory")
@pytest.mark.parametrize("driver", DRIVERS)
def test_denials_to_a_host_that_does_not_read_stop_the_reading_of_its_requests(
    driver: str,
) -> None:
    with Host((*RELAY, "cat"), driver=driver) as host:
        host.send(b"up\n")
        assert host.line() == b"up"
        taken = host.fill(b'{"deny":100000}\n')
        assert taken < 200_000
        assert host.peak_rss() < 64 * 1024


@pytest.mark.guarantee("driver:stderr-drained")
@pytest.mark.parametrize("driver", LOOPS)
def test_ten_megabytes_on_stderr_that_nobody_reads_do_not_hold_up_the_session(driver: str) -> None:
    script = "head -c 10000000 /dev/zero | tr '\\0' e >&2; read line; echo $line; read line"
    with Host((*RELAY, "sh", "-c", script), driver=driver) as host:
        host.send(b"still here\n")
        assert host.line() == b"still here"
        assert host.peak_rss() < 64 * 1024
        assert host.process.stderr is not None
        text = b""
        while b"bytes of the server's stderr were dropped" not in text:
            chunk = os.read(host.process.stderr.fileno(), 65536)
            assert chunk, "the end came before the count"
            text += chunk
        assert text.startswith(b"e" * 1000)
        assert len(text) < 2_000_000


@pytest.mark.guarantee("driver:stderr-drained")
@pytest.mark.parametrize("driver", DRIVERS)
def test_stderr_of_the_server_arrives_whole_when_it_is_read(driver: str) -> None:
    script = "for i in 1 2 3; do echo line $i >&2; done; printf end >&2"
    with Host((*RELAY, "sh", "-c", script), driver=driver) as host:
        assert host.errors() == b"line 1\nline 2\nline 3\nend"


@pytest.mark.alone
@pytest.mark.guarantee("driver:host-gone")
@pytest.mark.parametrize("sockets", [False, True], ids=["pipes", "socketpair"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_host_that_vanishes_with_bytes_unread_ends_everything(driver: str, sockets: bool) -> None:
    flood = (*RELAY, "sh", "-c", "echo up; exec yes")
    with Host(flood, driver=driver, sockets=sockets) as host:
        assert host.line() == b"up"
        if host.sock is not None:
            host.sock.close()
        else:
            assert host.process.stdin
            assert host.process.stdout
            host.process.stdin.close()
            host.process.stdout.close()
        code, seconds = host.exit()
        assert (code, seconds < STOP_LIMIT) == (0, True)


@pytest.mark.guarantee("driver:stdio-restored")
@pytest.mark.parametrize("driver", DRIVERS)
def test_stdio_is_left_blocking_as_it_was_found(driver: str) -> None:
    reader, writer = os.pipe()
    back, out = os.pipe()
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MCPGUARD_DRIVER": driver}
    process = subprocess.Popen((*RELAY, "cat"), stdin=reader, stdout=out, env=env)
    os.write(writer, b"hi\n")
    assert os.read(back, 100) == b"hi\n"
    os.close(writer)
    assert process.wait(LIMIT) == 0
    assert (os.get_blocking(reader), os.get_blocking(out)) == (True, True)
    for fd in (reader, out, back):
        os.close(fd)


def test_an_unknown_driver_is_a_usage_error() -> None:
    with Host((*RELAY, "cat"), driver="steam") as host:
        assert b"MCPGUARD_DRIVER=steam: no such driver" in host.errors()
