"""Framing: whatever the chunks, the lines are the same, and memory stays bounded."""

import tracemalloc
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.wire import framing
from mcpguard.wire.framing import MAX_LINE, SMALL, Dropped, Framer

LIMIT = 8

VECTORS: dict[str, tuple[bytes, list[bytes], bytes]] = {
    # name: stream, lines (a dropped one as its bytes after b"!"), what is unfinished at the end
    "nothing": (b"", [], b""),
    "one-line": (b"{}\n", [b"{}"], b""),
    "two-lines": (b"a\nb\n", [b"a", b"b"], b""),
    "no-newline": (b"half", [], b"half"),
    "line-and-a-half": (b"a\nhalf", [b"a"], b"half"),
    "empty-lines": (b"\n\n\n", [b"", b"", b""], b""),
    "crlf": (b"a\r\nb\r\n", [b"a", b"b"], b""),
    "only-one-cr-goes": (b"a\r\r\n", [b"a\r"], b""),
    "cr-alone-is-text": (b"a\rb\n", [b"a\rb"], b""),
    "cr-line": (b"\r\n", [b""], b""),
    "unicode-line-separators-are-text": (
        "\u2028\x85\x0b\n".encode(),
        ["\u2028\x85\x0b".encode()],
        b"",
    ),
    "binary": (b"\x00\xff\n\xfe\n", [b"\x00\xff", b"\xfe"], b""),
    "at-the-limit": (b"x" * 8 + b"\n", [b"x" * 8], b""),
    "one-over": (b"x" * 9 + b"\n", [b"!" + b"x" * 9], b""),
    "cr-counts": (b"x" * 8 + b"\r\n", [b"!" + b"x" * 8 + b"\r"], b""),
    "at-the-limit-with-cr": (b"x" * 7 + b"\r\n", [b"x" * 7], b""),
    "far-over": (b"y" * 100 + b"\nok\n", [b"!" + b"y" * 100, b"ok"], b""),
    "two-over": (b"y" * 20 + b"\n" + b"z" * 20 + b"\n", [b"!" + b"y" * 20, b"!" + b"z" * 20], b""),
    "unfinished-at-the-limit": (b"x" * 8, [], b"x" * 8),
    "unfinished-over": (b"x" * 9, [b"!" + b"x" * 9], b""),
    "content-length": (b"Length:\n\n{}\n", [b"Length:", b"", b"{}"], b""),
}


def collected(chunks: Iterable[bytes], limit: int = LIMIT) -> tuple[list[bytes], int]:
    """The lines, pieces of a dropped one joined behind `!`, and the unfinished bytes."""
    framer = Framer(limit)
    lines: list[bytes] = []
    dropping = False
    for chunk in chunks:
        for item in framer.feed(chunk):
            if isinstance(item, bytes):
                assert not dropping
                lines.append(item)
                continue
            assert item.first is not dropping
            lines[len(lines) - dropping :] = [
                (lines[-1] if dropping else b"!") + item.data,
            ]
            dropping = not item.end
    return lines, framer.unfinished


@pytest.mark.guarantee("framing:chunks-never-matter")
@pytest.mark.parametrize(("stream", "lines", "left"), VECTORS.values(), ids=VECTORS.keys())
def test_every_vector_gives_its_lines_whole_and_byte_by_byte(
    stream: bytes, lines: list[bytes], left: bytes
) -> None:
    assert collected([stream]) == (lines, len(left))
    assert collected(stream[i : i + 1] for i in range(len(stream))) == (lines, len(left))
    assert collected(stream[i : i + 2] for i in range(0, len(stream), 2)) == (lines, len(left))


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    borders = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[a:b] for a, b in pairwise(borders)]


streams = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"{}", b"x" * 7, b"\xff", b"ab"])).map(
    b"".join
)


