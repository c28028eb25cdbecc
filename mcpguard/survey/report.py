"""What a survey found, counted and decided: outcome, suppressions, and all of it as JSON."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from mcpguard.config.loading import load
from mcpguard.hosts import checks
from mcpguard.model import Finding, JsonObject, Severity
from mcpguard.policy.suppress import Suppression, Suppressions
from mcpguard.survey.configs import Unread
from mcpguard.survey.judging import explained
from mcpguard.survey.subjects import Place, State, Subject, Told

__all__ = [
    "OUTCOMES",
    "Survey",
    "accepted",
    "as_json",
    "counted",
    "placed",
    "survey_of",
    "told_json",
]

OUTCOMES: Final[Mapping[str, int]] = {"clean": 0, "unscanned": 0, "findings": 1, "unknown": 2}
"""Outcome -> exit code. `findings`: at or above the severity that fails; `unknown`: none of these,
but something that was to be looked at could not be."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything, with suppressions laid over it. `fail_on`: the mildest severity that fails.

    `idle`: suppressions that are about nothing that was found. `names_lost`: why other servers'
    tools could not be compared with, or empty.
    """

    subjects: tuple[Subject, ...]
    unread: tuple[Unread, ...]
    idle: tuple[Suppression, ...]
    fail_on: Severity
    today: date
    names_lost: str = ""

    @property
    def counting(self) -> list[tuple[Subject, Told]]:
        """Every finding that counts, worst first, then in the order of the subjects."""
        rows = [(each, told) for each in self.subjects for told in each.told]
        rows = [row for row in rows if row[1].suppressed is None]
        return sorted(rows, key=lambda row: -row[1].finding.severity.rank)

    @property
    def suppressed(self) -> list[tuple[Subject, Told]]:
        """Every finding that does not count."""
        return [(each, told) for each in self.subjects for told in each.told if told.suppressed]

    def of_state(self, *states: State) -> list[Subject]:
        """The subjects in one of `states`."""
        return [each for each in self.subjects if each.state in states]

    @property
    def outcome(self) -> str:
        """A key of `OUTCOMES`. A finding is certain, whatever else could not be looked at."""
        if any(told.finding.severity.rank >= self.fail_on.rank for _, told in self.counting):
            return "findings"
        if not self.complete:
            return "unknown"
        return "unscanned" if self.of_state(State.NEVER) else "clean"

    @property
    def complete(self) -> bool:
        """Whether everything that was to be looked at was. What nobody tried is not among it."""
        return not self.unread and not self.of_state(State.FAILED)


def accepted(settings: Path | None, names: Iterable[str], today: date) -> Suppressions:
    """What people accept for the servers `names`: the settings', and each server's section's.

    `settings`: a file in the place of the user's. Raises PolicyError, UsageError.
    """
    general = load(settings).settings.suppress
    rows = list(general)
    for name in dict.fromkeys(names):
        own = load(settings, server=name).settings.suppress
        rows += [_for_server(row, name) for row in own if row not in general]
    return Suppressions(rows, today)


def _for_server(row: Suppression, name: str) -> Suppression:
    return replace(row, server=name) if row.server == "*" else row


def survey_of(
    subjects: Sequence[Subject],
    unread: Sequence[Unread],
    suppressions: Suppressions,
    fail_on: Severity,
    names_lost: str = "",
) -> Survey:
    """The survey of `subjects` with `suppressions` laid over their findings."""
    laid = [
        replace(each, told=tuple(_laid(each, told, suppressions) for told in each.told))
        for each in subjects
    ]
    seen = [(told.finding.rule, each.name, told.item) for each in subjects for told in each.told]
    return Survey(
        tuple(laid),
        tuple(unread),
        tuple(suppressions.idle(seen)),
        fail_on,
        suppressions.today,
        names_lost,
    )


def _laid(subject: Subject, told: Told, suppressions: Suppressions) -> Told:
    about = (told.finding.rule, subject.name, told.item)
    return replace(
        told, suppressed=suppressions.holding(*about), run_out=suppressions.run_out(*about)
    )


def counted(survey: Survey) -> dict[Severity, int]:
    """How many findings of each severity count."""
    numbers = Counter(told.finding.severity for _, told in survey.counting)
    return {severity: numbers[severity] for severity in Severity}


# --- JSON ----------------------------------------------------------------------------------------


def as_json(survey: Survey) -> JsonObject:
    """The whole survey. Credentials are in none of it: commands are shown with them masked."""
    summary: JsonObject = {each.value: number for each, number in counted(survey).items()}
    states: JsonObject = {state.value: len(survey.of_state(state)) for state in State}
    return {
        "outcome": survey.outcome,
        "failOn": survey.fail_on.value,
        "summary": summary,
        "states": states,
        "servers": [_subject_json(each) for each in survey.subjects],
        "unreadable": [
            {"host": each.host, "file": str(each.file), "why": each.why} for each in survey.unread
        ],
        "suppressionsWithoutFinding": [_suppression_json(each) for each in survey.idle],
        "remarks": [survey.names_lost] if survey.names_lost else [],
    }


def _subject_json(subject: Subject) -> JsonObject:
    said: JsonObject = {
        "name": subject.name,
        "state": subject.state.value,
        "why": subject.why,
        "host": subject.host,
        "file": str(subject.place.file) if subject.place else "",
        "line": subject.place.line if subject.place and not subject.place.live else 0,
        "command": checks.shown(subject.server.words),
        "lockfile": subject.lock,
        "listed": {kind.value: number for kind, number in subject.listed.items()},
        "findings": [told_json(each) for each in subject.told if each.suppressed is None],
        "suppressed": [told_json(each) for each in subject.told if each.suppressed],
    }
    return said


def told_json(told: Told) -> JsonObject:
    """One finding under its documented keys, with what is known of its suppression."""
    finding = told.finding
    known = explained(finding.rule)
    said: JsonObject = {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "threat": known.threat,
        "references": [*known.references],
        "item": told.item,
        "where": finding.where,
        "message": finding.message,
        "evidence": dict(finding.evidence),
    }
    for key, suppression in (("suppression", told.suppressed), ("expired", told.run_out)):
        if suppression is not None:
            said[key] = _suppression_json(suppression)
    return said


def _suppression_json(suppression: Suppression) -> JsonObject:
    return {
        "rule": suppression.rule,
        "server": suppression.server,
        "item": suppression.item,
        "reason": suppression.reason,
        "expires": suppression.expires.isoformat(),
        "origin": suppression.origin,
    }


def placed(survey: Survey) -> Iterator[tuple[Finding, Place | None, str, Suppression | None]]:
    """Every finding, suppressed ones too, with where it is written and its full logical name."""
    for each in survey.subjects:
        for told in each.told:
            name = "/".join(part for part in (each.name, told.item) if part) + told.finding.where
            yield told.finding, told.place or each.place, name, told.suppressed
