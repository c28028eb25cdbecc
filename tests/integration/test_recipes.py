"""The recipes of README.md: each SDK and framework, through `mcpguard proxy`, to a real server.

CrewAI's is shown and not run: its package is more than 1 GB. It was started by hand.
"""

import ast
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from mcpguard.audit.verify import read, verify
from tests import tools
from tests.integration import readme
from tests.waiting import PATIENCE

RECIPES = Path(__file__).parent / "recipes"
AGENTS_PYTHON = tools.ROOT / ".tools" / "agents" / "bin" / "python"
"""An interpreter with langchain-mcp-adapters and autogen-ext."""

BY_HAND = "crewai_recipe.py"
SECONDS = PATIENCE
"""One recipe may take; the slowest takes three."""


@dataclass(frozen=True)
class Recipe:
    """A program of the README, and what runs it."""

    file: str
    language: str
    interpreter: Path


TESTED = (
    Recipe("python_sdk_2.py", "python", tools.SDK2_PYTHON),
    Recipe("python_sdk_1.py", "python", tools.SDK1_PYTHON),
    Recipe("typescript_sdk.mjs", "js", Path(shutil.which("node") or "node")),
    Recipe("langchain_recipe.py", "python", AGENTS_PYTHON),
    Recipe("autogen_recipe.py", "python", AGENTS_PYTHON),
)
SHOWN = (*TESTED, Recipe(BY_HAND, "python", AGENTS_PYTHON))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> readme.Home:
    """A home in which the README's own commands made the lockfile of the recipes."""
    found = readme.Home(tmp_path_factory.mktemp("recipes"))
    first = next(at for at, each in enumerate(readme.session()) if "cd recipe" in each.command)
    for each in readme.session()[first : first + 2]:
        code, output = found.run(each.command)
        assert code == 0, output
    (found.cwd / "node_modules").symlink_to(tools.NODE_MODULES)
    for recipe in TESTED:
        shutil.copy(RECIPES / recipe.file, found.cwd)
    return found


@pytest.mark.parametrize("recipe", TESTED, ids=lambda recipe: recipe.file)
def test_a_recipe_lists_the_tools_and_calls_one_through_the_proxy(
    recipe: Recipe, home: readme.Home
) -> None:
    assert recipe.interpreter.exists(), f"{recipe.interpreter} not found: scripts/test --setup"
    log = home.path / ".local/share/mcpguard/audit/files.jsonl"
    log.unlink(missing_ok=True)
    done = subprocess.run(
        [str(recipe.interpreter), recipe.file],
        cwd=home.cwd, env=home.env, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    locked = orjson.loads((home.cwd / "mcp-lock.json").read_bytes())["tools"]
    listed = done.stdout[: done.stdout.index("]") + 1]
    assert sorted(ast.literal_eval(listed)) == sorted(locked)
    assert "[FILE] plan.txt" in done.stdout
    assert verify(log).problems == ()
    calls = [
        (record["direction"], record["target"], record["decision"])
        for record in read(log)
        if record.get("method") == "tools/call"
    ]
    assert calls == [
        ("host>server", "list_directory", "allow"),
        ("server>host", "list_directory", "allow"),
    ]


@pytest.mark.parametrize("recipe", SHOWN, ids=lambda recipe: recipe.file)
def test_the_readme_shows_the_recipe_that_is_tested(recipe: Recipe) -> None:
    shown = readme.block(f"{recipe.language} {recipe.file}")
    assert shown == (RECIPES / recipe.file).read_text("utf-8")


def test_every_recipe_file_is_in_the_table() -> None:
    assert {path.name for path in RECIPES.iterdir() if path.is_file()} == {
        recipe.file for recipe in SHOWN
    }
