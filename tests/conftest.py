"""What every test shares: hypothesis profiles, marks by folder, and tests chosen by guarantee."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests import tools

if sys.version_info >= (3, 12):
    from typing import override
else:
    from typing_extensions import override

TESTS = Path(__file__).parent
MARKS = ("integration", "faults", "fuzz")
SHARING = {"test_bench", "test_readme", "test_recipes", "test_transparency"}
"""Files whose tests share what took up to a minute to make, so one worker runs all of them."""

# Files that tests make are nobody else's to write, whatever the shell that runs them says.
os.umask(0o022)

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)

# deadline=None everywhere: a loaded two-core machine is not a defect of the code under test.
# Nor is it one that it makes examples slowly.
settings.register_profile(
    "dev", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci",
    deadline=None,
    max_examples=100,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "mutants", settings.get_profile("ci"), phases=(Phase.explicit, Phase.generate)
)
settings.register_profile(
    "fuzz", deadline=None, max_examples=500, database=None, suppress_health_check=SLOW
)
settings.register_profile("deep", deadline=None, max_examples=5000, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--guarantee", metavar="ID", help="run only the tests that wear it")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in MARKS:
            item.add_marker(folder)
    wanted = config.getoption("--guarantee")
    if wanted:
        dropped = [item for item in items if wanted not in worn_by(item)]
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if wanted in worn_by(item)]


class Sharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types
    """Gives a test to whoever is free, but all of a file in `SHARING` to one worker, and first."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if Path(file).stem in SHARING else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Sharing | None:
    """For `--dist loadscope`; not `loadgroup`, which pytest 9.2 made do nothing (xdist #1386)."""
    return Sharing(config, log) if config.getvalue("dist") == "loadscope" else None


def worn_by(item: pytest.Item) -> set[str]:
    """The guarantee ids that a collected test wears."""
    return {name for mark in item.iter_markers("guarantee") for name in mark.args}


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("integration") and (message := tools.missing()):
        pytest.fail(message, pytrace=False)
