"""The gates of scripts/check: names, what each says, and the steps that must all exit with 0."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import TextIO

import environment

ROOT = environment.ROOT
LOGS = environment.TOOLS / "logs"

FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "40"))
"""Seconds of fuzzing; every round takes a new seed. FUZZ_SECONDS sets more."""

FUZZ_SEED = os.environ.get("FUZZ_SEED", "")
"""What the seeds are drawn from instead of the commit."""

CORES = 2
"""What the smallest machine that runs this has."""

GATE_SECONDS = 900.0
"""Seconds for one step. A hang is a failure with a log, not a build that never ends."""

TAIL = 60
"""Lines of a failed gate's log that are printed."""

NAMES_FAILED = re.compile(r"(FAILED|ERROR) \S+::")
SAYS_WHY = re.compile(r"E  |\S+:\d+: \w+(Error|Exception)?$")
PROGRESS = re.compile(r"[.sxFE]* *\[ *\d+%\]$")
"""Lines of pytest: the names in its summary, what was asserted and where, the dots."""

WHYS = 24
"""Lines of the second kind that are printed."""

CORE = (
    *("errors.py", "model.py", "wire/*", "proxy/*", "pipeline/*"),
    *("lock/*", "hosts/*", "trust/*", "policy/*", "scan/*"),
)
CORE_FLOOR = 95
"""Percent of lines and branches of the core rooms that the unit tests alone must reach."""

FLOOR = 85
"""Percent of lines and branches of the whole package that the unit tests alone must reach.

Processes, pipes and loops run in child processes of the integration and fault tests, where nothing
is measured.
"""

UNCACHED = ("--no-cache", ".")
"""ruff over the whole repository, without leaving a cache folder."""

BUSY = ("-n", "2", "--dist", "worksteal")
"""pytest-xdist, for tests that compute: a process a core, each takes what the other has left."""

WAITING = ("-n", "4", "--dist", "loadscope")
"""For tests that mostly wait for other programs. Of some files one worker takes all tests: see
`SHARING` in tests/conftest.py."""

BREAKING = ("-n", "3", "--dist", "loadscope")
"""The same for tests in which ten processes are killed and started again."""

TIMED = ("-m", "timed", "-n", "2", "--dist", "loadscope")
"""For tests that say how many seconds something may take: no more of them than cores."""

UNWATCHED = (
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
    *("-W", "ignore:Unable to activate pytest branch coverage:RuntimeWarning"),
)
"""What slipcover says as it starts before pytest, and measures the package alone, no tests."""

HOUSE = ("tests/unit/test_shape.py", "tests/test_guarantees.py")
"""What is true of the repository and not of its behaviour. Run once, without coverage."""

Step = Callable[[TextIO], int]


def marked(mark: str) -> list[str]:
    """The unit tests' files that speak of `mark`: collecting all of them takes 15 seconds."""
    files = sorted((ROOT / "tests" / "unit").rglob("test_*.py"))
    found = [each for each in files if f"mark.{mark}" in each.read_text("utf-8")]
    return [str(each.relative_to(ROOT)) for each in found]


SUITE: dict[str, tuple[tuple[str, ...], ...]] = {
    "house": (HOUSE,),
    "unit": (
        (*marked("weighed"), "-m", "weighed"),
        ("tests/unit", f"--ignore={HOUSE[0]}", *BUSY, "-m", "not weighed"),
    ),
    "integration": (("tests/integration", *WAITING),),
    "faults": (
        ("tests/faults", "-m", "not timed and not alone", *BREAKING),
        ("tests/faults", *TIMED),
        ("tests/faults", "-m", "alone"),
    ),
    "fuzz": (("tests/fuzz",),),
}
"""Every test once, as arguments of pytest. What counts seconds or bytes runs apart."""


@dataclass(frozen=True)
class Gate:
    """`steps` run in order and write to the gate's log; the first that is not 0 fails the gate.

    `wide`: it uses every core by itself, so it runs alone. The others run two at a time.
    """

    name: str
    says: str
    steps: tuple[Step, ...]
    wide: bool = False


def run(chosen: Sequence[Gate]) -> int:
    """Run the gates, print a line each and the number of tests at the end. 0 when all pass."""
    LOGS.mkdir(parents=True, exist_ok=True)
    narrow, wide = [[gate for gate in chosen if gate.wide is each] for each in (False, True)]
    with ThreadPoolExecutor(CORES) as pool:
        passing = dict(zip(narrow, pool.map(_run_gate, narrow), strict=True))
    passing |= {gate: _run_gate(gate) for gate in wide}
    failed = [gate.name for gate, passed in passing.items() if not passed]
    passed, broken = _count_tests(chosen)
    if failed:
        print(f"failed gates: {' '.join(failed)} (logs: {LOGS.relative_to(ROOT)}/)")
    print(f"{passed} passed, {broken} failed")
    return 1 if failed else 0


