"""How sessions are found and asked, and what is said of those that cannot be."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import pytest

from mcpguard.control import client
from mcpguard.control.socket import Listener
from mcpguard.errors import ControlError, RefusalError, UsageError
from mcpguard.model import JsonObject
from tests.unit.control.desk import KEY, Desk, check, served, sign


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Path]:
    with ExitStack() as stack:
        for session, server in (("aaaa1111", "files"), ("aaaa2222", "mail"), ("bbbb", "mail")):
            stack.enter_context(served(tmp_path, Desk(session, server)))
        yield tmp_path


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("", ["aaaa1111", "aaaa2222", "bbbb"]),
        ("files", ["aaaa1111"]),
        ("mail", ["aaaa2222", "bbbb"]),
        ("aaaa", ["aaaa1111", "aaaa2222"]),
        ("aaaa2", ["aaaa2222"]),
        ("aaa", []),
        ("bbbb", ["bbbb"]),
        ("fil", []),
    ],
)
def test_a_session_is_named_by_id_its_beginning_or_its_server(
    several: Path, wanted: str, found: list[str]
) -> None:
    assert [each.session for each in client.find(several, wanted)] == found


def test_one_session_is_meant_or_the_choice_is_shown(several: Path) -> None:
    assert client.one(several, "files").session == "aaaa1111"
    with pytest.raises(ControlError, match=r"2 sessions could be meant: aaaa2222 \(mail\), bbbb"):
        client.one(several, "mail")
    with pytest.raises(ControlError, match="no session 'x' runs"):
        client.one(several, "x")


def test_where_nothing_ever_ran_nothing_is_found_and_nothing_made(tmp_path: Path) -> None:
    assert client.find(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ControlError, match="no session runs"):
        client.one(tmp_path, "")
    with pytest.raises(ControlError, match="no session s1 runs"), client.connected(tmp_path, "s1"):
        pass


def test_a_dead_socket_is_no_session(tmp_path: Path) -> None:
    Listener(tmp_path, "dead").sock.close()
    assert client.find(tmp_path) == []


@contextmanager
def answering(data_dir: Path, session: str, answers: bytes) -> Iterator[None]:
    """Something on a session's socket that says `answers` whatever it is asked."""
    listener = Listener(data_dir, session)
    listener.sock.setblocking(True)

    def answer() -> None:
        sock, _ = listener.sock.accept()
        with sock:
            sock.recv(65536)
            sock.sendall(answers)

    thread = threading.Thread(target=answer)
    thread.start()
    yield
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(str(listener.path))
    thread.join()
    listener.close()


def test_a_session_that_does_not_answer_is_not_said_to_be_gone(tmp_path: Path) -> None:
    with (
        answering(tmp_path, "s1", b"no json\n"),
        pytest.raises(
            ControlError, match=r"'mail' names .* 1 could not be asked: .* no ans"
        ) as one,
    ):
        client.one(tmp_path, "mail")
    assert "mcpguard kill --server NAME ends one unasked" in one.value.hint


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (b"", "hung up"),
        (b'{"ok":true', "hung up"),
        (b"no json\n", "no answer"),
        (b'{"ok":1,"result":1}\n', "no answer"),
        (b'{"ok":true}\n', "no answer"),
        (b'{"ok":true,"result":{"session":"other","nonce":"s1:1"}}\n', "answered by another"),
        (b'{"ok":true,"result":{"session":"s1","nonce":"s2:1"}}\n', "not its own"),
        (b'{"ok":true,"result":{"session":"s1"}}\n', "not its own"),
        (b'{"ok":false,"kind":"x","error":"nope","hint":""}\n', "nope"),
    ],
)
def test_an_answer_that_is_none_is_an_error_and_nothing_is_signed(
    tmp_path: Path, answers: bytes, told: str
) -> None:
    signed: list[str] = []

    def never(verb: str, args: JsonObject, nonce: str) -> list[JsonObject]:
        signed.append(nonce)
        return []

    with (
        answering(tmp_path, "s1", answers),
        client.connected(tmp_path, "s1") as talk,
        pytest.raises(ControlError, match=told),
    ):
        client.signed(talk, "reload", {}, never)
    assert signed == []


def test_the_sessions_own_errors_come_out_as_what_they_are(tmp_path: Path) -> None:
    with served(tmp_path, Desk()), client.connected(tmp_path, "s1") as talk:
        with pytest.raises(UsageError, match="no such verb") as usage:
            talk.ask("nope")
        with pytest.raises(RefusalError, match="no call t9 waits") as refusal:
            talk.ask("show", {"ticket": "t9"})
        with pytest.raises(ControlError, match="ZeroDivisionError"):
            talk.ask("stats")
    assert usage.value.hint.startswith("one of: hello, status")
    assert refusal.value.hint == "see: mcpguard approve list"


def test_a_signed_request_is_signed_over_the_sessions_own_nonce(tmp_path: Path) -> None:
    desk = Desk()
    with served(tmp_path, desk, check), client.connected(tmp_path, "s1") as talk:
        assert client.signed(talk, "reload", {}, sign) == {"changed": ["trust.min_trust"]}
    assert desk.done == [("reload", (KEY,))]


def test_a_session_that_does_not_answer_in_time_is_named(tmp_path: Path) -> None:
    desk = Desk()
    desk.stuck = True
    with served(tmp_path, desk), client.connected(tmp_path, "s1") as talk:
        with pytest.raises(ControlError, match=r"s1 did not answer status within 0\.1") as late:
            talk.ask("status", within=0.1)
        assert late.value.hint.endswith("end it with: mcpguard kill --session s1")
        with client.connected(tmp_path, "s1") as another:
            assert another.ask("blocks") == []


def test_a_hello_has_who_and_what_is_listening(tmp_path: Path) -> None:
    with served(tmp_path, Desk()), client.connected(tmp_path, "s1") as talk:
        hello = talk.hello()
    assert set(hello) == {"session", "server", "pid", "nonce", "v"}
    assert orjson.dumps(hello)
