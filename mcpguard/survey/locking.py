"""What is judged when a server is locked, and remembered once it is: a look before a person's."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from mcpguard.errors import StoreError
from mcpguard.hosts.declared import Server
from mcpguard.live import names
from mcpguard.lock.lockfile import Lockfile
from mcpguard.lock.surface import Surface
from mcpguard.model import Severity
from mcpguard.survey import gathering, history
from mcpguard.survey.gathering import Gathered
from mcpguard.survey.judging import listed
from mcpguard.survey.report import Survey, accepted, survey_of
from mcpguard.survey.subjects import Place, State, Subject

__all__ = ["before", "remembered"]


def before(
    surface: Surface,
    locked: Lockfile,
    output: Path,
    *,
    home: Path,
    today: date,
    fail_on: Severity,
    previous: Lockfile | None,
) -> Survey:
    """What is to be thought of `surface` before it is written to `output` as `locked`.

    Held against every other server locked on this machine. Raises PolicyError, UsageError for
    settings that cannot be read.
    """
    argv = locked.launch.argv
    one = listed(locked.name, names.publisher(argv), surface, previous)
    place = Place(output)
    subject = Subject(
        name=locked.name,
        state=State.INSPECTED,
        place=place,
        server=Server(words=argv),
        listed=one.counts,
    )
    lost, registered = "", []
    try:
        registered = names.others(home, output)
    except StoreError as error:
        lost = f"tools were not held against those of other servers: {error.message}"
    subjects = gathering.in_sight([Gathered(subject, one)], registered)
    suppressions = accepted(None, [locked.name], today)
    survey = survey_of(subjects, (), suppressions, fail_on, lost)
    return replace(survey, idle=())


def remembered(home: Path, locked: Lockfile, output: Path, survey: Survey) -> Sequence[str]:
    """Put `locked` into the registry of names, and the look into the audit log.

    Sentences for what could not be done: neither stands in the way of a lockfile.
    """
    problems = []
    try:
        names.remember(home, locked, output)
    except StoreError as error:
        problems.append(f"other servers will not be held against this one: {error.message}")
    problems.append(history.record(home, "scan.lock", survey.subjects, survey.outcome))
    return [each for each in problems if each]
