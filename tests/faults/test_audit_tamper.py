"""A log of 10,000 records, each kind of edit at its start, middle and end, with and without key."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import orjson
import pytest

from mcpguard.audit.checkpoint import CHECKPOINT, Checkpoint, Signer, load_public, read_checkpoint
from mcpguard.audit.merkle import Tree
from mcpguard.audit.record import GENESIS, SEAL_LENGTH, link, seal
from mcpguard.audit.verify import VerifyReport, unsigned, verify
from tests.faults.fleet import Place, make_lock
from tests.unit.audit.logs import CALL, SEED, kept, sign, write

Lines = list[bytes]


class Log(NamedTuple):
    lines: Lines
    key: dict[str, bytes]
    folder: Path


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    """Three sessions, 10,000 records with every checkpoint."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "audit.jsonl"
        for number in range(3):
            session, keeper = kept(path, f"s{number}")
            for turn in range(334):
                write(session, *[{**CALL, "target": f"tool-{turn}-{at}"} for at in range(10)])
                if turn % 120 == 119:
                    sign(keeper)
            session.close(keeper.last)
        lines = path.read_bytes().splitlines(keepends=True)
        assert len(lines) > 10_000
        (public,) = path.parent.glob("*.pub")
        yield Log(lines, dict([load_public(public)]), path.parent)


def report(
    log: Log, lines: Sequence[bytes], *, key: bool, anchor: Checkpoint | None = None
) -> VerifyReport:
    path = log.folder / "tried.jsonl"
    path.write_bytes(b"".join(lines))
    return verify(path, keys=log.key if key else None, anchor=anchor)


def named(log: Log, lines: Sequence[bytes], *, key: bool) -> list[tuple[int, str]]:
    found = report(log, lines, key=key)
    late = unsigned([found]) if key and not found.problems else None
    return [(each.line, each.what) for each in (*found.problems, *([late] if late else []))]


def rechained(lines: Sequence[bytes], at: int) -> Lines:
    """`lines` with the hashes computed anew from `at` on: what anybody can do who has the file."""
    previous = bytes.fromhex(lines[at - 1][-67:-3].decode()) if at else GENESIS
    made = list(lines[:at])
    for line in lines[at:]:
        body = line[:-SEAL_LENGTH]
        previous = link(previous, body)
        made.append(seal(body, previous))
    return made


def changed(lines: Lines, at: int) -> Lines:
    return [*lines[:at], lines[at].replace(b'"files"', b'"filed"'), *lines[at + 1 :]]


def removed(lines: Lines, at: int) -> Lines:
    return [*lines[:at], *lines[at + 1 :]]


def inserted(lines: Lines, at: int) -> Lines:
    return [*lines[: at + 1], b'{"not":"a record"}\n', *lines[at + 1 :]]


def reordered(lines: Lines, at: int) -> Lines:
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


def forked(lines: Lines, at: int) -> Lines:
    forged = rechained(changed(lines[: at + 1], at), at)[at]
    return [*lines[: at + 1], forged, *lines[at + 1 :]]


def truncated(lines: Lines, at: int) -> Lines:
    return [*lines[:at], lines[at][:60]]


EDITS: dict[str, tuple[Callable[[Lines, int], Lines], int]] = {
    "changed": (changed, 1),
    "removed": (removed, 1),
    "inserted": (inserted, 2),
    "reordered": (reordered, 1),
    "forked": (forked, 2),
}
"""What is done, and at which line behind that number it shows."""

