"""`mcpguard scan`: what a server, a lockfile or every configured server tells a model, judged."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from mcpguard.cli import listing, look, render
from mcpguard.cli.receipt import output as outputs
from mcpguard.config import flags
from mcpguard.errors import McpguardError, StoreError, SurfaceError, UnreachableError, UsageError
from mcpguard.hosts import checks
from mcpguard.hosts.declared import Server
from mcpguard.hosts.known import KNOWN
from mcpguard.live import names
from mcpguard.lock.surface import Surface
from mcpguard.model import JsonObject, Severity
from mcpguard.policy.suppress import Suppressions
from mcpguard.survey import configs, gathering, history, page, report, sarif, starting
from mcpguard.survey.gathering import Gathered
from mcpguard.survey.judging import listed
from mcpguard.survey.report import Survey
from mcpguard.survey.subjects import Place, State, Subject

__all__ = ["scan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The command line."""

    form: str
    output: Path | None
    fail_on: Severity
    settings: Path | None
    env: Sequence[str]
    timeout: float
    lock: Path | None
    host: str
    config: Path | None
    start: bool
    yes: bool
    trust_project: bool
    only_list: bool
    names: bool
    command: Sequence[str]


@dataclass(slots=True)
class _Seen:
    """What was gathered. `surface`: of the one server that was named on the command line."""

    rows: list[Gathered]
    unread: Sequence[configs.Unread] = ()
    surface: Surface | None = None
    error: McpguardError | None = None
    signal: int = 0


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=render.examples(
        "mcpguard scan --start --format html -o report.html",
        "mcpguard scan -- npx -y @modelcontextprotocol/server-memory",
    ),
)
@click.option(
    "--lock",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Judge what this lockfile holds; nothing is started.",
)
@click.option("--hosts", is_flag=True, help="Every server of every known host: the default.")
@click.option(
    "--host",
    type=click.Choice([*KNOWN]),
    metavar="HOST",
    help=f"Only servers of this host: {', '.join(KNOWN)}.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Only servers in this file of a host, where it is not in its usual place.",
)
@click.option("--start", is_flag=True, help="Start hosts' servers to look into them; asks first.")
@click.option("--yes", is_flag=True, help="With --start: do not ask.")
@click.option(
    "--trust-project",
    is_flag=True,
    help="With --start: also what a file of the project in the working directory names.",
)
@click.option(
    "--list", "only_list", is_flag=True, help="Only show what CMD lists; judge and record nothing."
)
@click.option(
    "--names",
    is_flag=True,
    help="Only show the servers locked on this machine, whose tools others are held against;"
    " forget those whose lockfile is gone.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "html"]),
    default="text",
    show_default=True,
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the answer to this file.",
)
@click.option(
    "--fail-on",
    type=click.Choice([each.value for each in Severity]),
    default=Severity.CRITICAL.value,
    show_default=True,
    help="The mildest severity that fails.",
)
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Take suppressions from this file instead of your mcpguard.yaml.",
)
@click.option(
    "--env", "env", multiple=True, metavar="NAME", help="Pass this variable on. Repeatable."
)
@look.timeout_option
@look.command_argument
def scan(*, hosts: bool, host: str | None, fail_on: str, **given: object) -> int:
    """Judge what servers tell a model: definitions that direct it, hide or imitate; risky starts.

    With CMD, that server is started, asked for all it lists, in all pages and eras, with every
    client capability declared, and ended. With --lock, what the lockfile holds is judged. Otherwise
    every server in the files of all known hosts: how it is started is checked, and what it lists
    where it runs behind a lockfile; nothing is started without --start. A server that nobody has
    looked into is "never scanned", which is not clean.

    Suppressions are in mcpguard.yaml under `scan.suppress`. Every scan leaves a record in the audit
    log, and holds tools against those of all servers locked on this machine.

    Exit codes: 0 nothing at or above --fail-on (servers may be "unscanned"); 1 there is; 2 it could
    not be found out (no answer, an unreadable file). A finding is certain, so 1 goes before 2.
    """
    asked = _Asked(host=host or "", fail_on=Severity(fail_on), **given)  # type: ignore[arg-type]
    _check(asked, hosts=hosts)
    if asked.only_list:
        return _list(asked)
    if asked.names:
        return _names(asked)
    seen = _gathered(asked)
    survey = _surveyed(asked, seen)
    if seen.error is None or asked.form != "text":
        _answer(asked, seen, survey)
    if seen.error is not None:
        render.talk(*render.error_lines(seen.error, "scan"))
    if seen.signal:
        raise click.exceptions.Exit(128 + seen.signal)
    return report.OUTCOMES[survey.outcome]


