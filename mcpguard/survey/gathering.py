"""From subjects to what each of them lists: lockfiles read, and all definitions judged together."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mcpguard.config.files import lock_unread
from mcpguard.errors import HostError, LockfileError
from mcpguard.hosts import checks, splice
from mcpguard.hosts.checks import Facts
from mcpguard.hosts.declared import Server
from mcpguard.live.names import command, publisher
from mcpguard.lock import lockfile
from mcpguard.lock.lockfile import Lockfile
from mcpguard.model import Finding, ItemKind
from mcpguard.store.names import Registered
from mcpguard.survey import files
from mcpguard.survey.judging import Listed, items_known, judged, listed
from mcpguard.survey.subjects import Place, State, Subject, Told

__all__ = [
    "Gathered",
    "Locked",
    "behind_locks",
    "in_sight",
    "locked_subject",
    "read_lock",
    "refused",
]


@dataclass(frozen=True, slots=True)
class Locked:
    """A lockfile and where in it things are written."""

    lock: Lockfile
    place: Callable[[ItemKind | None, str], Place | None]


@dataclass(frozen=True, slots=True)
class Gathered:
    """A server, and what it lists; None where nobody has looked."""

    subject: Subject
    listed: Listed | None = None


def read_lock(path: Path) -> Locked:
    """The lockfile at `path`. Raises LockfileError."""
    try:
        data = files.read(path)
    except HostError as error:
        cause = error.__cause__
        if isinstance(cause, OSError):
            raise lock_unread(path, cause) from error
        hint = "name a lockfile that you may read: --lock FILE"
        raise LockfileError(error.message, hint=hint) from error
    lock = lockfile.parse(data, str(path))
    return Locked(lock, _places(path, data))


def _places(path: Path, data: bytes) -> Callable[[ItemKind | None, str], Place | None]:
    """Line numbers of a lockfile's items, for people and code hosts."""
    try:
        root = splice.parse(data)
    except HostError:  # it was read by a stricter reader, so this is about depth alone
        return lambda *_: Place(path)

    def place(kind: ItemKind | None, name: str) -> Place:
        keys = (kind.value, name) if kind is not None else ("server", "instructions")
        node = splice.find(root, keys) or splice.find(root, ("server",))
        return Place(path, data.count(b"\n", 0, node.start) + 1 if node else 1, keys)

    return place


def locked_subject(path: Path, locked: Locked) -> Gathered:
    """The server that `locked` (read from `path`) is about; nothing of it is started."""
    lock = locked.lock
    server = Server(words=lock.launch.argv)
    place = locked.place(None, "")
    facts = Facts(home=str(Path.home()))
    told = tuple(Told(_in_lock(finding), "", place) for finding in checks.check(server, facts))
    one = replace(listed(lock.name, publisher(lock.launch.argv), lock, lock), place=locked.place)
    subject = Subject(
        name=lock.name,
        state=State.LOCKED,
        place=place,
        server=server,
        lock=str(path),
        listed=one.counts,
        told=told,
    )
    return Gathered(subject, one)


def _in_lock(finding: Finding) -> Finding:
    return replace(finding, where="/launch/argv")


def behind_locks(subjects: Sequence[Subject]) -> list[Gathered]:
    """Each subject, and for those that run behind a lockfile, what that holds."""
    return [
        _behind(each) if each.lock and not each.server.off else Gathered(each) for each in subjects
    ]


def _behind(subject: Subject) -> Gathered:
    named = Path(os.path.expanduser(subject.lock))  # noqa: PTH111 - a shell's text
    path = named if named.is_absolute() or subject.directory is None else subject.directory / named
    try:
        locked = read_lock(path)
    except LockfileError as error:
        return Gathered(replace(subject, state=State.FAILED, why=error.message))
    argv = locked.lock.launch.argv
    one = replace(
        listed(subject.name, publisher(argv), locked.lock, locked.lock), place=locked.place
    )
    server = subject.server if _is_inner(subject) else replace(subject.server, words=argv)
    now = replace(
        subject, state=State.LOCKED, why="", listed=one.counts, lock=str(path), server=server
    )
    return Gathered(now, one)


def _is_inner(subject: Subject) -> bool:
    """Whether the entry itself had the server's command behind mcpguard's own."""
    return "proxy" not in subject.server.words[:3]


def refused(subject: Subject, *, trust_project: bool) -> str:
    """Why this server is not started, as a sentence without full stop; empty: it may be."""
    worst = [
        told.finding.message
        for told in subject.told
        if told.suppressed is None and told.finding.severity == "critical"
    ]
    if worst:
        return f"not started: {worst[0]}"
    if subject.shared and not trust_project:
        return "not started: a file of the project chose its command (--trust-project starts it)"
    return ""


def in_sight(rows: Sequence[Gathered], registered: Sequence[Registered]) -> list[Subject]:
    """Every subject with its definitions judged in sight of all the others', and of the registry's.

    The same command is the same server, however it is called, and never its own imposter.
    """
    commands = [command(each.subject.server.words) for each in rows]
    subjects: list[Subject] = []
    for number, row in enumerate(rows):
        if row.listed is None:
            subjects.append(row.subject)
            continue
        mine = commands[number]
        beside = [
            each.listed
            for at, each in enumerate(rows)
            if each.listed is not None and at != number and commands[at] != mine
        ]
        known = items_known([each for each in registered if each.command != mine], beside)
        told = judged(row.listed, known)
        subjects.append(replace(row.subject, told=(*row.subject.told, *told)))
    return subjects
