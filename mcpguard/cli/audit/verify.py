"""`mcpguard audit verify`: whether a log still is what was written, or a proof holds."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import click
import orjson

from mcpguard.audit.checkpoint import Checkpoint, Keys, load_public, read_checkpoint
from mcpguard.audit.proof import check
from mcpguard.audit.verify import Problem, Seam, VerifyReport, missing, unsigned, verify
from mcpguard.cli import render
from mcpguard.cli.audit.choosing import files_of, logs
from mcpguard.config.files import plain_bytes
from mcpguard.errors import AuditError, UsageError
from mcpguard.model import Json, JsonObject

__all__ = ["verify_command"]

SHOWN = 20
"""Problems in the text answer: the first ones matter. `--format json` has all that were found."""

QUIET_SECONDS = 1.0
"""Seconds before progress is shown."""

BAR = 30
"""Columns of the progress bar."""

MAX_TIME = 64
"""Characters shown of a record's time, which has 27."""

MAX_PROOF = 2 * 1024 * 1024
"""Bytes of a proof, which holds one record and a few hashes."""

_RESULTS = {"intact": 0, "tampered": 1, "empty": 2, "unproved": 2, "unreadable": 2}
"""What verify says, and the exit code. An empty log proves nothing, so it is not a pass."""

_PATH = click.Path(path_type=Path)


_EMPTY = Problem(0, "inserted", "inserted: a part of the log that holds no record")


class _Read(NamedTuple):
    """A log: its files, oldest first, each with what is said of it."""

    path: Path
    parts: tuple[tuple[Path, VerifyReport], ...]
    keyed: bool
    gone: Problem | None = None

    @property
    def newest(self) -> VerifyReport:
        """The report of the last file."""
        return self.parts[-1][1]

    @property
    def problems(self) -> list[tuple[Path, Problem]]:
        """What is wrong, with the file that it is in."""
        found = [(part, problem) for part, report in self.parts for problem in report.problems]
        if not self.signed[0]:  # another key's log altogether is not signed, and no forgery
            found = [each for each in found if each[1].what != "foreign"]
        empty = [part for part, report in self.parts[:-1] if not report.records]
        found += [(part, _EMPTY) for part in empty]
        if self.gone:
            found.append((self.parts[-1][0], self.gone))
        late = unsigned([report for _, report in self.parts]) if self.keyed and not found else None
        return [*found, (self.parts[-1][0], late)] if late else found

    @property
    def records(self) -> int:
        return sum(report.records for _, report in self.parts)

    @property
    def checkpoints(self) -> int:
        return sum(report.checkpoints for _, report in self.parts)

    @property
    def signed(self) -> tuple[int, str]:
        """The size of the newest checkpoint that is right, and its key."""
        return max((report.signed, report.signer) for _, report in self.parts)

    @property
    def proved(self) -> Counter[str]:
        """How many sessions who holds a did:key began, by the proofs in them."""
        found: Counter[str] = Counter()
        for _, report in self.parts:
            found.update(dict(report.proved))
        return found

    @property
    def loose(self) -> int:
        """Records of those sessions that none of their own checkpoints covers."""
        return sum(report.loose for _, report in self.parts)

    @property
    def end(self) -> int:
        """The number of the last record."""
        return self.parts[0][1].start + self.records

    @property
    def uncovered(self) -> int:
        """Records here, the last ones, that the newest checkpoint that is right does not cover.

        The first record of a later part may bring a checkpoint of those before it: of none here.
        """
        return min(self.end - self.signed[0], self.records)

    @property
    def result(self) -> str:
        if self.problems:
            return "tampered"
        if not self.records:
            return "empty"
        return "unproved" if self.keyed and self.uncovered == self.records else "intact"


class _Unread(NamedTuple):
    """A log that could not be read, and why."""

    path: Path
    error: AuditError
    result: str = "unreadable"