def _check(asked: _Asked, *, hosts: bool) -> None:
    """What does not go together is said, never ignored."""
    if asked.output is not None:
        outputs.refuse_logs(asked.output)
    places = {
        "--lock": asked.lock is not None,
        "--hosts": hosts,
        "--host": bool(asked.host),
        "--config": asked.config is not None,
        "--start": asked.start,
        "--names": asked.names,
    }
    given = [name for name, is_given in places.items() if is_given]
    if asked.command and given:
        raise UsageError(f"{given[0]} does not go with a command", hint="leave one of the two out")
    if asked.lock is not None and len(given) > 1:
        raise UsageError(f"--lock does not go with {given[1]}", hint="leave one of the two out")
    if asked.names and (len(given) > 1 or asked.form not in {"text", "json"}):
        raise UsageError(
            "--names shows what this machine knows, as text or json",
            hint="mcpguard scan --names --format text|json",
        )
    if asked.only_list and (not asked.command or asked.form not in {"text", "json"}):
        raise UsageError(
            "--list shows what one command lists, as text or json",
            hint="mcpguard scan --list -- CMD ARGS...",
        )
    if (asked.yes or asked.trust_project) and not asked.start:
        raise UsageError("--yes and --trust-project are about --start", hint="add --start")
    if asked.env and not asked.command:
        raise UsageError("--env is about the server of a command", hint="put CMD after --")


def _list(asked: _Asked) -> int:
    surface = look.surface_of(flags.command(asked.command), asked.env, timeout=asked.timeout)
    if asked.form == "json":
        render.answer([render.json_text(listing.surface_json(surface))])
    else:
        render.answer(listing.surface_lines(surface))
    return 0


def _names(asked: _Asked) -> int:
    held, gone = names.registered(flags.data_dir())
    if asked.form == "json":
        rows = {"servers": held, "forgotten": gone}
        told: JsonObject = {key: [*map(listing.known_json, each)] for key, each in rows.items()}
        render.answer([render.json_text(told)])
    else:
        render.answer(listing.known_lines(held, gone))
    return 0


# --- looking -------------------------------------------------------------------------------------


def _gathered(asked: _Asked) -> _Seen:
    if asked.command:
        return _commanded(asked)
    if asked.lock is not None:
        return _Seen([gathering.locked_subject(asked.lock, gathering.read_lock(asked.lock))])
    subjects, unread = configs.survey(os.environ, asked.host, asked.config)
    laid = report.survey_of(
        subjects, (), _suppressions(asked, subjects), asked.fail_on
    )  # a suppressed finding does not keep a server from being started
    rows = gathering.behind_locks(laid.subjects)
    seen = _Seen(rows, unread)
    return _started(asked, seen) if asked.start else seen


def _commanded(asked: _Asked) -> _Seen:
    argv = flags.command(asked.command)
    subject = Subject(name=Path(argv[0]).name, server=Server(words=argv), place=_source(argv))
    try:
        surface = look.surface_of(argv, asked.env, timeout=asked.timeout)
    except (UnreachableError, SurfaceError) as error:
        failed = replace(subject, state=State.FAILED, why=error.message.partition("\n")[0])
        return _Seen([Gathered(failed)], error=error)
    return _Seen([_looked_into(subject, surface, _own_name(surface))], surface=surface)


def _own_name(surface: Surface) -> str:
    name = surface.server.server_info.get("name")
    return name if isinstance(name, str) and name else ""


def _looked_into(subject: Subject, surface: Surface, name: str = "") -> Gathered:
    called = name or subject.name
    one = listed(called, names.publisher(subject.server.words), surface)
    place = subject.place
    if place is not None:
        live = replace(place, live=True)
        one = replace(one, place=lambda *_: live)
    now = replace(subject, name=called, state=State.INSPECTED, why="", listed=one.counts)
    return Gathered(now, one)


