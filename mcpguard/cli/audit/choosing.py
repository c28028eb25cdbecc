"""Which logs, and which of their records: the arguments that several commands share."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar

import click

from mcpguard.audit.logfile import logs_in
from mcpguard.audit.record import DECISIONS
from mcpguard.audit.verify import missing, parts_of, read, read_end, verify
from mcpguard.config.flags import data_dir
from mcpguard.errors import AuditError, TamperError, UsageError
from mcpguard.model import REMARK, JsonObject
from mcpguard.trust.policy import Glob

__all__ = [
    "Choice",
    "Given",
    "choice_of",
    "choosing",
    "files_of",
    "instant",
    "logs",
    "newest",
    "records",
    "sound_files_of",
]

WINDOWS = (1 << 18, 1 << 23)
"""Bytes at the end of a log in which its newest records are looked for, before all of it."""

_ENDS = (")", " took something out")
"""What stands behind a rule's name in the `detail` of a record: see `pipeline.policy`."""

_UNITS: Mapping[str, str] = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_TIMES = "for example: 2h, 7d, 2026-12-31 or 2026-12-31T10:00:00Z"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class Choice(NamedTuple):
    """Which records. What is empty or None chooses all; lists choose what any entry names."""

    since: datetime | None = None
    until: datetime | None = None
    tool: tuple[Glob, ...] = ()
    principal: tuple[str, ...] = ()
    decision: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    session: tuple[str, ...] = ()

    def takes(self, record: JsonObject) -> bool:
        """Whether `record` is one of those."""
        return self._named(record) and self._ruled(record) and self._timed(record)

    def _named(self, record: JsonObject) -> bool:
        target = record.get("target") or ""
        if self.tool and not any(glob.matches(str(target)) for glob in self.tool):
            return False
        if self.principal and record.get("principal") not in self.principal:
            return False
        if self.decision and record.get("decision") not in self.decision:
            return False
        session = str(record.get("session"))
        return not self.session or session.startswith(self.session)

    def _ruled(self, record: JsonObject) -> bool:
        if not self.rule:
            return True
        return any(self._by(record, each) for each in self.rule)

    @staticmethod
    def _by(record: JsonObject, rule: str) -> bool:
        """Whether `rule` decided, or remarked: as the record names it, or a rule of the policy.

        Such a rule has its name in the `detail` of what it decided, its remarks in `findings`.
        """
        stage, reason = record.get("stage"), record.get("reason")
        if rule in {str(record.get("rule")), str(reason), f"{stage}.{reason}"}:
            return True
        found = record.get("findings")
        remarks = [str(each).partition(" ")[0] for each in found] if isinstance(found, list) else []
        if rule in remarks or REMARK + rule in remarks:
            return True
        name, detail = rule.removeprefix(REMARK), str(record.get("detail"))
        return stage == "policy" and any(f"rule {name}{end}" in detail for end in _ENDS)

    def _timed(self, record: JsonObject) -> bool:
        if self.since is None and self.until is None:
            return True
        try:
            at = datetime.fromisoformat(str(record.get("ts")))
        except ValueError:
            return False
        return (self.since or at) <= at and (self.until is None or at < self.until)


class Given(TypedDict):
    """The options of `choosing`, as click gives them."""

    since: str | None
    until: str | None
    tool: tuple[str, ...]
    principal: tuple[str, ...]
    decision: tuple[str, ...]
    rule: tuple[str, ...]
    session: tuple[str, ...]


