"""Judges a corpus of definitions and outputs, row by row. Used by scripts/eval and calibrate."""

import hashlib
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mcpguard.model import ItemKind, Severity
from mcpguard.scan.threats.detectors import (
    Item,
    Known,
    Neighbours,
    Outcome,
    Report,
    Signal,
    judge_definition,
)
from mcpguard.scan.threats.outputs import judge_result
from mcpguard.scan.threats.overlap import SEVERITIES, overlap

HELD = 3
"""Tenths of the sources, or rows, that are kept from the developers."""

SINGLE = frozenset({"msb", "getmcpm-guardbench", "agent-egress-bench", "snyk-agent-scan", "bfcl"})
"""Sources of many kinds of rows: split by row."""


@dataclass(frozen=True)
class Row:
    """One line of the corpus, and what it belongs to."""

    file: str
    group: str
    source: str
    bad: bool
    body: dict[str, Any]

    @property
    def name(self) -> str:
        """What a person finds the row by."""
        return str(
            self.body.get("name") or self.body.get("id") or self.body.get("attack_type") or ""
        )


@dataclass(frozen=True)
class Judged:
    """A row with its report and how long that took, in seconds."""

    row: Row
    report: Report
    took: float


def held(row: Row) -> bool:
    """Whether the row is kept for the end."""
    key = (
        row.source
        if row.source not in SINGLE
        else f"{row.source}:{row.name}:{row.body.get('description', row.body.get('text', ''))[:40]}"
    )
    return hashlib.sha256(key.encode()).digest()[0] % 10 < HELD


def rows(corpus: Path) -> Iterator[Row]:
    """Every row of the corpus."""
    for line in _lines(corpus / "malicious_tools.jsonl"):
        yield Row("tools", line["family"][0], line["source"], True, line)
    for line in _lines(corpus / "benign_tools.jsonl"):
        live = "server" in line
        yield Row("tools", "live" if live else "look-alikes", line["source"], False, line)
    for line in _lines(corpus / "benign_tools_bfcl.jsonl"):
        yield Row("tools", "bfcl", line["source"], False, line)
    for name, bad in (("injected_outputs", True), ("benign_outputs", False)):
        for line in _lines(corpus / f"{name}.jsonl"):
            yield Row("outputs", name, line["source"], bad, line)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            yield json.loads(line)


def judged(corpus: Path, part: str) -> list[Judged]:
    """Every row of the part, judged; family D also with a registry, as the group `D+registry`."""
    everything = list(rows(corpus))
    chosen = [row for row in everything if part == "all" or held(row) is (part == "held")]
    listed = [
        Item(row.body["server"], row.body["server"], _definition(row.body))
        for row in everything
        if row.group == "live"
    ]
    registry = Neighbours(listed)
    _judge(chosen[0], ())
    beside = defaultdict(set)
    for row in everything:
        if row.group == "live":
            beside[row.body["server"]].add(row.name)
    found = [_judge(row, (), frozenset(beside[row.body.get("server")])) for row in chosen]
    for row in chosen:
        if row.group == "D":
            found.append(
                _judge(_regrouped(row, "D+registry"), Neighbours([*listed, _original(row)]))
            )
        if row.group == "live":
            own = frozenset(beside[row.body["server"]])
            found.append(_judge(_regrouped(row, "live+registry"), registry, own))
    return found


def _original(row: Row) -> Item:
    """The tool that the row passes for, which the corpus does not have.

    It is the same tool under a name without what was added to it: `_v1`, `the`, `a`; where nothing
    was, with one word more.
    """
    body = _definition(row.body)
    words = [each for each in body["name"].split("_") if each not in ("v1", "v2", "a", "the")]
    name = "_".join(words)
    return Item(
        "original",
        "original",
        {**body, "name": name if name != body["name"] else f"{words[0]}_the_{'_'.join(words[1:])}"},
    )


def _regrouped(row: Row, group: str) -> Row:
    return Row(row.file, group, row.source, row.bad, row.body)


def _definition(body: dict[str, Any]) -> dict[str, Any]:
    keys = ("name", "title", "description", "inputSchema", "annotations", "_meta", "outputSchema")
    return {key: body[key] for key in keys if body.get(key) is not None}


def _judge(
    row: Row, registry: Neighbours | tuple[Item, ...], siblings: frozenset[str] = frozenset()
) -> Judged:
    start = time.thread_time()
    if row.file == "tools":
        server = str(row.body.get("server", "judged"))
        known = Known(server=server, publisher=server, items=registry, siblings=siblings)
        definition = _definition(row.body)
        report = judge_definition(ItemKind.TOOL, definition, known=known)
        shared = overlap(definition, known)
        if shared and report.outcome is Outcome.ALLOW and SEVERITIES[shared.rule] != Severity.INFO:
            report = replace(report, outcome=Outcome.REVIEW)
    else:
        report = judge_result({"content": [{"type": "text", "text": _text(row.body)}]})
    return Judged(row, report, time.thread_time() - start)