def _source(argv: Sequence[str]) -> Place | None:
    """The first word that is a file below the working directory: what a reviewer can open."""
    here = Path.cwd()
    words = [Path(word).absolute() for word in argv if len(word) < MAX_WORD and "\0" not in word]
    return next(
        (Place(path, live=True) for path in words if path.is_relative_to(here) and path.is_file()),
        None,
    )


MAX_WORD = 4096
"""Characters. A longer word is no file's name."""


def _started(asked: _Asked, seen: _Seen) -> _Seen:
    """Starts what may be started, after asking; says of everything else why it is not."""
    waiting: dict[int, starting.Start] = {}
    for number, row in enumerate(seen.rows):
        if row.listed is not None or not row.subject.startable or row.subject.lock:
            continue
        why, start = _start_of(asked, row.subject)
        if start is not None:
            waiting[number] = start
        else:
            seen.rows[number] = Gathered(replace(row.subject, why=why))
    if not waiting or not _agreed(asked, seen, waiting):
        return seen
    outcomes, seen.signal = starting.looked(
        [*waiting.values()], timeout=asked.timeout, progress=look.Progress()
    )
    for number, outcome in zip(waiting, outcomes, strict=True):
        subject = seen.rows[number].subject
        if isinstance(outcome, Surface):
            seen.rows[number] = _looked_into(subject, outcome)
        else:
            why = outcome.message.partition("\n")[0]
            seen.rows[number] = Gathered(replace(subject, state=State.FAILED, why=why))
    return seen


def _start_of(asked: _Asked, subject: Subject) -> tuple[str, starting.Start | None]:
    why = gathering.refused(subject, trust_project=asked.trust_project)
    if why:
        return why, None
    try:
        directory = subject.directory or Path.cwd()
        return "", starting.prepared(subject.name, subject.server, directory, os.environ)
    except McpguardError as error:
        return f"not started: {error.message}", None


def _agreed(asked: _Asked, seen: _Seen, waiting: Mapping[int, starting.Start]) -> bool:
    """Lists what will be started and what will not; asks, unless --yes."""
    many = "1 server" if len(waiting) == 1 else f"{len(waiting)} servers"
    render.talk(f"mcpguard scan: {many} will be started:")
    for number, start in waiting.items():
        shown = checks.shown(seen.rows[number].subject.server.words)
        cut = shown if len(shown) <= MAX_WORD else f"{shown[:MAX_WORD]}... (cut: read the file)"
        render.talk(render.printable(f"  {start.name}: {cut}"))
    for row in seen.rows:
        if row.subject.why.startswith("not started"):
            render.talk(render.printable(f"  {row.subject.name} is {row.subject.why}"))
    if asked.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal to ask whether these may be started",
            hint="read the list, then add --yes",
        )
    if render.agreed("Start them?"):
        return True
    render.talk("mcpguard scan: nothing was started")
    return False


# --- judging -------------------------------------------------------------------------------------


def _surveyed(asked: _Asked, seen: _Seen) -> Survey:
    lost, registered = "", []
    home = _home()
    try:
        registered = names.others(home, asked.lock) if home is not None else []
    except StoreError as error:
        lost = f"tools were not held against those of other servers: {error.message}"
        render.talk(render.printable(f"mcpguard scan: {lost}"))
    subjects = gathering.in_sight(seen.rows, registered)
    suppressions = _suppressions(asked, subjects)
    survey = report.survey_of(subjects, seen.unread, suppressions, asked.fail_on, lost)
    if home is not None:
        problem = history.record(home, "scan.server", survey.subjects, survey.outcome)
        if problem:
            render.talk(render.printable(f"mcpguard scan: {problem}"))
    return survey


def _home() -> Path | None:
    try:
        return flags.data_dir()
    except UsageError as error:
        render.talk(render.printable(f"mcpguard scan: {error.message}: nothing is recorded"))
        return None


def _suppressions(asked: _Asked, subjects: Sequence[Subject]) -> Suppressions:
    names_here = [each.name for each in subjects]
    return report.accepted(asked.settings, names_here, datetime.now(UTC).date())


