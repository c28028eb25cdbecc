"""The part of scripts/mutation that runs inside pytest, as a plugin, in a copy of the repository.

Each test of the room runs once, unchanged, under coverage: which tests reach which line. Then for
each mutation a fork changes the functions in memory and runs the tests that reach it, shortest
first, until one fails. What no such test noticed, and what runs at import (tables, defaults), is
written into the copy and judged by a fork that imports everything anew and runs all tests of the
room. Started by scripts/mutation with its orders in the environment (ORDERS, JSON).
"""

import ast
import functools
import gc
import hashlib
import json
import os
import resource
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import coverage
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings
from mutations import Mutation, mutations

ORDERS = "MUTATION_ORDERS"
"""Name of the environment variable that holds the JSON of `Orders`."""

MEMORY = 4 * 2**30
"""Bytes of address space of one fork: a mutant that never stops growing dies."""

EXAMPLES = 50
"""Of each property: half of what the unit gate tries."""

PATIENCE = 3.0
"""Times the processor time that the tests take unchanged, and ..."""

GRACE = 4.0
"""... seconds more, after which a mutant counts as killed: it never ends."""

START = 3.0
"""Seconds of processor time that importing and collecting take."""

CACHED = type(functools.cache(len))
"""What functools.cache makes of a function."""

KILLED, SURVIVED, UNREACHED = "killed", "survived", "unreached"


@dataclass(frozen=True)
class Orders:
    """What to do: the room, this process's share of its mutations, and how many seconds."""

    room: str
    share: int
    shares: int
    seed: int
    seconds: float
    results: str
    only: str = ""


@dataclass(frozen=True)
class Candidate:
    """A mutation of the file `path`."""

    path: Path
    change: Mutation


@dataclass
class Reach:
    """Which tests run which lines, and what each costs. Line numbers by file, then tests."""

    lines: Mapping[Path, Mapping[int, Sequence[str]]]
    seconds: dict[str, float] = field(default_factory=dict)

    def tests(self, candidate: Candidate) -> list[str]:
        """The tests that run the changed lines, shortest first."""
        lines = self.lines.get(candidate.path, {})
        wanted = range(candidate.change.first, candidate.change.last + 1)
        found = {test for line in wanted for test in lines.get(line, ()) if test}
        return sorted(found, key=lambda test: self.seconds.get(test, 0.0))


def pytest_configure() -> None:
    """No shrinking: the first counterexample is enough."""
    settings.register_profile(
        "mutation",
        settings.get_profile("ci"),
        max_examples=EXAMPLES,
        phases=(Phase.explicit, Phase.generate),
    )
    settings.load_profile("mutation")


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Instead of running the tests once: run them for each mutation of this process's share."""
    if "MUTATION_INSIDE" in os.environ:
        return None
    orders = Orders(**json.loads(os.environ[ORDERS]))
    started = time.monotonic()
    reach = measure(session.items, Path("mcpguard") / orders.room)
    candidates, total = share(orders)
    with Path(orders.results).open("w", encoding="utf-8") as out:
        print(json.dumps({"total": total, "baseline": sum(reach.seconds.values())}), file=out)
        for candidate in candidates:
            if time.monotonic() - started > orders.seconds:
                break
            verdict = judge(candidate, session.items, reach, orders)
            change = candidate.change
            row = (verdict, str(candidate.path), change.first, change.label, change.function)
            print(json.dumps(row), file=out, flush=True)
    return True


def share(orders: Orders) -> tuple[list[Candidate], int]:
    """This process's candidates in an order drawn from the seed, and how many there are in all."""
    files = sorted((Path("mcpguard") / orders.room).glob("*.py"))
    sources = {path: path.read_text("utf-8") for path in files}
    found = [Candidate(path, change) for path in files for change in mutations(sources[path])]
    if orders.only:
        found = [each for each in found if orders.only in f"{each.path}:{each.change.first}:"]
    found.sort(key=lambda each: drawn(orders.seed, each))
    return found[orders.share :: orders.shares], len(found)


def drawn(seed: int, candidate: Candidate) -> bytes:
    """Sorts candidates as if they had been shuffled, the same way each time."""
    text = f"{seed} {candidate.path} {candidate.change.steps} {candidate.change.which}"
    return hashlib.blake2b(text.encode()).digest()


