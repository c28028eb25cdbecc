"""The audit log arrives at real collectors, whole and in order, also after they were away."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mcpguard.audit import AuditLog
from mcpguard.siem import sockets
from mcpguard.siem.formats import FORMATS, render
from mcpguard.siem.shipping import Courier, follow
from mcpguard.siem.sinks import SinkDownError, SinkRefusedError, Target, open_sink, target_of
from mcpguard.siem.spool import MAX_RECORDS
from tests.faults.collectors import (
    Post,
    Receiver,
    Rsyslog,
    client,
    free_port,
    plain_key,
)
from tests.tools import FIXTURES
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.faults

RECORDS = [
    orjson.loads(line) for line in (FIXTURES / "siem/records.jsonl").read_bytes().splitlines()
]
COUNT = 4000
"""Records of a session under load."""


@pytest.fixture(scope="module")
def rsyslog() -> Iterator[Rsyslog]:
    server = Rsyslog()
    yield server
    server.close()


def opened(path: Path) -> AuditLog:
    return AuditLog.open(
        path, key=bytes(32), session="s1", server="srv", principal="local:x",
        clock=lambda: 1.79e9, durability="none",
    )  # fmt: skip


def target(**given: str | int) -> Target:
    return target_of({"name": "soc", **given})


@contextmanager
def delivering(log: Path, to: Target) -> Iterator[threading.Event]:
    """Delivers beside the test; the event says that the session is over."""
    stop, over = threading.Event(), threading.Event()
    given = (lambda: [log], [to], lambda _: None, stop, over)
    thread = threading.Thread(target=follow, args=given)
    thread.start()
    try:
        yield over
    finally:
        over.set()
        thread.join(PATIENCE)
        stop.set()
        assert not thread.is_alive()


# --- rsyslog -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["udp", "tcp", "tls", "unix"])
def test_rsyslog_reads_every_field_of_every_record(rsyslog: Rsyslog, kind: str) -> None:
    long = {**RECORDS[1], "detail": "x" * 9000}
    sent = [*RECORDS, long]
    before = len(rsyslog.lines())
    sink = open_sink(target(**rsyslog.where(kind)))
    sink.send([render("syslog", record) for record in sent])
    sink.close()
    until(lambda: len(rsyslog.lines()) == before + len(sent), f"{kind}: {rsyslog.lines()[before:]}")
    for record, line in zip(sent, rsyslog.lines()[before:], strict=True):
        read = orjson.loads(line)
        assert orjson.loads(read["msg"]) == record
        assert (read["app"], read["json"], read["seq"]) == ("mcpguard", "OK", str(record["seq"]))
        assert (read["target"], read["pri"]) == (record.get("target", ""), read["pri"])
        assert f'uid="{record["session"]}-{record["seq"]}"' in read["data"]
        assert read["msgid"] == (record.get("event") or record["method"] or "message")


@pytest.mark.parametrize("form", ["cef", "leef", "ocsf", "ecs"])
def test_other_formats_arrive_as_the_message_of_a_frame(
    rsyslog: Rsyslog, form: str, tmp_path: Path
) -> None:
    before = len(rsyslog.lines())
    (tmp_path / "log.jsonl").write_bytes(
        b"".join(orjson.dumps(record) + b"\n" for record in RECORDS)
    )
    courier = Courier(tmp_path / "log.jsonl", target(**rsyslog.where("tcp"), format=form))
    assert courier.begin()
    assert courier.step() == 0.0
    courier.end()
    until(lambda: len(rsyslog.lines()) == before + len(RECORDS), form)
    arrived = [orjson.loads(line)["msg"].strip().encode() for line in rsyslog.lines()[before:]]
    assert arrived == [render(form, record, socket.gethostname()) for record in RECORDS]


def test_a_certificate_that_nobody_signed_is_not_talked_to(rsyslog: Rsyslog) -> None:
    before = rsyslog.lines()
    where = f"tls://127.0.0.1:{rsyslog.port['tls']}"
    for to in (
        target(to=where),
        target(to=where.replace("127.0.0.1", "localhost"), ca=str(rsyslog.cert)),
    ):
        with pytest.raises(SinkDownError, match="certificate is not trusted"):
            open_sink(to).send([b"secret"])
    assert rsyslog.lines() == before


Pair = tuple[Path, Path]


def mixed(folder: Path, signer: Pair) -> Pair:
    return client(folder, "one", signer)[0], client(folder, "two", signer)[1]


def sealed(folder: Path, signer: Pair) -> Pair:
    text, secret = client(folder, "sealed", signer)
    key = serialization.load_pem_private_key(secret.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    secret.write_bytes(plain_key(key, b"secret"))
    return text, secret


COLLECTOR = r"//127\.0\.0\.1"
"""The collector's own words differ."""

REFUSED: dict[str, tuple[Callable[[Path, Pair], Pair | None], str]] = {
    "none": (lambda _folder, _signer: None, COLLECTOR),
    "signed by nobody": (lambda folder, _signer: client(folder, "stranger"), COLLECTOR),
    "another's key": (mixed, "certificates: "),
    "a key that is locked": (sealed, "the key is encrypted"),
    "no file": (lambda folder, _signer: (folder / "a", folder / "b"), "No such file"),
}
"""What a client shows, and what is said of it."""


