"""From the log into a sink: in order, once, whatever happens to the log and to the collector."""

import contextlib
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import orjson
import pytest

from mcpguard.audit import AuditLog
from mcpguard.errors import AuditError, UsageError
from mcpguard.siem import shipping
from mcpguard.siem.shipping import Courier, follow, once, states
from mcpguard.siem.sinks import SINKS, SinkDownError, plain, target_of
from mcpguard.siem.spool import MAX_RECORDS, Cursor, Spool, cursor_path
from mcpguard.siem.web import Posts, _after
from tests.waiting import PATIENCE

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

KEY = bytes(32)


def opened(path: Path, session: str = "s1") -> AuditLog:
    return AuditLog.open(
        path, key=KEY, session=session, server="srv", principal="local:x", clock=lambda: 1.79e9,
        durability="none",
    )  # fmt: skip


def written(path: Path, count: int, session: str = "s1") -> None:
    """A log with so many records, those that open and close it among them."""
    log = opened(path, session)
    for number in range(count - 2):
        log.write([({"decision": "allow", "method": "tools/call", "target": str(number)}, b"")])
    log.close()


def to_file(folder: Path, **more: str | int) -> Courier:
    target = target_of({"name": "soc", "to": f"file://{folder / 'o' / 'out'}", **more})
    courier = Courier(folder / "log.jsonl", target)
    assert courier.begin()
    return courier


def delivered(folder: Path, name: str = "out") -> list[int]:
    path = folder / "o" / name
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [orjson.loads(line)["seq"] for line in lines]


def drain(courier: Courier) -> None:
    while courier.step() == 0.0:
        pass


# --- entries -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"to": "soc.example"}, "names no kind of sink"),
        ({"to": "kafka://h:1"}, "names no kind of sink"),
        ({"to": "tls://"}, "names no host"),
        ({"to": "tcp://h:port"}, "is no address"),
        ({"to": "tcp://h:1/path"}, "says more than host and port"),
        ({"to": "udp://h:99999"}, "is no address"),
        ({"to": "tcp://h:0"}, "nobody listens on port 0"),
        ({"to": "https://[::1]:0/"}, "nobody listens on port 0"),
        ({"to": "file:out.jsonl"}, "is not an absolute path"),
        ({"to": "file:///"}, "is not an absolute path"),
        ({"to": "file://server/out"}, "is not of this machine"),
        ({"to": "stderr:x"}, "says more than stderr:"),
        ({"to": "unix:///dev/log?x=1"}, "is not of this machine"),
        ({"to": "http://soc.example/x"}, "unencrypted"),
        ({"to": "http://127.0.0.1.example/x"}, "unencrypted"),
        ({"to": "https://user:secret@soc.example/"}, "a secret does not belong into an address"),
        ({"to": "https://h/", "format": "xml"}, "is no format"),
        ({"to": "https://h/", "size": 70_000}, "size has no effect on a sink https"),
        ({"to": "tcp://h", "ca": "/ca.pem"}, "ca has no effect on a sink tcp"),
        ({"to": "udp://h", "token_env": "T"}, "token_env has no effect on a sink udp"),
        ({"to": "http://[::1]/", "ca": "/ca.pem"}, "ca has no effect on a sink http"),
        ({"to": "https://h/", "token_env": "T", "token_file": "/t"}, "two places for one token"),
        ({"to": "tls://h", "cert": "/c.pem"}, "needs its key"),
    ],
)
def test_an_entry_that_cannot_be_or_says_something_idle_is_refused(
    given: dict[str, str | int], why: str
) -> None:
    with pytest.raises(UsageError, match=why) as caught:
        target_of({"name": "x", **given})
    assert caught.value.hint