PLACES: dict[str, Callable[[Lines], int]] = {
    "start": lambda _lines: 1,
    "middle": lambda lines: len(lines) // 2,
    "end": lambda lines: len(lines) - 3,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("what", EDITS)
@pytest.mark.guarantee("audit:changed-line", "audit:signed-checkpoints")
def test_each_edit_is_found_where_it_was_made_and_named(log: Log, what: str, place: str) -> None:
    edit, shows = EDITS[what]
    at = PLACES[place](log.lines)
    lines = edit(log.lines, at)
    for key in (False, True):
        assert named(log, lines, key=key) == [(at + shows, what)], key


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.guarantee("audit:signed-checkpoints")
def test_a_log_computed_anew_from_an_edit_on_is_seen_by_its_roots(log: Log, place: str) -> None:
    at = PLACES[place](log.lines)
    lines = rechained(changed(log.lines, at), at)
    marks = [
        n for n, line in enumerate(lines, 1) if b'"event":"audit.checkpoint"' in line and n > at
    ]
    assert marks
    assert named(log, lines, key=place == "start") == [(n, "forged") for n in marks]


@pytest.mark.guarantee("audit:signed-checkpoints")
def test_a_log_computed_anew_with_its_checkpoints_needs_the_key(log: Log) -> None:
    """Who makes the roots fit cannot sign them; who leaves them out has no signature."""
    lines = changed(log.lines, 5_000)
    fitting = list(fitted(lines, log.folder / "other"))
    assert report(log, fitting, key=False).intact
    found = report(log, fitting, key=True)
    assert ({each.what for each in found.problems}, found.signed) == ({"foreign"}, 0)
    bare = [line for line in lines if b'"event":"audit.checkpoint"' not in line]
    renumbered = rechained([numbered(line, n) for n, line in enumerate(bare, 1)], 0)
    found_bare = report(log, renumbered, key=True)
    assert (found_bare.intact, found_bare.signed) == (True, 0)


def numbered(line: bytes, seq: int) -> bytes:
    old = orjson.loads(line)["seq"]
    return line.replace(b'"seq":%d,' % old, b'"seq":%d,' % seq, 1)


def fitted(lines: Lines, folder: Path) -> Iterator[bytes]:
    """`lines` chained anew, every checkpoint made to fit and signed with another key."""
    folder.mkdir(exist_ok=True)
    signer, previous, leaves = Signer(SEED[::-1], folder), GENESIS, list[bytes]()
    tree = Tree()
    for line in lines:
        record = orjson.loads(line)
        body = line[:-SEAL_LENGTH]
        if record.get("event") == CHECKPOINT:
            tree.extend(b"".join(leaves[tree.size : record["size"]]))
            del record["hash"]
            body = orjson.dumps(record | signer.sign(tree).fields())[:-1]
        previous = link(previous, body)
        leaves.append(previous)
        yield seal(body, previous)


@pytest.mark.guarantee("audit:signed-checkpoints")
def test_an_end_that_was_written_behind_the_last_checkpoint_is_not_signed(log: Log) -> None:
    last = max(n for n, line in enumerate(log.lines, 1) if b'"event":"audit.checkpoint"' in line)
    ended = next(line for line in reversed(log.lines) if b'"event":"session.end"' in line)
    forged = [*log.lines[:last], log.lines[2], ended]
    forged = rechained(
        [*forged[:last], *(numbered(line, n) for n, line in enumerate(forged[last:], last + 1))],
        last,
    )
    assert named(log, forged, key=False) == []
    assert named(log, forged, key=True) == [(last + 2, "unsigned")]


def marks_of(lines: Lines) -> list[int]:
    """Where checkpoints stand."""
    return [n for n, line in enumerate(lines) if b'"event":"audit.checkpoint"' in line]


def anew(lines: Lines, at: int) -> Lines:
    """Numbered and chained anew from `at` on."""
    behind = [numbered(line, n) for n, line in enumerate(lines[at:], at + 1)]
    return rechained([*lines[:at], *behind], at)


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.guarantee("audit:signed-checkpoints")
def test_a_checkpoint_that_was_taken_out_moved_or_altered_is_named(log: Log, which: int) -> None:
    """Plainly like any record; with the rest computed anew, by the later ones or the signature."""
    lines, at = log.lines, marks_of(log.lines)[which]
    last = which == -1
    plain = [(at + 1, "removed")] if not last else []
    assert named(log, removed(lines, at), key=False) == plain
    without = named(log, anew(removed(lines, at), at), key=True)
    assert {what for _, what in without} == ({"unsigned"} if last else {"forged"})
    moved = [*lines[: at - 5], lines[at], *lines[at - 5 : at], *lines[at + 1 :]]
    assert named(log, moved, key=False)[0] == (at - 4, "reordered")
    renumbered = named(log, anew(moved, at - 5), key=True)
    assert (at - 4, "forged") in renumbered
    altered = rechained([*lines[:at], resigned(lines[at]), *lines[at + 1 :]], at)
    assert (at + 1, "forged") in named(log, altered, key=True)


def resigned(line: bytes) -> bytes:
    """With a signature of the right length that nobody made."""
    record = orjson.loads(line)
    return line.replace(record["signature"].encode(), b"A" * 86 + b"==")


@pytest.mark.guarantee("audit:tail-cut-shows")
def test_a_tail_cut_behind_a_checkpoint_shows_against_a_later_one(log: Log) -> None:
    marks = [n for n, line in enumerate(log.lines) if b'"event":"audit.checkpoint"' in line]
    newest = read_checkpoint(orjson.loads(log.lines[marks[-1]]))
    assert newest is not None
    for cut in (marks[0] + 1, marks[1] + 1, newest.size - 1):
        found = report(log, log.lines[:cut], key=True, anchor=newest)
        assert [each.what for each in found.problems] == ["truncated"]
        assert f"records {cut + 1} to {newest.size} were cut off" in found.problems[0].message
        assert report(log, log.lines[:cut], key=True).intact
    assert report(log, log.lines, key=True, anchor=newest).intact
    assert report(log, log.lines[: newest.size], key=False, anchor=newest).intact


@pytest.mark.guarantee("audit:tail-cut-shows")
def test_another_history_of_the_same_length_shows_against_a_known_checkpoint(log: Log) -> None:
    marks = [n for n, line in enumerate(log.lines) if b'"event":"audit.checkpoint"' in line]
    known = read_checkpoint(orjson.loads(log.lines[marks[0]]))
    bare = [line for line in changed(log.lines, 100) if CHECKPOINT.encode() not in line]
    other = rechained([numbered(line, n) for n, line in enumerate(bare, 1)], 0)
    found = report(log, other, key=False, anchor=known)
    assert [each.what for each in found.problems] == ["forked"]


@pytest.mark.parametrize("place", PLACES)
def test_a_log_cut_in_a_line_is_torn_and_against_a_checkpoint_truncated(
    log: Log, place: str
) -> None:
    at = PLACES[place](log.lines)
    mark = next(line for line in reversed(log.lines) if b'"event":"audit.checkpoint"' in line)
    newest = read_checkpoint(orjson.loads(mark))
    assert newest is not None
    found = report(log, truncated(log.lines, at), key=True, anchor=newest)
    assert found.torn
    assert [each.what for each in found.problems] == (["truncated"] if at < newest.size else [])


def test_a_person_is_told_of_a_log_that_is_none_or_was_changed(tmp_path: Path) -> None:
    place = Place(tmp_path, make_lock(tmp_path), "")
    (place.logs / "p0.jsonl").write_text("notes of mine\n")
    log = place.logs / "p0.1.jsonl"
    with place.proxies("work") as [first]:
        first.ask("list")
        assert first.finish()[0] == 0
    log.write_bytes(log.read_bytes().replace(b'"target":"list"', b'"target":"read"'))
    with place.proxies("work") as [again]:
        assert again.finish()[0] == 0
    assert (again.events()["audit.elsewhere"], again.events()["audit.altered"]) == (2, 1)
    assert verify(log).problems
