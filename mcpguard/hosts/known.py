"""The table of every host whose servers `scan` finds: files on each platform, and their shape.

More hosts than `wrap` rewrites (`places`), because to read one is to know only its keys. Sources:
the hosts' own documentation; LM Studio's path is told by its users.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath, PureWindowsPath
from typing import Final

__all__ = ["ANY", "KNOWN", "WORDS", "Form", "Known", "Source", "files_of", "sources_of_file"]

ANY: Final = "*"
"""In a path of keys: every key of that object. At the head of a file's name: every such file."""

WORDS: Final = ("home", "config", "appdata", "project", "claude", "codex")
"""What the table's paths begin with. `config`: XDG_CONFIG_HOME. `appdata`: APPDATA, on Windows.

`project`: the directory that counts as the open project. `claude`, `codex`: where CLAUDE_CONFIG_DIR
and CODEX_HOME point, else the home and its `.codex`.
"""


class Form(StrEnum):
    """How a file is written."""

    JSON = "json"
    JSONC = "jsonc"
    TOML = "toml"
    YAML = "yaml"


@dataclass(frozen=True, slots=True)
class Source:
    """One place of a host. `scope`: as the host calls it, empty where there is only one.

    `files`: platform -> path with `WORDS` in braces. `path`: the keys that lead to the servers, an
    object by name or a list whose entries have a `name`. `shared`: it belongs to the project, which
    others write too.
    """

    files: Mapping[str, str]
    path: tuple[str, ...] = ("mcpServers",)
    form: Form = Form.JSON
    scope: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """A host, and everywhere it keeps servers."""

    title: str
    sources: tuple[Source, ...]


def _everywhere(path: str) -> Mapping[str, str]:
    return dict.fromkeys(("linux", "macos", "windows"), path)


def _application(path: str) -> Mapping[str, str]:
    """Where a desktop application keeps `path`, by the rule of each platform."""
    return {
        "linux": f"{{config}}/{path}",
        "macos": f"{{home}}/Library/Application Support/{path}",
        "windows": f"{{appdata}}/{path}",
    }


def _project(path: str, keys: tuple[str, ...] = ("mcpServers",), form: Form = Form.JSON) -> Source:
    return Source(_everywhere(f"{{project}}/{path}"), keys, form, "project", shared=True)


_CLINE = "Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json"

KNOWN: Final[Mapping[str, Known]] = {
    "claude-desktop": Known(
        "Claude Desktop", (Source(_application("Claude/claude_desktop_config.json")),)
    ),
    "claude-code": Known(
        "Claude Code",
        (
            Source(
                {
                    "linux": "/etc/claude-code/managed-mcp.json",
                    "macos": "/Library/Application Support/ClaudeCode/managed-mcp.json",
                    "windows": "C:/Program Files/ClaudeCode/managed-mcp.json",
                },
                scope="managed",
            ),
            Source(_everywhere("{claude}/.claude.json"), scope="user"),
            Source(
                _everywhere("{claude}/.claude.json"), ("projects", ANY, "mcpServers"), scope="local"
            ),
            _project(".mcp.json"),
        ),
    ),
    "cursor": Known(
        "Cursor",
        (
            Source(_everywhere("{home}/.cursor/mcp.json"), scope="user"),
            _project(".cursor/mcp.json"),
        ),
    ),
    "vscode": Known(
        "VS Code",
        (
            Source(_application("Code/User/mcp.json"), ("servers",), Form.JSONC, "user"),
            _project(".vscode/mcp.json", ("servers",), Form.JSONC),
            Source(
                _everywhere("{home}/.copilot/mcp-config.json"), form=Form.JSONC, scope="Copilot"
            ),
        ),
    ),
    "windsurf": Known(
        "Windsurf", (Source(_everywhere("{home}/.codeium/windsurf/mcp_config.json")),)
    ),
    "zed": Known(
        "Zed",
        (
            Source(
                {
                    "linux": "{config}/zed/settings.json",
                    "macos": "{home}/.config/zed/settings.json",
                    "windows": "{appdata}/Zed/settings.json",
                },
                ("context_servers",),
                Form.JSONC,
                "user",
            ),
            _project(".zed/settings.json", ("context_servers",), Form.JSONC),
        ),
    ),
    "codex": Known(
        "Codex",
        (
            Source(_everywhere("{codex}/config.toml"), ("mcp_servers",), Form.TOML, "user"),
            _project(".codex/config.toml", ("mcp_servers",), Form.TOML),
        ),
    ),
    "gemini": Known(
        "Gemini CLI",
        (
            Source(_everywhere("{home}/.gemini/settings.json"), form=Form.JSONC, scope="user"),
            _project(".gemini/settings.json", form=Form.JSONC),
            Source(_everywhere("{home}/.gemini/config/mcp_config.json"), scope="Antigravity"),
        ),
    ),
    "lm-studio": Known("LM Studio", (Source(_everywhere("{home}/.lmstudio/mcp.json")),)),
    "cline": Known("Cline", (Source(_application(_CLINE)),)),
    "continue": Known(
        "Continue",
        (
            Source(_everywhere("{home}/.continue/config.yaml"), form=Form.YAML, scope="user"),
            Source(
                _everywhere("{home}/.continue/mcpServers/*.yaml"), form=Form.YAML, scope="blocks"
            ),
            _project(".continue/mcpServers/*.yaml", form=Form.YAML),
        ),
    ),
    "junie": Known(
        "Junie",
        (
            Source(_everywhere("{home}/.junie/mcp/mcp.json"), scope="user"),
            _project(".junie/mcp/mcp.json"),
        ),
    ),
}
"""Name -> host, in the order in which they are listed."""


def files_of(source: Source, platform: str, words: Mapping[str, str]) -> str:
    """The path of `source` on `platform` (`linux`, `macos`, `windows`); may end with `*.SUFFIX`."""
    pure = PureWindowsPath if platform == "windows" else PurePosixPath
    parts = [part.format(**words) for part in source.files[platform].split("/")]
    return str(pure("/", *parts[1:]) if parts[0] == "" else pure(parts[0] + "/", *parts[1:]))


def sources_of_file(name: str) -> Iterator[tuple[str, Source]]:
    """Host and place for each row whose file is called `name`, the first of a shape alone."""
    seen = set()
    for host, known in KNOWN.items():
        for source in known.sources:
            wanted = {path.rpartition("/")[2] for path in source.files.values()}
            shape = (host, source.path, source.form)
            if shape not in seen and any(_fits(each, name) for each in wanted):
                seen.add(shape)
                yield host, source


def _fits(wanted: str, name: str) -> bool:
    return name.endswith(wanted[1:]) if wanted.startswith(ANY) else name == wanted
