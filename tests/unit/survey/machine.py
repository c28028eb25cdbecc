"""A machine with hosts' files on it, for tests: a home, a project, nothing else."""

import json
from pathlib import Path

import pytest

from mcpguard.survey.configs import Unread, survey
from mcpguard.survey.subjects import Subject


class Machine:
    """`home` and `project` of a user. Files are 0600 unless said otherwise."""

    def __init__(self, base: Path, patch: pytest.MonkeyPatch) -> None:
        self.home, self.project = base / "home", base / "home" / "project"
        self.project.mkdir(parents=True)
        self.environ = {"HOME": str(self.home), "PATH": "/usr/bin:/bin", "TMPDIR": "/nowhere"}
        patch.chdir(self.project)
        for name in ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME"):
            patch.delenv(name, raising=False)
        for name, value in self.environ.items():
            patch.setenv(name, value)

    def write(self, path: str, said: object, mode: int = 0o600) -> Path:
        """The file at `path` below the home; anything but text is written as JSON."""
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(said if isinstance(said, str) else json.dumps(said))
        file.chmod(mode)
        return file

    def survey(
        self, host: str = "", config: Path | None = None
    ) -> tuple[list[Subject], list[Unread]]:
        """What is found."""
        return survey(self.environ, host, config)


def servers(**entries: object) -> dict[str, object]:
    """A file of the usual shape."""
    return {"mcpServers": entries}