@pytest.mark.parametrize(
    ("to", "host", "port", "place", "form"),
    [
        ("udp://10.0.0.1", "10.0.0.1", 514, "/", "syslog"),
        ("tls://soc.example", "soc.example", 6514, "/", "syslog"),
        ("tcp://[::1]:601", "::1", 601, "/", "syslog"),
        ("https://h/services/collector?x=1", "h", 443, "/services/collector?x=1", "json"),
        ("http://localhost:4318/v1/logs", "localhost", 4318, "/v1/logs", "json"),
        ("unix:///dev/log", "", 0, "/dev/log", "syslog"),
        ("file:///var/log/m.jsonl", "", 0, "/var/log/m.jsonl", "json"),
        ("stderr:", "", 0, "", "json"),
    ],
)  # fmt: skip
def test_an_address_says_kind_host_port_and_place(
    to: str, host: str, port: int, place: str, form: str
) -> None:
    made = target_of({"name": "x", "to": to})
    assert (made.host, made.port, made.place, made.format) == (host, port, place, form)
    assert target_of(plain(made)) == made
    assert made.kind in SINKS


# --- the log as the queue ------------------------------------------------------------------------


@pytest.mark.guarantee("siem:delivered-in-order-once")
def test_what_is_written_is_delivered_in_order_and_a_restart_goes_on_behind_it(
    tmp_path: Path,
) -> None:
    written(tmp_path / "log.jsonl", 1200)
    first = to_file(tmp_path)
    assert first.step() == 0.0  # one batch
    first.end()
    assert delivered(tmp_path) == list(range(1, MAX_RECORDS + 1))
    written(tmp_path / "log.jsonl", 10, "s2")
    second = to_file(tmp_path)
    drain(second)
    second.end()
    assert delivered(tmp_path) == list(range(1, 1211))
    (state,) = states([tmp_path / "log.jsonl"], [second.target])
    assert (state.cursor.delivered, state.waiting, state.cursor.lost) == (1210, 0, 0)


def taken(server: socket.socket, courier: Courier) -> list[int]:
    """The records of a batch that a collector takes, and ends the connection in peace."""
    texts: list[bytes] = []

    def take() -> None:
        connection, _ = server.accept()
        with connection:
            texts.extend(iter(lambda: connection.recv(65536), b""))

    thread = threading.Thread(target=take)
    thread.start()
    assert courier.step() == 0.0
    thread.join()
    return [int(each) for each in re.findall(rb'"seq":(\d+)', b"".join(texts))]


