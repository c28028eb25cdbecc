from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mcpguard.audit.diagnose import MAX_RUNS
from mcpguard.audit.record import GENESIS, MAX_LINE, SEAL_LENGTH, link, seal
from mcpguard.audit.verify import VerifyReport, read, verify
from mcpguard.errors import AuditError
from tests.unit.audit.logs import opened, written

Lines = list[bytes]


@pytest.fixture(scope="module")
def log() -> Iterator[Lines]:
    """Two sessions of 8 and 9 lines in one file: 17 lines."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        written(path, 6, "one")
        yield written(path, 7, "two")


def report(folder: Path, lines: Lines) -> VerifyReport:
    path = folder / "tried.jsonl"
    path.write_bytes(b"".join(lines))
    return verify(path)


def named(folder: Path, lines: Lines) -> list[tuple[int, str]]:
    return [(problem.line, problem.what) for problem in report(folder, lines).problems]


def test_a_log_as_written_is_intact(tmp_path: Path, log: Lines) -> None:
    found = report(tmp_path, log)
    assert found.intact
    assert (found.records, found.sessions, found.torn, found.unclosed) == (17, 2, False, ())
    assert found.head == orjson.loads(log[-1])["hash"]
    assert found.first == "2026-09-21T14:13:20.250000Z"
    assert found.last == orjson.loads(log[-1])["ts"]


def rehashed(line: bytes, previous: bytes, old: bytes, new: bytes) -> bytes:
    """`line` with `old` replaced and a hash that fits, as a careful forger writes it."""
    assert old in line
    body = line[:-SEAL_LENGTH].replace(old, new)
    return seal(body, link(previous, body))


def digest(lines: Lines, at: int) -> bytes:
    """The hash that line `at` (from 0) chains from."""
    return bytes.fromhex(lines[at - 1][-67:-3].decode()) if at else GENESIS


def other_hex(line: bytes) -> bytes:
    return line[:-4] + (b"0" if line[-4:-3] != b"0" else b"1") + line[-3:]


def shouted(line: bytes) -> bytes:
    return line[:-67] + line[-67:-3].upper() + line[-3:]


Edit = Callable[[Lines, int], Lines]

CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a value": lambda line: line.replace(b'"files"', b'"filed"'),
    "a field more": lambda line: line.replace(b'"server"', b'"x":1,"server"'),
    "a field less": lambda line: line.replace(b'"server":"files",', b""),
    "a space": lambda line: line.replace(b":", b": ", 1),
    "a trailing space": lambda line: line[:-1] + b" \n",
    "a carriage return": lambda line: line[:-1] + b"\r\n",
    "the number": lambda line: line.replace(b'"seq":', b'"seq":9'),
    "the number's key": lambda line: line.replace(b'"seq":', b'"sec":'),
    "the version": lambda line: line.replace(b'{"v":1', b'{"v":2'),
    "the hash": other_hex,
    "the hash in capitals": shouted,
    "the hash's key": lambda line: line.replace(b',"hash":', b',"hast":'),
    "half of it gone": lambda line: line[: len(line) // 2] + b"\n",
    "all of it": lambda _line: b"nothing to see\n",
    "emptied": lambda _line: b"\n",
    "over-long": lambda _line: b"x" * (MAX_LINE + 5) + b"\n",
}


@pytest.mark.parametrize("at", [0, 1, 4, 7, 8, 12, 16])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.guarantee("audit:changed-line", "audit:first-line-covered", "audit:last-line-covered")
def test_a_changed_line_is_named(
    tmp_path: Path, log: Lines, at: int, change: Callable[[bytes], bytes]
) -> None:
    lines = [*log[:at], change(log[at]), *log[at + 1 :]]
    assert lines != log
    assert named(tmp_path, lines) in ([(at + 1, "changed")], *after_the_end(at, log))


def after_the_end(at: int, log: Lines) -> list[list[tuple[int, str]]]:
    """An unreadable opening line of a later session looks like one that was put there."""
    return [[(at + 1, "inserted")]] if b"session.start" in log[at] and at else []


@pytest.mark.parametrize("at", [0, 1, 4, 7, 8, 12, 15])
@pytest.mark.guarantee("audit:changed-line")
def test_a_changed_line_with_a_fitting_hash_shows_at_the_next(
    tmp_path: Path, log: Lines, at: int
) -> None:
    forged = rehashed(log[at], digest(log, at), b'"files"', b'"filed"')
    assert named(tmp_path, [*log[:at], forged, *log[at + 1 :]]) == [(at + 2, "changed")]


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("at", [0, 1, 4, 7, 8, 11])
@pytest.mark.guarantee("audit:removed-line", "audit:first-line-covered")
def test_removed_lines_are_named_and_counted(
    tmp_path: Path, log: Lines, at: int, count: int
) -> None:
    found = report(tmp_path, [*log[:at], *log[at + count :]]).problems
    assert [(problem.line, problem.what) for problem in found] == [(at + 1, "removed")]
    missing = f"{at + 1}" if count == 1 else f"{at + 1} to {at + count}"
    assert f"(seq {missing} missing)" in found[0].message


@pytest.mark.guarantee("audit:removed-line")
def test_lines_removed_in_two_places_are_two_problems(tmp_path: Path, log: Lines) -> None:
    assert named(tmp_path, [*log[1:5], *log[7:]]) == [(1, "removed"), (5, "removed")]


INSERTS: dict[str, Edit] = {
    "no record": lambda _log, _at: [b"nothing\n"],
    "an empty line": lambda _log, _at: [b"\n"],
    "an object": lambda _log, _at: [b'{"seq":3,"hash":"00"}\n'],
    "a forged record that links": lambda log, at: [
        rehashed(log[at], digest(log, at), b'"files"', b'"filed"')
    ],
    "three forged records that link": lambda log, at: list(forged_chain(log, at, 3)),
    "a number far ahead": lambda log, at: [log[at].replace(b'"seq":', b'"seq":99')],
}


def forged_chain(log: Lines, at: int, count: int) -> Iterator[bytes]:
    previous = digest(log, at)
    for number in range(at + 1, at + 1 + count):
        body = b'{"v":1,"seq":%d,"session":"x","ts":"","forged":true' % number
        previous = link(previous, body)
        yield seal(body, previous)


@pytest.mark.parametrize("at", [0, 1, 4, 7, 8, 12, 16])
@pytest.mark.parametrize("insert", INSERTS.values(), ids=INSERTS)
@pytest.mark.guarantee("audit:inserted-line", "audit:first-line-covered")
def test_inserted_lines_are_named(tmp_path: Path, log: Lines, at: int, insert: Edit) -> None:
    more = insert(log, at)
    found = report(tmp_path, [*log[:at], *more, *log[at:]]).problems
    links = [INSERTS["a forged record that links"], INSERTS["three forged records that link"]]
    forks = at > 0 and insert in links
    assert {problem.what for problem in found} == {"forked" if forks else "inserted"}
    assert at < found[0].line <= at + 1 + len(more)


@pytest.mark.parametrize("at", range(17))
@pytest.mark.guarantee("audit:inserted-line")
def test_a_line_written_twice_is_named(tmp_path: Path, log: Lines, at: int) -> None:
    (found,) = report(tmp_path, [*log[: at + 1], log[at], *log[at + 1 :]]).problems
    assert found.what == "inserted"
    assert found.line in (at + 1, at + 2)


@pytest.mark.parametrize(
    "more", [b"nothing\n", b'{"v":1,"seq":18,"event":"x","hash":"00"}\n', b"nothing", b" "]
)
@pytest.mark.guarantee("audit:inserted-line", "audit:last-line-covered")
def test_what_is_put_behind_the_last_line_is_named(tmp_path: Path, log: Lines, more: bytes) -> None:
    assert named(tmp_path, [*log, more]) == [(18, "inserted")]


def unended(log: Lines) -> Lines:
    return [*log[:-1], log[-1][:-1]]


MANY = MAX_LINE + 76_000
"""Zero bytes, more than any line is long."""

FRONT = b'{"v":1,"seq":18,"session":"two","ts":"2026","server":"files","principal":"a\\"b"'

TAILS: dict[str, tuple[Callable[[Lines], Lines], tuple[str, int], list[tuple[int, str]]]] = {
    "nothing": (lambda log: log, ("", 0), []),
    "a cut": (lambda log: [*log[:-1], log[-1][:40]], ("begun", 0), []),
    "one byte": (lambda log: [*log, b"{"], ("begun", 0), []),
    "no line end": (unended, ("unended", 0), []),
    "no line end, zeros": (lambda log: [*unended(log), bytes(9)], ("unended", 9), []),
    "zeros": (lambda log: [*log, bytes(9)], ("", 9), []),
    "a cut, zeros": (lambda log: [*log[:-1], log[-1][:40], bytes(9)], ("begun", 9), []),
    "edited, no line end": (
        lambda log: [*log[:-1], log[-1][:-1].replace(b'"files"', b'"filed"')],
        ("", 0),
        [(17, "changed")],
    ),
    "another line end": (lambda log: [*unended(log), b"\x0e"], ("", 0), [(17, "changed")]),
    "an old record, no line end": (lambda log: [*log, log[3][:-1]], ("", 0), [(18, "inserted")]),
    "an old beginning": (lambda log: [*log, log[3][:40]], ("", 0), [(18, "inserted")]),
    "another number": (lambda log: [*log, b'{"v":1,"seq":181,'], ("", 0), [(18, "inserted")]),
    "no front": (
        lambda log: [*log, b'{"v":1,"seq":18,"decision":"allow"'],
        ("", 0),
        [(18, "inserted")],
    ),
    "front out of order": (
        lambda log: [*log, b'{"v":1,"seq":18,"session":"a","server":'],
        ("", 0),
        [(18, "inserted")],
    ),
    "no text in the front": (
        lambda log: [*log, b'{"v":1,"seq":18,"session":7'],
        ("", 0),
        [(18, "inserted")],
    ),
    "more than fields": (lambda log: [*log, FRONT + b"EVIL"], ("", 0), [(18, "inserted")]),
    "zeros among fields": (
        lambda log: [*log, FRONT + b',"a":"\0"'],
        ("", 0),
        [(18, "inserted")],
    ),
    "the whole front": (lambda log: [*log, FRONT], ("begun", 0), []),
    "cut at an escape": (lambda log: [*log, FRONT[:-2] + b"\\"], ("begun", 0), []),
    "many zeros": (lambda log: [*log, bytes(MANY)], ("", MANY), []),
    "no line end, many zeros": (
        lambda log: [*unended(log), bytes(MANY)],
        ("unended", MANY),
        [],
    ),
    "many zeros, then more": (
        lambda log: [*log, bytes(MANY), b"x"],
        ("", 0),
        [(18, "inserted")],
    ),
    "nothing but zeros": (lambda _log: [bytes(MANY)], ("", MANY), []),
    "zeros, then more": (lambda log: [*log, bytes(9), b"x"], ("", 0), [(18, "inserted")]),
    "broken before": (
        lambda log: [*log[1:], b'{"v":1,"seq":18,"s'],
        ("begun", 0),
        [(1, "removed")],
    ),
    "broken before, no front": (
        lambda log: [*log[1:], b'{"v":1,"seq":18,"x'],
        ("", 0),
        [(1, "removed"), (17, "inserted")],
    ),
}


@given(st.data())
@pytest.mark.guarantee("audit:torn-tail-marked")
def test_a_record_cut_anywhere_is_torn(log: Lines, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(log) - 1), label="line")
    cut = data.draw(st.integers(1, len(log[at]) - 1), label="bytes")
    zeros = data.draw(st.sampled_from([0, 9]), label="zeros")
    with TemporaryDirectory() as folder:
        found = report(Path(folder), [*log[:at], log[at][:cut], bytes(zeros)])
    assert found.intact
    assert (found.tail != "", found.zeros) == (True, zeros)


@pytest.mark.parametrize(("cut", "tail", "problems"), TAILS.values(), ids=TAILS)
@pytest.mark.guarantee("audit:torn-tail-marked", "audit:last-line-covered")
def test_what_stands_behind_the_last_whole_line_is_told_apart(
    tmp_path: Path,
    log: Lines,
    cut: Callable[[Lines], Lines],
    tail: tuple[str, int],
    problems: list[tuple[int, str]],
) -> None:
    found = report(tmp_path, cut(log))
    assert (found.tail, found.zeros, found.torn) == (*tail, any(tail))
    assert [(problem.line, problem.what) for problem in found.problems] == problems


MOVES: dict[str, tuple[Callable[[Lines], Lines], list[int]]] = {
    "the first two swapped": (lambda log: [log[1], log[0], *log[2:]], [1]),
    "two in the middle swapped": (lambda log: [*log[:5], log[6], log[5], *log[7:]], [6]),
    "the last two swapped": (lambda log: [*log[:15], log[16], log[15]], [16]),
    "the first to the end": (lambda log: [*log[1:], log[0]], [17]),
    "the last to the front": (lambda log: [log[16], *log[:16]], [1]),
    "first and last swapped": (lambda log: [log[16], *log[1:16], log[0]], [1, 17]),
    "one far forward": (lambda log: [*log[:3], *log[4:14], log[3], *log[14:]], [14]),
    "one far back": (lambda log: [*log[:3], log[13], *log[3:13], *log[14:]], [4]),
    "a block": (lambda log: [*log[:3], *log[5:11], *log[3:5], *log[11:]], [10]),
    "the sessions": (lambda log: [*log[8:], *log[:8]], [10]),
}


@pytest.mark.parametrize(("move", "lines"), MOVES.values(), ids=MOVES)
@pytest.mark.guarantee("audit:reordered-lines", "audit:first-line-covered")
def test_moved_lines_are_named(
    tmp_path: Path, log: Lines, move: Callable[[Lines], Lines], lines: list[int]
) -> None:
    assert named(tmp_path, move(log)) == [(line, "reordered") for line in lines]


@pytest.mark.guarantee("audit:spliced-logs")
def test_two_logs_put_together_are_found(tmp_path: Path, log: Lines) -> None:
    other = written(tmp_path / "other.jsonl", 15, "three")
    whole = report(tmp_path, [*log, *other[:9]]).problems
    assert [(problem.line, problem.what) for problem in whole] == [(18, "inserted")]
    assert "begin another log" in whole[0].message
    assert named(tmp_path, [*log[:5], *other[5:]]) == [(6, "spliced")]
    assert named(tmp_path, [*other[:3], *log[3:]]) == [(4, "spliced")]  # two more sessions follow
    assert named(tmp_path, [*other[:12], *log[12:]]) == [(13, "spliced")]
    there_and_back = [*log[:10], *other[10:12], *log[12:]]
    assert named(tmp_path, there_and_back) == [(11, "spliced"), (13, "spliced")]


def test_several_edits_are_each_named(tmp_path: Path, log: Lines) -> None:
    changed = CHANGES["a value"](log[2])
    lines = [*log[:2], changed, *log[3:6], *log[7:10], b"x\n", *log[10:13], log[14], log[13]]
    lines += log[15:]
    assert named(tmp_path, lines) == [
        (3, "changed"),
        (7, "removed"),
        (10, "inserted"),
        (14, "reordered"),
    ]


@pytest.mark.guarantee("audit:open-session-named")
def test_a_session_without_its_closing_record_is_named_not_accused(
    tmp_path: Path, log: Lines
) -> None:
    found = report(tmp_path, log[:-1])
    assert found.intact
    assert found.unclosed == ("two",)


def test_an_empty_log_holds_nothing_and_has_no_head(tmp_path: Path) -> None:
    assert replace(report(tmp_path, []), seam=None) == VerifyReport(0, 0, (), torn=False, head="")


NOT_LOGS = {
    "text": b"hello\nworld\n",
    "json lines": b'{"a":1}\n{"b":2}\n',
    "binary": bytes(range(256)) * 40,
    "numbers": b"1\n2\n",
    "another version": b'{"v":2,"seq":1,"hash":"00"}\n',
}


@pytest.mark.parametrize("data", NOT_LOGS.values(), ids=NOT_LOGS)
def test_a_file_that_is_no_audit_log_is_not_called_tampered(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(AuditError) as caught:
        report(tmp_path, [data])
    assert caught.value.hint


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="No such file"):
        verify(tmp_path / "none")
    with pytest.raises(AuditError, match="Is a directory"):
        list(read(tmp_path))


def test_reading_stops_where_a_log_is_broken_beyond_use(tmp_path: Path, log: Lines) -> None:
    found = report(tmp_path, [*log, *(b"x%d\n" % number for number in range(3 * MAX_RUNS))])
    assert not found.complete
    assert len(found.problems) == MAX_RUNS - 1


def test_progress_is_told_while_reading(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, 20_100)
    seen: list[int] = []
    assert verify(path, lambda records, _read: seen.append(records)).intact
    assert seen == [10_000, 20_000]


def test_read_gives_the_records_and_leaves_a_torn_line_out(tmp_path: Path, log: Lines) -> None:
    path = tmp_path / "audit.jsonl"
    for tail in (log[3][:50], bytes(MANY)):
        path.write_bytes(b"".join(log) + tail)
        assert [record["seq"] for record in read(path)] == list(range(1, 18))


def test_read_refuses_a_line_that_is_no_record(tmp_path: Path, log: Lines) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(log[0] + b"x\n")
    with pytest.raises(AuditError, match="line 2"):
        list(read(path))


@given(data=st.data())
@pytest.mark.guarantee("audit:every-byte-covered")
def test_any_one_byte_changed_removed_or_added_is_found(log: Lines, data: st.DataObject) -> None:
    whole = b"".join(log)
    at = data.draw(st.integers(0, len(whole) - 2), label="at")
    byte = bytes([data.draw(st.integers(0, 255), label="byte")])
    edit = data.draw(st.sampled_from(["change", "remove", "add"]), label="edit")
    keep = {"change": at + 1, "remove": at + 1, "add": at}[edit]
    tried = whole[:at] + (b"" if edit == "remove" else byte) + whole[keep:]
    assume(tried != whole)
    with TemporaryDirectory() as folder:
        assert report(Path(folder), [tried]).problems


@given(st.permutations(range(17)))
@pytest.mark.guarantee("audit:reordered-lines")
def test_any_other_order_is_found(log: Lines, order: list[int]) -> None:
    assume(order != list(range(17)))
    with TemporaryDirectory() as folder:
        found = report(Path(folder), [log[at] for at in order]).problems
    assert found
    assert {problem.what for problem in found} == {"reordered"}


@given(st.sets(st.integers(0, 16), min_size=1, max_size=16))
@pytest.mark.guarantee("audit:removed-line")
def test_any_lines_removed_before_the_last_are_found(log: Lines, gone: set[int]) -> None:
    kept = [line for at, line in enumerate(log) if at not in gone]
    assume(kept != log[: len(kept)])
    with TemporaryDirectory() as folder:
        found = report(Path(folder), kept).problems
    assert found
    assert {problem.what for problem in found} == {"removed"}


def test_a_log_that_goes_on_while_it_is_read_is_intact(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    running = opened(path, "live")
    found = verify(path)
    running.close()
    assert found.intact
    assert found.unclosed == ("live",)
