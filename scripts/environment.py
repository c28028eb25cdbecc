"""The environment that scripts/check and scripts/test share.

Standard library only: it runs before anything is installed.

    .venv/        mcpguard (editable), the test runner, linters  .ci/requirements.txt
    .tools/demo/  mcpguard alone, for scripts/demo               .ci/requirements-runtime.txt
    .tools/sdk2/  2.x SDK client, mcp-server-time and -git       .ci/requirements-servers.txt
    .tools/sdk1/  the last 1.x SDK client                        .ci/requirements-sdk1.txt
    .tools/agents/ LangChain and AutoGen, for the recipes        .ci/requirements-agents.txt
    .tools/node/  Node servers, TypeScript SDK clients           .ci/package-lock.json

Each part carries a stamp made of its lock file, the interpreter and the place, so a warm run does
nothing.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
TOOLS = ROOT / ".tools"
LOCKS = ROOT / ".ci"
BIN = "Scripts" if os.name == "nt" else "bin"
PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--quiet")

AT_ONCE = 2
"""Folders that are made at the same time: an install waits for the network and for one core."""

OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 20


class SetupError(Exception):
    """Something the set-up needs is missing or failed; the message says what to do."""


@dataclass(frozen=True)
class Part:
    """One part of the environment: the files its stamp is made of, and how it is made."""

    folder: Path
    inputs: tuple[Path, ...]
    make: Callable[["Part"], None]


def python(folder: Path = VENV) -> Path:
    """The interpreter of the virtual environment in `folder`."""
    return folder / BIN / ("python.exe" if os.name == "nt" else "python")


def clean_env(**extra: str) -> dict[str, str]:
    """This process's environment without what would redirect Python, and with `extra`."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return kept | extra


def ensure(names: Iterable[str] = ()) -> None:
    """Make or refresh the named parts (all by default).

    Raises:
        SetupError: a tool of the system is missing, or an install failed.
    """
    _require_python()
    folders: dict[Path, list[str]] = {}
    for name in tuple(names) or tuple(PARTS):
        folders.setdefault(PARTS[name].folder, []).append(name)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = [pool.submit(_ensure_in_order, parts) for parts in folders.values()]
        wait(made)
    for each in made:
        each.result()


def _ensure_in_order(names: Iterable[str]) -> None:
    """The parts of one folder, one after the other."""
    for name in names:
        part = PARTS[name]
        stamp = _stamp(part)
        mark = part.folder / f".stamp-{name}"
        if mark.is_file() and mark.read_text("ascii") == stamp:
            continue
        started = time.monotonic()
        part.make(part)
        mark.write_text(stamp, "ascii")
        where, took = part.folder.relative_to(ROOT), time.monotonic() - started
        print(f"set up {where} ({name}) in {took:.1f} s", flush=True)


def _require_python() -> None:
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:2]))
        raise SetupError(
            f"Python is {found}: install Python 3.11 and run: python3.11 {sys.argv[0]}"
        )


def _stamp(part: Part) -> str:
    digest = hashlib.sha256(f"{sys.version}\0{part.folder}\0".encode())
    for path in part.inputs:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _run(args: list[str], what: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        args,
        cwd=cwd,
        env=clean_env(**(env or {})),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-30:])
        raise SetupError(f"{what} failed (exit {done.returncode}):\n{tail}")


def _make_venv(part: Part) -> None:
    if not python(part.folder).exists():
        _run(
            [sys.executable, "-m", "venv", str(part.folder)],
            "python -m venv (on Debian: apt-get install python3-venv)",
        )
    install = [str(python(part.folder)), *PIP, "--require-hashes", "--only-binary", ":all:"]
    _run([*install, "-r", str(part.inputs[0])], f"pip install -r {part.inputs[0].name}")


def _make_editable(part: Part) -> None:
    install = [str(python(part.folder)), *PIP, "--no-deps", "--no-build-isolation"]
    compiled = {"MCPGUARD_COMPILE": "require"} if os.name == "posix" else {}
    _run([*install, "--editable", str(ROOT)], "pip install --editable .", env=compiled)


def _make_node(part: Part) -> None:
    npm = _require_node()
    part.folder.mkdir(parents=True, exist_ok=True)
    for path in part.inputs:
        shutil.copy(path, part.folder)
    _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], "npm ci", part.folder)


def _require_node() -> str:
    """The path of npm, once Node is known to be new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        absent = "npm" if node else "node"
        raise SetupError(f"{absent} not found: install Node {OLDEST_NODE} or newer")
    version = subprocess.check_output([node, "--version"], text=True).strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        raise SetupError(f"node is {version}: install Node {OLDEST_NODE} or newer")
    return npm


VERSION = ROOT / "mcpguard" / "__init__.py"
"""Holds `__version__`."""

COMPILED = (
    ROOT / "scripts" / "hatch_build.py",
    ROOT / "mcpguard" / "audit" / "fastpath" / "compiled.c",
    ROOT / "mcpguard" / "scan" / "threats" / "classifier" / "fastpath" / "compiled.c",
)
"""What builds the parts in C, and those parts."""

PARTS: dict[str, Part] = {
    "python": Part(VENV, (LOCKS / "requirements.txt",), _make_venv),
    "mcpguard": Part(VENV, (ROOT / "pyproject.toml", VERSION, *COMPILED), _make_editable),
    "demo": Part(TOOLS / "demo", (LOCKS / "requirements-runtime.txt",), _make_venv),
    "servers": Part(TOOLS / "sdk2", (LOCKS / "requirements-servers.txt",), _make_venv),
    "sdk1": Part(TOOLS / "sdk1", (LOCKS / "requirements-sdk1.txt",), _make_venv),
    "agents": Part(TOOLS / "agents", (LOCKS / "requirements-agents.txt",), _make_venv),
    "node": Part(TOOLS / "node", (LOCKS / "package.json", LOCKS / "package-lock.json"), _make_node),
}
