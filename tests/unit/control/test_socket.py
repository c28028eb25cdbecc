"""The control socket: real sockets, real loops, and clients that mean no good."""

import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from time import monotonic

import anyio
import anyio.from_thread
import orjson
import pytest

from mcpguard.control import places
from mcpguard.control.client import Connection, connected, find
from mcpguard.control.operations import nobody_signs
from mcpguard.control.socket import (
    MAX_CONNECTIONS,
    MAX_REQUEST,
    PACE,
    Answer,
    Listener,
    attend,
    serve,
    sweep,
)
from mcpguard.errors import ControlError
from tests.unit.control.desk import LOOPS, Desk, conversation, served

STATUS = b'{"v":1,"verb":"status"}\n'


@pytest.fixture
def desk() -> Desk:
    return Desk()


def dial(listener: Listener) -> socket.socket:
    """A client of the test's own. Its socket is found as the client room finds it."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(5)
    with places.folder(listener.path.parent.parent) as place:
        sock.connect(place.address(listener.name))
    return sock


def line(sock: socket.socket) -> bytes:
    got = b""
    while not got.endswith(b"\n") and (chunk := sock.recv(65536)):
        got += chunk
    return got


@pytest.mark.parametrize("backend", LOOPS)
def test_a_request_a_line_is_answered_a_line_in_order(
    tmp_path: Path, desk: Desk, backend: str
) -> None:
    with served(tmp_path, desk, backend=backend) as listener, dial(listener) as sock:
        sock.sendall(STATUS + b'{"v":1,"verb":"blocks"}\n' + STATUS[:10])
        first, second = orjson.loads(line(sock)), orjson.loads(line(sock))
        sock.sendall(STATUS[10:])
        third = orjson.loads(line(sock))
    assert (first["result"]["session"], second["result"], third) == ("s1", [], first)
    assert not listener.path.exists()


@pytest.mark.guarantee("control:private-socket")
def test_the_socket_and_its_directory_are_this_users_alone(tmp_path: Path, desk: Desk) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    with served(tmp_path, desk) as listener:
        modes = [stat.S_IMODE(path.lstat().st_mode) for path in (folder, listener.path)]
        assert (modes, stat.S_ISSOCK(listener.path.lstat().st_mode)) == ([0o700, 0o600], True)
        assert list(folder.iterdir()) == [listener.path]


def a_link(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


def a_file(folder: Path) -> None:
    folder.write_text("")


@pytest.mark.guarantee("control:private-socket")
@pytest.mark.parametrize("put", [a_link, a_file])
def test_no_socket_is_made_behind_a_link_or_in_place_of_something_else(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    put(tmp_path / "run")
    with pytest.raises(ControlError, match="cannot be used") as caught:
        Listener(tmp_path, "s1")
    assert "move away" in caught.value.hint
    assert not list(tmp_path.glob("elsewhere/*"))


@pytest.mark.parametrize("name", ["", "../s1", "a/b", "s" * 65, "ß", "a.b"])
def test_a_session_whose_name_is_no_id_has_no_socket(tmp_path: Path, name: str) -> None:
    with pytest.raises(ControlError, match="cannot be the name"):
        Listener(tmp_path, name)


def test_a_data_directory_with_a_very_long_path_has_its_sockets_all_the_same(
    tmp_path: Path, desk: Desk
) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    with served(deep, desk) as listener, connected(deep, "s1") as talk:
        assert len(os.fsencode(listener.path)) > places.MAX_ADDRESS
        assert talk.ask("blocks") == []


def test_a_new_session_takes_away_sockets_that_nobody_listens_on_and_no_others(
    tmp_path: Path, desk: Desk
) -> None:
    with served(tmp_path, desk) as living:
        dead = Listener(tmp_path, "dead")
        dead.sock.close()
        note = living.path.with_name("note.sock")
        note.write_text("somebody's file")
        other = Listener(tmp_path, "other")
        here = sys.platform == "linux"
        assert (dead.path.exists(), living.path.exists(), note.exists()) == (not here, True, True)
        other.close()
        with places.folder(tmp_path) as place:
            assert sweep(place) == []
        with connected(tmp_path, "s1") as talk:
            assert talk.ask("blocks") == []


def test_closing_leaves_a_socket_that_took_its_name(tmp_path: Path) -> None:
    first = Listener(tmp_path, "s1")
    second = Listener(tmp_path, "s1")
    first.close()
    assert second.path.exists()
    second.close()
    second.close()
    assert not second.path.exists()


@pytest.fixture
def crowd() -> Iterator[list[socket.socket]]:
    socks: list[socket.socket] = []
    yield socks
    for sock in socks:
        sock.close()


@pytest.mark.guarantee("control:no-client-slows-a-session")
@pytest.mark.parametrize("backend", LOOPS)
def test_silent_half_and_never_reading_clients_leave_room_for_another(
    tmp_path: Path, desk: Desk, backend: str, crowd: list[socket.socket]
) -> None:
    with served(tmp_path, desk, backend=backend) as listener:
        crowd += [dial(listener) for _ in range(MAX_CONNECTIONS - 1)]
        for number, sock in enumerate(crowd):
            sock.sendall((b"", STATUS[:9], STATUS * 2000)[number % 3][: MAX_REQUEST // 2])
        with connected(tmp_path, "s1") as talk:
            assert talk.ask("blocks") == []


@pytest.mark.guarantee("control:no-client-slows-a-session")
@pytest.mark.parametrize("backend", LOOPS)
def test_a_full_house_is_free_again_when_the_silent_ones_have_been_hung_up_on(
    tmp_path: Path, desk: Desk, backend: str, crowd: list[socket.socket]
) -> None:
    with served(tmp_path, desk, backend=backend, idle=0.3) as listener:
        crowd += [dial(listener) for _ in range(MAX_CONNECTIONS)]
        crowd[0].sendall(STATUS[:9])
        with connected(tmp_path, "s1") as talk:
            assert talk.ask("blocks") == []
        assert [sock.recv(1) for sock in crowd] == [b""] * MAX_CONNECTIONS


@pytest.mark.guarantee("control:silent-clients-make-room")
@pytest.mark.parametrize("backend", LOOPS)
@pytest.mark.parametrize("said", [b"", STATUS[:9], STATUS * 2000], ids=["no", "half", "deaf"])
def test_whoever_keeps_silent_makes_room_when_others_wait(
    tmp_path: Path, desk: Desk, backend: str, crowd: list[socket.socket], said: bytes
) -> None:
    with served(tmp_path, desk, backend=backend) as listener:
        for _ in range(2 * MAX_CONNECTIONS):
            crowd.append(dial(listener))
            crowd[-1].sendall(said[: MAX_REQUEST // 2])
        [found] = find(tmp_path, "s1")
        assert found.problem == ""


@pytest.mark.guarantee("control:no-client-slows-a-session")
def test_a_thousand_connections_are_served_a_few_at_a_time(
    tmp_path: Path, desk: Desk, crowd: list[socket.socket]
) -> None:
    with served(tmp_path, desk, idle=0.2) as listener, places.folder(tmp_path) as place:
        began, address = monotonic(), place.address(listener.name)
        refused = 0
        for _ in range(1000):
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            refused += sock.connect_ex(address) != 0
            crowd.append(sock)
        assert refused > 800
        for sock in crowd:
            sock.close()
        with connected(tmp_path, "s1") as talk:
            assert talk.ask("blocks") == []
        assert monotonic() - began < 10


@pytest.mark.guarantee("control:no-client-slows-a-session")
def test_a_client_that_asks_without_end_is_answered_at_a_bounded_pace(
    tmp_path: Path, desk: Desk
) -> None:
    with served(tmp_path, desk) as listener, dial(listener) as sock:
        began = monotonic()
        sock.sendall(STATUS * 40)
        for answered in range(20):
            assert line(sock)
            assert monotonic() - began >= PACE * (answered - 1)


@pytest.mark.guarantee("control:no-client-slows-a-session")
@pytest.mark.parametrize("ending", [b"", b"\n"], ids=["unended", "ended"])
def test_a_line_that_is_too_long_is_refused_and_the_connection_ended(
    tmp_path: Path, desk: Desk, ending: bytes
) -> None:
    with served(tmp_path, desk) as listener, dial(listener) as sock:
        sock.sendall(b"x" * MAX_REQUEST + ending)
        told = orjson.loads(line(sock))
        assert (told["ok"], told["kind"]) == (False, "usage")
        assert hung_up(sock)


def hung_up(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:  # it closed with bytes of ours unread
        return True


def test_a_megabyte_without_an_end_is_not_read_to_its_end(tmp_path: Path, desk: Desk) -> None:
    with served(tmp_path, desk) as listener, dial(listener) as sock:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            sock.sendall(b"x" * 4_000_000)
        with connected(tmp_path, "s1") as talk:
            assert talk.ask("blocks") == []


def test_an_answer_that_is_longer_than_any_buffer_arrives_whole(tmp_path: Path, desk: Desk) -> None:
    desk.waiting["t1"] = {"ticket": "t1", "arguments": {"text": "x" * 3_000_000}}
    with served(tmp_path, desk), connected(tmp_path, "s1") as talk:
        assert talk.ask("show", {"ticket": "t1"}) == desk.waiting["t1"]


def test_a_defect_ends_its_own_connection_is_told_and_nothing_else_happens(tmp_path: Path) -> None:
    told: list[Exception] = []

    async def answer(line: bytes) -> bytes:
        return {b"good": b"fine"}[line]

    listener = Listener(tmp_path, "s1")
    with anyio.from_thread.start_blocking_portal() as portal:
        future = portal.start_task_soon(serve, listener, lambda: answer, told.append)
        with dial(listener) as bad, dial(listener) as good:
            bad.sendall(b"bad\n")
            assert hung_up(bad)
            good.sendall(b"good\n")
            assert line(good) == b"fine\n"
        future.cancel()
    assert [type(each) for each in told] == [KeyError]


def test_a_session_that_can_have_no_socket_is_told_so_once(tmp_path: Path) -> None:
    told: list[Exception] = []
    a_file(tmp_path / "run")
    desk = Desk()
    anyio.run(attend, tmp_path, "s1", lambda: conversation(desk, nobody_signs).answer, told.append)
    assert [type(each) for each in told] == [ControlError]


def test_a_listener_that_takes_nobody_is_said_to_be_busy(
    tmp_path: Path, crowd: list[socket.socket]
) -> None:
    listener = Listener(tmp_path, "s1")
    with places.folder(tmp_path) as place:
        for _ in range(100):
            sock = socket.socket(socket.AF_UNIX)
            sock.setblocking(False)
            crowd.append(sock)
            if sock.connect_ex(place.address(listener.name)):
                break
        with pytest.raises(ControlError, match="does not take another connection"):
            Connection(place, "s1", patience=0.1)
    listener.close()


@pytest.mark.parametrize(
    ("peer", "ours", "may"),
    [
        (1000, 1000, True),
        (0, 1000, True),
        (0, 0, True),
        (1001, 1000, False),
        (1000, 0, False),
        (65534, 1000, False),
        (None, 1000, False),
        (None, 0, False),
    ],
)
@pytest.mark.guarantee("control:private-socket")
def test_only_the_sessions_own_user_and_root_may_speak(
    peer: int | None, ours: int, may: bool
) -> None:
    assert places.may_speak(peer, ours) is may


@pytest.mark.guarantee("control:private-socket")
def test_a_user_who_may_not_speak_is_hung_up_on_before_he_is_heard(tmp_path: Path) -> None:
    seen: list[int | None] = []

    def nobody(peer: int | None) -> bool:
        seen.append(peer)
        return False

    def never() -> Answer:
        raise AssertionError("a stranger was greeted")

    listener, told = Listener(tmp_path, "s1"), list[Exception]()
    run = partial(serve, listener, never, told.append, allow=nobody)
    with anyio.from_thread.start_blocking_portal() as portal:
        future = portal.start_task_soon(run)
        with dial(listener) as sock:
            assert hung_up(sock)
        future.cancel()
    assert (seen, told) == ([os.geteuid()], [])


def test_the_kernel_says_who_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs, socket.socket(socket.AF_INET) as stranger:
        assert places.peer_uid(ours) == os.geteuid()
        assert places.peer_uid(stranger) in {None, 2**32 - 1}


def test_what_a_client_of_the_room_is_told_when_nobody_listens(tmp_path: Path) -> None:
    dead = Listener(tmp_path, "s1")
    dead.sock.close()
    with places.folder(tmp_path) as place, pytest.raises(ControlError, match="has ended"):
        Connection(place, "s1")
