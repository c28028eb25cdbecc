"""Reads an audit log back: whole, or what was done to it. Needs the file and nothing else."""

import hashlib
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from mcpguard.audit.checkpoint import (
    CHECKPOINT,
    CONTINUED,
    SET_ASIDE,
    Checker,
    Checkpoint,
    Keys,
    read_checkpoint,
)
from mcpguard.audit.diagnose import LOOK_BACK, Problem, Runs, split
from mcpguard.audit.logfile import earlier_parts, next_of
from mcpguard.audit.merkle import Tree
from mcpguard.audit.record import (
    DOMAIN,
    GENESIS,
    HASH_KEY,
    LINE_END,
    MAX_LINE,
    SEAL_LENGTH,
    VERSION,
    recorded,
)
from mcpguard.errors import AuditError, IdentityError
from mcpguard.model import MAX_SEQ, JsonObject, Proof
from mcpguard.private import regular

__all__ = [
    "Problem",
    "Seam",
    "VerifyReport",
    "begin_of",
    "begins_as_log",
    "missing",
    "parts_of",
    "read",
    "read_end",
    "read_lines",
    "unsigned",
    "verify",
]

MAX_OPEN = 100
"""Session ids kept of sessions without an end; the rest are counted."""

MAX_PROVED = 100
"""Keys whose sessions are counted."""

PROGRESS_EVERY = 10_000
"""Records between two calls of `progress`: about a fifth of a second."""

_START = b'{"v":1,"seq":%b,"session":'
_FRONT = (b',"ts":', b',"server":', b',"principal":')
"""How the line of that number begins, and what stands between the texts that follow."""

_DID = 56
"""Characters of a did:key of Ed25519."""

_NUMBER = re.compile(rb'\{"v":1,"seq":([1-9][0-9]*)')
_BEGUN_TEXT = rb'"(?:[^"\\\x00-\x1f]|\\.)*'
_TEXT = re.compile(_BEGUN_TEXT + b'"')
_CUT_TEXT = re.compile(rb"(?:%b\\?)?" % _BEGUN_TEXT)
_CUT_FIELDS = re.compile(rb'(?:,(?:"[^\x00-\x1f]*)?)?')
"""What may be left of a record behind its front: other fields, whose names are not known."""


class Held(NamedTuple):
    """A session that a proof shows who began, and that may go on.

    `before`: the number of the record before its first one. `last`: that of its last one so far,
    checkpoints and what joins files apart. `sealed`: as in `Checker`.
    """

    session: str = ""
    before: int = 0
    last: int = 0
    sealed: int = 0

    @property
    def loose(self) -> int:
        """Its records that none of its own checkpoints covers."""
        return max(0, self.last - max(self.before, self.sealed))


class Seam(NamedTuple):
    """Where a file's chain goes on from: number and hash of the record before, and the tree."""

    seq: int
    digest: bytes
    tree: Tree | None
    vouched: bytes = b""
    """The log's public key, 32 bytes, that the proof of the session names; empty: it has none."""
    held: Held = Held()