@pytest.mark.guarantee("siem:nothing-lost-while-away")
def test_what_a_collector_took_just_before_it_ended_is_sent_again(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    written(path, 5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        to = {"name": "soc", "to": f"tcp://127.0.0.1:{port}", "format": "json"}
        courier = Courier(path, target_of(to))
        assert courier.begin()
        assert taken(server, courier) == [1, 2, 3, 4, 5]  # and thrown away
    written(path, 4, "s2")
    assert (courier.step() > 0.0, courier.failing) == (True, True)
    with socket.create_server(("127.0.0.1", port)) as server:
        assert taken(server, courier) == list(range(1, 10))
        written(path, 3, "s3")
        assert taken(server, courier) == [10, 11, 12]
    courier.end()
    assert Cursor.load(cursor_path(path, "soc")).delivered == 12


def test_a_line_that_is_not_whole_waits(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 4)
    text = (tmp_path / "log.jsonl").read_bytes()
    (tmp_path / "log.jsonl").write_bytes(text[:-10])
    courier = to_file(tmp_path)
    drain(courier)
    assert delivered(tmp_path) == [1, 2, 3]
    (tmp_path / "log.jsonl").write_bytes(text)
    drain(courier)
    assert delivered(tmp_path) == [1, 2, 3, 4]


def set_aside(folder: Path) -> Path:
    """The log becomes a part, and a new file goes on with its chain, as the log itself does it."""
    log = folder / "log.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    seq = orjson.loads(lines[-1])["seq"]
    part = folder / f"log~{seq:012}.jsonl"
    log.rename(part)
    more = [
        orjson.dumps({"v": 1, "seq": seq + number, "session": "s", "hash": f"{number:064}"})
        for number in (1, 2, 3)
    ]
    log.write_bytes(b"".join(each + b"\n" for each in more))
    return part


@pytest.mark.parametrize("before", [0, 3, 9, 20])
@pytest.mark.guarantee("siem:delivered-in-order-once")
def test_parts_that_were_set_aside_are_delivered_before_what_came_after(
    tmp_path: Path, before: int
) -> None:
    """`before`: records that the sink has when the log is set aside, twice."""
    written(tmp_path / "log.jsonl", 20)
    courier = to_file(tmp_path)
    lines = Spool(tmp_path / "log.jsonl").take(Cursor()).lines
    if before:
        lines[before - 1].passed(Cursor()).save(
            cursor_path(tmp_path / "log.jsonl", courier.target.name)
        )
    courier.end()
    assert courier.begin()
    set_aside(tmp_path)
    set_aside(tmp_path)
    drain(courier)
    assert delivered(tmp_path) == list(range(before + 1, 27))
    assert courier.cursor.lost == 0


class SetAsideMeanwhile(Spool):
    """The log is set aside between the look for its parts and the first of them that is opened."""

    @override
    def _at(self, parts: list[Path], cursor: Cursor) -> BinaryIO:
        if parts == [self.path]:
            set_aside(self.path.parent)
        return super()._at(parts, cursor)


@pytest.mark.guarantee("siem:delivered-in-order-once")
def test_a_log_that_is_set_aside_while_it_is_looked_for_loses_nothing(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 20)
    spool = SetAsideMeanwhile(tmp_path / "log.jsonl")
    assert spool.take(Cursor()) == ([], 0)
    lines, lost = spool.take(Cursor())
    assert ([line.seq for line in lines], lost) == (list(range(1, 21)), 0)


@pytest.mark.guarantee("siem:what-is-lost-is-counted")
def test_records_that_were_deleted_before_they_were_delivered_are_counted(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 20)
    told: list[str] = []
    target = target_of({"name": "soc", "to": f"file://{tmp_path / 'o' / 'out'}"})
    courier = Courier(tmp_path / "log.jsonl", target, told.append)
    assert courier.begin()
    set_aside(tmp_path).unlink()
    drain(courier)
    assert (delivered(tmp_path), courier.cursor.lost) == ([21, 22, 23], 20)
    assert told == ["20 records were deleted before soc had them"]


@pytest.mark.guarantee("siem:lost-is-counted-once")
def test_records_that_were_deleted_while_the_collector_is_away_are_counted_once(
    tmp_path: Path,
) -> None:
    log, told, out = tmp_path / "log.jsonl", list[str](), tmp_path / "o" / "out"
    written(log, 20)
    out.mkdir(parents=True)
    target = target_of({"name": "soc", "to": f"file://{out}"})
    for more in (20, 3, 3):  # one more part is deleted each time, and mcpguard started anew
        set_aside(tmp_path).unlink()
        courier = Courier(log, target, told.append)
        assert courier.begin()
        before = courier.cursor.lost
        assert [courier.step() > 0 for _ in range(3)] == [True] * 3
        assert courier.cursor.lost == before + more
        courier.end()
    [state] = states([log], [target])
    assert (state.cursor.delivered, state.waiting, state.cursor.lost) == (0, 3, 26)
    out.rmdir()
    courier = to_file(tmp_path)
    drain(courier)
    assert (delivered(tmp_path), courier.cursor.lost) == ([27, 28, 29], 26)
    assert [each for each in told if "deleted before" in each] == [
        f"{lost} records were deleted before soc had them" for lost in (20, 3, 3)
    ]


def test_another_log_in_the_place_of_the_first_is_delivered_from_its_beginning(
    tmp_path: Path,
) -> None:
    written(tmp_path / "log.jsonl", 20)
    courier = to_file(tmp_path)
    drain(courier)
    (tmp_path / "log.jsonl").unlink()
    written(tmp_path / "log.jsonl", 30, "s2")
    drain(courier)
    assert delivered(tmp_path) == [*range(1, 21), *range(1, 31)]


@pytest.mark.guarantee("siem:what-is-lost-is-counted")
def test_a_line_that_is_no_record_is_passed_over_and_counted(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 3)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b'not json\n["list"]\n{"seq":6,"session":"s","hash":""}\n')
    courier = to_file(tmp_path)
    drain(courier)
    assert (delivered(tmp_path), courier.cursor.given_up) == ([1, 2, 3, 6], 2)


@pytest.mark.guarantee("siem:delivered-in-order-once")
@pytest.mark.parametrize("text", [b"\n", b"x\n", b"not json\n", b"\xff\xfe" * 99 + b"\n", b"{}\n"])
def test_a_line_that_is_no_record_at_the_end_repeats_nothing(tmp_path: Path, text: bytes) -> None:
    written(tmp_path / "log.jsonl", 3)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(text)
    for _ in range(2):
        courier = to_file(tmp_path)
        drain(courier)
        courier.end()
    assert delivered(tmp_path) == [1, 2, 3]


def test_a_line_longer_than_any_record_holds_up_nothing(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 3)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(b"x" * 1_500_000 + b'\n{"seq":5,"session":"s","hash":""}\n')
    courier = to_file(tmp_path)
    drain(courier)
    assert (delivered(tmp_path), courier.cursor.given_up) == ([1, 2, 3, 5], 1)


@pytest.mark.parametrize("name", ["log.jsonl", "other.jsonl"])
def test_a_sink_among_the_logs_is_not_written(tmp_path: Path, name: str) -> None:
    written(tmp_path / "log.jsonl", 3)
    before = (tmp_path / "log.jsonl").read_bytes()
    target = target_of({"name": "soc", "to": f"file://{tmp_path / 'x' / '..' / name}"})
    courier = Courier(tmp_path / "log.jsonl", target)
    assert courier.begin()
    assert courier.step() > 0
    assert "stands in the folder of the audit log" in courier.cursor.error
    assert ((tmp_path / "log.jsonl").read_bytes(), courier.failing) == (before, True)
    assert not (tmp_path / "other.jsonl").exists()


SOUND = {
    "seq": 2,
    "hash": "ab",
    "inode": 1,
    "offset": 9,
    "delivered": 2,
    "given_up": 0,
    "lost": 0,
    "error": "",
}


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"{", b"[]", b'{"seq":1}', b'{"seq":"x"}'),
        *(
            orjson.dumps({**SOUND, key: wrong})
            for key in ("seq", "inode", "offset", "delivered", "given_up", "lost")
            for wrong in (-3, True, 1.0, "1", None)
        ),
        *(orjson.dumps({**SOUND, key: 2**64 - 1}) for key in ("seq", "offset", "lost")),
        *(orjson.dumps({**SOUND, "hash": wrong}) for wrong in (1, "\u2028")),
        orjson.dumps({**SOUND, "error": None}),
    ],
)
def test_a_cursor_that_cannot_be_read_begins_again_and_says_so(tmp_path: Path, text: bytes) -> None:
    path, said = tmp_path / "c", list[str]()
    path.write_bytes(orjson.dumps(SOUND))
    assert Cursor.load(path, said.append).seq == 2
    path.write_bytes(text)
    assert Cursor.load(path, said.append) == Cursor()
    assert [each.startswith(f"{path}: the cursor cannot be read: it is not") for each in said] == [
        True
    ]


