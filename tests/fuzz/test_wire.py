"""Parsers under noise: an answer or our own error, nothing else.

A failure says `seed N`; repeat it with `pytest tests/fuzz --hypothesis-seed=N`.
"""

import json
from collections.abc import Callable, Sequence
from random import Random

import orjson
import pytest

from mcpguard.errors import LockfileError, WireError
from mcpguard.lock import lockfile
from mcpguard.model import Reason
from mcpguard.wire import exact
from mcpguard.wire.framing import Dropped, Framer
from mcpguard.wire.jsonrpc import (
    MAX_SERVER_DEPTH,
    Id,
    Message,
    Notification,
    Request,
    Response,
    encode_error,
    encode_notification,
    encode_request,
    encode_result,
    is_id,
    parse_host,
    parse_server,
)
from mcpguard.wire.recover import RequestIdFinder, WireIdFinder
from tests.fuzz import noise
from tests.unit.proxy.play import locked


def parsed(parse: Callable[[bytes], Message], line: bytes) -> Message | None:
    try:
        return parse(line)
    except WireError as error:
        refused = error
    assert refused.reason in set(Reason)
    assert refused.request_id is None or is_id(refused.request_id)
    return None


def encoded(message: Message) -> bytes:
    """As the session writes it, without the newline."""
    if isinstance(message, Request):
        line = encode_request(message.id, message.method, message.params, exact_form=message.exact)
    elif isinstance(message, Notification):
        line = encode_notification(message.method, message.params, exact_form=message.exact)
    elif message.result is not None:
        line = encode_result(message.id, message.result, exact_form=message.exact)
    else:
        line = encode_error(message.id, message.error or {}, exact_form=message.exact)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    return line[:-1]


@pytest.mark.guarantee("parse:any-bytes")
def test_a_hosts_line_is_a_message_that_all_read_alike_or_our_own_error(first: int) -> None:
    for seed in noise.seeds(first):
        line = noise.line(Random(seed))
        message = parsed(parse_host, line)
        if message is not None:
            again = encoded(message)
            assert repr(json.loads(again)) == repr(orjson.loads(again)), f"seed {seed}: {line!r}"
            same = parse_host(again)._replace(dropped=message.dropped)
            assert repr(same) == repr(message), f"seed {seed}: {line!r}"


@pytest.mark.guarantee("parse:any-bytes")
def test_a_servers_line_is_a_message_that_can_be_written_or_our_own_error(first: int) -> None:
    for seed in noise.seeds(first):
        line = noise.line(Random(seed))
        message = parsed(parse_server, line)
        if not isinstance(message, Response | None) and not message.method.isascii():
            continue  # only methods with a row are ever written, and those are ASCII
        if message is not None:
            again = parse_server(encoded(message))
            again = again._replace(dropped=message.dropped, exact=message.exact)
            assert repr(again) == repr(message), f"seed {seed}: {line!r}"
            assert not exact.too_deep(encoded(message), MAX_SERVER_DEPTH), f"seed {seed}"


def shape(items: Sequence[bytes | Dropped]) -> list[bytes]:
    """Lines, with the pieces of each dropped one joined behind `!`."""
    found: list[bytes] = []
    for item in items:
        if isinstance(item, bytes):
            found.append(b"=" + item)
        elif item.first:
            found.append(b"!" + item.data)
        else:
            found[-1] += item.data
    return found


@pytest.mark.guarantee("framing:chunks-never-matter")
def test_a_framer_gives_the_same_lines_in_any_chunks(first: int) -> None:
    for seed in noise.seeds(first):
        rng = Random(seed)
        data = b"\n".join(noise.line(rng) for _ in range(4))
        limit = rng.choice((0, 1, 40, 100_000))
        whole, pieces = Framer(limit), Framer(limit)
        expected = shape(whole.feed(data))
        found = [item for chunk in noise.chunks(rng, data) for item in pieces.feed(chunk)]
        assert shape(found) == expected, f"seed {seed}"
        assert pieces.unfinished == whole.unfinished <= limit, f"seed {seed}"


def recovered(pieces: list[bytes]) -> list[Id]:
    finder = RequestIdFinder()
    return [each for piece in pieces for each in finder.feed(piece)]


@pytest.mark.guarantee("ids:over-long-request-answered")
def test_an_id_is_recovered_alike_in_any_chunks_and_is_the_hosts_own(first: int) -> None:
    for seed in noise.seeds(first):
        rng = Random(seed)
        line = noise.line(rng)
        found = recovered([line])
        assert repr(recovered(noise.chunks(rng, line))) == repr(found), f"seed {seed}: {line!r}"
        message = parsed(parse_host, line)
        if isinstance(message, Request) and found:
            assert repr(found) == repr([message.id]), f"seed {seed}: {line!r}"
        elif message is not None:
            assert not found or isinstance(message, Request), f"seed {seed}: {line!r}"
        WireIdFinder().feed(line)


FILE = lockfile.render(locked())


@pytest.mark.guarantee("parse:any-bytes")
def test_a_lockfile_is_read_the_same_after_writing_or_is_our_own_error(first: int) -> None:
    for seed in noise.seeds(first):
        rng = Random(seed)
        data = noise.broken(rng, FILE) if rng.random() < 0.8 else noise.line(rng)
        lock, error = read(data)
        if lock is None:
            assert error.startswith("f:"), f"seed {seed}"
        else:
            assert read(lockfile.render(lock)) == (lock, ""), f"seed {seed}"


def read(data: bytes) -> tuple[lockfile.Lockfile | None, str]:
    """The lockfile, or what is wrong with it."""
    try:
        return lockfile.parse(data, "f"), ""
    except LockfileError as error:
        return None, str(error)
