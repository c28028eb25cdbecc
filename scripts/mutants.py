"""The `mutants` gate: with its mutant applied, the tests that wear a guarantee must fail.

Those that did are run again at the end without any mutant, and must pass, or a kill means nothing.

Each worker has a copy of the repository and a thin virtual environment over the project's own, so
that the console script runs the changed package too. `scripts/check mutants` runs all of them,
`.venv/bin/python scripts/mutants.py ID...` some.
"""

import json
import queue
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import environment
from warm import TIMED_OUT

ROOT = environment.ROOT
sys.path.insert(0, str(ROOT))

from tests.guarantees import GUARANTEES, TESTS, Guarantee, worn  # noqa: E402

WORKERS = 3
"""One more than the smallest machine that runs this has cores: some tests wait."""

SHARES = 2 * WORKERS
"""Parts of what is run without a mutant, so that the last worker is done soon after the first."""

LIMIT = 120.0
"""Seconds for one mutant's tests. Passing it counts as killed; unchanged they take a few."""

HANGS = "20"
"""Seconds after which a test takes its mutant for one that hangs."""

CONTROL_LIMIT = 600.0
"""Seconds for a worker's share of the tests that killed, without a mutant."""

SLOWEST = 10
"""Mutants that are named at the end, so that somebody sees where the gate's time goes."""

COPIED = ("mcpguard", "tests", "fixtures", "scripts", "docs", ".ci", ".github")
COPIED_FILES = ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore")

COMPILED = ("mcpguard", "tests")
COMPILE = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash")
"""Bytecode that counts only for the very source it was made from: the time and the size of a file,
which Python looks at otherwise, can be the same for a mutant."""

FIXED = ("-x", "-q", "--no-header", "--tb=line", "--assert=plain")
"""Options of every run. Plain asserts: pytest's own rewriting wants to load the plugins itself."""

TESTS_FAILED = 1
"""pytest's exit code for "tests ran, some failed"; 2 to 5 mean that they did not run."""

SCRIPT = """#!{python}
import sys
from mcpguard.__main__ import main
sys.exit(main())
"""


@dataclass
class Worker:
    """A folder with a copy of the repository in `repo/` and its environment in `repo/.venv/`.

    Temporary files of its tests are there too: pytest removes old ones, and would remove those
    that another worker is reading.
    `warm`: the process of scripts/warm.py there, once it has been started.
    """

    folder: Path
    warm: subprocess.Popen[str] | None = None

    @property
    def repo(self) -> Path:
        return self.folder / "repo"

    @property
    def python(self) -> Path:
        return environment.python(self.repo / ".venv")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def failures(self) -> Path:
        return self.folder / "failures"

    def pytest(self, limit: float, arguments: Sequence[str]) -> tuple[int, str]:
        """Exit code of pytest in this copy, or TIMED_OUT, and the end of what it printed."""
        warm = self.warm = self.warm or self._start()
        if warm.stdin is None or warm.stdout is None:
            raise RuntimeError("the warm process has no pipes")
        print(json.dumps([limit, *FIXED, *arguments]), file=warm.stdin, flush=True)
        answer = warm.stdout.readline()
        if not answer:
            raise RuntimeError("the warm process ended")
        lines = self.log.read_text("utf-8", "replace").splitlines()[-8:]
        return int(answer), "\n".join(f"    {line}" for line in lines)

    def _start(self) -> subprocess.Popen[str]:
        script = ROOT / "scripts" / "warm.py"
        env = environment.clean_env(
            HYPOTHESIS_PROFILE="mutants",
            TEST_PATIENCE=HANGS,
            PYTHONDONTWRITEBYTECODE="1",
            PYTEST_DEBUG_TEMPROOT=str(self.folder),
        )
        return subprocess.Popen(
            [str(self.python), str(script), str(self.log), str(self.failures)],
            cwd=self.repo,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """End the warm process."""
        if self.warm is not None:
            self.warm.communicate()


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant. `problem` is empty when its tests killed it.

    `again`: what to run without the mutant, pytest's arguments.
    """

    name: str
    problem: str
    seconds: float
    again: tuple[str, ...] = ()


def make_worker(folder: Path) -> Worker:
    """Copy the repository into `folder` and lay an environment over the project's own."""
    worker = Worker(folder)
    for name in COPIED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.so")  # mutants are of Python
            shutil.copytree(ROOT / name, worker.repo / name, ignore=ignored)
    for name in COPIED_FILES:
        shutil.copy(ROOT / name, worker.repo)
    (worker.repo / ".tools").symlink_to(environment.TOOLS, target_is_directory=True)
    venv = worker.repo / ".venv"
    base = environment.python()
    make = [str(base), "-m", "venv", "--without-pip", str(venv)]
    subprocess.run(make, check=True, env=environment.clean_env())
    paths = f"{worker.repo}\n{site_packages(base)}\n"
    (site_packages(worker.python) / "mutant.pth").write_text(paths, "utf-8")
    script = venv / environment.BIN / "mcpguard"
    script.write_text(SCRIPT.format(python=worker.python), "utf-8")
    script.chmod(0o755)
    compiled = [str(worker.python), *COMPILE, *(str(worker.repo / name) for name in COMPILED)]
    subprocess.run(compiled, check=True, env=environment.clean_env())
    return worker


def site_packages(interpreter: Path) -> Path:
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.check_output([interpreter, "-I", "-c", code], text=True).strip())


