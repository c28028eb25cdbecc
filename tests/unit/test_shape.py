"""House rules that no linter knows: sizes, names, tables against files, lock files, papers."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from mcpguard import errors
from mcpguard.cli import COMMANDS, mcpguard_group
from mcpguard.errors import McpguardError
from mcpguard.pipeline import REQUIRED, STAGES
from tests.tools import ROOT

PACKAGE = ROOT / "mcpguard"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
ROOMS = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))

LONGEST_MODULE = 700
"""Lines. About 200 is what to aim at."""

TABLES = {"tests/guarantees.py"}
"""Modules that may be longer, as they are a table of data."""

LONGEST_FUNCTION = 60
"""Lines, docstring included. About 10 is what to aim at."""

MOST_FILES = 12
"""Modules of one room; fewer, deeper ones beat many shallow ones."""

ROOMY = {"mcpguard/cli": 30}
"""Modules of a room that may have more: `cli` has one file a command, by design."""

PARTS = {
    "found": "scan",
    "output": "scan",
    "sanitise": "gateway",
    "scopes": "gateway",
    "templates": "gateway",
    "terms": "gateway",
}
"""Modules of `pipeline` that are no stages: module -> the stage whose part it is."""

NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}
"""Names that say nothing about what is inside."""

PARAMETERS = {"_meta"}
"""What MCP calls so, and no module does."""

DODGES = {
    "pytest.skip",
    "pytest.xfail",
    "pytest.importorskip",
    "pytest.mark.skip",
    "pytest.mark.skipif",
    "pytest.mark.xfail",
    "unittest.mock",
    "mock.patch",
    "time.sleep",
    "anyio.sleep",
    "trio.sleep",
}
"""What makes a test pass without anything being shown."""

CLI = PACKAGE / "cli"
ERRORS = {each for each in errors.__all__ if issubclass(getattr(errors, each), McpguardError)}
"""Those with a hint. Deeper rooms raise some whose hint is given where they are caught."""

BROAD = {"", "Exception", "BaseException"}
"""What `except` must not catch only to pass."""

ADDRESS = re.compile(r'://|--find-links|--(?:extra-)?index-url|"resolved"|@ file:')
"""What would tie a lock file to one index."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@cache
def exported(path: Path) -> set[str]:
    """The names in the module's literal `__all__`."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def test_no_module_is_longer_than_its_limit() -> None:
    sizes = {name(path): len(path.read_text("utf-8").splitlines()) for path in MODULES + TESTS}
    long = {path: size for path, size in sizes.items() if size > LONGEST_MODULE}
    assert {path: size for path, size in long.items() if path not in TABLES} == {}


def test_no_function_is_longer_than_its_limit() -> None:
    sizes = {
        f"{name(path)}:{node.lineno} {node.name}": length(node)
        for path in MODULES
        for node in functions(path)
    }
    assert {place: size for place, size in sizes.items() if size > LONGEST_FUNCTION} == {}


def test_no_room_has_more_modules_than_its_limit() -> None:
    counts = {name(room): len(list(room.glob("*.py"))) for room in ROOMS}
    crowded = {each: n for each, n in counts.items() if n > ROOMY.get(each, MOST_FILES)}
    assert crowded == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name(path) for path in MODULES if path.stem in NAMELESS] == []


def test_every_room_and_module_says_what_it_is_for() -> None:
    assert [name(path) for path in MODULES if not ast.get_docstring(tree(path))] == []


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in MODULES}
    assert [
        name(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()
    ] == []


def test_every_exported_class_and_function_has_a_docstring() -> None:
    bare = [
        f"{name(path)} {node.name}"
        for path in MODULES
        for node in tree(path).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name in exported(path)
        and not ast.get_docstring(node)
    ]
    assert bare == []


def test_no_text_names_what_is_not_there_any_more() -> None:
    gone = [
        f"{name(path)} {each}"
        for path in MODULES + TESTS
        for each in quoted(path.read_text("utf-8"))
    ]
    assert gone == []


def quoted(text: str) -> set[str]:
    """A module's own names that stand in its docstrings or comments, and not in its code."""
    told = set(re.findall(r"`(_\w+)`", text)) - PARAMETERS
    return {each for each in told if not re.search(rf"(?<!`)\b{each}\b", text)}