@pytest.mark.parametrize("offset", [2**62, 2**63 - 1])
def test_a_cursor_behind_the_end_of_its_log_is_looked_for_by_its_number(
    tmp_path: Path, offset: int
) -> None:
    written(tmp_path / "log.jsonl", 3)
    first = to_file(tmp_path)
    drain(first)
    first.end()
    path = cursor_path(first.log, first.target.name)
    replace(first.cursor, offset=offset).save(path)
    again = Courier(first.log, first.target)
    assert again.begin()
    before = delivered(tmp_path)
    opened(tmp_path / "log.jsonl").close()
    drain(again)
    assert delivered(tmp_path)[: len(before) + 1] == [*before, len(before) + 1]


def test_of_two_processes_one_delivers(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 3)
    first = to_file(tmp_path)
    second = Courier(first.log, first.target)
    assert not second.begin()
    first.end()
    assert second.begin()


# --- files ---------------------------------------------------------------------------------------


def test_a_file_is_set_aside_by_size_and_so_many_are_kept(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 3000)
    courier = to_file(tmp_path, size=100_000, keep=2)
    drain(courier)
    names = sorted(path.name for path in (tmp_path / "o").glob("out*"))
    assert names == ["out", "out.1", "out.2"]
    kept = delivered(tmp_path, "out.2") + delivered(tmp_path, "out.1") + delivered(tmp_path, "out")
    assert kept == list(range(kept[0], 3001))
    assert all((tmp_path / "o" / name).stat().st_mode & 0o777 == 0o600 for name in names)


