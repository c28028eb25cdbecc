"""Every server in the files of all known hosts, and what is wrong with it. Starts nothing."""

import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mcpguard.daemon.environment import is_code
from mcpguard.errors import HostError, UsageError
from mcpguard.hosts import checks
from mcpguard.hosts.checks import Facts
from mcpguard.hosts.declared import Declared, Server, declared
from mcpguard.hosts.declared import server as meaning
from mcpguard.hosts.entry import Entry, behind_mcpguard, steers
from mcpguard.hosts.known import ANY, KNOWN, Source, files_of, sources_of_file
from mcpguard.hosts.launchers import assigned, unwrapped
from mcpguard.hosts.places import platform_of
from mcpguard.model import Finding, Severity
from mcpguard.survey import files
from mcpguard.survey.subjects import Place, State, Subject, Told

__all__ = ["Unread", "survey", "words_here"]

MEND = "mend the file, or have its host write it anew; then scan again"

MAX_BLOCKS = 200
"""Files that one pattern of the table names. Continue has one a server."""

_MOSTLY_HARMLESS = "PYTHONWARNINGS"
"""A variable that can name a class to import, and hardly ever does: no alarm is worth that."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is there, why its servers cannot be told, and what to do next."""

    host: str
    file: Path
    why: str
    hint: str = MEND


def words_here(environ: Mapping[str, str]) -> dict[str, str]:
    """What the table's paths begin with, on this machine: see `hosts.known.WORDS`."""
    home = Path.home()
    config = environ.get("XDG_CONFIG_HOME", "")
    return {
        "home": str(home),
        "config": config if Path(config).is_absolute() else str(home / ".config"),
        "appdata": environ.get("APPDATA") or str(home / "AppData" / "Roaming"),
        "project": str(Path.cwd()),
        "claude": environ.get("CLAUDE_CONFIG_DIR") or str(home),
        "codex": environ.get("CODEX_HOME") or str(home / ".codex"),
    }


def survey(
    environ: Mapping[str, str], host: str = "", config: Path | None = None
) -> tuple[list[Subject], list[Unread]]:
    """Every server of every known host (or of `host`, or in the file `config`), statically checked.

    Raises UsageError when it cannot be told whose file `config` is.
    """
    words = words_here(environ)
    subjects: list[Subject] = []
    unread: list[Unread] = []
    for name, source, path in _files(host, config, words):
        title = f"{KNOWN[name].title}, {source.scope}" if source.scope else KNOWN[name].title
        try:
            data = files.read(path)
            found = declared(data, source.form, source.path)
        except HostError as error:
            said = error.message.removeprefix(f"{path}: ")
            unread.append(Unread(title, path, said, error.hint or MEND))
            continue
        subjects += [_subject(title, source, path, each, environ) for each in found]
    return _compared(subjects), unread


def _files(
    host: str, config: Path | None, words: Mapping[str, str]
) -> Iterator[tuple[str, Source, Path]]:
    """What is there, in the order of the table."""
    if config is not None:
        rows = [row for row in sources_of_file(config.name) if host in {"", row[0]}]
        if host and not rows:
            rows = [(host, KNOWN[host].sources[0])]
        if not rows:
            raise UsageError(
                f"{config}: whose file is this? Its name does not say",
                hint="add --host " + "|".join(KNOWN),
            )
        yield from ((name, source, config.absolute()) for name, source in _shapes(rows))
        return
    seen: set[tuple[Path, tuple[str, ...]]] = set()
    for name in [host] if host else KNOWN:
        for source in KNOWN[name].sources:
            for path in _there(files_of(source, platform_of(sys.platform), words)):
                if (path, source.path) not in seen:
                    seen.add((path, source.path))
                    yield name, source, path


def _shapes(rows: Sequence[tuple[str, Source]]) -> list[tuple[str, Source]]:
    """One row for each way to read the file: of hosts that read it alike, the first."""
    unique = {(source.path, source.form): (name, source) for name, source in reversed(rows)}
    return [row for row in rows if row in unique.values()]


