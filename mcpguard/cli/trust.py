"""`mcpguard trust`: whom the records trust how much, and why. `verify` computes it again.

What it changes (blocks, budgets, policies) is in `blocking`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from mcpguard.audit.logfile import log_of
from mcpguard.audit.verify import begin_of, read
from mcpguard.cli import blocking, known, render
from mcpguard.cli.audit.choosing import files_of, logs, sound_files_of
from mcpguard.config.flags import data_dir
from mcpguard.errors import AuditError
from mcpguard.model import Json, JsonObject
from mcpguard.trust.fold import Difference, Party, check, fold
from mcpguard.trust.score import EFFECTS, RECENT, Dimension, Moved, Standing, explain, word

__all__ = ["trust"]

SHOWN = 10
"""Events of one party in the text answer; `--format json` has all that a standing remembers."""

UNKNOWN = 2
"""Exit code when nothing was found out."""

_RESULTS = {"same": 0, "differs": 1, "unstated": UNKNOWN}
"""What verify says, and the exit code. A log that states no score cannot be compared with one."""


@click.group(invoke_without_command=True)
@click.pass_context
def trust(context: click.Context) -> None:
    """How much callers and servers are trusted, and who and what is blocked."""
    render.needs_subcommand(context)


for _command in blocking.COMMANDS:
    trust.add_command(_command)


@trust.command(name="show", short_help="Show scores, and what made them.")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1)
@render.FORM
def show_command(files: tuple[Path, ...], form: str) -> None:
    """Show every score, and the events that moved it, newest first.

    Of those that moved nothing it says how many there were: what good behaviour gains in a day is
    bounded, and so is what failures cost.

    Counts the audit logs FILE with their earlier parts; of a folder, all logs in it. When none is
    named: what the store holds that the proxies of this user share, and all logs of the data
    directory for whom it does not know. Scores are of the last record's time.

    Exit codes: 0 shown, 2 it could not be found out (a log or the store cannot be read, there is
    neither).
    """
    live = {} if files else known.standings()
    chosen = _chosen(files, needed=not live)
    parts = [part for file in chosen for part in files_of(file)]
    logged = fold(_records(parts))
    standings = logged | live
    render.talk(*(f"{told}; what they moved is not counted" for told in _lacking(parts)))
    _remark(logged, live)
    if form == "json":
        told: list[Json] = [_as_json(*each) for each in sorted(standings.items())]
        render.answer([render.json_text({"parties": told})])
        return
    render.answer(_as_text(sorted(standings.items())))


@trust.command(name="verify", short_help="Compute scores of logs again; compare.")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@render.FORM
@click.pass_context
def verify_command(context: click.Context, files: tuple[Path, ...], form: str) -> None:
    """Compute every score of the audit logs FILE again, and compare with what the records state.

    Each log's chain is verified first, with its earlier parts. Name all logs that shared their
    scores, or the folder that they are in: what one proxy observed counts for the others. Names the
    first record that states another score.

    Exit codes: 0 the same, 1 tampered or another score, 2 it could not be found out (unreadable, an
    earlier part is not there, no record states a score).
    """
    parts = [part for file in _chosen(files, needed=True) for part in sound_files_of(file)]
    for told in _lacking(parts):
        raise AuditError(
            f"{told}, so no score can be computed again",
            hint="put the earlier parts (NAME~...) beside it; `audit.keep` says how many are kept",
        )
    stated, wrong = check(_records(parts))
    result = "differs" if wrong else "same" if stated else "unstated"
    if form == "json":
        render.answer([render.json_text(_verdict(result, stated, wrong))])
    else:
        render.answer(_verdict_text(stated, wrong))
    context.exit(_RESULTS[result])


def _remark(logged: Mapping[Party, Standing], live: Mapping[Party, Standing]) -> None:
    """Says where the shared copy is not what these logs give: others may hold the rest."""
    for party in sorted(logged.keys() & live.keys()):
        score = logged[party].score
        if score != live[party].score:
            name = render.printable(party.name)
            render.talk(
                f"{party.role} {name}: the logs of this data directory alone give {score}; a "
                "session that is running, or that was killed, or a log elsewhere may be the rest"
            )


def _chosen(files: Sequence[Path], *, needed: bool) -> list[Path]:
    """The logs that `files` are, or are parts of; without any, this user's. Raises AuditError."""
    if not needed and not files and not any((data_dir() / "audit").glob("*.jsonl")):
        return []
    return list(dict.fromkeys(map(log_of, logs(files))))


def _records(parts: Sequence[Path]) -> list[JsonObject]:
    return [record for part in parts for record in read(part)]


def _lacking(parts: Sequence[Path]) -> Iterator[str]:
    """What is not there before the first part of each log."""
    firsts = {log_of(part): part for part in reversed(parts)}
    for log, part in firsts.items():
        if before := begin_of(part).seq:
            yield f"{render.printable(str(log))}: records 1 to {before:,} are in no file here"


def _as_json(party: Party, standing: Standing) -> JsonObject:
    return {
        "role": party.role,
        "name": party.name,
        "level": standing.level,
        "score": standing.score,
        "standing": word(standing.score),
        "dimensions": dict(zip(Dimension, standing.dimensions, strict=True)),
        "events": standing.events,
        "recent": [_event_json(moved) for moved in explain(standing)],
    }


def _event_json(moved: Moved) -> JsonObject:
    return {
        "at": _moment(moved.at),
        "event": moved.event.value,
        "delta": moved.delta,
        "about": moved.about,
    }


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_text(standings: Sequence[tuple[Party, Standing]]) -> Iterator[str]:
    if not standings:
        yield "no record says anything of anybody yet"
    for party, standing in standings:
        name = render.printable(party.name)
        told = f"score {standing.score} ({word(standing.score)}), level {standing.level}"
        yield f"{party.role} {name}: {told}"
        values = zip(Dimension, standing.dimensions, strict=True)
        yield "  " + ", ".join(f"{name} {value}" for name, value in values)
        yield from _events(standing)


def _events(standing: Standing) -> Iterator[str]:
    recent = explain(standing)
    if not recent:
        yield "  nothing has moved it yet"
    for moved in recent[:SHOWN]:
        attack = "  an attack" if EFFECTS[moved.event].attack else ""
        about = render.printable(moved.about[:60])
        yield f"  {_moment(moved.at)}  {moved.delta:+5}  {moved.event}  {about}{attack}".rstrip()
    if len(recent) > SHOWN:
        yield f"  and {len(recent) - SHOWN} before: --format json lists them"
    if others := standing.events - len(recent):
        why = "moved nothing" if len(recent) < RECENT else "moved nothing, or are forgotten"
        yield f"  and {others:,} that {why}, of {standing.events:,} in all"


def _verdict(result: str, stated: int, wrong: Difference | None) -> JsonObject:
    told: JsonObject = {"result": result, "compared": stated, "difference": None}
    if wrong is not None:
        told["difference"] = {
            "session": wrong.record.get("session"),
            "seq": wrong.record.get("seq"),
            "stated": wrong.stated,
            "computed": wrong.computed,
        }
    return told


def _verdict_text(stated: int, wrong: Difference | None) -> Iterator[str]:
    if wrong is not None:
        place = f"record {wrong.record.get('seq')} of session {wrong.record.get('session')}"
        told = f"{place} states the score {wrong.stated}, the log gives {wrong.computed}"
        yield render.printable(told)
        yield "See what the score is made of with: mcpguard trust show"
    elif stated:
        yield f"the same: {stated:,} records state the score that the log gives"
    else:
        yield "no record states a score, so there is nothing to compare"