def shown(pair: Pair | None) -> dict[str, str]:
    return {"cert": str(pair[0]), "key": str(pair[1])} if pair else {}


@pytest.mark.guarantee("siem:client-certificate")
def test_collectors_that_ask_for_a_certificate_get_the_one_that_is_named(
    rsyslog: Rsyslog, tmp_path: Path
) -> None:
    receiver = Receiver(tmp_path, mutual=True)
    where = {"to": f"https://127.0.0.1:{receiver.port}/", "ca": str(receiver.cert)}
    pair = client(tmp_path, "mcpguard", receiver.signer)
    open_sink(target(**where, **shown(pair))).send([render("json", each) for each in RECORDS])
    receiver.stop()
    assert numbers(receiver.posts, "json") == [record["seq"] for record in RECORDS]
    before = len(rsyslog.lines())
    pair = client(tmp_path, "mcpguard", rsyslog.signer)
    open_sink(target(**rsyslog.where("mutual"), **shown(pair))).send(
        [render("syslog", record) for record in RECORDS]
    )
    until(lambda: len(rsyslog.lines()) == before + len(RECORDS), rsyslog.said)


@pytest.mark.guarantee("siem:client-certificate")
@pytest.mark.parametrize("what", REFUSED)
def test_a_certificate_that_is_not_wanted_is_no_delivery(
    rsyslog: Rsyslog, tmp_path: Path, what: str
) -> None:
    make, said = REFUSED[what]
    before = rsyslog.lines()
    mine = shown(make(tmp_path, rsyslog.signer))
    with pytest.raises(SinkDownError, match=said):
        open_sink(target(**rsyslog.where("mutual"), **mine)).send([b"<1>1 - - - - - - {}"] * 5)
    receiver = Receiver(tmp_path, mutual=True)
    where = {"to": f"https://127.0.0.1:{receiver.port}/", "ca": str(receiver.cert)}
    mine = shown(make(tmp_path, receiver.signer))
    with pytest.raises(SinkDownError, match=said):
        open_sink(target(**where, **mine)).send([b"{}"])
    receiver.stop()
    assert (receiver.posts, rsyslog.lines()) == ([], before)


@pytest.mark.parametrize("kind", ["tcp", "tls"])
@pytest.mark.guarantee("siem:nothing-lost-while-away")
def test_a_collector_that_is_away_under_load_has_everything_in_order_when_it_is_back(
    rsyslog: Rsyslog, kind: str, tmp_path: Path
) -> None:
    before = len(rsyslog.lines())
    log = opened(tmp_path / "log.jsonl")
    with delivering(tmp_path / "log.jsonl", target(**rsyslog.where(kind))) as over:
        for number in range(COUNT):
            log.write([({"decision": "allow", "target": str(number)}, b"")])
            if number == COUNT // 4:
                until(lambda: len(rsyslog.lines()) > before, "nothing arrived")
                rsyslog.stop()
            if number == COUNT // 2:
                rsyslog.start()
        log.close()
        until(lambda: seqs(rsyslog, before)[-1:] == [COUNT + 2], "the last record did not arrive")
        over.set()
    arrived = seqs(rsyslog, before)
    assert list(dict.fromkeys(arrived)) == list(range(1, COUNT + 3))
    # syslog does not say what it took, so what was sent just before may come again
    assert len(arrived) - len(set(arrived)) <= COUNT // 4 + MAX_RECORDS


def seqs(rsyslog: Rsyslog, before: int) -> list[int]:
    return [int(orjson.loads(line)["seq"]) for line in rsyslog.lines()[before:]]


# --- datagrams and streams that nobody takes -----------------------------------------------------