def _there(pattern: str) -> list[Path]:
    path = Path(pattern)
    if not path.name.startswith(ANY):
        return [path] if os.path.lexists(path) else []
    return sorted(path.parent.glob(path.name))[:MAX_BLOCKS]


# --- one entry -----------------------------------------------------------------------------------


def _subject(
    host: str, source: Source, path: Path, each: Declared, environ: Mapping[str, str]
) -> Subject:
    said = meaning(each.said)
    place = Place(path, each.line, each.path)
    lock, inner = _behind(said)
    directory = _directory(source, each, said)
    real = replace(said, words=inner) if lock is not None and inner else said
    facts = replace(
        _facts(path, source, real, directory, environ),
        steered=_steered(said) if lock is not None else (),
    )
    told = tuple(Told(finding, "", place) for finding in checks.check(real, facts))
    return Subject(
        name=each.name,
        state=State.FAILED if said.problem else State.NEVER,
        why=_why(said),
        host=host,
        place=place,
        server=real,
        directory=directory,
        shared=source.shared,
        lock=lock or "",
        told=told,
    )


def _why(said: Server) -> str:
    if said.problem:
        return said.problem
    if said.url:
        return "it is reached over the network, where mcpguard starts nothing"
    return "the host does not start it" if said.off else ""


def _behind(said: Server) -> tuple[str | None, tuple[str, ...]]:
    """The lockfile and the command of a server that runs behind mcpguard; None when it does not."""
    behind = behind_mcpguard(Entry(unwrapped(said.words), {})) if said.words else None
    return (None, ()) if behind is None else (behind.lock, behind.words)


def _steered(said: Server) -> tuple[str, ...]:
    """What steers the mcpguard that `said` starts: set in its `env`, or on the way to it."""
    names = (*said.env, *(name for name, _ in assigned(said.words)))
    return tuple(dict.fromkeys(filter(steers, names)))


def _directory(source: Source, each: Declared, said: Server) -> Path:
    """Where the host starts it: a project's servers in the project, others in the home."""
    base = Path.home()
    if source.shared:
        base = Path.cwd()
    elif ANY in source.path and len(each.path) > 1:
        base = Path(each.path[1])
    return base / os.path.expanduser(said.cwd) if said.cwd else base  # noqa: PTH111 - as above


def _facts(
    path: Path, source: Source, said: Server, directory: Path, environ: Mapping[str, str]
) -> Facts:
    started = [path, *files.started_files(said.words, directory, environ)]
    return Facts(
        temporary=_temporary(environ),
        home=str(Path.home()),
        shared=source.shared,
        open_to_read=files.others_can_read(path),
        writable=tuple(str(each) for each in started if files.others_can_write(each)),
        loads_code=_loads_code,
    )


def _temporary(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Directories for temporary files, but none in which the whole home lies: it is not that."""
    named = [environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP")]
    usual = ["/tmp", "/var/tmp", "/dev/shm", "/private/tmp", "/var/folders"]  # noqa: S108
    home, all_of_them = Path.home(), [*named, tempfile.gettempdir(), *usual]
    return tuple(
        dict.fromkeys(each for each in all_of_them if each and not home.is_relative_to(each))
    )


def _loads_code(name: str) -> bool:
    return name.upper() != _MOSTLY_HARMLESS and is_code(name)


def _compared(subjects: list[Subject]) -> list[Subject]:
    """With a finding for each name that stands for several programs."""
    meant: defaultdict[str, set[tuple[str, ...]]] = defaultdict(set)
    for each in subjects:
        if not each.server.problem:
            meant[each.name].add((*each.server.words, each.server.url))
    return [
        replace(each, told=(*each.told, _twice(each))) if len(meant[each.name]) > 1 else each
        for each in subjects
    ]


def _twice(subject: Subject) -> Told:
    what = "another file has a server of this name that starts something else"
    return Told(Finding("config.twice", Severity.INFO, "", what), "", subject.place)