_BEGINNING = Seam(0, GENESIS, Tree())


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a log holds and what is wrong with it.

    `records`: whole lines. `sessions`: opening records. `problems`: in file order, empty when the
    log is as it was written. `torn`: something that is no whole line stands behind the last one;
    a write that did not finish leaves that, and so does a cut or somebody who wrote it there: not
    called tampering. `tail`: what it is: `begun`, with the front of the next record as far as it
    goes, or `unended`, a record without its line end. `zeros`:
    NUL bytes at the end of the file. `head`: hash of the last line in hex, empty without one.
    `unclosed`: sessions without a closing record, oldest first: running, killed, or cut off.
    `complete`: False when it is so broken that reading stopped. `start`: records of the log before
    this file. `ended`: the last line that closes a session, 0 for none. `checkpoints`: how many it
    holds. `signed`: the size of the newest one that is right, by the key `signer`; with keys, one
    of them made the signature, without it was not looked at. `rooted`: whether roots could be
    compared; not in a part whose earlier ones nothing tells of. `seam`: where the next part goes
    on; None behind what is broken. `aside`: its last record says that the log goes on elsewhere.
    `proved`: how many sessions each did:key began by the proof in their first record, at most
    `MAX_PROVED` keys. `loose`: records of such sessions that no checkpoint covers which the session
    made itself, with the key that it vouches for: they are only chained.
    """

    records: int
    sessions: int
    problems: tuple[Problem, ...]
    torn: bool
    head: str
    first: str = ""
    last: str = ""
    unclosed: tuple[str, ...] = ()
    complete: bool = True
    tail: str = ""
    zeros: int = 0
    start: int = 0
    ended: int = 0
    checkpoints: int = 0
    signed: int = 0
    signer: str = ""
    rooted: bool = True
    seam: Seam | None = None
    aside: bool = False
    proved: tuple[tuple[str, int], ...] = ()
    loose: int = 0

    @property
    def intact(self) -> bool:
        """No problem was found. A cut tail and a log computed anew are not among what can be."""
        return not self.problems


_OPENING = {"session.start", CONTINUED}
"""Events behind which a session is open: it began, or goes on in this file."""

_JOINING = {CHECKPOINT, SET_ASIDE, CONTINUED}
"""Events of what is written beside a session's own records."""

_BRACE = LINE_END[:-1]
"""How every record ends; what stands behind it was never a part of its write."""