@click.command(name="verify", short_help="Check that a log is what was written.")
@click.argument("files", type=_PATH, nargs=-1, metavar="[FILE]...")
@click.option(
    "--key",
    "keys",
    type=_PATH,
    multiple=True,
    metavar="KEY.pub",
    help="The public key that must have signed it; of several, one of them.",
)
@click.option(
    "--anchor",
    type=_PATH,
    metavar="FILE",
    help="A checkpoint that was kept elsewhere: the log must go as far, and agree.",
)
@click.option("--proof", type=_PATH, metavar="PROOF", help="Check a proof instead of a log.")
@click.option("--alone", is_flag=True, help="Only FILE, not the earlier parts beside it.")
@render.FORM
@click.pass_context
def verify_command(
    context: click.Context,
    *,
    files: tuple[Path, ...],
    keys: tuple[Path, ...],
    anchor: Path | None,
    proof: Path | None,
    alone: bool,
    form: str,
) -> None:
    """Check that the log FILE is what was written, from its first byte to its last.

    Finds and names lines that were changed, removed, inserted, reordered, forked or taken from
    another log, in its earlier parts (FILE~...) too. FILE may be a folder: all logs in it. Without
    FILE: all logs of this user. Several logs get a line each, and more where something is wrong.

    The file alone does not show that its end was cut off at a whole line, nor that all of it was
    computed anew. --key shows the second: only who has the private key can sign. --anchor shows
    the first, up to the checkpoint in it. Records behind the last checkpoint are only chained.

    Exit codes: 0 intact, 1 tampered, 2 it could not be found out (unreadable, empty, no audit log,
    none of its own records signed with KEY). Of several logs: 1 if any is tampered, else 2 if any
    is that.
    """
    known = dict(load_public(path) for path in keys) if keys else None
    if proof is not None:
        context.exit(_proof(proof, known, form))
    chosen = logs(files)
    if anchor is not None and len(chosen) != 1:
        raise UsageError("an anchor is of one log", hint="name the log that it is of")
    mark = _anchor(anchor, known) if anchor is not None else None
    found = _all(chosen, known, mark, alone=alone)
    if form == "json":
        told: list[Json] = [
            _unread_json(each) if isinstance(each, _Unread) else _as_json(each) for each in found
        ]
        value: Json = told[0] if files == (*chosen,) and len(told) == 1 else {"logs": told}
        render.answer([render.json_text(value)])
    else:
        render.answer(_answer(found))
    codes = {_RESULTS[each.result] for each in found}
    context.exit(1 if 1 in codes else max(codes))


def _all(
    chosen: Sequence[Path], keys: Keys | None, anchor: Checkpoint | None, *, alone: bool
) -> list[_Read | _Unread]:
    """Every log; of several, what is wrong with one does not hide what the others are."""
    found: list[_Read | _Unread] = []
    parts = {path: [path] if alone else _files(path) for path in chosen}
    with _progress([each for files in parts.values() for each in files]) as progress:
        for path, files in parts.items():
            try:
                found.append(_read(path, files, keys, anchor, progress))
            except AuditError as error:
                if len(chosen) == 1:
                    raise
                found.append(_Unread(path, error))
    return found


def _files(path: Path) -> list[Path]:
    try:
        return files_of(path)
    except AuditError:
        return [path]  # reading it says the same


def _read(
    path: Path,
    files: Sequence[Path],
    keys: Keys | None,
    anchor: Checkpoint | None,
    progress: "_Progress",
) -> _Read:
    found: list[tuple[Path, VerifyReport]] = []
    seam: Seam | None = None
    for part in files:
        last = part == files[-1]
        report = verify(part, progress.of(part), keys=keys, anchor=anchor, seam=seam, last=last)
        seam = report.seam
        found.append((part, report))
    full = [report for _, report in found if report.records]
    ends = files[-1] == path and found[-1][1].records > 0
    gone = missing(path, full[-1]) if full and not ends else None
    return _Read(path, tuple(found), keys is not None, gone)