def choosing(command: _Command) -> _Command:
    """The options that `choice_of` reads, which the command takes as `**given`."""
    options = (
        click.option("--since", metavar="TIME", help="From this time on: 2h, 7d, or RFC 3339."),
        click.option("--until", metavar="TIME", help="Before this time."),
        click.option("--tool", multiple=True, metavar="GLOB", help="Of such tools, by name."),
        click.option("--principal", multiple=True, metavar="ID", help="Of this caller."),
        click.option("--decision", multiple=True, type=click.Choice(DECISIONS), help="So decided."),
        click.option(
            "--rule",
            multiple=True,
            metavar="RULE",
            help="By this rule, of the policy too, or this reason.",
        ),
        click.option("--session", multiple=True, metavar="ID", help="Of this session."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def choice_of(given: Given) -> Choice:
    """The `Choice` that options say. Raises UsageError."""
    return Choice(
        since=instant("--since", given["since"]),
        until=instant("--until", given["until"]),
        tool=tuple(map(Glob, given["tool"])),
        principal=given["principal"],
        decision=given["decision"],
        rule=given["rule"],
        session=given["session"],
    )


def instant(option: str, given: str | None) -> datetime | None:
    """A time ago (`90s`, `15m`, `2h`, `7d`), or RFC 3339, of UTC when it does not say.

    Raises UsageError.
    """
    if not given:
        return None
    number, unit = given[:-1], _UNITS.get(given[-1])
    try:
        if unit and number.isascii() and number.isdigit():
            return datetime.now(UTC) - timedelta(**{unit: int(number)})
        at = datetime.fromisoformat(given)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option} {given}: no time", hint=_TIMES) from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def own_logs() -> list[Path]:
    """The logs of this user's data directory, without their earlier parts. Raises AuditError."""
    folder = data_dir() / "audit"
    found = _inside(folder) if folder.is_dir() else []
    if not found:
        raise AuditError(
            f"{folder}: there is no audit log", hint="name a log, or run: mcpguard demo --keep"
        )
    return found


def logs(files: Sequence[Path]) -> list[Path]:
    """`files`, each once; of a folder the logs in it; without any, this user's. AuditError."""
    if not files:
        return own_logs()
    return list(dict.fromkeys(each for file in files for each in _named(file)))


def _named(file: Path) -> list[Path]:
    if not file.is_dir():
        return [file]
    found = _inside(file)
    if not found:
        raise AuditError(
            f"{file}: there is no audit log in it", hint="name a file, or a folder of *.jsonl"
        )
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return logs_in(folder)
    except OSError as error:
        raise AuditError(
            f"{folder}: cannot be read: {error.strerror}", hint="check the permissions"
        ) from error


def newest(files: Sequence[Path], choice: Choice, most: int) -> list[JsonObject]:
    """The last `most` of `records`. Reads no more than it takes, from the ends of the files."""
    if not most:
        return []
    ends = [_newest(file, choice, most) for file in files]
    return list(heapq.merge(*ends, key=_moment))[-most:]


def _newest(file: Path, choice: Choice, most: int) -> list[JsonObject]:
    for window in WINDOWS:
        found = list(filter(choice.takes, read_end(files_of(file)[-1], window)))
        if len(found) >= most:
            return found[-most:]
    return list(deque(_of(file, choice), maxlen=most))


def _moment(record: JsonObject) -> str:
    return str(record.get("ts"))


def records(files: Iterable[Path], choice: Choice) -> Iterator[JsonObject]:
    """The records of these logs and their earlier parts that `choice` takes, by their times."""
    whole = [_of(file, choice) for file in files]
    if len(whole) == 1:
        return whole[0]
    return heapq.merge(*whole, key=_moment)


def _of(file: Path, choice: Choice) -> Iterator[JsonObject]:
    for part in files_of(file):
        yield from filter(choice.takes, read(part))


def files_of(log: Path) -> list[Path]:
    """The files of `log`, oldest first; the last is left out where only earlier ones are there."""
    parts = parts_of(log)
    return parts if len(parts) == 1 or log.exists() else parts[:-1]


def sound_files_of(log: Path) -> list[Path]:
    """`files_of`, which are what was written. Raises TamperError, AuditError."""
    files, seam = files_of(log), None
    for part in files:
        report = verify(part, seam=seam)
        seam = report.seam
        gone = missing(log, report) if part == files[-1] != log else None
        for problem in [*report.problems, *([gone] if gone else [])][:1]:
            raise TamperError(
                f"{part}: line {problem.line}: {problem.message}",
                hint=f"see all of it with: mcpguard audit verify {log}",
            )
    return files