class _Reader:
    """Goes through a log once. Memory does not grow with the log, only with what is wrong in it."""

    def __init__(self, checker: Checker, seam: Seam | None) -> None:
        self.checker = checker
        self.seam = seam
        self.ended = 0
        self.records = 0
        self.sessions = 0
        self.tail = ""
        self.zeros = 0
        self.stray: Problem | None = None
        self.known = False
        self.ours = False
        self.first = self.last = self.session = self.event = ""
        self.open = ""
        self.unclosed: list[str] = []
        self.proved: Counter[str] = Counter()
        self.unproved: list[Problem] = []
        self.held = Held()
        self.loose = 0
        self.recent: deque[tuple[int, bytes]] = deque(maxlen=LOOK_BACK)
        self.runs: Runs | None = None

    @property
    def full(self) -> bool:
        return self.runs is not None and self.runs.full

    def take(self, text: bytes) -> None:
        """The next line, newline included."""
        record = _record(text)
        start = (self.seam or self._begin(record)).seq
        number = self.records = self.records + 1
        if self.runs is None:
            digest = _sound(text, self.recent[-1][1])
            if digest and record.get("seq") == start + number:
                self._prove(number, record)
                self.recent.append((number, digest))
                self.checker.add(digest, number, record)
                if self.held.session and record.get("event") not in _JOINING:
                    self._hold(number, record)
            else:
                before = start, self.recent[0][1]
                self.runs = Runs(self.recent, self.session, self.event, before)
        if self.runs is not None:
            self.runs.take(split(number, text, record))
        self._note(record)

    def _begin(self, record: JsonObject) -> Seam:
        """Where the file says that it goes on from, with its first record."""
        self.seam = _claimed(record) or _BEGINNING
        self.join()
        return self.seam

    def join(self) -> None:
        """Begins where `seam` says."""
        seam = self.seam or _BEGINNING
        self.checker.vouched, self.checker.sealed = seam.vouched, seam.held.sealed
        self.held = seam.held
        self.recent.append((0, seam.digest))
        self.checker.begin(seam.tree)

    def _prove(self, number: int, record: JsonObject) -> None:
        """Who is proved to have begun the session that a sound record opens, if it says so."""
        if record.get("event") != "session.start":
            return
        self.checker.vouched = b""
        if "proof" not in record and record.get("proved") != Proof.KEY:
            return
        from mcpguard.identity.possession import check  # few sessions are proved so

        did = str(record.get("principal", ""))
        try:
            self.checker.vouched = check(record, self.recent[-1][1])
        except IdentityError as error:
            told = f"forged: a session of {did[:_DID]}: {error.message}"
            self.unproved.append(Problem(number, "forged", told))
            return
        self._leave()
        self.held = Held(str(record["session"]), int(str(record["seq"])) - 1)
        if did in self.proved or len(self.proved) < MAX_PROVED:
            self.proved[did] += 1

    def _hold(self, number: int, record: JsonObject) -> None:
        """A record behind the first one of a session that a proof shows who began."""
        if record.get("session") == self.held.session:
            self.held = self.held._replace(last=(self.seam or _BEGINNING).seq + number)
        elif self.checker.vouched:
            told = "forged: a record of another session in one that a key began"
            self.unproved.append(Problem(number, "forged", told))

    def _leave(self) -> None:
        """The session that a proof shows who began is over."""
        self.loose += self.held._replace(sealed=self.checker.sealed).loose
        self.held = Held()

    def _note(self, record: JsonObject) -> None:
        if not record:
            return
        self.known = True
        self.ours = self.ours or record.get("v") == VERSION
        self.last = str(record.get("ts", ""))
        self.first = self.first or self.last
        self.session = str(record.get("session", ""))
        self.event = str(record.get("event", ""))
        if self.event in _OPENING:
            if self.open != self.session:
                self._close_open()
            self.sessions += self.event != CONTINUED
            self.open = self.session
        elif self.event == "session.end":
            self.open = ""
            self.ended = self.records

    def _close_open(self) -> None:
        if self.open and self.open not in self.unclosed and len(self.unclosed) < MAX_OPEN:
            self.unclosed.append(self.open)
        self.open = ""

    def end(self, data: bytes, zeros: int) -> None:
        """What stands behind the last newline: `data`, then so many zero bytes."""
        if not self.recent:
            self.join()
        self.zeros = zeros
        record = _record(data[: data.rfind(_BRACE) + len(_BRACE)])
        if record:
            self._whole(data, record)
        elif self._begins(data):
            self.tail = "begun" if data else ""
        else:
            told = "inserted: it is not the beginning of an audit record"
            self.stray = Problem(self.records + 1, "inserted", told)
        self.known = self.known or bool(self.tail or self.zeros)
        if self.event == SET_ASIDE:
            self.open = ""  # it goes on in the next file
        self._close_open()

    def _whole(self, data: bytes, record: JsonObject) -> None:
        """A record without a newline: the last byte was not written, or was taken away."""
        number = self.records + 1
        seq = (self.seam or _BEGINNING).seq + number
        right = record.get("seq") == seq or self.runs is not None
        if right and _sound(data + b"\n", self.recent[-1][1]):
            self.tail = "unended"
        elif right:
            told = "changed: its text does not give the hash it carries, and its line end is gone"
            self.stray = Problem(number, "changed", told)
        else:
            told = "inserted: a record without a line end, and not the one that comes next"
            self.stray = Problem(number, "inserted", told)

    def _begins(self, data: bytes) -> bool:
        """Whether the next record could begin so. In a broken log its number is not known."""
        number = b"%d" % ((self.seam or _BEGINNING).seq + self.records + 1)
        if self.runs is not None and (told := _NUMBER.match(data)):
            number = told[1]
        for literal in (_START % number, *_FRONT):
            if not data.startswith(literal):
                return literal.startswith(data)
            data = data[len(literal) :]
            text = _TEXT.match(data)
            if text is None:
                return _CUT_TEXT.fullmatch(data) is not None
            data = data[text.end() :]
        return _CUT_FIELDS.fullmatch(data) is not None

    def report(self, *, last: bool) -> VerifyReport:
        """`last`: no part follows."""
        checker, seam = self.checker, self.seam or _BEGINNING
        whole = self.runs is None
        if whole:
            checker.end(self.records, last=last)
        newest = checker.newest
        held = self.held._replace(sealed=checker.sealed)
        if last or not whole:
            self._leave()
        head = self.recent[-1][1].hex() if self.records else ""
        return VerifyReport(
            records=self.records,
            sessions=self.sessions,
            problems=self._problems(),
            torn=bool(self.tail or self.zeros),
            head=head,
            first=self.first,
            last=self.last,
            unclosed=tuple(self.unclosed),
            complete=not self.full,
            tail=self.tail,
            zeros=self.zeros,
            start=seam.seq,
            ended=self.ended,
            checkpoints=checker.count,
            signed=newest.size if newest else 0,
            signer=newest.key if newest else "",
            rooted=checker.tree is not None,
            seam=self._end(checker.tree, held) if whole else None,
            aside=self.event == SET_ASIDE,
            proved=tuple(self.proved.items()),
            loose=self.loose,
        )

    def _end(self, tree: Tree | None, held: Held) -> Seam:
        """Where the next file goes on."""
        start = (self.seam or _BEGINNING).seq
        return Seam(start + self.records, self.recent[-1][1], tree, self.checker.vouched, held)

    def _problems(self) -> tuple[Problem, ...]:
        found = [*self.runs.problems()] if self.runs else []
        found += [self.stray] if self.stray else []
        if self.event == SET_ASIDE and (self.tail or self.zeros):
            told = "inserted: it stands behind the record that says that the log goes on elsewhere"
            found.append(Problem(self.records + 1, "inserted", told))
        found += self.unproved
        found += [Problem(*each) for each in self.checker.wrong]
        return tuple(sorted(found, key=lambda problem: problem.line))