def test_a_stream_that_is_reset_is_not_taken_for_delivered(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def reset() -> None:
            taken, _ = server.accept()
            taken.recv(10)
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            taken.close()

        thread = threading.Thread(target=reset)
        thread.start()
        with pytest.raises(SinkDownError):
            open_sink(target(to=f"tcp://127.0.0.1:{port}")).send([b"x" * 100] * 50)
        thread.join()


def test_a_datagram_to_nobody_is_not_taken_for_delivered() -> None:
    sink = open_sink(target(to=f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}"))
    batch = [b"one", b"two", b"three"] * 100
    with pytest.raises(SinkDownError) as caught:
        sink.send(batch)
    assert caught.value.delivered == 0


def test_a_socket_that_cannot_be_connected_is_closed() -> None:
    sink = open_sink(target(to="udp://255.255.255.255:514"))  # a broadcast takes leave to send one
    with pytest.raises(SinkDownError, match="Permission denied"):
        sink.send([b"one"])


# --- HTTPS ---------------------------------------------------------------------------------------


def numbers(posts: list[Post], form: str) -> list[int]:
    found: list[int] = []
    for post in posts:
        if form == "otlp-json":
            body = orjson.loads(post.body)
            logs = body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
            found += [orjson.loads(each["body"]["stringValue"])["seq"] for each in logs]
        elif form == "hec":
            parts = post.body.replace(b'}{"time"', b'}\n{"time"').split(b"\n")
            found += [orjson.loads(each)["event"]["seq"] for each in parts]
        else:
            found += [orjson.loads(each)["seq"] for each in post.body.splitlines()]
    return found


def test_a_batch_is_posted_with_token_and_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = Receiver(tmp_path)
    monkeypatch.setenv("HEC_TOKEN", "11-22")
    (tmp_path / "token").write_text("33-44\n", "utf-8")
    where = {"to": f"https://127.0.0.1:{receiver.port}/in?x=1", "ca": str(receiver.cert)}
    for more in ({"format": "hec", "token_env": "HEC_TOKEN"},
                 {"format": "otlp-json", "token_file": str(tmp_path / "token")}, {}):  # fmt: skip
        made = target(**where, **more)
        sink = open_sink(made)
        sink.send([render(made.format, record) for record in RECORDS])
        sink.close()
    receiver.stop()
    heads = [(post.path, post.token, post.media) for post in receiver.posts]
    assert heads == [
        ("/in?x=1", "Splunk 11-22", "application/json"),
        ("/in?x=1", "Bearer 33-44", "application/json"),
        ("/in?x=1", "", "application/x-ndjson"),
    ]
    everything = [record["seq"] for record in RECORDS]
    for post, form in zip(receiver.posts, ("hec", "otlp-json", "json"), strict=True):
        assert numbers([post], form) == everything
    assert all(form in FORMATS for form in ("hec", "otlp-json", "json"))


@pytest.mark.guarantee("siem:delivered-in-order-once")
@pytest.mark.guarantee("siem:nothing-lost-while-away")
def test_a_receiver_that_stops_fails_and_comes_back_has_each_record_once(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, answers=[200, 503])
    log = opened(tmp_path / "log.jsonl")
    where = {"to": f"https://127.0.0.1:{receiver.port}/", "ca": str(receiver.cert)}
    with delivering(tmp_path / "log.jsonl", target(**where, format="hec")) as over:
        for number in range(COUNT):
            log.write([({"decision": "allow", "target": str(number)}, b"")])
            if number == COUNT // 4:
                until(lambda: receiver.posts, "nothing arrived")
                receiver.stop()
            if number == COUNT // 2:
                receiver.start()
        log.close()
        until(lambda: numbers(receiver.posts[-1:], "hec")[-1:] == [COUNT + 2], "the end is missing")
        over.set()
    receiver.stop()
    assert numbers(receiver.posts, "hec") == list(range(1, COUNT + 3))


@pytest.mark.guarantee("siem:what-is-lost-is-counted")
def test_a_record_that_is_never_taken_does_not_hold_up_the_others(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, answers=[400, 400, 400, 200, 400])  # of 5: 2 (1, 1) and 3 (1, ..)
    log = opened(tmp_path / "log.jsonl")
    log.write([({"decision": "allow", "target": str(number)}, b"") for number in range(3)])
    log.close()
    where = {"to": f"https://127.0.0.1:{receiver.port}/", "ca": str(receiver.cert)}
    courier = Courier(tmp_path / "log.jsonl", target(**where))
    assert courier.begin()
    assert courier.step() == 0.0
    receiver.stop()
    assert (numbers(receiver.posts, "json"), courier.cursor.given_up) == ([2, 3, 4, 5], 1)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, SinkDownError),
        (400, SinkRefusedError),
        (401, SinkDownError),
        (403, SinkDownError),
        (404, SinkDownError),
        (413, SinkRefusedError),
        (429, SinkDownError),
        (500, SinkDownError),
        (503, SinkDownError),
    ],
)
def test_an_answer_that_is_no_yes_is_no_delivery(
    tmp_path: Path, status: int, error: type[Exception]
) -> None:
    receiver = Receiver(tmp_path, answers=[status])
    sink = open_sink(target(to=f"https://127.0.0.1:{receiver.port}/", ca=str(receiver.cert)))
    with pytest.raises(error, match=str(status)):
        sink.send([b"{}"])
    sink.send([b"{}"])
    receiver.stop()


def test_an_answer_that_does_not_come_is_no_delivery(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, answers=[0])
    where = {"to": f"https://127.0.0.1:{receiver.port}/", "ca": str(receiver.cert)}
    with pytest.raises(SinkDownError):
        open_sink(target(**where)).send([b"{}"])
    receiver.stop()


@pytest.mark.parametrize("text", ["", "\n", "two\nlines", "caf\u00e9"])
def test_a_token_that_cannot_be_one_is_not_sent(tmp_path: Path, text: str) -> None:
    (tmp_path / "token").write_text(text, "utf-8")
    sink = open_sink(target(to="https://127.0.0.1:1/", token_file=str(tmp_path / "token")))
    with pytest.raises(SinkDownError, match="token"):
        sink.send([b"{}"])


def test_the_time_to_wait_for_a_collector_is_bounded() -> None:
    assert sockets.CONNECT + sockets.SEND + sockets.STAYS + sockets.CONFIRM <= 21
