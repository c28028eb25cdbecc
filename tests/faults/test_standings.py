"""Many processes that share scores, one of them killed: the store holds the fold of their logs."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mcpguard.live import standings
from mcpguard.store import BACKENDS
from mcpguard.store.memory import MemoryStore
from mcpguard.trust.account import Party
from mcpguard.trust.fold import fold
from mcpguard.trust.score import Standing
from tests.unit.live.proxies import FILES, logged
from tests.unit.store.backends import RedisServer

ROOT = Path(__file__).parents[2]
PUBLISHER = Path(__file__).with_name("publisher.py")
TURNS = 50
"""Of 50 calls each: four processes make 10,000."""


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    if request.param == "sqlite":
        yield "sqlite", str(tmp_path / "data" / "state.db")
        return
    server = RedisServer()
    yield "redis", server.url
    server.close()


def publishers(place: tuple[str, str], folder: Path, turns: int) -> list[subprocess.Popen[str]]:
    BACKENDS[place[0]](place[1]).close()
    processes = [
        subprocess.Popen(
            [sys.executable, str(PUBLISHER), *place, str(folder), f"s{number}", str(turns)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    return processes


def start(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def scores(held: dict[Party, Standing]) -> dict[Party, Standing]:
    """Without the order of what happened in one second."""
    return {party: standing._replace(recent=()) for party, standing in held.items()}


@pytest.mark.guarantee("control:scores-are-the-fold")
def test_ten_thousand_calls_of_four_processes_give_the_fold_of_their_logs(
    place: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    processes = publishers(place, folder, TURNS)
    start(processes)
    assert [len(process.communicate()[0].splitlines()) for process in processes] == [TURNS] * 4
    store = BACKENDS[place[0]](place[1])
    truth = fold(logged(folder))
    assert scores(standings.known(store)) == scores(truth)
    assert truth[FILES].events == 4 * TURNS * 50 + 4 * TURNS // 10
    store.close()


@pytest.mark.guarantee("control:scores-are-the-fold")
def test_what_a_killed_process_did_not_tell_counts_in_a_store_that_begins_anew(
    place: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    processes = publishers(place, folder, 10_000)
    start(processes)
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        process.kill()
        process.communicate()
    truth = fold(logged(folder))
    assert standings.load(MemoryStore(), [*truth], folder) == truth