def _claimed(record: JsonObject) -> Seam | None:
    """What the first record of a later part says of the earlier ones; None in any other record."""
    seq, digest = record.get("seq"), record.get("previous")
    if record.get("event") != CONTINUED or type(seq) is not int or not isinstance(digest, str):
        return None
    if not 1 < seq <= MAX_SEQ:  # nothing stands before the first record
        return None
    try:
        previous = bytes.fromhex(digest)
    except ValueError:
        return None
    told = read_checkpoint(record)
    tree = told.tree() if told is not None and told.size == seq - 1 else None
    return Seam(seq - 1, previous, tree)


def parts_of(path: Path) -> list[Path]:
    """The files of the log at `path`, oldest first; it is the last. Raises AuditError."""
    try:
        return [*earlier_parts(path), path]
    except OSError as error:
        raise AuditError(
            f"{path}: the audit log cannot be read: {error.strerror}",
            hint="check the name and the permissions",
        ) from error


def verify(
    path: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    keys: Keys | None = None,
    anchor: Checkpoint | None = None,
    seam: Seam | None = None,
    last: bool = True,
) -> VerifyReport:
    """Reads the log at `path` from end to end and says what is wrong with it.

    Args:
        path: One file. An empty one gives a report of 0 records, which proves nothing.
        progress: Called with the numbers of records and of bytes read so far.
        keys: Public keys; every checkpoint must be signed by one of them.
        anchor: A checkpoint that is known from elsewhere: the log must go as far, and agree.
        seam: What the part before ended with; None: the file itself says.
        last: No part of the log follows.

    Raises:
        AuditError: The file cannot be read, is not an audit log, or was written by a version this
            one does not know.
    """
    reader = _Reader(Checker(keys, anchor), seam)
    if seam is not None:
        reader.join()
    with _opened(path) as file:
        while not reader.full:
            text, zeros = _line(file)
            if text[-1:] != b"\n":
                reader.end(text, zeros)
                break
            reader.take(text)
            if progress is not None and reader.records % PROGRESS_EVERY == 0:
                progress(reader.records, file.tell())
    if reader.records:
        _refuse_foreign(path, reader)
    return reader.report(last=last)


def unsigned(parts: Sequence[VerifyReport]) -> Problem | None:
    """What a session that has ended left without a signature, though others signed; or None.

    `parts`: the reports of a whole log, with keys. A session signs its end, so somebody else wrote
    that, or what it could not do is in what it said on stderr.
    """
    newest = max((report.signed for report in parts), default=0)
    last = next((report for report in reversed(parts) if report.ended), None)
    if last is None or not newest or last.start + last.ended <= newest:
        return None
    told = f"unsigned: records {newest + 1} to {last.start + last.ended} are of sessions that ended"
    return Problem(last.ended, "unsigned", f"{told} and did not sign them")