def _anchor(path: Path, keys: Keys | None) -> Checkpoint:
    """The checkpoint in the file at `path`. Raises AuditError."""
    record = _loaded(path)
    found = read_checkpoint(record) if isinstance(record, dict) else None
    if found is None:
        raise AuditError(
            f"{path}: there is no checkpoint in it",
            hint="name a file of the folder that `audit.anchors` names, or a line of a log",
        )
    if keys is not None and not found.signed_by(keys):
        raise AuditError(
            f"{path}: the checkpoint is not signed with a key that was given: {found.key[:40]!a}",
            hint="give the key of the install that made it",
        )
    return found


def _loaded(path: Path) -> object:
    try:
        return orjson.loads(plain_bytes(path, MAX_PROOF))
    except OSError as error:
        raise AuditError(
            f"{path}: {error.strerror}", hint="check the name and the permissions"
        ) from error
    except orjson.JSONDecodeError as error:
        raise AuditError(f"{path}: not JSON: {error}", hint="name a file of one object") from error


# --- proofs --------------------------------------------------------------------------------------


def _proof(path: Path, keys: Keys | None, form: str) -> int:
    told = _loaded(path)
    answer = check(told if isinstance(told, dict) else {}, keys)
    if form == "json":
        value: JsonObject = {
            "file": str(path),
            "result": "holds" if answer.holds else "refuted",
            "signature": "checked" if answer.signed else "unchecked",
            "message": answer.told,
        }
        render.answer([render.json_text(value)])
    else:
        render.answer(_proof_lines(path, answer.told, holds=answer.holds, signed=answer.signed))
    return 0 if answer.holds else 1


def _proof_lines(path: Path, told: str, *, holds: bool, signed: bool) -> Iterator[str]:
    word = "proved" if holds else "NOT PROVED"
    yield f"{render.printable(str(path))}: {word}: {render.printable(told)}"
    if holds and not signed:
        yield "  the signature was not checked: give the public key with --key"


# --- answers -------------------------------------------------------------------------------------


def _as_json(read: _Read) -> JsonObject:
    newest = read.newest
    size, signer = read.signed
    sole = len(read.parts) == 1
    return {
        "file": str(read.path),
        "result": read.result,
        "records": read.records,
        "sessions": sum(report.sessions for _, report in read.parts),
        "first": next((report.first for _, report in read.parts if report.first), ""),
        "last": newest.last,
        "head": newest.head,
        "torn": newest.torn,
        "tail": newest.tail,
        "zeros": newest.zeros,
        "proved": [{"did": did, "sessions": count} for did, count in read.proved.items()],
        "loose": read.loose,
        "unclosed": [each for _, report in read.parts for each in report.unclosed],
        "complete": all(report.complete for _, report in read.parts),
        "start": read.parts[0][1].start,
        "parts": [str(part) for part, _ in read.parts],
        "checkpoints": read.checkpoints,
        "signed": size,
        "signer": signer,
        "uncovered": read.uncovered,
        "signature": "checked" if read.keyed else "unchecked",
        "problems": [
            {
                "line": problem.line,
                "what": problem.what,
                "message": problem.message,
                **({} if sole else {"file": str(part)}),
            }
            for part, problem in read.problems
        ],
    }


def _unread_json(unread: _Unread) -> JsonObject:
    error = unread.error
    told: JsonObject = {"file": str(unread.path), "result": unread.result}
    return {**told, "message": error.message, "hint": error.hint}


