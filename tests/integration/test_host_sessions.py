"""What a host writes in a session of its own: over-long, cut, slow, early; and what it is told."""

import json

import pytest

from mcpguard.wire.framing import MAX_LINE
from tests.integration.host import Place, Session, ask, call, error, line, mapped_ids, result
from tests.integration.rows import (
    PING,
    Row,
    at_server,
    invalid,
    passes,
    raw,
    sent_to_server,
    traded,
    unknown,
)

TEN_MB = 10 * 1024 * 1024
OVER = "the line is longer than mcpguard passes on (8 MiB)"


def exchanged(
    place: Place, session: Session, sent: bytes
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """What the host got for `sent` in a new session, and what the server got."""
    session.start()
    session.names()
    return traded(place, session, sent)


@pytest.mark.guarantee("framing:line-limit")
@pytest.mark.parametrize(
    ("sent", "host"),
    [
        (raw(b"1", b'{"text":"' + b"x" * TEN_MB + b'"}'), invalid(1, OVER)),
        (
            b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo","arguments":{"text":"'
            + b"x" * TEN_MB
            + b'"}},"id":1}\n',
            invalid(1, OVER),
        ),
        (b"x" * TEN_MB + b"\n", ()),
        (b'{"text":"' + b"x" * TEN_MB + b"\n", ()),
        (b"[" * TEN_MB + b"\n", ()),
    ],
    ids=["id-first", "id-last", "no-json", "no-end", "brackets"],
)
def test_a_line_of_ten_megabytes_is_refused_at_once_and_the_session_goes_on(
    recorder: Place, sent: bytes, host: tuple[bytes, ...]
) -> None:
    with recorder.proxy() as session:
        assert exchanged(recorder, session, sent) == (host, ())
        assert session.exchange(raw(b"2"), 2) == passes(b"2")[0]
        assert session.finish() == (0, [])
    assert "over_long" in recorder.reasons()


@pytest.mark.guarantee("framing:line-limit")
def test_a_line_just_under_the_limit_passes(recorder: Place) -> None:
    words = "x" * (MAX_LINE - 200)
    with recorder.proxy("--policy", "permissive") as session:  # which adds no note to a long result
        session.start()
        session.names()
        before = len(sent_to_server(recorder))
        session.send(raw(b"1", b'{"text":"%s"}' % words.encode()))
        same = session.answer(1) == passes(b"1", echo=json.dumps({"text": words}))[0]
        reached = mapped_ids(sent_to_server(recorder)[before:])
        there = tuple(reached) == at_server(b'{"text":"%s"}' % words.encode())
        assert (same, there) == (True, True)  # not the lines: nobody reads 16 MiB of difference


@pytest.mark.guarantee("framing:chunks-never-matter")
def test_a_line_may_come_byte_by_byte(recorder: Place) -> None:
    with recorder.proxy() as session:
        session.start()
        session.names()
        for byte in raw(b"1"):
            session.send(bytes([byte]))
        assert session.answer(1) == passes(b"1")[0]


@pytest.mark.guarantee("framing:chunks-never-matter")
def test_half_a_line_at_the_end_never_reaches_the_server(recorder: Place) -> None:
    with recorder.proxy() as session:
        session.start()
        session.names()
        before = len(sent_to_server(recorder))
        session.send(raw(b"1")[:-1])
        assert session.finish() == (0, [])
    assert sent_to_server(recorder)[before:] == []


EARLY = "Session not initialized: send initialize first"
BEFORE = (
    Row("a call", raw(b"1"), (error(1, -32600, EARLY),)),
    Row("a list", ask(1, "tools/list"), (error(1, -32600, EARLY),)),
    Row("a read", ask(1, "resources/read", uri="note://one"), (error(1, -32600, EARLY),)),
    Row("a level", ask(1, "logging/setLevel", level="debug"), (error(1, -32600, EARLY),)),
    Row("a notification", line(method="notifications/initialized")),
    Row("a ping", ask(1, "ping"), (result(1),), (PING % 0,)),
)


@pytest.mark.guarantee("handshake:first")
@pytest.mark.parametrize("row", BEFORE, ids=lambda row: row.name)
def test_before_initialize_only_pings_pass(recorder: Place, row: Row) -> None:
    with recorder.proxy() as session:
        session.send(row.sent, ask("fence", "ping"))
        *host, _fence = session.until("fence")
        assert tuple(host) == row.host
        assert tuple(mapped_ids(sent_to_server(recorder))[:-1]) == row.server


@pytest.mark.guarantee("pending:held-until-verified")
def test_calls_written_together_with_the_handshake_are_held_and_answered(recorder: Place) -> None:
    handshake = ask(
        "start", "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo={}
    )
    with recorder.proxy() as session:
        session.send(
            handshake, line(method="notifications/initialized"), raw(b"1"), call(2, "exec_shell")
        )
        session.answer("start")
        assert sorted([session.line() or b"", session.line() or b""]) == sorted(
            passes(b"1") + unknown(2, "exec_shell")
        )


@pytest.mark.guarantee("handshake:unknown-version-stops")
def test_a_version_nobody_knows_is_negotiated_by_the_server(recorder: Place) -> None:
    with recorder.proxy() as session:
        assert session.start(protocolVersion="1999-01-01")["protocolVersion"] == "2025-11-25"
        assert session.exchange(raw(b"1"), 1) == passes(b"1")[0]


def test_the_words_of_a_denial_never_repeat_an_argument(recorder: Place) -> None:
    with recorder.proxy() as session:
        host, server = exchanged(recorder, session, call(1, "echo", text={"secret": "hunter2"}))
        assert b"hunter2" not in host[0]
        assert server == ()


def test_names_it_cannot_find_are_repeated_only_in_part(recorder: Place) -> None:
    with recorder.proxy() as session:
        host, _ = exchanged(recorder, session, call(1, "x" * 5000))
        assert len(host[0]) < 400
