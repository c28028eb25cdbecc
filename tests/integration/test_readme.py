"""What README.md says is what happens: its console sessions, its host entries, its examples."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import click
import pytest
import yaml

from mcpguard.cli import COMMANDS, mcpguard_group
from mcpguard.lock import lockfile
from mcpguard.model import ItemKind, Json, JsonObject
from mcpguard.wire.canonical import digest
from tests import tools
from tests.integration import readme
from tests.integration.host import Session, call

Played: TypeAlias = tuple[readme.Home, list[str]]
ROW = re.compile(r"\| `mcpguard [a-z]+").match
"""Whether a line is a row of the table of commands."""
ENTRIES = ("json claude_desktop_config.json", "json .mcp.json")


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A home in which every console command of the README was run, and what was not as shown."""
    home = readme.Home(tmp_path_factory.mktemp("readme"))
    return home, list(_play(home))


def _play(home: readme.Home) -> Iterator[str]:
    session = readme.session()
    code = 0
    for shown, following in zip(session, [*session[1:], None], strict=True):
        if shown.command == "echo $?":
            output = f"{code}\n"
        else:
            code, output = home.run(shown.command)
            asked = following is not None and following.command == "echo $?"
            if code != 0 and not asked:
                yield f"$ {shown.command}\nexit code {code}:\n{output}"
        if found := readme.difference(shown.output, output):
            yield f"$ {shown.command}\n{found}"


def test_every_console_command_does_what_the_readme_shows(played: Played) -> None:
    _, problems = played
    assert not problems, "\n\n".join(problems)
    assert len(readme.session()) >= 15


def test_every_command_of_the_readme_is_run_or_is_an_install_step() -> None:
    shell = [body for tag, body in readme.BLOCKS if tag.split()[0] == "sh"]
    unrun = [shlex.split(line, comments=True)[:2] for line in "".join(shell).splitlines()]
    first = [["scripts/test"], ["pipx", "install"], ["npm", "install"], ["claude", "mcp"]]
    ci = [["npm", "install"], ["pip", "wheel"], ["cp", ".ci/requirements-runtime.txt"]]
    assert unrun == [*first, *ci]


@pytest.mark.parametrize("tag", ENTRIES)
def test_a_host_entry_starts_verbatim_from_a_minimal_environment(tag: str, played: Played) -> None:
    home, _ = played
    [entry] = json.loads(readme.block(tag))["mcpServers"].values()
    _works([entry["command"], *entry["args"]], home, **entry.get("env", {}))


def test_what_claude_mcp_add_stores_starts_from_a_minimal_environment(played: Played) -> None:
    home, _ = played
    words = readme.block("sh claude-mcp-add").strip().split(" -- ")[1]
    expanded = shlex.split(words.replace("~/", f"{home.path}/"))  # by the person's shell
    _works(expanded, home)


def test_what_wrap_writes_starts_verbatim_and_unwrap_gives_the_file_back(played: Played) -> None:
    home, _ = played
    before = home.desktop.read_bytes()
    code, output = home.run("mcpguard wrap --yes docs")
    assert code == 0, output
    [entry] = json.loads(home.desktop.read_bytes())["mcpServers"].values()
    assert entry["command"] == str(home.path / ".local" / "bin" / "mcpguard")
    _works([entry["command"], *entry["args"]], home)
    assert home.run("mcpguard unwrap docs")[0] == 0
    assert home.desktop.read_bytes() == before
    assert json.loads(before)["mcpServers"].keys() == {"docs"}


def _works(command: list[str], home: readme.Home, **env: str) -> None:
    """Handshake, list and call; then the end as it should be."""
    with Session(command, Path("/"), {**home.minimal, **env}) as session:
        assert session.start()["serverInfo"]["name"] == "secure-filesystem-server"
        assert "list_directory" in session.names()
        found = json.loads(session.exchange(call(1, "list_directory", path="."), 1))
        assert found["result"]["content"] == [{"type": "text", "text": "[FILE] plan.txt"}]
        assert session.finish()[0] == 0, session.stderr.decode()


def test_the_lockfile_shown_is_a_part_of_the_one_that_lock_writes(played: Played) -> None:
    home, _ = played
    real = (home.path / "work" / "mcp-lock.json").read_text("utf-8")
    shown = json.loads(readme.block("json mcp-lock.json"))
    assert _missing(shown, json.loads(real.replace(str(home.path), "/home/you"))) == []


def test_the_steps_of_the_workflow_do_what_ci_needs(played: Played, tmp_path: Path) -> None:
    home, _ = played
    project, home.cwd = home.path / "project", home.path / "project"
    locked, sarif, summary = project / "mcp-lock.json", project / "mcpguard.sarif", tmp_path / "s"
    compare, show = _steps(tmp_path)
    assert home.run(compare)[0] == 0
    assert _results(sarif) == []
    reviewed = locked.read_bytes()
    locked.write_bytes(_with_another_description(locked, "write_file"))
    assert home.run(compare)[0] == 1
    assert [each["level"] for each in _results(sarif)] == ["error"]
    assert home.run(f"GITHUB_STEP_SUMMARY={summary} {show}")[0] == 0
    said = [line for line in summary.read_text("utf-8").splitlines() if line]
    assert "write_file" in "".join(said)
    assert [line for line in said if not line.startswith("    ")] == []
    locked.unlink()
    assert (home.run(compare)[0], sarif.exists()) == (2, False)
    locked.write_bytes(reviewed)


