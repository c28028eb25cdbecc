"""`mcpguard identity`: the key of who a host is, and the lines that pin it."""

from pathlib import Path

import orjson
import pytest

from mcpguard.cli import main
from mcpguard.config.loading import load
from mcpguard.identity.holder import opened

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def key(tmp_path: Path, capsys: Capture) -> Path:
    path = tmp_path / "keys" / 'id "1".pem'
    assert main(["identity", "new", str(path)]) == 0
    return path


def test_new_says_whose_key_it_made_and_the_lines_that_pin_it(key: Path, capsys: Capture) -> None:
    told, did = capsys.readouterr(), opened(key).did
    assert told.out == f"{key} holds the key of {did}\n"
    head, *lines = told.err.splitlines()
    assert head == "To begin sessions with it, write into mcpguard.yaml:"
    config = key.with_name("mcpguard.yaml")
    config.write_text("\n".join(lines))
    made = load(config).settings
    assert (made.identity, [*made.principals]) == (str(key), [did])


@pytest.mark.guarantee("identity:private-key")
def test_new_never_writes_over_what_is_there(key: Path, capsys: Capture) -> None:
    before = key.read_bytes()
    assert main(["identity", "new", str(key)]) == 2
    assert key.read_bytes() == before
    assert "is there already" in capsys.readouterr().err


def test_show_prints_the_name_alone_and_the_rest_beside(key: Path, capsys: Capture) -> None:
    capsys.readouterr()
    assert main(["identity", "show", str(key)]) == 0
    told = capsys.readouterr()
    assert told.out == opened(key).did + "\n"
    assert f'"{opened(key).did}": {{capabilities: []}}' in told.err
    assert main(["identity", "show", str(key), "--format", "json"]) == 0
    value = orjson.loads(capsys.readouterr().out)
    assert value == {"did": opened(key).did, "file": str(key)}


@pytest.mark.parametrize(
    "words", [("show", "{missing}"), ("show", "{folder}"), ("new", "{folder}")]
)
def test_what_cannot_be_done_is_exit_2_with_the_next_step(
    key: Path, words: tuple[str, str], capsys: Capture
) -> None:
    place = words[1].format(missing=key.with_name("none"), folder=key.parent)
    assert main(["identity", words[0], place]) == 2
    told = capsys.readouterr()
    assert (told.out.count("did:"), "  next: " in told.err) == (1, True)
    assert place in told.err