def _run_gate(gate: Gate) -> bool:
    started = time.monotonic()
    path = LOGS / f"{gate.name}.log"
    with path.open("w", encoding="utf-8") as log:
        passed = all(step(log) == 0 for step in gate.steps)
    verdict, seconds = "PASS" if passed else "FAIL", time.monotonic() - started
    told = [f"{verdict}  {gate.name:12} {seconds:7.1f} s"]
    if not passed:
        told += [f"      {line}" for line in explain(path.read_text("utf-8", "replace"))]
    print("\n".join(told), flush=True)
    return passed


def explain(log: str) -> list[str]:
    """What a failed gate's log is printed as: the tests' names, why, then how the log ends.

    The names come first because the page that shows a build may cut what follows.
    """
    lines = [line for line in log.splitlines() if not PROGRESS.match(line)]
    failed = [line[:200] for line in lines if NAMES_FAILED.match(line)]
    whys = [line[:200] for line in lines if SAYS_WHY.match(line)]
    return [*failed, *whys[:WHYS], *lines[-TAIL:]]


def _count_tests(chosen: Sequence[Gate]) -> tuple[int, int]:
    """Tests passed and failed, read off the closing lines that pytest left in the logs."""
    text = "\n".join((LOGS / f"{gate.name}.log").read_text("utf-8", "replace") for gate in chosen)
    closing = [line for line in text.splitlines() if re.search(r" in \d+\.\d+s", line)]

    def total(word: str) -> int:
        return sum(int(count) for line in closing for count in re.findall(rf"(\d+) {word}", line))

    return total("passed"), total("failed") + total("errors?")