def measure(items: Sequence[pytest.Item], folder: Path) -> Reach:
    """Run every test unchanged.

    Raises:
        pytest.UsageError: one of them fails.
    """
    watch = coverage.Coverage(data_file=None, config_file=False, source=[str(folder)])
    seconds: dict[str, float] = {}
    watch.start()
    for item, following in pairs(items):
        watch.switch_context(item.nodeid)
        forget_cached()
        before = time.process_time()
        if not passes(item, following):
            raise pytest.UsageError(f"fails without any mutation: {item.nodeid}")
        seconds[item.nodeid] = time.process_time() - before
    watch.stop()
    data = watch.get_data()
    lines = {
        Path(path).relative_to(Path.cwd()): data.contexts_by_lineno(path)
        for path in data.measured_files()
    }
    return Reach(lines, seconds)


def pairs(items: Sequence[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    return zip(items, [*items[1:], None], strict=True)


def passes(item: pytest.Item, following: pytest.Item | None) -> bool:
    reports = runtestprotocol(item, nextitem=following, log=False)
    return not any(report.failed for report in reports)


def forget_cached() -> None:
    """Empty every functools cache of the package: an answer from before proves nothing."""
    for module in [each for name, each in sys.modules.items() if name.startswith("mcpguard")]:
        for value in vars(module).values():
            if isinstance(value, CACHED):
                value.cache_clear()


def judge(candidate: Candidate, items: Sequence[pytest.Item], reach: Reach, orders: Orders) -> str:
    tests = reach.tests(candidate)
    if candidate.change.function and tests:
        chosen = {test: position for position, test in enumerate(tests)}
        selected = sorted(
            (item for item in items if item.nodeid in chosen), key=lambda item: chosen[item.nodeid]
        )
        limit = GRACE + PATIENCE * sum(reach.seconds[test] for test in tests)
        if not in_fork(lambda: swapped_run(candidate, selected), limit):
            return KILLED
    limit = GRACE + PATIENCE * (START + sum(reach.seconds.values()))
    source = candidate.path.read_bytes()
    try:
        candidate.path.write_text(ast.unparse(candidate.change.apply(source.decode())), "utf-8")
        survived = in_fork(lambda: fresh_run(orders.room, candidate.path.stem), limit)
    finally:
        candidate.path.write_bytes(source)
    if not survived:
        return KILLED
    return SURVIVED if tests or not candidate.change.function else UNREACHED


def in_fork(work: Callable[[], bool], limit: float) -> bool:
    """What `work` answers in a fork of this process; False when it dies or never ends."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            silence()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, limit)
            code = 0 if work() else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status == 0


def silence() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)


def swapped_run(candidate: Candidate, items: Sequence[pytest.Item]) -> bool:
    """Change the functions of the loaded module in memory and run `items`; True: all pass."""
    swap(candidate)
    forget_cached()
    return all(passes(item, following) for item, following in pairs(items))


def swap(candidate: Candidate) -> None:
    path = str(candidate.path.resolve())
    tree = candidate.change.apply(candidate.path.read_text("utf-8"))
    codes = {
        (code.co_qualname, code.co_firstlineno): code for code in inner(compile(tree, path, "exec"))
    }
    for function in gc.get_objects():
        if isinstance(function, types.FunctionType) and function.__code__.co_filename == path:
            old = function.__code__
            new = codes.get((old.co_qualname, old.co_firstlineno), old)
            if len(new.co_freevars) == len(old.co_freevars):
                function.__code__ = new


def inner(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from inner(constant)


def fresh_run(room: str, module: str) -> bool:
    """Import the package and the tests anew and run the room's tests; True: all pass.

    The module's own test files go first: one of them is what fails, if any does.
    """
    os.environ["MUTATION_INSIDE"] = "1"
    sys.dont_write_bytecode = True
    files = sorted(str(path) for path in Path("tests/unit", room).glob("test_*.py"))
    own = [path for path in files if Path(path).name.startswith(f"test_{module}")]
    rest = [path for path in files if path not in own]
    return all(imports_and_passes(chosen) for chosen in (own, rest) if chosen)


def imports_and_passes(files: Sequence[str]) -> bool:
    for name in [name for name in sys.modules if name.split(".")[0] in {"mcpguard", "tests"}]:
        del sys.modules[name]
    options = ("-x", "-q", "--no-header", "-p", "mutation_run")
    return pytest.main([*options, *files]) == 0
