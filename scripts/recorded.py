"""Judges what scripts/record_results recorded: honest results, so whatever is told is an alarm.

Used by `scripts/eval --results DIR`. Times are CPU times of this process, and are worth as much as
the machine is idle.
"""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcpguard.scan.threats.outputs import judge_result
from mcpguard.scan.threats.score import Outcome, Report

LONG = 8000
"""Characters of a result whose time is stated for 10,000 of them."""


@dataclass(frozen=True)
class Seen:
    """One recorded result, judged. `took`: seconds; `size`: characters of its JSON."""

    kind: str
    what: str
    result: dict[str, Any]
    report: Report
    took: float
    size: int


def judged(folder: Path) -> list[Seen]:
    """Every result of `folder`, judged once."""
    judge_result("warm: ignore all previous instructions")
    return [_judged(json.loads(line)) for line in _lines(folder / "results.jsonl")]


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as lines:
        yield from lines


def _judged(row: dict[str, Any]) -> Seen:
    size = len(json.dumps(row["result"], ensure_ascii=False))
    start = time.process_time()
    report = judge_result(row["result"])
    took = time.process_time() - start
    return Seen(f"{row['source']} {row['kind']}", row["what"], row["result"], report, took, size)


def table(seen: list[Seen]) -> str:
    """One line a kind: results, blocked, told at all; then the time for 10,000 characters."""
    kinds: dict[str, list[Seen]] = defaultdict(list)
    for each in seen:
        kinds[each.kind].append(each)
        kinds["all"].append(each)
    lines = [f"{'kind':<24}{'results':>9}{'block':>9}{'+review':>9}"]
    lines += [f"{kind:<24}{len(own):>9}{_shares(own)}" for kind, own in sorted(kinds.items())]
    times = sorted(each.took * 1e7 / each.size for each in seen if each.size >= LONG)
    if len(times) > 1:
        p95 = times[int(len(times) * 0.95)]
        lines.append(f"ms for 10,000 characters: p50 {statistics.median(times):.2f}, p95 {p95:.2f}")
    return "\n".join(lines)


def _shares(own: list[Seen]) -> str:
    block = sum(each.report.outcome is Outcome.BLOCK for each in own)
    told = sum(each.report.outcome is not Outcome.ALLOW for each in own)
    return f"{block / len(own):>9.2%}{told / len(own):>9.2%}"


def alarms(seen: list[Seen]) -> str:
    """Each result that was told, the heaviest first: why, and the part of the text."""
    told = [each for each in seen if each.report.outcome is not Outcome.ALLOW]
    told.sort(key=lambda each: -each.report.score)
    return "\n\n".join(map(_alarm, told))


def _alarm(each: Seen) -> str:
    reasons = " ".join(f"{signal.rule}:{signal.weight}" for signal in each.report.signals)
    signal = each.report.signals[0]
    text: Any = each.result
    for token in signal.where.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        text = text[int(key)] if isinstance(text, list) else text[key]
    part = text[signal.start : signal.end] if isinstance(text, str) else signal.where
    return f"{each.report.score} {each.kind} {each.what}\n  {reasons}\n  {part[:500]!r}"