@pytest.mark.guarantee("siem:delivered-in-order-once")
def test_a_file_that_cannot_be_written_is_tried_again_and_nothing_is_twice(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 5)
    told: list[str] = []
    target = target_of({"name": "soc", "to": f"file://{tmp_path / 'o' / 'out'}"})
    courier = Courier(tmp_path / "log.jsonl", target, told.append)
    assert courier.begin()
    (tmp_path / "o" / "out").mkdir(parents=True)
    waits = [courier.step() for _ in range(12)]
    assert waits[0] <= 0.5 < waits[-1] <= shipping.LONGEST_WAIT
    assert courier.cursor.error.endswith("Is a directory")
    (tmp_path / "o" / "out").rmdir()
    drain(courier)
    assert delivered(tmp_path) == [1, 2, 3, 4, 5]
    assert [each.rpartition(":")[2] for each in told] == [
        " Is a directory; what waits is kept in the audit log",
        "soc is back",
    ]
    assert courier.cursor.error == ""


# --- beside a session ----------------------------------------------------------------------------


def test_a_delivery_that_goes_with_a_session_ends_with_it_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    target = target_of({"name": "soc", "to": f"file://{tmp_path / 'o' / 'out'}"})
    stop, over = threading.Event(), threading.Event()
    path = tmp_path / "log.jsonl"
    thread = threading.Thread(
        target=follow, args=(lambda: [path], [target], lambda _: None, stop, over)
    )
    log = opened(path)
    thread.start()
    for number in range(100):
        log.write([({"decision": "allow", "target": str(number)}, b"")])
    log.close()
    over.set()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert delivered(tmp_path) == list(range(1, 103))


def test_delivering_once_says_whether_something_still_waits(tmp_path: Path) -> None:
    written(tmp_path / "log.jsonl", 3)
    log = tmp_path / "log.jsonl"
    good = target_of({"name": "good", "to": f"file://{tmp_path / 'o' / 'out'}"})
    bad = target_of({"name": "bad", "to": f"unix://{tmp_path / 'nobody'}"})
    assert once([log], [good], lambda _: None)
    assert not once([log], [good, bad], lambda _: None)
    assert [state.waiting for state in states([log], [good, bad])] == [0, 3]


def test_delivering_once_names_what_another_process_delivers_after_all_else(tmp_path: Path) -> None:
    logs = [tmp_path / f"{name}.jsonl" for name in ("held", "log")]
    for log in logs:
        written(log, 3)
    soc = target_of({"name": "soc", "to": f"file://{tmp_path / 'o' / 'out'}"})
    other = Courier(logs[0], soc)
    assert other.begin()
    with pytest.raises(AuditError) as told:
        once(logs, [soc], lambda _: None)
    assert told.value.message == (
        f"{logs[0]}: another process delivers it to soc; all else was delivered"
    )
    assert [state.waiting for state in states(logs, [soc])] == [3, 0]
    other.end()
    assert once(logs, [soc], lambda _: None)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
