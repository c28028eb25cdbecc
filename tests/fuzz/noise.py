"""Seeded noise: JSON that is almost right, lines that are almost JSON, and how long to make it."""

import os
import time
from collections.abc import Iterator
from random import Random

import orjson

from mcpguard.model import Json, JsonObject
from mcpguard.wire import exact

SECONDS = float(os.environ.get("MCPGUARD_FUZZ_SECONDS", "10"))
"""Seconds for all targets together."""

TARGETS = 10
"""Tests that share them."""

LEAST = 60
"""Seeds that each target gets however slow the machine is."""


def seeds(first: int) -> Iterator[int]:
    """Seeds from `first` on until this target's share of the time has passed."""
    end = time.monotonic() + SECONDS / TARGETS
    seed = first
    while seed < first + LEAST or time.monotonic() < end:
        yield seed
        seed += 1


TEXTS = (
    *("", "a", "id", "method", "params", "result", "error", "name", "arguments", "uri", "content"),
    *("Method", "argumentſ", "\u212aey", "__proto__", "_meta", "type", "resource_link", "cursor"),
    *("\ud800", "\u2028", "é", "\x00", '"', "\\", "x" * 300, "{[", "taskId", "progressToken"),
)
NUMBERS = (
    *(0, 1, -1, 2**31, 2**53 - 1, 2**53, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 2**70),
    *(1.0, -0.0, 1e22, 5e-324, 0.1, 4_503_599_627_370_496),
)
TOKENS = (
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\n", b"\r", b"\x00", b"\xff", b"\xc0\xae"),
    *(b"NaN", b"1e400", b"-0", b"9" * 20, b"\\ud800", b"\\u006d", b"\xef\xbb\xbf", b"  ", b"null"),
    *(b'"id":1,', b'"method":"x",', b'{"', b"[" * 70, b"]" * 70, b"[" * 300, "ſ".encode()),
)


def value(rng: Random, depth: int = 4) -> Json:
    """Some JSON."""
    kind = rng.randrange(8)
    if kind < 2 and depth:
        return [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind < 4 and depth:
        return mapping(rng, depth)
    choices: tuple[Json, ...] = (None, True, False, rng.choice(NUMBERS), rng.choice(TEXTS))
    return rng.choice(choices)


def mapping(rng: Random, depth: int = 4) -> JsonObject:
    """Some object."""
    return {rng.choice(TEXTS): value(rng, depth - 1) for _ in range(rng.randrange(4))}


def written(rng: Random, message: Json) -> bytes:
    """`message` as a line, laid out in one of several ways."""
    try:
        line = orjson.dumps(message)
    except orjson.JSONEncodeError:
        return exact.dumps_exact(message)
    return line.replace(b",", b" , ") if rng.random() < 0.1 else line


def broken(rng: Random, line: bytes) -> bytes:
    """`line` with a few bytes replaced, put in, doubled or cut out."""
    for _ in range(rng.randrange(1, 4)):
        start = rng.randrange(len(line) + 1)
        end = min(len(line), start + rng.choice((0, 0, 1, 3, 20)))
        new = rng.choice((b"", rng.choice(TOKENS), rng.randbytes(2), line[start:end] * 2))
        line = line[:start] + new + line[end:]
    return line


def message(rng: Random) -> JsonObject:
    """Almost a JSON-RPC message."""
    whole: JsonObject = {"jsonrpc": "2.0"}
    given: tuple[Json, ...] = (*NUMBERS, *TEXTS, None, True)
    members: tuple[tuple[str, Json], ...] = (
        ("id", rng.choice(given)),
        ("method", rng.choice(("ping", "tools/call", "notifications/progress", "x"))),
        ("params", mapping(rng)),
        ("result", mapping(rng)),
        ("error", {"code": rng.choice(NUMBERS), "message": rng.choice(TEXTS)}),
        (rng.choice(TEXTS), value(rng)),
    )
    chances = rng.choice(((0.9, 0.9, 0.7, 0.0, 0.0, 0.1), (0.9, 0, 0, 0.8, 0.3, 0.1), (0.4,) * 6))
    return whole | {
        key: part for (key, part), at in zip(members, chances, strict=True) if rng.random() < at
    }


def line(rng: Random) -> bytes:
    """A message, a broken one, or plain noise."""
    chance = rng.random()
    if chance < 0.1:
        return b"".join(rng.choice(TOKENS) for _ in range(rng.randrange(12)))
    whole = written(rng, message(rng) if chance < 0.9 else value(rng))
    return broken(rng, whole) if rng.random() < 0.6 else whole


def chunks(rng: Random, data: bytes) -> list[bytes]:
    """`data` in pieces of any size."""
    pieces = []
    while data:
        size = rng.choice((1, 2, 7, 64, len(data)))
        pieces.append(data[:size])
        data = data[size:]
    return pieces
