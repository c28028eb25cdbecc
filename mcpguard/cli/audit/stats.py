"""`mcpguard audit stats`: how many of what."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Unpack

import click

from mcpguard.cli import render
from mcpguard.cli.audit.choosing import Given, choice_of, choosing, logs, records
from mcpguard.model import UP, Json, JsonObject

__all__ = ["stats_command"]

MOST = 15
"""Rows of a table in the text answer; `--format json` has all."""


@click.command(name="stats", short_help="Count decisions, by tool and by rule.")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, metavar="[FILE]...")
@choosing
@render.FORM
def stats_command(files: tuple[Path, ...], form: str, **given: Unpack[Given]) -> None:
    """Count the records of the logs FILE with their earlier parts, or of all logs of this user.

    Exit codes: 0 counted, 2 it could not be found out.
    """
    counted = _Counted(records(logs(files), choice_of(given)))
    if form == "json":
        render.answer([render.json_text(counted.as_json())])
    else:
        render.answer(counted.lines())


class _Counted:
    """One pass over `found`."""

    def __init__(self, found: Iterable[JsonObject]) -> None:
        self.records = 0
        self.first = self.last = ""
        self.sessions: set[str] = set()
        self.decisions: Counter[str] = Counter()
        self.tools: dict[str, Counter[str]] = {}
        self.held: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.principals: Counter[str] = Counter()
        for record in found:
            self._add(record)

    def _add(self, record: JsonObject) -> None:
        self.records += 1
        self.last = str(record.get("ts", ""))
        self.first = self.first or self.last
        self.sessions.add(str(record.get("session", "")))
        if "event" in record:
            return
        word = str(record.get("decision", ""))
        if word == "hold":  # the same call is in the log again, with what became of it
            self.held[str(record.get("target", ""))] += 1
            return
        self.decisions[word] += 1
        if record.get("method") == "tools/call" and record.get("direction") == UP:
            self.tools.setdefault(str(record.get("target", "")), Counter())[word] += 1
            self.principals[str(record.get("principal", ""))] += 1
        if word != "allow":
            rule = record.get("rule") or f"{record.get('stage')}.{record.get('reason')}"
            self.rules[str(rule)] += 1

    def as_json(self) -> JsonObject:
        """Everything, under fixed keys."""
        tools: dict[str, Json] = {name: dict(each) for name, each in sorted(self.tools.items())}
        return {
            "records": self.records,
            "sessions": len(self.sessions),
            "first": self.first,
            "last": self.last,
            "decisions": dict(self.decisions.most_common()),
            "calls": tools,
            "held": dict(self.held.most_common()),
            "rules": dict(self.rules.most_common()),
            "principals": dict(self.principals.most_common()),
        }

    def lines(self) -> Iterator[str]:
        """Tables, the most frequent first."""
        if not self.records:
            yield "no record of that kind"
            return
        count = len(self.sessions)
        yield f"{self.records:,} records of {count:,} session{'s' * (count != 1)}"
        yield render.printable(f"from {self.first[:19]}Z to {self.last[:19]}Z")
        yield from _table("decisions", self.decisions)
        calls = {name: each.total() for name, each in self.tools.items()}
        yield from _table("calls", calls, {n: _split(each) for n, each in self.tools.items()})
        yield from _table("waited for a person", self.held)
        yield from _table("why not", self.rules)
        if len(self.principals) > 1:
            yield from _table("callers", self.principals)


def _split(counts: Mapping[str, int]) -> str:
    """What became of them, where not all were allowed."""
    rest = [f"{number:,} {word}" for word, number in counts.items() if word != "allow"]
    return ", ".join(rest)


def _table(
    title: str, counts: Mapping[str, int], more: Mapping[str, str] | None = None
) -> Iterator[str]:
    rows = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    if not rows:
        return
    yield ""
    yield render.painted("bold", title)
    for name, number in rows[:MOST]:
        shown = render.printable(name)[:40]
        split = render.printable((more or {}).get(name, ""))
        yield f"  {number:>9,}  {shown:<40}  {split}".rstrip()
    if len(rows) > MOST:
        yield f"  and {len(rows) - MOST} more: --format json lists them"
