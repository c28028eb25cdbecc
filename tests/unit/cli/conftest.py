"""A data directory of its own for whatever command is run."""

from pathlib import Path

import pytest


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory of every command here."""
    folder = tmp_path / "data"
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(folder))
    monkeypatch.setenv("MCPGUARD_CONFIG_DIR", str(tmp_path / "config"))
    folder.mkdir()
    return folder
