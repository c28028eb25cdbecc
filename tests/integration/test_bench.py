"""scripts/bench, run for a few calls: it measures real sessions and prints what it says it prints.

No figure is judged here: on a machine that runs tests they mean nothing.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tools import ROOT

BENCH = ROOT / "scripts" / "bench"
DEADLINE = 300.0
"""Seconds; a short run takes about ten, a first one sets up what is missing."""

TARGETS = {
    "cold": 12,
    "added_100B": 6,
    "cpu_100B": 6,
    "added_10KB": None,
    "added_1MB": 10,
    "in_flight_1": None,
    "in_flight_8": None,
    "in_flight_64": 0.06,
    "rss": 40,
}
FACTS = ("when", "python", "kernel", "cpu")


@dataclass(frozen=True)
class Run:
    """What a short run printed, and the file it wrote."""

    stdout: str
    file: Path
    report: dict[str, Any]


def bench(*args: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, BENCH, *args],
        env=env,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    done = bench("--quick", "--json", file)
    assert done.returncode == 0, done.stderr
    return Run(done.stdout, file, json.loads(file.read_bytes()))


def test_every_measure_has_a_row_with_its_target(run: Run) -> None:
    assert {row["name"]: row["target"] for row in run.report["rows"]} == TARGETS


def test_every_call_came_back_once_whoever_was_asked(run: Run) -> None:
    calls = run.report["calls"]
    sent = {name: count["sent"] for name, count in calls.items()}
    assert list(sent) == ["bare", "relay", "mcpguard"]
    assert sent == {name: count["answered"] for name, count in calls.items()}
    assert min(sent.values()) > 0


def test_every_call_through_mcpguard_is_on_the_record(run: Run) -> None:
    audit, calls = run.report["audit"], run.report["calls"]["mcpguard"]["sent"]
    assert audit["result"] == "intact"
    assert audit["records"] >= calls


def test_the_report_says_where_and_how_it_was_measured(run: Run) -> None:
    assert all(run.report[fact] for fact in FACTS)
    assert run.report["quick"] is True
    assert "too few calls" in run.stdout


def test_the_table_and_the_markdown_show_every_row(run: Run) -> None:
    again, markdown = bench("--from", run.file), bench("--from", run.file, "--readme")
    assert run.stdout.endswith(again.stdout)
    lines = [line for line in markdown.stdout.splitlines() if line.startswith("| ")]
    assert len(lines) == len(TARGETS) + 2
    for row in run.report["rows"]:
        assert row["says"] in run.stdout
        assert sum(line.startswith(f"| {row['says']} |") for line in lines) == 1


def test_other_settings_are_those_of_the_proxy_and_are_told(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    alone = ROOT / "fixtures" / "bench" / "alone.yaml"
    done = bench("--quick", "--json", file, "--policy", alone)
    assert done.returncode == 0, done.stderr
    assert f", --policy {alone}" in done.stdout.splitlines()[0]
    assert json.loads(file.read_bytes())["policy"] == str(alone)


@pytest.mark.parametrize("policy", ["gone.yaml", "usual"])
def test_settings_that_cannot_be_used_are_named(policy: str) -> None:
    done = bench("--quick", "--policy", policy)
    assert (done.returncode, done.stdout) == (1, "")
    assert "scripts/bench: mcpguard proxy: exit 2" in done.stderr
    assert policy in done.stderr


def test_a_missing_compiler_is_named(tmp_path: Path) -> None:
    done = bench("--quick", env={"PATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert "gcc not found: install it" in done.stderr


def test_a_file_that_holds_no_figures_is_named(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("[]")
    done = bench("--from", other)
    assert done.returncode == 2
    assert f"{other}: not what --json writes" in done.stderr
