"""README.md and docs/ as data: fenced blocks, the console sessions in them, a home to run them in.

A block's tag is the whole info string after the fence: `console`, `json .mcp.json`, `js one.mjs`.
In a `console` block, `$ ` begins a command, which a backslash at the end of a line continues; other
lines are its output, and `...` stands for any further ones. A command must exit 0 unless the next
one is `echo $?`.
"""

import difflib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests import tools
from tests.waiting import PATIENCE

TEXT = tools.papers()
FENCE = re.compile(r"^```([^\n`]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS: list[tuple[str, str]] = FENCE.findall(TEXT)
"""Tag and content of every fenced block, in order."""

REPLACED = (
    (re.compile(r"sha256:[0-9a-f.]+"), "sha256:X"),
    (re.compile(r"ed25519:[0-9a-f.]+"), "ed25519:X"),
    (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z"), "TIME"),
    (re.compile(r"^mcpguard: .* \.\.\.\n", re.MULTILINE), ""),
    (re.compile(r"^setting up .*\n", re.MULTILINE), ""),
)
"""What may differ between two runs: digests, times, and what is only said when it takes long."""

LAUNCHER = """#!/bin/sh
# Stands for npx: the same package, from the environment of the tests instead of a registry.
test "$1" = -y && shift
package=${{1%@*}}
shift
exec {node} {modules}/"$package"/dist/index.js "$@"
"""

SCRIPT = """{command}
code=$?
pwd > {pwd}
exit $code
"""

SECONDS = PATIENCE
"""One command may take; they take one to three."""


def blocks(tag: str) -> list[str]:
    """The contents of every block with this tag."""
    return [body for each, body in BLOCKS if each == tag]


def block(tag: str) -> str:
    """The one block with this tag."""
    [only] = blocks(tag)
    return only


@dataclass(frozen=True)
class Shown:
    """A command of the README and the output it shows beneath."""

    command: str
    output: str


def session() -> list[Shown]:
    """Every command of every console block, in order."""
    return [shown for body in blocks("console") for shown in _commands(body)]


def _commands(body: str) -> Iterator[Shown]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        lines = part.splitlines(keepends=True)
        last = next(at for at, line in enumerate(lines) if not line.endswith("\\\n"))
        yield Shown("".join(lines[: last + 1]).rstrip("\n"), "".join(lines[last + 1 :]))


class Home:
    """A home directory as the README assumes it, after its `sh` blocks (install, npm install).

    What stands for those: `~/.local/bin/mcpguard` is a link to the installed console script,
    `~/mcp-servers/node_modules` one to the pinned servers, `~/project/node_modules` too, and `npx`
    starts these. Claude Desktop has the file that the README shows before `wrap`, with this
    machine's node.
    """

    def __init__(self, base: Path) -> None:
        self.path = base / "you"
        self.bin = base / "bin"
        self.cwd = self.path / "work"
        self._pwd = base / "pwd"
        installed = self.path / "mcp-servers", self.path / "project"
        for folder in (self.bin, self.cwd, self.path / "Documents", *installed):
            folder.mkdir(parents=True)
        local = self.path / ".local" / "bin"
        local.mkdir(parents=True)
        (local / "mcpguard").symlink_to(tools.MCPGUARD)
        for folder in installed:
            (folder / "node_modules").symlink_to(tools.NODE_MODULES)
        (self.path / "Documents" / "plan.txt").write_text("Ship on Friday.\n", "utf-8")
        (self.cwd / "scripts").symlink_to(tools.ROOT / "scripts")
        node = _program("node")
        (self.bin / "node").symlink_to(node)
        self._write("npx", LAUNCHER.format(node=node, modules=tools.NODE_MODULES))
        self.desktop = self.path / ".config" / "Claude" / "claude_desktop_config.json"
        self.desktop.parent.mkdir(parents=True)
        text = block("json before-wrap").replace("/home/you", str(self.path))
        self.desktop.write_text(text.replace("/usr/bin/node", node), "utf-8")
        base_python = shlex.quote(str(Path(sys.executable).resolve()))
        self._write("python3", f'#!/bin/sh\nexec {base_python} "$@"\n')

    def _write(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text, "utf-8")
        (self.bin / name).chmod(0o755)

    @property
    def minimal(self) -> dict[str, str]:
        """The environment that a desktop application gives its servers."""
        return {"HOME": str(self.path), "PATH": "/usr/bin:/bin"}

    @property
    def env(self) -> dict[str, str]:
        """The environment of a person's shell."""
        path = f"{self.bin}:{self.path}/.local/bin:/usr/bin:/bin"
        return {**self.minimal, "PATH": path, "LANG": "C.UTF-8"}

    def run(self, command: str) -> tuple[int, str]:
        """Run one line as a shell does, where the last one left off: exit code, all output."""
        script = SCRIPT.format(command=command, pwd=self._pwd)
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS, check=False,
        )  # fmt: skip
        self.cwd = Path(self._pwd.read_text("utf-8").strip())
        return done.returncode, done.stdout.decode().replace(str(self.path), "/home/you")


def plain(text: str) -> str:
    """`text` without what may differ between two runs."""
    for pattern, replacement in REPLACED:
        text = pattern.sub(replacement, text)
    return text


def difference(shown: str, real: str) -> str:
    """Empty when `real` is what the README shows; otherwise the lines that differ."""
    want, got = plain(shown).splitlines(), plain(real).splitlines()
    if want[-1:] == ["..."]:
        want.pop()
        got = got[: len(want)]
    return "\n".join(difflib.unified_diff(want, got, "README.md", "real", lineterm=""))


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} not found: install it"
    return found