@pytest.mark.guarantee("siem:unread-is-told")
def test_delivering_once_says_which_log_it_cannot_read_and_delivers_the_others(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    odd, said = tmp_path / "odd.jsonl", list[str]()
    written(tmp_path / "log.jsonl", 3)
    make(odd)
    soc = target_of({"name": "soc", "to": f"file://{tmp_path / 'o' / 'out'}"})
    assert not once([odd, tmp_path / "log.jsonl"], [soc], said.append)
    assert delivered(tmp_path) == [1, 2, 3]
    assert [each.startswith(f"{odd}: ") for each in said if "until it can be read" in each] == [
        True
    ]


def test_a_log_that_cannot_be_read_is_told_of_once_and_delivered_when_it_can(
    tmp_path: Path,
) -> None:
    log, said = tmp_path / "log.jsonl", list[str]()
    courier = Courier(
        log, target_of({"name": "soc", "to": f"file://{tmp_path / 'o' / 'out'}"}), said.append
    )
    assert courier.begin()
    log.mkdir()
    assert [courier.step() > 0 for _ in range(3)] == [True] * 3
    assert (courier.failing, len(said)) == (True, 1)
    log.rmdir()
    assert (courier.step() > 0, courier.failing) == (True, False)
    written(log, 3)
    drain(courier)
    assert delivered(tmp_path) == [1, 2, 3]


@pytest.mark.guarantee("siem:unread-is-told")
def test_delivering_once_says_that_records_were_deleted_before_but_not_again(
    tmp_path: Path,
) -> None:
    log = tmp_path / "log.jsonl"
    soc = target_of({"name": "soc", "to": f"file://{tmp_path / 'o' / 'out'}"})
    written(log, 20)
    set_aside(tmp_path).unlink()
    assert not once([log], [soc], lambda _: None)
    assert delivered(tmp_path) == [21, 22, 23]
    assert once([log], [soc], lambda _: None)


@pytest.mark.parametrize(
    ("text", "seconds"), [("", 0), ("7", 7), ("99999", 300), ("-1", 0), ("soon", 0), ("²", 0)]
)
def test_a_collector_may_ask_for_some_patience(text: str, seconds: float) -> None:
    assert _after(text) == seconds


# --- answers that do not end ---------------------------------------------------------------------


def flood(to: socket.socket, first: bytes, again: bytes, gone: threading.Event) -> None:
    """Answers with `first`, then with `again` for ever, a piece every few milliseconds."""
    with to, contextlib.suppress(OSError):
        to.recv(65536)
        to.sendall(first)
        while not gone.wait(0.01):
            to.sendall(again)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextlib.contextmanager
def flooded(first: bytes, again: bytes) -> Iterator[str]:
    """The address of a collector whose one answer does not end."""
    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE)

        def serve() -> None:
            flood(server.accept()[0], first, again, gone)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            gone.set()
            thread.join()


@pytest.mark.parametrize("form", ["json", "otlp-json"])
@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"HTTP/1.1 200 OK\r\nX: ", b"a"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED + b"0\r\n", b"x: y\r\n"),
        (CHUNKED + b"1;", b"a"),
    ],
)
@pytest.mark.guarantee("siem:answer-in-time")
def test_an_answer_that_never_ends_is_an_error_and_nothing_was_delivered(
    first: bytes, again: bytes, form: str
) -> None:
    with flooded(first, again) as to:
        posts = Posts(target_of({"name": "x", "to": to, "format": form}), whole=0.2, body=0.1)
        with pytest.raises(SinkDownError, match=r"no whole answer within 0\.2 seconds"):
            posts.send([b"{}"])


@pytest.mark.parametrize("form", ["json", "otlp-json"])
@pytest.mark.guarantee("siem:answer-in-time")
def test_of_a_body_that_never_ends_no_more_is_read_and_the_batch_was_delivered(form: str) -> None:
    with flooded(CHUNKED, b"1\r\n{\r\n") as to:
        Posts(target_of({"name": "x", "to": to, "format": form}), whole=30, body=0.1).send([b"{}"])
