"""A session begun with a key: made, pinned, recorded, and proved from the log alone."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.host import OFFICE, Place
from tests.integration.test_rules import Calls, refused, text

RECORDS = "import pathlib, sys; pathlib.Path(sys.argv[1]).touch(); sys.stdin.read()"


class Holder:
    """One user of the office: a key, settings of its own, a data directory that may be shared."""

    def __init__(self, base: Path, lock: Path, data: Path) -> None:
        self.place = Place(base, OFFICE)
        shutil.copy(lock, self.place.lock)
        self.config, self.key = base / "config" / "mcpguard.yaml", base / "config" / "id.pem"
        self.place.env["MCPGUARD_CONFIG_DIR"] = str(self.config.parent)
        self.place.env["MCPGUARD_DATA_DIR"] = str(data)
        made = self.place.mcpguard("identity", "new", str(self.key))
        assert made.returncode == 0, made.stderr
        self.lines = made.stderr.decode().splitlines()[1:]
        self.did = self.place.mcpguard("identity", "show", str(self.key)).stdout.decode().strip()
        self.pin("")

    def pin(self, more: str) -> None:
        self.config.write_text("\n".join([*self.lines, more]))

    def notes(self, count: int) -> list[str]:
        """What so many calls of one session give."""
        with self.place.proxy() as session:
            session.start(capabilities={})
            calls = Calls(session)
            given = [calls("note", text="a") for _ in range(count)]
            assert session.finish()[0] == 0
        return [refused(each) if each.get("isError") else text(each) for each in given]

    def verified(self, *options: str) -> tuple[int, str]:
        done = self.place.mcpguard("audit", "verify", str(self.place.audit), *options)
        return done.returncode, done.stdout.decode()


@pytest.fixture
def ana(office_lock: Path, tmp_path: Path) -> Holder:
    return Holder(tmp_path / "ana", office_lock, tmp_path / "data")


@pytest.mark.guarantee("audit:session-by-its-key", "identity:only-pinned-keys")
def test_a_pinned_key_begins_a_session_that_its_log_proves_anywhere(
    ana: Holder, tmp_path: Path
) -> None:
    assert ana.notes(2) == ["a", "a"]
    records = ana.place.records()
    assert {record["principal"] for record in records} == {ana.did}
    decided = [record for record in records if record.get("method") == "tools/call"]
    assert {(record["level"], record["score"] >= 500) for record in decided} == {(1, True)}
    [public] = (tmp_path / "data").glob("audit-ed25519-*.pub")
    elsewhere = tmp_path / "elsewhere" / "log.jsonl"
    elsewhere.parent.mkdir()
    shutil.copy(ana.place.audit, elsewhere)
    other = Place(elsewhere.parent, OFFICE)
    other.env["MCPGUARD_DATA_DIR"] = str(elsewhere.parent / "data")
    done = other.mcpguard("audit", "verify", str(elsewhere), "--key", str(public))
    assert done.returncode == 0
    assert f"  proved    {ana.did}: 1 session\n" in done.stdout.decode()
    seed = b"".join(ana.key.read_bytes().split()[3:-3])
    everything = b"".join(each.read_bytes() for each in tmp_path.rglob("*.jsonl"))
    assert seed not in everything
    assert ana.place.mcpguard("trust", "verify", str(ana.place.audit)).returncode == 0


@pytest.mark.guarantee("identity:only-pinned-keys")
@pytest.mark.parametrize("way", ["unpinned", "open to others", "gone", "a folder"])
def test_without_a_pinned_and_private_key_no_server_is_started(ana: Holder, way: str) -> None:
    ran = ana.place.base / "ran"
    if way == "unpinned":
        ana.config.write_text(ana.lines[0])
    elif way == "open to others":
        ana.key.chmod(0o644)
    else:
        ana.key.unlink()
        if way == "a folder":
            ana.key.mkdir()
    argv = (sys.executable, "-c", RECORDS, str(ran))
    for options in (("--audit-only", "--", *argv), ("--lock", str(ana.place.lock))):
        done = ana.place.mcpguard("proxy", *options)
        assert (done.returncode, done.stdout) == (2, b"")
        assert str(ana.key).encode() in done.stderr
        assert b"  next: " in done.stderr
        assert (ana.did.encode() in done.stderr) is (way == "unpinned")
    assert not ran.exists()


def test_two_keys_of_one_store_have_limits_and_scores_of_their_own(
    ana: Holder, office_lock: Path, tmp_path: Path
) -> None:
    ben = Holder(tmp_path / "ben", office_lock, tmp_path / "data")
    for each in (ana, ben):
        each.pin("limits: {tool: [2/hour]}")
    assert [note[:20] for note in ana.notes(3)] == ["a", "a", "[trust.rate_limit]: "]
    assert [note[:20] for note in ben.notes(3)] == ["a", "a", "[trust.rate_limit]: "]
    shown = json.loads(ana.place.mcpguard("trust", "show", "--format", "json").stdout)
    assert {ana.did, ben.did} <= set(str(shown).replace("'", " ").split())


def test_a_key_that_is_blocked_may_call_nothing(ana: Holder) -> None:
    done = ana.place.mcpguard("trust", "block", "principal", ana.did)
    assert (done.returncode, b"known" in done.stderr) == (0, False)
    assert ana.notes(1)[0].startswith("[trust.principal_blocked]: ")