@pytest.mark.guarantee("framing:chunks-never-matter")
@given(streams, st.lists(st.integers(0, 200), max_size=8))
def test_any_chunking_gives_the_lines_of_the_whole(stream: bytes, places: list[int]) -> None:
    assert collected(cut(stream, places)) == collected([stream])


@given(streams)
def test_without_a_limit_in_reach_no_byte_is_lost(stream: bytes) -> None:
    lines, left = collected([stream], limit=10_000)
    expected = stream.split(b"\n")
    assert lines == [line.removesuffix(b"\r") for line in expected[:-1]]
    assert left == len(expected[-1])


@pytest.mark.guarantee("framing:line-limit")
def test_the_limit_is_eight_mebibytes_to_the_byte() -> None:
    framer = Framer()
    assert framer.feed(b"x" * MAX_LINE + b"\n") == [b"x" * MAX_LINE]
    assert framer.feed(b"x" * MAX_LINE) == []
    assert framer.feed(b"\n") == [b"x" * MAX_LINE]
    over = b"x" * (MAX_LINE + 1)
    assert framer.feed(over + b"\n") == [Dropped(over, first=True, end=True)]
    assert framer.feed(over + b"\nnext\n") == [Dropped(over, first=True, end=True), b"next"]
    assert MAX_LINE == 8 * 1024 * 1024


@pytest.mark.guarantee("framing:chunks-never-matter")
def test_a_line_in_large_and_small_pieces_is_joined_in_their_order() -> None:
    framer = Framer()
    pieces = [b"a" * SMALL, b"b", b"c" * (SMALL - 1), b"d" * (SMALL + 1), b"e"]
    assert Framer().begun is False
    for piece in pieces:
        assert framer.feed(piece) == []
    assert framer.unfinished == sum(map(len, pieces))
    assert framer.begun
    assert framer.feed(b"f\ng") == [b"".join(pieces) + b"f"]
    assert (framer.unfinished, framer.begun) == (1, True)
    assert framer.feed(b"\nh\n") == [b"g", b"h"]
    assert (framer.unfinished, framer.begun) == (0, False)


@pytest.mark.guarantee("framing:line-limit")
def test_a_line_that_drips_in_takes_little_more_memory_than_its_bytes() -> None:
    framer = Framer()
    tracemalloc.start()
    try:
        for number in range(20_000):
            framer.feed(b"%02d" % (number % 100))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert framer.unfinished == 40_000
    assert held < 2 * framer.unfinished


@pytest.mark.guarantee("framing:line-limit")
def test_the_pieces_of_a_dropped_line_say_where_it_begins_and_ends() -> None:
    framer = Framer(4)
    assert framer.feed(b"abc") == []
    assert framer.feed(b"de") == [Dropped(b"abcde", first=True, end=False)]
    assert framer.feed(b"f") == [Dropped(b"f", first=False, end=False)]
    assert framer.feed(b"") == []
    assert framer.feed(b"\nok\n") == [Dropped(b"", first=False, end=True), b"ok"]


@pytest.mark.guarantee("framing:line-limit")
@given(st.lists(st.binary(max_size=6).filter(lambda data: b"\n" not in data), max_size=60))
def test_an_endless_line_is_never_held(chunks: list[bytes]) -> None:
    framer = Framer(LIMIT)
    for chunk in chunks:
        framer.feed(chunk)
        assert framer.unfinished <= LIMIT


@pytest.mark.guarantee("framing:chunks-never-matter")
@pytest.mark.parametrize("sizes", [[20_000], [20_000, 5, 7, 20_000], [5, framing.SMALL, 3, 20_000]])
def test_a_line_of_large_and_small_pieces_comes_whole(sizes: list[int]) -> None:
    framer = framing.Framer()
    pieces = [bytes([65 + number]) * size for number, size in enumerate(sizes)]
    for piece in pieces:
        assert framer.feed(piece) == []
    assert framer.unfinished == sum(sizes)
    assert framer.feed(b"end\nnext\n") == [b"".join(pieces) + b"end", b"next"]
    assert framer.unfinished == 0