def _answer(found: Sequence[_Read | _Unread]) -> Iterator[str]:
    """One log with all that is known of it; several with a line each, and a count."""
    if len(found) == 1 and isinstance(found[0], _Read):
        yield from _as_text(found[0])
        return
    for each in found:
        if isinstance(each, _Unread):
            yield f"{render.printable(str(each.path))}: NOT READ: {_why(each)}"
        elif each.result == "intact":
            yield _line(each)
            yield from _notes(each)
        else:
            yield from _as_text(each)
    counts = Counter(each.result for each in found)
    yield f"{len(found)} logs: " + ", ".join(f"{count} {word}" for word, count in counts.items())


def _why(unread: _Unread) -> str:
    told = unread.error.message.removeprefix(f"{unread.path}: ")
    return render.printable(f"{told} ({unread.error.hint})" if unread.error.hint else told)


def _line(read: _Read) -> str:
    """An intact log in a line."""
    count, size = len(read.parts), read.signed[0]
    where = f" in {count:,} files" if count > 1 else ""
    signed = f", signed up to {size:,}" if size else ""
    signed += f", {read.uncovered:,} behind it not" if read.keyed and read.uncovered else ""
    signed += f", {read.loose:,} loose" if read.loose else ""
    torn = ", and not whole behind its last line" if read.newest.torn else ""
    start = read.parts[0][1].start
    whence = f" from record {start + 1:,} on" if start else ""
    told = f"intact{whence}, {read.records:,} records{where}{signed}{torn}"
    return f"{render.printable(str(read.path))}: {told}"


def _as_text(read: _Read) -> Iterator[str]:
    problems = read.problems
    yield f"{render.printable(str(read.path))}: {_headline(read)}"
    for part, problem in problems[:SHOWN]:
        where = f"{render.printable(part.name)}: " if len(read.parts) > 1 else ""
        yield f"  {where}line {problem.line}: {render.printable(problem.message)}"
    if len(problems) > SHOWN:
        yield f"  and {len(problems) - SHOWN} more: --format json lists them"
    for part, report in read.parts:
        if not report.complete:
            name = render.printable(part.name)
            yield f"  broken so often that reading {name} stopped after line {report.records}"
    if read.records:
        yield from _facts(read)
    yield from _notes(read)
    if problems:
        yield from _next_steps(problems[0][1])


def _headline(read: _Read) -> str:
    """The result, and what of the log it is not about."""
    told, start = _HEADLINES[read.result], read.parts[0][1].start
    if read.result != "intact":
        return told
    if read.newest.torn:
        told = f"intact up to line {read.newest.records}, and not whole behind it"
    elif read.keyed:
        whence = f" from record {start + 1:,} on" if start else ""
        told = f"intact{whence}, signed with that key up to record {read.signed[0]:,}"
    elif start:
        told = f"intact from record {start + 1:,} on, every record there is as it was written"
    return f"{told}; records 1 to {start:,} are in no file here" if start else told


_HEADLINES = {
    "intact": "intact, every record is as it was written",
    "tampered": "TAMPERED, this is not what was written",
    "empty": "no whole record in it, so it proves nothing",
    "unproved": "NOT SIGNED with that key, so it may have been computed anew",
}


_TAILS = {
    "begun": "the beginning of a record",
    "unended": "a whole record without its line end",
}
_CAUSES = (
    "its write did not finish (a crash), the end of the log was cut off, or somebody wrote it; the"
    " file does not show which"
)


def _facts(read: _Read) -> Iterator[str]:
    first = next(report.first for _, report in read.parts if report.records)
    if len(read.parts) > 1:
        oldest = render.printable(read.parts[0][0].name)
        yield f"  files     {len(read.parts):,}, the oldest is {oldest}"
    yield f"  records   {read.records:,}"
    yield f"  sessions  {sum(report.sessions for _, report in read.parts):,}"
    for did, count in [*read.proved.items()][:SHOWN]:
        yield f"  proved    {did}: {count:,} session{'s' * (count != 1)}"
    if read.loose:
        some = "1 record" if read.loose == 1 else f"{read.loose:,} records"
        yield f"  loose     {some} of theirs: chained, and in no checkpoint of the session itself"
    yield f"  from      {render.printable(first[:MAX_TIME])}"
    yield f"  to        {render.printable(read.newest.last[:MAX_TIME])}"
    yield f"  head      sha256:{read.newest.head}"
    size, signer = read.signed
    if read.checkpoints or read.keyed:
        how = "" if read.keyed else "; signatures are checked with --key"
        by = f" of {read.end:,} by {render.printable(signer[:40])}" if size else ""
        yield f"  signed    {f'up to record {size:,}' if size else 'nothing'}{by}{how}"
    if read.keyed and read.uncovered:
        yield f"  uncovered {_last_ones(read)}: chained, and in no checkpoint that this key signed"


