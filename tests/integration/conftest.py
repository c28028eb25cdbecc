"""Places with a lock, made once a module and copied for each test that changes something."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.host import OFFICE, RECORDER, ROGUE, Place


@pytest.fixture(scope="session")
def rogue_lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lock of the rogue server while it was honest, with every ask allowed."""
    place = Place(
        tmp_path_factory.mktemp("rogue"), ROGUE, {"ROGUE": "honest", "ROGUE_WHEN": "start"}
    )
    asks = [
        word for kind in ("roots", "sampling", "elicitation") for word in ("--allow-request", kind)
    ]
    place.make_lock("--env", "ROGUE", "--env", "ROGUE_WHEN", *asks)
    return place.lock


@pytest.fixture(scope="session")
def wary_lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with no ask allowed."""
    place = Place(
        tmp_path_factory.mktemp("wary"), ROGUE, {"ROGUE": "honest", "ROGUE_WHEN": "start"}
    )
    place.make_lock("--env", "ROGUE", "--env", "ROGUE_WHEN")
    return place.lock


@pytest.fixture(scope="session")
def recorder_lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("recorder")
    place = Place(base, RECORDER, {"RECORDER_LOG": str(base / "seen")})
    place.make_lock("--env", "RECORDER_LOG")
    return place.lock


Rogue = Callable[..., Place]


@pytest.fixture
def rogue(rogue_lock: Path, wary_lock: Path, tmp_path: Path) -> Rogue:
    """Make a place where the proxy will meet the given behaviour."""

    def make(behaviour: str, *, when: str = "start", wary: bool = False) -> Place:
        place = Place(tmp_path, ROGUE, {"ROGUE": behaviour, "ROGUE_WHEN": when})
        shutil.copy(wary_lock if wary else rogue_lock, place.lock)
        return place

    return make


@pytest.fixture
def recorder(recorder_lock: Path, tmp_path: Path) -> Place:
    """A place with the recording server; `tmp_path / "seen"` holds what reached it."""
    place = Place(tmp_path, RECORDER, {"RECORDER_LOG": str(tmp_path / "seen")})
    shutil.copy(recorder_lock, place.lock)
    return place


@pytest.fixture(scope="session")
def office_lock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = Place(tmp_path_factory.mktemp("office"), OFFICE)
    place.make_lock()
    return place.lock