def command(*args: str | Path, **extra: str) -> Step:
    """A step that runs one command in the repository, `extra` added to its environment."""

    def step(log: TextIO) -> int:
        print(f"$ {' '.join(map(str, args))}", file=log, flush=True)
        env = environment.clean_env(**extra)
        try:
            return subprocess.run(
                args,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=GATE_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            print(f"still running after {GATE_SECONDS:.0f} s", file=log, flush=True)
            return 1

    return step


def tool(name: str, *args: str | Path, **extra: str) -> Step:
    """A command installed in the project's environment."""
    return command(environment.VENV / environment.BIN / name, *args, **extra)


def python(script: str) -> Step:
    """A script of this folder, run by the project's environment."""
    return command(environment.python(), ROOT / "scripts" / script)


def pytest(*args: str | Path, **extra: str) -> Step:
    return command(environment.python(), "-m", "pytest", "-q", "--no-header", *args, **extra)


def coverage(data: Path) -> tuple[Step, ...]:
    """The unit tests under branch coverage, then the two floors."""
    measured = ("-m", "slipcover", "--json", "--out", data, "-m", "pytest", *UNWATCHED)
    weighed, others = SUITE["unit"]
    return (
        pytest(*weighed),
        command(environment.python(), *measured, "-q", "--no-header", *others),
        lambda log: floor(data, CORE, CORE_FLOOR, log),
        lambda log: floor(data, ("*",), FLOOR, log),
    )


def floor(data: Path, names: Sequence[str], least: float, log: TextIO) -> int:
    """0 when at least `least` percent of the lines and branches of these files were reached."""
    measured = json.loads(data.read_bytes())["files"]
    files = {
        path: found["summary"]
        for path, found in measured.items()
        if any(fnmatch(path, f"mcpguard/{name}") for name in names)
    }
    for path, found in files.items():
        missed = found["missing_lines"] + found["missing_branches"]
        print(f"{found['percent_covered']:6.1f}%  {missed:4} missed  {path}", file=log)
    hit, missed = (
        sum(found[f"{what}_lines"] + found[f"{what}_branches"] for found in files.values())
        for what in ("covered", "missing")
    )
    reached = 100 * hit / (hit + missed)
    print(f"{reached:.1f}% of {hit + missed} lines and branches, at least {least}%", file=log)
    return 0 if reached >= least else 1


def commit() -> str:
    """The commit that is checked out; a word where there is no repository."""
    head = ("git", "-C", ROOT, "rev-parse", "--verify", "HEAD")
    try:
        return subprocess.check_output(head, text=True, stderr=subprocess.DEVNULL).strip()
    except (OSError, subprocess.CalledProcessError):
        return "no commit"


def fuzz(log: TextIO) -> int:
    """Rounds of tests/fuzz, each with a new seed, until FUZZ_SECONDS have passed.

    The seeds follow from the commit: each commit tries others, and each run of it the same.
    """
    end = time.monotonic() + FUZZ_SECONDS
    origin = FUZZ_SEED or commit()
    print(f"fuzz: seeds of {origin}", file=log, flush=True)
    rounds = 0
    while time.monotonic() < end:
        seed = int.from_bytes(sha256(f"{origin} {rounds}".encode()).digest()[:4])
        seeded = (*SUITE["fuzz"][0], f"--hypothesis-seed={seed}")
        code = pytest(*seeded, HYPOTHESIS_PROFILE="fuzz")(log)
        if code != 0:
            return code
        rounds += 1
    print(f"fuzz: {rounds} rounds", file=log, flush=True)
    return 0


BUILD = (*environment.PIP[:-2], "wheel", "--quiet", "--no-deps", "--no-build-isolation")
NAME = "mcpguard-daemon"
COMPILED = (
    "import mcpguard.audit.fastpath.compiled, mcpguard.scan.threats.classifier.fastpath.compiled"
)
TYPED = "import mcpguard; from importlib.resources import files; open(files(mcpguard) / 'py.typed')"


def wheel(log: TextIO) -> int:
    """Build the wheel, install it and its hashed dependencies into a clean environment, run it."""
    with tempfile.TemporaryDirectory(prefix="mcpguard-wheel-") as folder:
        work = Path(folder)
        source, venv = work / "source", work / "venv"
        copy_tracked(source)
        inside = environment.python(venv)
        hashed = ("--require-hashes", "--only-binary", ":all:", "-r")
        script = venv / environment.BIN / "mcpguard"
        steps = [
            command(environment.python(), *BUILD, "--wheel-dir", work, source),
            command(sys.executable, "-m", "venv", venv),
            command(inside, *environment.PIP, *hashed, ".ci/requirements-runtime.txt"),
            command(
                inside, *environment.PIP, "--no-deps", "--no-index", "--find-links", work, NAME
            ),
            command(inside, "-m", "pip", "--disable-pip-version-check", "check"),
            command(inside, "-I", "-c", TYPED),
            *([command(inside, "-I", "-c", COMPILED)] if os.name == "posix" else []),
            command(script, "--version"),
            command(script, "--help"),
        ]
        return 0 if all(step(log) == 0 for step in steps) else 1


def copy_tracked(target: Path) -> None:
    """What the build reads, copied, so that no build folder is left in the repository."""
    target.mkdir()
    shutil.copytree(
        ROOT / "mcpguard", target / "mcpguard", ignore=shutil.ignore_patterns("__pycache__", "*.so")
    )
    (target / "scripts").mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "scripts/hatch_build.py"):
        shutil.copy(ROOT / name, target / name)


GATES: dict[str, Gate] = {
    gate.name: gate
    for gate in (
        Gate(
            "format", "ruff format changes nothing", (tool("ruff", "format", "--check", *UNCACHED),)
        ),
        Gate("ruff", "no lint finding", (tool("ruff", "check", *UNCACHED),)),
        Gate("mypy", "strict types", (tool("mypy"),)),
        Gate("imports", "rooms import downward only", (tool("lint-imports", "--no-cache"),)),
        Gate("shape", "sizes, names, tables, lock files", (pytest(*SUITE["house"][0]),)),
        Gate("fuzz", f"{FUZZ_SECONDS:.0f} s: an answer or our own error, nothing else", (fuzz,)),
        Gate("wheel", "the wheel works in a clean environment", (wheel,)),
        Gate(
            "unit",
            f"units; {CORE_FLOOR}% of the core, {FLOOR}% of all",
            coverage(LOGS / "cov"),
            wide=True,
        ),
        Gate(
            "integration",
            "real servers and clients",
            tuple(pytest(*each) for each in SUITE["integration"]),
            wide=True,
        ),
        Gate(
            "faults",
            "what holds when something breaks",
            tuple(pytest(*each) for each in SUITE["faults"]),
            wide=True,
        ),
        Gate(
            "mutants",
            "a broken promise fails the tests that wear it",
            (python("mutants.py"),),
            wide=True,
        ),
    )
}