def _last_ones(read: _Read) -> str:
    if read.uncovered == read.records:
        return "all of them"
    return "the last record" if read.uncovered == 1 else f"the last {read.uncovered:,} records"


def _notes(read: _Read) -> Iterator[str]:
    newest = read.newest
    start = read.parts[0][1].start
    if start:
        known = (
            "their checkpoint is" if read.parts[0][1].rooted else "nothing that tells of them is"
        )
        yield f"  earlier: records 1 to {start:,} are in no file here; {known}"
    if newest.tail:
        yield f"  torn: line {newest.records + 1} is {_TAILS[newest.tail]}: {_CAUSES}"
    if newest.zeros:
        yield (
            f"  zeros: the file ends with {newest.zeros} zero bytes: a file system leaves that"
            " after a power cut, or somebody appended them"
        )
    unclosed = [each for _, report in read.parts for each in report.unclosed]
    for session in unclosed[:SHOWN]:
        yield (
            f"  open: session {render.printable(session[:100])} has no closing record: it still "
            "runs, it was killed, or the log was cut"
        )
    if len(unclosed) > SHOWN:
        yield f"  and {len(unclosed) - SHOWN} more open sessions"


def _next_steps(problem: Problem) -> Iterator[str]:
    line = problem.line
    if problem.what in _NOT_OF_LINES:
        yield "Its lines follow from each other, but so do those that anybody can compute."
        sound = "Do not rely on it."
    elif line > 1:
        sound = f"Lines before {line} are as written."
    else:
        sound = "No line of it can be relied on."
    yield f"{sound} Keep a copy of the file as it is, compare it with your last backup,"
    yield "and find out who could write to it. Moved away, it makes room for a new log."


_NOT_OF_LINES = {"foreign", "forged", "unsigned", "truncated"}


class _Progress:
    """One bar on stderr for all files, when it is a terminal and reading takes long."""

    def __init__(self, files: Sequence[Path], *, shows: bool) -> None:
        self._sizes = {each: each.stat().st_size if each.exists() else 0 for each in files}
        self._whole = max(sum(self._sizes.values()), 1)
        self._shows, self._began = shows, monotonic()
        self._before = self._records = 0
        self.shown = False

    def of(self, part: Path) -> Callable[[int, int], None] | None:
        """What `verify` calls for `part`, the next one of the files."""
        if not self._shows:
            return None
        before, records = self._before, self._records
        self._before += self._sizes[part]

        def show(number: int, read: int) -> None:
            self._records = records + number
            if monotonic() - self._began > QUIET_SECONDS:
                self._draw(before + read)

        return show

    def _draw(self, read: int) -> None:
        self.shown = True
        part = min(read / self._whole, 1.0)
        bar = "#" * int(part * BAR)
        told = f"\r[{bar:.<{BAR}}] {part:4.0%}  {self._records:,} records"
        click.echo(told, nl=False, err=True)


@contextmanager
def _progress(files: Sequence[Path]) -> Iterator[_Progress]:
    made = _Progress(files, shows=sys.stderr.isatty())
    try:
        yield made
    finally:
        if made.shown:
            click.echo("\r" + " " * (BAR + 40) + "\r", nl=False, err=True)