def _text(body: dict[str, Any]) -> str:
    for key in ("text", "output", "content", "result"):
        if key in body:
            return body[key] if isinstance(body[key], str) else json.dumps(body[key])
    return json.dumps(body)


def fresh(path: Path) -> str:
    """Family by family of a file of fixtures: told when it was written, and told now."""
    members: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for line in _lines(path):
        if "definition" in line:
            report = judge_definition(ItemKind.TOOL, line["definition"])
        else:
            report = judge_result({"content": [{"type": "text", "text": line["text"]}]})
        told = report.outcome is not Outcome.ALLOW
        if line["family"] == "B":
            alone = Known(siblings=frozenset({line["definition"]["name"]}))
            listed = judge_definition(ItemKind.TOOL, line["definition"], known=alone)
            members["B, all listed"].append((False, listed.outcome is not Outcome.ALLOW))
        members[line["family"]].append((line["sight"] != Outcome.ALLOW, told))
    lines = [f"{path.stem:<18}{'rows':>6}{'first':>9}{'now':>9}"]
    for family, pairs in members.items():
        first, now = (sum(each) / len(pairs) for each in zip(*pairs, strict=True))
        lines.append(f"{family:<18}{len(pairs):>6}{first:>9.1%}{now:>9.1%}")
    return "\n".join(lines)


# --- tables --------------------------------------------------------------------------------------


def table(found: list[Judged]) -> str:
    """One line a group: rows, blocked, blocked or for review, and the time a row takes."""
    lines = [f"{'group':<18}{'rows':>6}{'block':>9}{'+review':>9}{'p50 us':>9}{'p95 us':>9}"]
    for group, members in _grouped(found).items():
        lines.append(f"{group:<18}{len(members):>6}{_figures(members)}")
        by_source = defaultdict(list)
        for each in members:
            by_source[each.row.source].append(each)
        if members[0].row.bad and len(by_source) > 1:
            lines += [
                f"  {source:<16}{len(own):>6}{_figures(own)}"
                for source, own in sorted(by_source.items())
            ]
        elif group.startswith("live"):
            hit = [
                s
                for s, own in by_source.items()
                if any(e.report.outcome is Outcome.BLOCK for e in own)
            ]
            lines.append(f"  servers with a block: {len(hit)} of {len(by_source)}")
    return "\n".join(lines)


def _figures(members: list[Judged]) -> str:
    count = Counter(each.report.outcome for each in members)
    block = count[Outcome.BLOCK] / len(members)
    either = block + count[Outcome.REVIEW] / len(members)
    took = sorted(each.took * 1e6 for each in members)
    p95 = took[min(len(took) - 1, int(len(took) * 0.95))]
    return f"{block:>9.1%}{either:>9.1%}{statistics.median(took):>9.0f}{p95:>9.0f}"


def _grouped(found: Iterable[Judged]) -> dict[str, list[Judged]]:
    groups: dict[str, list[Judged]] = defaultdict(list)
    for each in found:
        groups[each.row.group].append(each)
    return dict(sorted(groups.items(), key=lambda pair: (not pair[1][0].row.bad, pair[0])))


def rules(found: list[Judged]) -> str:
    """Rule by rule: rows of each group in which it is met."""
    groups = _grouped(found)
    hits = {
        g: Counter(rule for each in m for rule in {s.rule for s in each.report.signals})
        for g, m in groups.items()
    }
    names = sorted({rule for count in hits.values() for rule in count})
    head = f"{'rule':<34}" + "".join(f"{group[:9]:>10}" for group in groups)
    return "\n".join(
        [
            head,
            *(
                f"{rule:<34}" + "".join(f"{hits[group][rule]:>10}" for group in groups)
                for rule in names
            ),
        ]
    )


def misses(found: list[Judged]) -> str:
    """What should have been found and was not."""
    return "\n\n".join(
        _told(each) for each in found if each.row.bad and each.report.outcome is Outcome.ALLOW
    )


def alarms(found: list[Judged]) -> str:
    """What should not have been found and was, worst first."""
    wrong = [
        each for each in found if not each.row.bad and each.report.outcome is not Outcome.ALLOW
    ]
    return "\n\n".join(map(_told, sorted(wrong, key=lambda each: -each.report.score)))


def _told(each: Judged) -> str:
    row = each.row
    text = row.body.get("description") or _text(row.body)
    signals = [
        f"    {s.weight:g} {s.rule} {s.where} {_part(row, s)!r}" for s in each.report.signals
    ]
    return "\n".join(
        [
            f"{row.group} {row.source} {row.name} [{each.report.outcome} {each.report.score}]",
            f"  {text[:700]!r}",
            *signals,
        ]
    )


def _part(row: Row, signal: Signal) -> str:
    value: Any = _definition(row.body)
    if row.file != "tools":
        value = {"content": [{"text": _text(row.body)}]}
    for step in signal.where.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            return key
    if isinstance(value, str):
        return value[signal.start : signal.end]
    return signal.where.rpartition("/")[2]
