"""Where the tests find the real servers, the SDK clients and the installed command.

`scripts/test --setup` makes them. A test under tests/integration/ fails when one is missing; it is
never skipped.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FIXTURES = ROOT / "fixtures"

PAPERS = (
    "README.md",
    *(f"docs/{page}.md" for page in ("scanning", "settings", "lockfile", "audit", "recipes")),
    *(f"docs/{page}.md" for page in ("team", "ci")),
)
"""What users read, in the order in which its console sessions are run."""

_WINDOWS = sys.platform == "win32"
_BIN = "Scripts" if _WINDOWS else "bin"
_EXE = ".exe" if _WINDOWS else ""

NODE_MODULES = ROOT / ".tools" / "node" / "node_modules"
"""Holds @modelcontextprotocol/{server-everything,server-filesystem,server-memory,sdk,client}."""

SDK2_PYTHON = ROOT / ".tools" / "sdk2" / _BIN / f"python{_EXE}"
"""An interpreter with mcp 2.x, mcp_server_time and mcp_server_git (run them with -m)."""

SDK1_PYTHON = ROOT / ".tools" / "sdk1" / _BIN / f"python{_EXE}"
"""An interpreter with the last mcp 1.x."""

MCPGUARD = Path(sys.executable).with_name(f"mcpguard{_EXE}")
"""The console script of the environment that runs the tests."""

_NODE = NODE_MODULES / "@modelcontextprotocol"
SERVER_EVERYTHING = _NODE / "server-everything" / "dist" / "index.js"
SERVER_FILESYSTEM = _NODE / "server-filesystem" / "dist" / "index.js"
SERVER_MEMORY = _NODE / "server-memory" / "dist" / "index.js"

NEEDED = (SERVER_EVERYTHING, SERVER_FILESYSTEM, SERVER_MEMORY, SDK2_PYTHON, SDK1_PYTHON, MCPGUARD)


def papers() -> str:
    """All that users read, as one text."""
    return "\n".join((ROOT / page).read_text("utf-8") for page in PAPERS)


def missing() -> str:
    """A sentence that says what to run, or empty when everything is there."""
    absent = [str(path) for path in NEEDED if not path.exists()]
    return f"not found: {', '.join(absent)}. Run: scripts/test --setup" if absent else ""