# --- telling -------------------------------------------------------------------------------------


def _answer(asked: _Asked, seen: _Seen, survey: Survey) -> None:
    lines = [*_lines(asked.form, seen, survey)]
    if asked.output is None:
        render.answer(lines)
        return
    outputs.replace(asked.output, "".join(line + "\n" for line in lines).encode(errors="replace"))
    render.talk(render.printable(f"mcpguard scan: {_verdict(survey)}; written to {asked.output}"))


def _lines(form: str, seen: _Seen, survey: Survey) -> Iterator[str]:
    if form == "html":
        yield page.page(survey, datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"))
    elif form == "sarif":
        yield render.json_text(sarif.sarif(survey, Path.cwd()))
    elif form == "json":
        whole: JsonObject = report.as_json(survey)
        if seen.surface is not None:
            whole |= listing.surface_json(seen.surface)
        yield render.json_text(whole)
    else:
        if seen.surface is not None:
            yield from listing.surface_lines(seen.surface)
            yield ""
        yield from _text(survey, whole=seen.surface is None)


def _text(survey: Survey, *, whole: bool) -> Iterator[str]:
    if whole:
        yield from _subject_lines(survey)
    yield from listing.told_lines(survey.counting)
    for each in survey.unread:
        yield from render.hung(
            render.painted("critical", "unread   "), 10,
            render.printable(f"{each.host}: {each.file}: {each.why}"),
        )  # fmt: skip
        yield render.printable(f"  next: {each.hint}")
    yield from _suppressed_lines(survey)
    yield _verdict_line(survey)
    if survey.outcome == "unscanned":
        yield _UNSCANNED


def _subject_lines(survey: Survey) -> Iterator[str]:
    """Every server under the file that declares it, and how much of it was looked at."""
    at = None
    for each in survey.subjects:
        head = (each.host, each.place.file if each.place else None)
        if head != at:
            at = head
            yield render.printable(f"{each.host}: {head[1]}" if each.host else str(head[1]))
        what = render.counted(dict(each.listed)) if each.listed else each.why
        state = render.painted(_PAINT[each.state], each.state.value)
        tail = f": {render.printable(what)}" if what else ""
        yield f"  {render.painted('bold', render.printable(each.name))}  {state}{tail}"
    if not survey.subjects:
        yield "no known host has a server here"
    yield ""


_PAINT: Final = {
    State.INSPECTED: "good",
    State.LOCKED: "good",
    State.NEVER: "moderate",
    State.FAILED: "critical",
}


def _suppressed_lines(survey: Survey) -> Iterator[str]:
    for subject, told in survey.suppressed:
        if told.suppressed is not None:
            until = f"until {told.suppressed.expires}: {told.suppressed.reason}"
            said = f"{subject.name}: {told.finding.message} ({until})"
            yield from render.hung(render.painted("dim", "accepted "), 10, render.printable(said))
    for row in survey.idle:
        said = f"{row.origin}: the suppression of {row.rule} is about nothing that was found"
        yield from render.hung(render.painted("dim", "idle     "), 10, render.printable(said))


_VERDICTS = {
    "clean": ("good", "pass"),
    "unscanned": ("moderate", "not scanned"),
    "findings": ("critical", "fail"),
    "unknown": ("moderate", "could not be found out"),
}
"""Outcome -> its style and its word."""

_UNSCANNED = (
    "  next: look into the servers that were never scanned: mcpguard scan --start"
    " (a remote one is never started)"
)


def _verdict_line(survey: Survey) -> str:
    return render.painted(_VERDICTS[survey.outcome][0], _verdict(survey))


def _verdict(survey: Survey) -> str:
    numbers = report.counted(survey)
    found = ", ".join(f"{number} {each.value}" for each, number in numbers.items() if number)
    counts = {state: len(survey.of_state(state)) for state in State}
    states = ", ".join(f"{number} {state.value}" for state, number in counts.items() if number)
    files = len(survey.unread)
    unread = f", {files} file{'s' * (files != 1)} unread" if files else ""
    said = (
        f"{_VERDICTS[survey.outcome][1]}: {found or 'nothing found'}; servers: {states or 'none'}"
    )
    return f"{said}{unread}; fails on {survey.fail_on.value}"