def judge(worker: Worker, name: str, guarantee: Guarantee, files: Sequence[Path]) -> Outcome:
    """Apply the mutant in the worker's copy, run the tests that wear `name`, undo the mutant."""
    started = time.monotonic()
    target = worker.repo / "mcpguard" / guarantee.mutant.file
    original = (ROOT / "mcpguard" / guarantee.mutant.file).read_bytes()
    again: tuple[str, ...] = ()
    try:
        guarantee.mutant.apply(worker.repo / "mcpguard")
        problem, again = run_tests(worker, name, files)
    except ValueError as error:
        problem = str(error)
    finally:
        target.write_bytes(original)
    return Outcome(name, problem, time.monotonic() - started, again)


def run_tests(worker: Worker, name: str, files: Sequence[Path]) -> tuple[str, tuple[str, ...]]:
    """Empty when the tests fail as they must, otherwise what is wrong; and which test failed."""
    wearing = ("--guarantee", name, *(str(path.relative_to(ROOT)) for path in files))
    code, tail = worker.pytest(LIMIT, wearing)
    if code == TIMED_OUT:
        return "", wearing
    if code == TESTS_FAILED:
        return "", tuple(worker.failures.read_text("utf-8").splitlines())
    what = "survived: its tests passed" if code == 0 else f"its tests did not run (exit {code})"
    return f"{what}\n{tail}", ()


def control(worker: Worker, killed: Sequence[Outcome]) -> Outcome:
    """Without a mutant the tests that killed one must pass in the copy."""
    started = time.monotonic()
    alone = [each.again for each in killed if each.again[0].startswith("-")]
    tests = sorted({test for each in killed if each.again not in alone for test in each.again})
    problem = ""
    for arguments in filter(None, [tests, *alone]):
        code, tail = worker.pytest(CONTROL_LIMIT, arguments)
        problem += f"tests fail without any mutant (exit {code})\n{tail}" if code else ""
    return Outcome("control", problem, time.monotonic() - started)


def shares(outcomes: Sequence[Outcome]) -> list[list[Outcome]]:
    """Those that killed in parts of about the same length; tests of one file are in one part."""
    files: dict[str, list[Outcome]] = {}
    for each in outcomes:
        if each.again:
            files.setdefault(each.again[0].partition("::")[0], []).append(each)
    parts: list[list[Outcome]] = [[] for _ in range(SHARES)]
    for killed in sorted(files.values(), key=lasting, reverse=True):
        min(parts, key=lasting).extend(killed)
    return [part for part in parts if part]


def lasting(killed: Sequence[Outcome]) -> float:
    """Seconds: what a mutant's tests took to fail is about what they take to pass."""
    return sum(each.seconds for each in killed)


def cheapest(files: Sequence[Path]) -> tuple[Path, ...]:
    """Those in the cheapest folder: units where there are any, else fuzz, faults, integration."""
    folders = [path.relative_to(TESTS).parts[0] for path in files]
    return tuple(path for path, folder in zip(files, folders, strict=True) if folder == folders[0])


def main(argv: Sequence[str]) -> int:
    worn_by = worn()
    tests = {name: cheapest(worn_by.get(name, ())) for name in GUARANTEES}
    names = list(argv) or sorted(GUARANTEES)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for number in range(WORKERS):
            free.put(make_worker(Path(folder) / str(number)))

        def with_worker(judged: Callable[[Worker], Outcome]) -> Outcome:
            worker = free.get()
            try:
                return told(judged(worker), argv)
            finally:
                free.put(worker)

        def mutant(name: str) -> Outcome:
            return with_worker(lambda each: judge(each, name, GUARANTEES[name], tests[name]))

        def share(killed: Sequence[Outcome]) -> Outcome:
            return with_worker(lambda each: control(each, killed))

        with ThreadPoolExecutor(WORKERS) as pool:
            outcomes = list(pool.map(mutant, names))
            controls = list(pool.map(share, shares(outcomes)))
        for _ in range(WORKERS):
            free.get().close()
    return report(outcomes, controls)


def told(outcome: Outcome, names: Sequence[str]) -> Outcome:
    """Print what became of it: of those asked for by name always, of all of them the problems."""
    if outcome.problem or names:
        verdict = "FAIL" if outcome.problem else "ok  "
        print(f"{verdict} {outcome.seconds:6.1f} s  {outcome.name}  {outcome.problem}", flush=True)
    return outcome


def report(outcomes: Sequence[Outcome], controls: Sequence[Outcome]) -> int:
    problems = sum(bool(outcome.problem) for outcome in (*outcomes, *controls))
    print(f"{len(outcomes)} mutants and the control, {problems} problems; what took longest:")
    for outcome in sorted(outcomes, key=lambda each: each.seconds, reverse=True)[:SLOWEST]:
        print(f"     {outcome.seconds:6.1f} s  {outcome.name}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