def dodges(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in DODGES:
            yield f"{name(path)}:{node.lineno} {ast.unparse(node)}"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "monkeypatch.setattr":
            patched = ast.unparse(node.args[0])
            if patched != "sys":  # the edge of the process, not our own code
                yield f"{name(path)}:{node.lineno} monkeypatch.setattr({patched}, ...)"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("unittest"):
            yield f"{name(path)}:{node.lineno} {ast.unparse(node)}"


def swallowed(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ExceptHandler) and isinstance(node.body[0], ast.Pass):
            caught = ast.unparse(node.type) if node.type else ""
            if caught in BROAD:
                yield f"{name(path)}:{node.lineno} except {caught}: pass"


def test_no_test_is_dodged() -> None:
    assert [found for path in TESTS for found in dodges(path)] == []


def test_no_error_is_swallowed() -> None:
    assert [found for path in MODULES + TESTS for found in swallowed(path)] == []


def hintless(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ERRORS:
            given = {each.arg for each in node.keywords}
            if "hint" not in given:
                yield f"{name(path)}:{node.lineno} {ast.unparse(node)}"


def test_every_error_that_the_command_line_raises_says_what_next() -> None:
    assert [found for path in MODULES if path.is_relative_to(CLI) for found in hintless(path)] == []


def test_the_suite_runs_every_folder_of_tests_once() -> None:
    """`scripts/test` and the gates read one table, whose options divide a folder's tests."""
    text = (ROOT / "scripts" / "gates.py").read_text("utf-8")
    suite = text[text.index("SUITE:") : text.index("Every test once")]
    folders = {each.parent.name for each in (ROOT / "tests").glob("*/test_*.py")}
    folders |= {"unit", *(each.parent.parent.name for each in (ROOT / "tests").glob("*/*/test_*"))}
    assert folders == set(re.findall(r'"tests/(\w+)"', suite))


def test_every_room_has_unit_tests() -> None:
    rooms = {room.name for room in ROOMS}
    tested = {path.parent.name for path in (ROOT / "tests" / "unit").rglob("test_*.py")}
    assert sorted(rooms - tested) == []


def test_the_rooms_of_contributing_are_the_layers_of_the_import_contract() -> None:
    told = (ROOT / ".github" / "CONTRIBUTING.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| .+ \| (yes|no) \|$", told, re.MULTILINE)
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    layers, pure = linter["contracts"][0]["layers"], linter["contracts"][1]["source_modules"]
    rooms = {
        room: str(number)
        for number, layer in enumerate(layers, 1)
        for room in re.findall(r"(?<!\()\b\w+", layer)
    }
    assert {room: number for number, room, _ in rows} == rooms
    assert {room.name for room in ROOMS} <= rooms.keys()
    assert {room for _, room, does in rows if does == "no"} == {
        each.removeprefix("mcpguard.") for each in pure if each.count(".") == 1
    }


def test_every_stage_has_its_module_and_every_module_its_stage() -> None:
    modules = {path.stem for path in (PACKAGE / "pipeline").glob("*.py")} - {"__init__"}
    assert modules - set(PARTS) == set(STAGES)


@pytest.mark.parametrize(("part", "stage"), PARTS.items())
def test_a_part_of_a_stage_is_there_and_used_by_that_stage(part: str, stage: str) -> None:
    assert stage in STAGES
    assert (PACKAGE / "pipeline" / f"{part}.py").exists()
    imports = [
        node.module
        for node in ast.walk(tree(PACKAGE / "pipeline" / f"{stage}.py"))
        if isinstance(node, ast.ImportFrom)
    ]
    assert f"mcpguard.pipeline.{part}" in imports


def test_required_stages_exist_and_every_kind_of_subject_has_some() -> None:
    unknown = {stage for stages in REQUIRED.values() for stage in stages} - set(STAGES)
    assert (unknown, [kind for kind, stages in REQUIRED.items() if not stages]) == (set(), [])


def test_every_command_loads_and_the_readme_shows_it() -> None:
    context = click.Context(mcpguard_group)
    commands = [mcpguard_group.get_command(context, command) for command in COMMANDS]
    readme = (ROOT / "README.md").read_text("utf-8")
    unseen = [command for command in COMMANDS if f"mcpguard {command}" not in readme]
    assert (None in commands, unseen) == (False, [])


@pytest.mark.parametrize("lock", sorted((ROOT / ".ci").glob("*.txt")), ids=lambda path: path.name)
def test_requirements_are_pinned_hashed_and_name_no_index(lock: Path) -> None:
    text = lock.read_text("utf-8")
    entries = [entry for entry in re.split(r"\n(?=\S)", text.strip()) if not entry.startswith("#")]
    loose = [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
    assert (ADDRESS.findall(text), loose) == ([], [])


def test_the_node_lock_names_no_index() -> None:
    text = (ROOT / ".ci" / "package-lock.json").read_text("utf-8")
    assert re.findall(r'"resolved"|"_resolved"', text) == []
    assert '"integrity"' in text


def test_locked_requirements_cover_the_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.split(r"[<>=;\[ ]", line)[0] for line in project["dependencies"]}
    for lock in ("requirements.txt", "requirements-runtime.txt"):
        text = (ROOT / ".ci" / lock).read_text("utf-8")
        assert wanted <= set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE)), lock


def test_the_changelog_has_the_version() -> None:
    version = re.search(r'__version__ = "([^"]+)"', (PACKAGE / "__init__.py").read_text("utf-8"))
    assert version is not None
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert re.search(rf"^## \[{re.escape(version[1])}\]", changelog, re.MULTILINE)


def test_the_source_distribution_has_what_its_papers_link_to() -> None:
    """Its tests read the papers, too."""
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    always = ["LICENSE", "README.md", "pyproject.toml"]
    there = [*always, *(each.strip("/") for each in build["targets"]["sdist"]["include"])]
    papers = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob(".github/*.md")]
    linked = {
        (paper.parent / link).resolve().relative_to(ROOT)
        for paper in papers
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", paper.read_text("utf-8"))
    }
    assert len(linked) > len(papers)
    missing = [str(each) for each in linked if not any(map(each.is_relative_to, there))]
    assert missing == []


def test_actions_are_pinned_by_their_full_commit() -> None:
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / ".github/workflows").glob("*.yml"))
    used = re.findall(r"uses: (\S+)", text)
    assert used
    assert [action for action in used if not re.search(r"@[0-9a-f]{40}$", action)] == []
