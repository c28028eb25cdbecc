"""`mcpguard policy`: whether rules can be read, and what they would say of recorded calls."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import BinaryIO

import click

from mcpguard.cli import render
from mcpguard.cli.receipt.leaving import file_fact, note, receipted
from mcpguard.config.files import plain_bytes
from mcpguard.config.values import UTC_ZONE, zone_of
from mcpguard.errors import PolicyError, UsageError
from mcpguard.model import Json, JsonObject, Reason
from mcpguard.policy.cel import Facts
from mcpguard.policy.loading import check, load
from mcpguard.policy.replay import Replayed, moment, read_records, replay
from mcpguard.policy.rules import RuleSet
from mcpguard.private import regular
from mcpguard.siem.formats.controls import controls_of

__all__ = [
    "Zones",
    "exit_code",
    "facts",
    "policy",
    "replayed_json",
    "replayed_lines",
    "summary_of",
    "text_of",
]

NAME_WIDTH = 28
"""Columns of a tool's name in the text answer; longer ones are cut."""


@click.group(invoke_without_command=True)
@click.pass_context
def policy(context: click.Context) -> None:
    """Rules for calls and results: check them, and try them on recorded calls."""
    render.needs_subcommand(context)


@policy.command(name="validate", short_help="Check policies whole.")
@click.argument(
    "files", type=click.Path(path_type=Path), nargs=-1, required=True, metavar="FILE..."
)
@render.FORM
@click.pass_context
@receipted("policy validate")
def validate_command(context: click.Context, files: Sequence[Path], form: str) -> None:
    """Check each policy FILE whole: words, units, patterns, every condition and its types.

    Exit codes: 0 all can be used, 1 something in them is wrong, 2 a file cannot be read.
    """
    note(policy={"files": list[Json](map(file_fact, files))})
    found = [(file, *check(text_of(file), str(file))) for file in files]
    if form == "json":
        render.answer([render.json_text([_checked_json(*each) for each in found])])
    else:
        for each in found:
            render.answer(_checked_lines(*each))
    wrong = any(problems for _, _, problems in found)
    status = "invalid" if wrong else "valid"
    note(policy={"status": status, "files": list[Json](map(file_fact, files))})
    context.exit(int(wrong))


@policy.command(name="test", short_help="Try a policy on recorded calls.")
@click.argument("calls", type=click.Path(path_type=Path), metavar="CALLS.jsonl")
@click.option(
    "--policy",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The policy to try.",
)
@click.option(
    "--zone",
    metavar="ZONE",
    help="The time zone of now.*, for example Europe/Berlin. Default: as recorded, else UTC.",
)
@render.FORM
@click.pass_context
@receipted("policy test")
def test_command(
    context: click.Context, calls: Path, file: Path, zone: str | None, form: str
) -> None:
    """Show what the rules in FILE would decide about the calls recorded in CALLS.jsonl.

    One JSON object a line: `tool`, `arguments`, and if need be `principal`, `result`, `at`,
    `decision` (what was decided) or `expected` (what is to be). Lines of an audit log are read too;
    they hold no arguments, so what rules say that read them is not known.

    A record that does not say it has a principal of level 1 and score 500, and the present time.

    Exit codes: 0 nothing changes, 1 a call is decided otherwise than recorded or expected, 2 it
    could not be found out (unreadable, or not one call whose decision is known).
    """
    note(policy={"files": [file_fact(file)]})
    rules = load(text_of(file), str(file))
    zones = Zones(zone)
    with _opened(calls) as lines:
        known = facts(datetime.now(zones.last))
        found = list(replay(rules, read_records(lines, str(calls), known, zones)))
    summary = summary_of(found)
    note(policy=_noted(file, found))
    if form == "json":
        render.answer([render.json_text(replayed_json(rules, found, summary))])
    else:
        render.answer(replayed_lines(rules, found, summary))
    context.exit(exit_code(found))


_STATUS = ("same", "changed", "unknown")
"""By exit code."""


def _noted(file: Path, found: Sequence[Replayed]) -> JsonObject:
    """What a receipt says of a test: which rules decided what, how often."""
    hits = Counter((each.rule, each.new) for each in found if each.rule)
    refs = controls_of(Reason.RULE)
    rules: list[Json] = [
        {"name": name, "decision": new, "calls": calls, "control_refs": list(refs)}
        for (name, new), calls in hits.most_common()
    ]
    status = _STATUS[exit_code(found)]
    return {"status": status, "files": [file_fact(file)], "rules_hit": rules}


def exit_code(found: Sequence[Replayed]) -> int:
    """0 nothing changes, 1 something does, 2 nothing is known."""
    if any(each.changed for each in found):
        return 1
    return 0 if any(each.new != "unknown" for each in found) else 2


# --- files ---------------------------------------------------------------------------------------


def text_of(file: Path) -> str:
    """What stands in `file`. Raises UsageError."""
    try:
        return plain_bytes(file).decode()
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}", hint="name a file that can be read"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file}: not UTF-8, at byte {error.start}", hint="save it as UTF-8"
        ) from error


def _opened(file: Path) -> BinaryIO:
    try:
        return regular(file)
    except OSError as error:
        raise UsageError(
            f"{file}: {error.strerror}", hint="name a file that can be read"
        ) from error


