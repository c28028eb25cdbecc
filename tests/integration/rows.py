"""Lines that a host writes, byte by byte, and the lines that they come to."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.integration.host import Place, Session, ask, line, mapped_ids, result

CALL = b'{"jsonrpc":"2.0","id":w%d,"method":"tools/call","params":{"name":"echo","arguments":%s}}\n'
PING = b'{"jsonrpc":"2.0","id":w%d,"method":"ping"}\n'


def at_server(*arguments: bytes) -> tuple[bytes, ...]:
    """What the server gets for calls of echo with these encoded arguments."""
    return tuple(CALL % (number, each) for number, each in enumerate(arguments))


@dataclass(frozen=True)
class Row:
    """`sent` by the host; `host`: the lines it gets; `server`: the lines that reach the server."""

    name: str
    sent: bytes
    host: tuple[bytes, ...] = ()
    server: tuple[bytes, ...] = ()


def raw(ident: bytes, arguments: bytes = b'{"text":"a"}', name: bytes = b'"echo"') -> bytes:
    """A call written by hand, for what no encoder would write."""
    return (
        b'{"jsonrpc":"2.0","id":'
        + ident
        + b',"method":"tools/call","params":{"name":'
        + name
        + b',"arguments":'
        + arguments
        + b"}}\n"
    )


def passes(
    ident: bytes, arguments: bytes = b'{"text":"a"}', echo: str = '{"text": "a"}'
) -> tuple[bytes, ...]:
    words = json.dumps(echo).encode()
    return (
        b'{"jsonrpc":"2.0","id":'
        + ident
        + b',"result":{"content":[{"type":"text","text":'
        + words
        + b"}]}}",
    )


def unknown(ident: object, name: str) -> tuple[bytes, ...]:
    return (
        json.dumps(
            {
                "jsonrpc": "2.0",
                "id": ident,
                "error": {"code": -32602, "message": f"Unknown tool: {name}"},
            },
            ensure_ascii=False,
            separators=(",", ":"),
        ).encode(),
    )


def invalid(ident: float | str, why: str) -> tuple[bytes, ...]:
    refused = {"code": -32600, "message": f"Invalid Request: {why}"}
    return (line(id=ident, error=refused)[:-1],)


def sent_to_server(place: Place) -> list[bytes]:
    return Path(place.env["RECORDER_LOG"]).read_bytes().splitlines(keepends=True)


def traded(
    place: Place, session: Session, sent: bytes
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The same, in one that has begun."""
    before = len(sent_to_server(place))
    session.send(sent, ask("fence", "ping"))
    *got, fence = session.until("fence")
    assert fence == result("fence")
    reached = mapped_ids(sent_to_server(place)[before:])
    assert b'"method":"ping"' in reached[-1]
    return tuple(got), tuple(reached[:-1])