def _steps(folder: Path) -> list[str]:
    """The steps of the workflow in docs/ci.md that call mcpguard, as a runner starts them."""
    jobs = yaml.safe_load(readme.block("yaml .github/workflows/mcp.yml"))["jobs"]
    scripts = [step.get("run", "") for step in jobs["check"]["steps"]]
    mine = [script for script in scripts if re.search(r"mcpguard (check|diff)", script)]
    for number, script in enumerate(mine):
        (folder / f"{number}.sh").write_text(script, "utf-8")
    return [f"bash -e {folder}/{number}.sh" for number in range(len(mine))]


def _results(sarif: Path) -> list[JsonObject]:
    [run] = json.loads(sarif.read_text("utf-8"))["runs"]
    return list(run["results"])


def _missing(shown: Json, real: Json, where: str = "") -> list[str]:
    """Where `shown` has something that `real` has not."""
    if not isinstance(shown, dict) or not isinstance(real, dict):
        return [] if shown == real else [f"{where}: {shown!r} is {real!r}"]
    return [
        found
        for key, value in shown.items()
        for found in _missing(value, real.get(key), f"{where}/{key}")
    ]


def test_denials_read_as_the_readme_shows_them(played: Played) -> None:
    home, _ = played
    lock = home.path / ".config" / "mcpguard" / "changed.json"
    lock.write_bytes(_with_another_description(lock.with_name("files.json"), "write_file"))
    command = [str(tools.MCPGUARD), "proxy", "--lock", str(lock)]
    with Session(command, home.path, home.minimal) as session:
        session.start()
        unknown = session.exchange(call(1, "exec_shell", command="id"), 1)
        arguments = session.exchange(call(2, "list_directory", path=7), 2)
        drifted = session.exchange(call(3, "write_file", path="a", content="b"), 3)
    said = json.loads(unknown)["error"]
    assert (said["code"], said["message"]) == (-32602, _words("text denial-unknown"))
    assert _text(arguments) == _words("text denial-arguments")
    assert _text(drifted) == _words("text denial-drifted")


def _with_another_description(path: Path, tool: str) -> bytes:
    """The lockfile at `path`, reviewed when `tool` still said something else."""
    locked = lockfile.parse(path.read_bytes(), str(path))
    item = locked.items[ItemKind.TOOL][tool]
    definition = {**item.definition, "description": "Write a file."}
    tools_then = {
        **locked.items[ItemKind.TOOL],
        tool: item._replace(definition=definition, digest=digest(definition)),
    }
    return lockfile.render(replace(locked, items={**locked.items, ItemKind.TOOL: tools_then}))


def _words(tag: str) -> str:
    return " ".join(readme.block(tag).split())


def _text(answer: bytes) -> str:
    result = json.loads(answer)["result"]
    assert result["isError"] is True
    return str(result["content"][0]["text"])


def test_the_table_of_commands_is_the_help() -> None:
    row = re.compile(r"^\| `mcpguard ([a-z]+)[^|]*` \| ([^|]+) \| [^|]+ \|$", re.MULTILINE)
    rows = row.findall(readme.TEXT)
    assert rows == [(name, row.help) for name, row in COMMANDS.items()]


def test_the_table_of_commands_names_every_subcommand() -> None:
    context = click.Context(mcpguard_group)
    commands = {name: mcpguard_group.get_command(context, name) for name in COMMANDS}
    page = (tools.ROOT / "README.md").read_text("utf-8").splitlines()
    lines = {line.split()[2].strip("`"): line for line in page if ROW(line)}
    unseen = [
        f"{name} {each}"
        for name, command in commands.items()
        if isinstance(command, click.Group)
        for each in command.commands
        if not re.search(rf"`(?:mcpguard {name} )?{each}\b", lines[name])
    ]
    assert unseen == []


def test_nobody_is_told_to_install_the_package_of_somebody_else() -> None:
    installs = re.findall(r"(?:pip|pipx|uv|uvx)[^\n`]*install[^\n`]*|uvx [^\n`]*", readme.TEXT)
    assert installs
    assert [line for line in installs if re.search(r"\bmcpguard\b(?!-daemon)", line)] == []


@pytest.mark.parametrize("page", tools.PAPERS)
def test_what_a_page_links_to_exists(page: str) -> None:
    text = re.sub(r"^```.*?^```", "", (tools.ROOT / page).read_text("utf-8"), flags=FENCED)
    targets = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if not there(page, target)] == []
    assert targets


FENCED = re.MULTILINE | re.DOTALL


def there(page: str, target: str) -> bool:
    """Whether a link of a page leads to a file, and to a heading of it if it names one."""
    path, _, heading = target.partition("#")
    file = (tools.ROOT / page).parent / path if path else tools.ROOT / page
    return file.exists() and (not heading or heading in headings(file))


def headings(file: Path) -> set[str]:
    """The anchors that a forge makes of a page's headings."""
    said = re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in said}