class Zones:
    """The zone of each record in turn: the given one, else what its session said at its start."""

    def __init__(self, given: str | None) -> None:
        """Raises UsageError."""
        self._given = given is not None
        self.last = zone_of(given or UTC_ZONE)

    def __call__(self, entry: JsonObject) -> tzinfo:
        """That of `entry`. UTC where no record says; UsageError for a zone that is not known."""
        if entry.get("event") == "session.start" and not self._given:
            self.last = zone_of(str(entry.get("zone", UTC_ZONE)))
        return self.last


def facts(now: datetime) -> Facts:
    """What stands for whatever a record does not say."""
    return Facts(
        principal="local:default",
        level=1,
        score=500,
        capabilities=(),
        trust_level=1,
        trust_score=500,
        annotations={},
        tier="",
        server="",
        moment=moment(now),
        calls=0,
        tool_calls=0,
        denied=0,
    )


# --- answers -------------------------------------------------------------------------------------


def _checked_lines(
    file: Path, rules: RuleSet | None, problems: Sequence[PolicyError]
) -> Iterator[str]:
    if rules is not None:
        yield f"{render.printable(str(file))}: {_counted(rules)}, nothing wrong"
    for problem in problems:
        yield render.printable(problem.message)
        if problem.hint:
            yield f"  next: {render.printable(problem.hint)}"


def _counted(rules: RuleSet) -> str:
    number = len({rule.name for rule in rules.rules})
    return f"{number} rule{'s' * (number != 1)}"


def _checked_json(file: Path, rules: RuleSet | None, problems: Sequence[PolicyError]) -> JsonObject:
    return {
        "file": str(file),
        "valid": rules is not None,
        "name": rules.name if rules else None,
        "rules": len({rule.name for rule in rules.rules}) if rules else None,
        "problems": [
            {"line": each.line, "column": each.column, "message": each.what, "hint": each.hint}
            for each in problems
        ],
    }


def summary_of(found: Sequence[Replayed]) -> JsonObject:
    """How many of what."""
    counts = Counter(each.new for each in found)
    changes = Counter(_change(each) for each in found)
    compared = [each for each in found if each.changed is not None]
    return {
        "calls": len(found),
        "compared": len(compared),
        "changed": sum(each.changed is True for each in compared),
        "unknown": counts["unknown"],
        "decisions": {word: counts[word] for word in _WORDS if counts[word]},
        "changes": {word: changes[word] for word in _CHANGES if changes[word]},
    }


_NEWLY = {
    "deny": "newly denied",
    "require_approval": "newly held for a person",
    "redact": "newly redacted",
}
_NOT_ANY_MORE = {
    "deny": "no longer denied by a rule",
    "require_approval": "no longer held for a person",
    "redact": "no longer redacted",
}
_NOT_COMPARED = {
    "deny": "denied",
    "require_approval": "held for a person",
    "redact": "redacted",
}
_CHANGES = (
    *_NEWLY.values(), *_NOT_ANY_MORE.values(), "as before", *_NOT_COMPARED.values(), "allowed",
    "not known",
)  # fmt: skip
"""What became of a call, in the order in which it is told."""


def _change(each: Replayed) -> str:
    """What `each` is counted as. A denial that no rule made stays what it was."""
    if each.new == "unknown":
        return "not known"
    if each.changed is None:
        return _NOT_COMPARED.get(each.new, "allowed")
    if not each.changed:
        return "as before"
    return _NEWLY.get(each.new) or _NOT_ANY_MORE[each.record.old]


_WORDS = ("allow", "none", "redact", "require_approval", "deny", "unknown")


def replayed_lines(rules: RuleSet, found: Sequence[Replayed], summary: JsonObject) -> Iterator[str]:
    """The calls of `found`, a line each, then the summary."""
    for each in found:
        yield from _call_lines(each)
    changes = summary["changes"]
    if isinstance(changes, dict):
        told = ", ".join(f"{number} {word}" for word, number in changes.items())
        yield f"{rules.name}: {summary['calls']} calls: {told or 'nothing to judge'}"
    yield f"{summary['changed']} of {summary['compared']} compared would change"


def _call_lines(each: Replayed) -> Iterator[str]:
    """`12 * write_file  allow -> deny  rule`, and why below it."""
    name = render.printable(each.record.call.target or each.record.call.method)[:NAME_WIDTH]
    old = f"{each.record.old} -> " if each.record.old else ""
    mark = "*" if each.changed else " "
    remarks = "".join(f" +{name}" for name in each.remarks)
    rule = f"  {each.rule}" if each.rule else ""
    new = "allow (no rule decides)" if each.new == "none" else each.new
    yield f"{each.record.line:>6} {mark} {name:<{NAME_WIDTH}}  {old}{new}{rule}{remarks}"
    if each.message:
        yield " " * 9 + render.printable(each.message)


def replayed_json(rules: RuleSet, found: Sequence[Replayed], summary: JsonObject) -> Json:
    """The answer as JSON: the calls, then the summary."""
    return {
        "policy": rules.name,
        "calls": [
            {
                "line": each.record.line,
                "method": each.record.call.method,
                "target": each.record.call.target,
                "old": each.record.old or None,
                "new": each.new,
                "rule": each.rule or None,
                "message": each.message,
                "remarks": list(each.remarks),
                "changed": each.changed,
            }
            for each in found
        ],
        "summary": summary,
    }
