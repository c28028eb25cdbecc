"""Many processes on one store, and what becomes of the limits when one of them, or it, dies."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

import pytest

from mcpguard.store import BACKENDS
from tests.faults.store_taker import LIMITS
from tests.unit.store.backends import RedisServer, Use, most_in_a_window
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parents[2]
TAKER = Path(__file__).with_name("store_taker.py")
PROCESSES = 4
TAKES = 10_000

ENOUGH = {"few": 7, "short": 100, "many": 300, "bucket": 30, "burst": 20, "day": 250}
"""Units that must have been used at least, or the test would show nothing."""

Uses: TypeAlias = dict[str, list[Use]]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    # Told to the kernel before it is answered: `everysec` puts that off while a disk is slow.
    server = RedisServer("--appendonly", "yes", "--appendfsync", "no")
    yield server
    server.close()


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    if request.param == "sqlite":
        return "sqlite", str(tmp_path / "data" / "store.db")
    server: RedisServer = request.getfixturevalue("server")
    return "redis", server.url


class Crew:
    """Takers, each writing into a file of its own, so that none waits for a reader."""

    def __init__(self, processes: list[subprocess.Popen[bytes]], logs: list[Path]) -> None:
        self.processes = processes
        self.logs = logs

    def start(self) -> None:
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()

    def until(self, more: int, *kinds: str) -> None:
        """Waits until every process that lives has written so many more lines of these kinds."""
        before = [counted(log, kinds) for log in self.logs]

        def wrote() -> bool:
            each = zip(self.processes, self.logs, before, strict=True)
            return all(
                process.poll() is not None or counted(log, kinds) >= had + more
                for process, log, had in each
            )

        until(wrote, f"not {more} more of {kinds}")

    def ended(self) -> tuple[Uses, list[Counter[str]]]:
        """What all of them used, by limit, and how many lines of each kind each wrote."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(PATIENCE)
        return self.written()

    def written(self) -> tuple[Uses, list[Counter[str]]]:
        """As `ended`, until now."""
        uses: Uses = {key: [] for key in LIMITS}
        counts = []
        for log in self.logs:
            rows = lines(log)
            counts.append(Counter(kind for kind, _, _ in rows))
            for kind, when, units in rows:
                if kind in LIMITS:
                    uses[kind].append((float(when), int(units)))
        return uses, counts


@contextmanager
def crew(place: tuple[str, str], takes: int, folder: Path) -> Iterator[Crew]:
    BACKENDS[place[0]](place[1]).close()
    logs = [folder / f"{number}.log" for number in range(PROCESSES)]
    processes = [taker(place, takes, number, log) for number, log in enumerate(logs)]
    made = Crew(processes, logs)
    try:
        until(lambda: all(map(lines, logs)), "not all of them are ready")
        yield made
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def taker(place: tuple[str, str], takes: int, number: int, log: Path) -> subprocess.Popen[bytes]:
    out: IO[bytes]
    with log.open("wb") as out:
        return subprocess.Popen(
            [sys.executable, str(TAKER), *place, str(takes), str(number)],
            stdin=subprocess.PIPE,
            stdout=out,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )


def lines(log: Path) -> list[list[str]]:
    """The words of each line that is whole."""
    return [line.split() for line in log.read_text().rpartition("\n")[0].splitlines()]


def counted(log: Path, kinds: Sequence[str]) -> int:
    """Lines of these kinds."""
    return sum(kind in kinds for kind, _, _ in lines(log))


def over(uses: Uses) -> dict[str, float]:
    """The limits that were exceeded. The store counts whole milliseconds: one may be off."""
    fullest = {key: most_in_a_window(LIMITS[key], uses[key], slack=1.0) for key in LIMITS}
    return {key: part for key, part in fullest.items() if part > 1}


def used(uses: Uses) -> dict[str, int]:
    return {key: sum(units for _, units in rows) for key, rows in uses.items()}


def scarce(uses: Uses) -> dict[str, int]:
    """The limits of which not `ENOUGH` was used, and how much was."""
    return {key: units for key, units in used(uses).items() if units < ENOUGH[key]}


@pytest.mark.guarantee("store:never-above-the-limit")
def test_four_processes_at_once_exceed_no_limit(place: tuple[str, str], tmp_path: Path) -> None:
    with crew(place, TAKES // PROCESSES, tmp_path) as takers:
        takers.start()
        until(lambda: not scarce(takers.written()[0]), lambda: str(scarce(takers.written()[0])))
        uses, counts = takers.ended()
    assert over(uses) == {}
    assert [(count["done"], count["lost"]) for count in counts] == [(1, 0)] * PROCESSES


def test_a_process_killed_at_its_taking_takes_no_limit_with_it(
    place: tuple[str, str], tmp_path: Path
) -> None:
    with crew(place, 500, tmp_path) as takers:
        takers.start()
        for process in takers.processes[:2]:
            takers.until(100, *LIMITS)
            process.kill()
        uses, counts = takers.ended()
    assert over(uses) == {}
    assert [count["lost"] for count in counts] == [0] * PROCESSES
    assert [count["done"] for count in counts[2:]] == [1, 1]
    store = BACKENDS[place[0]](place[1])
    assert store.take("after", LIMITS["day"], 1, 1000).units == 1
    store.close()


def test_a_redis_killed_under_load_grants_nothing_wrongly_before_or_after(
    server: RedisServer, tmp_path: Path
) -> None:
    with crew(("redis", server.url), 500, tmp_path) as takers:
        takers.start()
        for _ in range(3):
            takers.until(60, *LIMITS)
            server.kill()
            takers.until(1, "lost")
            server.restart()
        takers.until(60, *LIMITS)
        uses, counts = takers.ended()
    assert over(uses) == {}
    assert [count["done"] for count in counts] == [1] * PROCESSES


def test_a_redis_that_stays_away_grants_nothing(server: RedisServer, tmp_path: Path) -> None:
    with crew(("redis", server.url), 500, tmp_path) as takers:
        takers.start()
        takers.until(20, *LIMITS)
        server.kill()
        takers.until(1, "lost")
        uses, _ = takers.ended()
    assert over(uses) == {}
    for log in takers.logs:
        kinds = [kind for kind, _, _ in lines(log)]
        first = kinds.index("lost")
        # Leases in hand may still be used; with the store away there are four at most.
        assert sum(kind in LIMITS for kind in kinds[first:]) <= 4