def missing(path: Path, newest: VerifyReport) -> Problem | None:
    """That the log at `path` is gone though its part before, with that report, says it goes on.

    Whoever died in the middle of setting it aside left the file that was to take its place.
    """
    if not newest.aside or any(_goes_on(each, newest) for each in (path, next_of(path))):
        return None
    told = f"truncated: it says that the log goes on, and there is nothing of it in {path.name}"
    return Problem(newest.records, "truncated", told)


def _goes_on(path: Path, before: VerifyReport) -> bool:
    try:
        report = verify(path, seam=before.seam)
    except AuditError:
        return False
    return report.records > 0 and not report.problems


def read(path: Path) -> Iterator[JsonObject]:
    """The records of the log at `path`, oldest first. Says nothing of their truth: `verify` does.

    A torn last line is left out. Raises AuditError when the file cannot be read or a whole line is
    not a record.
    """
    for number, text in enumerate(read_lines(path), 1):
        record = _record(text)
        if not record:
            raise AuditError(
                f"{path}: line {number} is not an audit record",
                hint=f"run: mcpguard audit verify {path}",
            )
        yield record


def read_lines(path: Path) -> Iterator[bytes]:
    """The whole lines of the log at `path`, newline included. Raises AuditError."""
    with _opened(path) as file:
        while True:
            text, _zeros = _line(file)
            if text[-1:] != b"\n":
                return
            yield text


def read_end(path: Path, size: int) -> Iterator[JsonObject]:
    """The records in the last `size` bytes of the log at `path`; otherwise as `read` does."""
    with _opened(path) as file:
        behind = max(0, file.seek(0, os.SEEK_END) - size)
        file.seek(behind)
        if behind:
            _line(file)
        while (text := _line(file)[0])[-1:] == b"\n":
            if record := _record(text):
                yield record


def begin_of(path: Path) -> Seam:
    """Where the file says that it goes on from; the beginning for one that says nothing."""
    with _opened(path) as file:
        return _claimed(_record(_line(file)[0])) or _BEGINNING


def begins_as_log(path: Path) -> bool:
    """Whether the first line of the file at `path` is a record. Raises AuditError like `read`."""
    with _opened(path) as file:
        return bool(_record(_line(file)[0]))


def _refuse_foreign(path: Path, reader: _Reader) -> None:
    if not reader.known:
        raise AuditError(
            f"{path}: not an audit log: none of its {reader.records} lines is a record",
            hint="name a file that mcpguard proxy wrote",
        )
    if not reader.ours:
        raise AuditError(
            f"{path}: every record is of another version, this mcpguard knows version {VERSION}",
            hint="verify it with the mcpguard that wrote it, or a newer one",
        )


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with regular(path) as file:
            yield file
    except OSError as error:
        raise AuditError(
            f"{path}: the audit log cannot be read: {error.strerror}",
            hint="check the name and the permissions",
        ) from error


def _line(file: BinaryIO) -> tuple[bytes, int]:
    """The next line; without newline what the file ends with, and the zero bytes behind that.

    A line that is longer than any record is read to its end and given empty, so it is not one.
    """
    text = file.readline(MAX_LINE)
    if text[-1:] == b"\n":
        return text, 0
    data = text.rstrip(b"\0")
    zeros = len(text) - len(data)
    piece = text
    while len(piece) == MAX_LINE and (piece := file.readline(MAX_LINE)):
        if piece.strip(b"\0"):
            _skip(file, piece)
            return b"\n", 0
        zeros += len(piece)
    return data, zeros


def _skip(file: BinaryIO, piece: bytes) -> None:
    while piece and piece[-1:] != b"\n":
        piece = file.readline(MAX_LINE)


def _record(text: bytes) -> JsonObject:
    """The record in `text`, empty when there is none."""
    record = recorded(text)
    return record if "seq" in record and "hash" in record else {}


def _sound(text: bytes, previous: bytes) -> bytes:
    """The 32-byte hash of the line when it follows from `previous`, else empty."""
    hashed = hashlib.sha256(DOMAIN + previous + text[:-SEAL_LENGTH])
    seal = HASH_KEY + hashed.hexdigest().encode() + LINE_END
    return hashed.digest() if text.endswith(seal) and len(text) > SEAL_LENGTH else b""
