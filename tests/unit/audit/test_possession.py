"""Sessions that who holds a did:key began: what a log shows of it, and what it refuses."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import cast

import orjson
import pytest
from click.testing import CliRunner

from mcpguard.audit import AuditLog
from mcpguard.audit.checkpoint import Checkpoint, Signer
from mcpguard.audit.keeper import Keeper, Rotation
from mcpguard.audit.merkle import Tree
from mcpguard.audit.record import DOMAIN as LINES
from mcpguard.audit.record import GENESIS, HASH_KEY, MAX_BODY, MAX_DEPTH, link, seal
from mcpguard.audit.verify import MAX_PROVED, parts_of, read, verify
from mcpguard.cli.audit import audit
from mcpguard.errors import IdentityError, McpguardError
from mcpguard.identity import ed25519
from mcpguard.identity.did import did_of
from mcpguard.identity.holder import Holder
from mcpguard.identity.possession import check, prove, prover, statement
from mcpguard.identity.roster import fingerprint, holds
from mcpguard.model import Json, JsonObject
from tests.unit.audit.logs import CALL, KEY, SEED, ticking, write

ANA, EVE = Holder(b"a" * 32), Holder(b"e" * 32)
LOCK = "sha256:00"
HERS: JsonObject = {"session": "s1", "principal": ANA.did, "decision": "allow"}
Change = Callable[[JsonObject], None]


def session(
    path: Path,
    name: str = "s1",
    holder: Holder | None = ANA,
    *,
    server: str = "files",
    principal: str = "",
    seed: bytes = SEED,
    signing: bytes = SEED,
    size: int = 0,
) -> None:
    """A session of three calls. `seed`: the log's key as vouched for; `signing`: as it is."""
    log = AuditLog.open(
        path,
        key=KEY,
        session=name,
        server=server,
        principal=principal or (holder.did if holder else "local:default"),
        clock=ticking(),
        durability="none",
        tracked=True,
        defaults={"mode": "enforce"},
        facts={"lock": LOCK, "proved": "key" if holder else "profile"},
        prove=prover(holder, seed) if holder else None,
    )
    keeper = Keeper(log, Signer(signing, path.parent), Rotation(size, 0, 0), None)
    for _ in range(3):
        write(log, CALL)
    log.close(keeper.last)


def opening(path: Path) -> JsonObject:
    return next(read(path))


def relinked(path: Path, *changes: Change) -> None:
    """The log at `path` with its first records changed, and the chain computed anew."""
    previous, lines = GENESIS, []
    changing = [*changes]
    for line in path.read_bytes().splitlines():
        record = orjson.loads(line)
        del record["hash"]
        if changing:
            changing.pop(0)(record)
        body = orjson.dumps(record)[:-1]
        previous = link(previous, body)
        lines.append(seal(body, previous))
    path.write_bytes(b"".join(lines))


def wrong(path: Path) -> list[tuple[int, str, str]]:
    """What is wrong, but for checkpoints that a chain computed anew does not fit."""
    told = [(each.line, each.what, each.message) for each in verify(path).problems]
    return [each for each in told if "the checkpoint is not one of" not in each[2]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "log.jsonl"
    session(path)
    return path


@pytest.mark.guarantee("audit:session-by-its-key")
def test_a_log_says_whose_key_began_how_many_sessions(path: Path) -> None:
    session(path, "s2")
    session(path, "s3", EVE)
    session(path, "s4", None)
    report = verify(path)
    assert (report.problems, report.proved) == ((), ((ANA.did, 2), (EVE.did, 1)))


def test_the_command_says_it_too(path: Path) -> None:
    session(path, "s2")
    run = CliRunner().invoke
    assert f"  proved    {ANA.did}: 2 sessions\n" in run(audit, ["verify", str(path)]).stdout
    read_back = orjson.loads(run(audit, ["verify", str(path), "--format", "json"]).stdout)
    assert read_back["proved"] == [{"did": ANA.did, "sessions": 2}]


@pytest.mark.guarantee("audit:session-by-its-key")
def test_the_first_record_alone_shows_it_to_whoever_has_it(path: Path) -> None:
    """As docs/audit.md says, by other means than ours."""
    record = opening(path)
    proof = cast("JsonObject", record["proof"])
    said = {
        "lock": LOCK,
        "log_key": did_of(ed25519.public_of(SEED)),
        "previous": GENESIS.hex(),
        "principal": ANA.did,
        "server": "files",
        "session": "s1",
    }
    text = b"mcpguard session v1\n" + orjson.dumps(said)
    assert statement(record, proof) == text
    assert ed25519.sign(b"a" * 32, text).hex() == _raw(proof).hex()
    assert holds(ed25519.public_of(b"a" * 32), text, _raw(proof))


def _raw(proof: JsonObject) -> bytes:
    return base64.b64decode(str(proof["signature"]))


def _set(key: str, value: Json) -> Change:
    return lambda record: record.update({key: value})


def _proof(key: str, value: Json) -> Change:
    return lambda record: cast("JsonObject", record["proof"]).update({key: value})


def _without(key: str) -> Change:
    return lambda record: cast("JsonObject", record["proof"]).__delitem__(key)


def _kept(record: JsonObject) -> None:
    """As it was."""


def _drop(record: JsonObject) -> None:
    del record["proof"]


SIGNATURE = "is not that key's over this session"
CHANGES: dict[str, tuple[Change, str]] = {
    "no proof": (_drop, "there is no proof of it"),
    "an empty proof": (_set("proof", {}), "there is no proof of it"),
    "a proof that is none": (_set("proof", ["x"]), "the proof is not whole"),
    "proved otherwise": (_set("proved", "profile"), "says that it was proved otherwise"),
    "not said to be proved": (_set("proved", None), "says that it was proved otherwise"),
    "another principal": (_set("principal", EVE.did), "of another principal or session"),
    "another session": (_set("session", "s9"), "of another principal or session"),
    "another server": (_set("server", "mail"), SIGNATURE),
    "no text for a server": (_set("server", 5), SIGNATURE),
    "another lockfile": (_set("lock", "sha256:01"), SIGNATURE),
    "another DID in it": (_proof("did", EVE.did), "of another principal or session"),
    "another session in it": (_proof("session", "s9"), "of another principal or session"),
    "another hash before": (_proof("previous", "00" * 32), SIGNATURE),
    "another key of the log": (_proof("log_key", EVE.did), SIGNATURE),
    "another signature": (_proof("signature", "A" * 86 + "=="), SIGNATURE),
    "no base64": (_proof("signature", "é"), SIGNATURE),
    "a short signature": (_proof("signature", "AAAA"), SIGNATURE),
    "no signature": (_without("signature"), "the proof is not whole"),
    "no log's key": (_without("log_key"), "the proof is not whole"),
    "more in it": (_proof("more", 1), "the proof is not whole"),
}


@pytest.mark.guarantee("audit:session-by-its-key")
@pytest.mark.parametrize(("change", "why"), CHANGES.values(), ids=CHANGES)
def test_a_proof_that_was_changed_is_named(path: Path, change: Change, why: str) -> None:
    relinked(path, change)
    ((line, what, told),) = [each for each in wrong(path) if "vouched" not in each[2]]
    assert (line, what) == (1, "forged")
    assert told.startswith("forged: a session of did:key:z6Mk")
    assert told.endswith(why) or why in told
    assert verify(path).proved == ()
    assert CliRunner().invoke(audit, ["verify", str(path)]).exit_code == 1


def test_another_key_under_the_same_name_is_named(path: Path) -> None:
    record = opening(path)
    made = prover(EVE, SEED)({**record}, GENESIS)["proof"]
    relinked(path, _set("proof", cast("JsonObject", made) | {"did": ANA.did}))
    assert [SIGNATURE in told for *_, told in wrong(path)] == [True]


def test_a_profile_with_a_proof_is_no_key(path: Path) -> None:
    relinked(
        path,
        lambda record: (_set("principal", "local:ana")(record), _proof("did", "local:ana")(record))[
            0
        ],
    )
    assert [SIGNATURE in told for *_, told in wrong(path)] == [True]


@pytest.mark.guarantee("audit:session-by-its-key")
@pytest.mark.parametrize("name", ["log.jsonl", "other.jsonl"])
def test_a_session_of_another_place_is_not_of_this_one(tmp_path: Path, name: str) -> None:
    """The whole first record of a session, of the same log or of another one."""
    path, source = tmp_path / "log.jsonl", tmp_path / name
    session(path, "s1", None)
    if source != path:
        session(source, "s0", EVE)
    session(source, "s2")
    copied = [*read(source)][6]
    assert (copied["event"], copied["session"]) == ("session.start", "s2")
    kept = {key: value for key, value in copied.items() if key not in {"seq", "hash"}}
    relinked(path, lambda record: record.update(kept))
    ((_, what, told),) = [each for each in wrong(path) if each[0] == 1]
    assert what == "forged"
    assert told.endswith("the proof is of another place or log")


@pytest.mark.guarantee("audit:session-by-its-key")
def test_another_key_than_the_one_vouched_for_signs_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    session(path, signing=bytes(32))
    ((line, what, told),) = wrong(path)
    assert (line, what) == (6, "forged")
    assert told.endswith("not signed with the key that the session vouches for")
    given = {fingerprint(each): each for each in [ed25519.public_of(bytes(32))]}
    assert [each.what for each in verify(path, keys=given).problems] == ["forged"]
    session(path, "s2", None, signing=bytes(32))
    assert len(wrong(path)) == 1


@pytest.mark.guarantee("audit:session-by-its-key")
def test_nobody_else_signs_what_a_session_wrote(path: Path) -> None:
    """Records changed, and everything computed anew, but for what takes the log's key."""

    def denied(record: JsonObject) -> None:
        record["decision"] = "deny"

    report = verify(path)
    assert report.problems == ()
    forged = path.with_name("forged.jsonl")
    session(forged, signing=SEED)
    lines = forged.read_bytes().splitlines()
    told: JsonObject = orjson.loads(lines[-1])
    relinked(forged, _kept, denied)
    tree = Tree()
    hashes = [bytes.fromhex(orjson.loads(line)["hash"]) for line in _lines(forged)[:5]]
    tree.extend(b"".join(hashes))
    fields = Checkpoint(5, tree.root, tuple(tree.peaks), str(told["key"]), bytes(64)).fields()
    relinked(forged, *[_kept] * 5, lambda record: record.update(fields))
    ((line, what, why),) = [
        (each.line, each.what, each.message) for each in verify(forged).problems
    ]
    assert (line, what) == (6, "forged")
    assert why.endswith("not signed with the key that the session vouches for")


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def added(path: Path, *tell: JsonObject) -> None:
    """Lines at the end of the log at `path` that whoever has no key can write."""
    *_, last = read(path)
    previous, lines = bytes.fromhex(str(last["hash"])), []
    for seq, told in enumerate(tell, int(str(last["seq"])) + 1):
        body = orjson.dumps({"v": 1, "seq": seq, **told})[:-1]
        previous = link(previous, body)
        lines.append(seal(body, previous))
    with path.open("ab") as file:
        file.write(b"".join(lines))


def loose(path: Path) -> int:
    assert wrong(path) == []
    return verify(path).loose


@pytest.mark.guarantee("audit:records-of-a-key")
def test_what_somebody_else_signed_is_not_signed_by_who_began_it(path: Path) -> None:
    """Lines behind the first record of hers, and another session whose checkpoint is of all."""
    assert loose(path) == 0
    assert "  loose " not in CliRunner().invoke(audit, ["verify", str(path)]).stdout
    path.write_bytes(_lines(path)[0] + b"\n")
    assert loose(path) == 1
    added(path, *[HERS] * 4)
    session(path, "s2", None, signing=bytes(32))
    report = verify(path)
    assert (report.problems, report.proved, report.signed) == ((), ((ANA.did, 1),), 10)
    assert loose(path) == 5
    run = CliRunner().invoke
    told = "  loose     5 records of theirs: chained, and in no checkpoint of the session itself\n"
    assert told in run(audit, ["verify", str(path)]).stdout
    assert orjson.loads(run(audit, ["verify", str(path), "--format", "json"]).stdout)["loose"] == 5
    session(path.with_name("other.jsonl"))
    several = run(audit, ["verify", str(path.parent)]).stdout
    assert f"{path}: intact, 11 records, signed up to 10, 5 loose\n" in several


@pytest.mark.guarantee("audit:records-of-a-key")
def test_a_record_of_hers_behind_somebody_elses_session_is_not_signed_by_her(path: Path) -> None:
    session(path, "s2", None, signing=bytes(32))
    assert loose(path) == 0
    added(path, HERS)
    assert loose(path) > 0


@pytest.mark.guarantee("audit:records-of-a-key")
def test_a_session_of_a_key_holds_no_record_of_another_one(path: Path) -> None:
    session(path, "s2", EVE, seed=bytes(32), signing=bytes(32))
    added(path, HERS)
    ((line, what, told),) = wrong(path)
    assert (line, what) == (13, "forged")
    assert told == "forged: a record of another session in one that a key began"


@pytest.mark.guarantee("audit:records-of-a-key")
def test_what_a_session_signed_is_known_in_its_next_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    log = AuditLog.open(
        path,
        key=KEY,
        session="s1",
        server="files",
        principal=ANA.did,
        clock=ticking(),
        durability="none",
        tracked=True,
        facts={"lock": LOCK, "proved": "key"},
        prove=prover(ANA, SEED),
    )
    keeper = Keeper(log, Signer(SEED, tmp_path), Rotation(1, 0, 0), None)
    keeper.take()
    keeper.sign()
    keeper.commit()()
    write(log, CALL)
    keeper.take()
    keeper.sign()
    keeper.commit()()
    write(log, CALL)
    log.close()  # which signs nothing
    first, second = parts_of(path)
    before = verify(first, last=False)
    assert (before.loose, before.problems) == (0, ())
    after = verify(second, seam=before.seam)
    assert (after.loose, after.problems) == (3, ())
    session(path, "s2", None, signing=bytes(32))
    last = verify(second, seam=before.seam)
    assert (last.loose, last.problems) == (3, ())


def test_who_is_vouched_for_is_known_in_the_next_file(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    session(path)
    first = verify(path)
    assert first.seam is not None
    assert first.seam.vouched == ed25519.public_of(SEED)
    rest = tmp_path / "rest.jsonl"
    tree = first.seam.tree
    assert tree is not None
    forged = Checkpoint(tree.size, tree.root, tuple(tree.peaks), "ed25519:0", bytes(64)).fields()
    told: JsonObject = {"v": 1, "seq": 7, "session": "s1", "event": "audit.checkpoint", **forged}
    body = orjson.dumps(told)[:-1]
    rest.write_bytes(seal(body, link(first.seam.digest, body)))
    (found,) = verify(rest, seam=first.seam).problems
    assert found.message.endswith("not signed with the key that the session vouches for")


@pytest.mark.parametrize("levels", [MAX_DEPTH - 3, 900, 1020])
@pytest.mark.parametrize("key", ["principal", "proof", "signature", "ts"])
@pytest.mark.parametrize(
    "command", ["verify", "show", "tail", "stats", "export", "replay", "evidence"]
)
def test_a_record_that_is_nested_without_end_breaks_no_command(
    path: Path, key: str, levels: int, command: str
) -> None:
    record = opening(path)
    del record["hash"]
    proof = cast("JsonObject", record["proof"])
    (proof if key in proof and key != "session" else record)[key] = "deep"
    body = orjson.dumps(record)[:-1].replace(b'"deep"', b"[" * levels + b"]" * levels)
    path.write_bytes(seal(body, link(GENESIS, body)))
    result = CliRunner().invoke(audit, [command, str(path)])
    assert isinstance(result.exception, SystemExit | McpguardError | None)
    if command == "verify":
        covered = key != "ts" or levels > MAX_DEPTH
        assert bool(result.exit_code) == covered


def test_a_log_of_before_there_were_proofs_is_as_it_was(path: Path) -> None:
    def before(record: JsonObject) -> None:
        del record["proof"], record["proved"]

    relinked(path, before)
    assert [each for each in wrong(path) if "vouched" not in each[2]] == []


def test_a_program_that_names_a_did_proves_nothing_and_is_no_forgery(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    session(path, holder=None, principal=ANA.did)
    report = verify(path)
    assert (report.problems, report.proved) == ((), ())


@pytest.mark.parametrize("server", ["a\ud800b", "é" * 40_000, 'x"\n\x00'])
def test_a_name_that_is_written_otherwise_is_signed_as_it_is_written(
    tmp_path: Path, server: str
) -> None:
    path = tmp_path / "log.jsonl"
    session(path, server=server)
    report = verify(path)
    assert (report.problems, report.proved) == ((), ((ANA.did, 1),))


def test_a_name_that_makes_room_for_the_proof_is_signed_as_it_is_written(tmp_path: Path) -> None:
    """From the longest that is written whole without a proof to one with room for both."""
    bare = tmp_path / "bare.jsonl"
    session(bare, holder=None, principal=ANA.did, server="")
    most = MAX_BODY - bare.read_bytes().index(HASH_KEY)
    for number, size in enumerate(range(most - 900, most + 50, 50)):
        path = tmp_path / f"{number}.jsonl"
        session(path, server="x" * size)
        assert verify(path).problems == ()
        written = len(str(opening(path)["server"]))
        assert written == size or written < MAX_BODY // 2
    assert len(str(opening(tmp_path / "0.jsonl")["server"])) == most - 900


def test_of_a_broken_log_only_what_stands_before_is_proved(path: Path) -> None:
    session(path, "s2")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    report = verify(path)
    assert (bool(report.problems), report.proved) == (True, ((ANA.did, 1),))


def test_keys_that_are_counted_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    for number in range(MAX_PROVED + 2):
        session(path, f"s{number}", Holder(number.to_bytes(32, "big")))
    session(path, "again", Holder(bytes(32)))
    report = verify(path)
    assert (report.problems, len(report.proved), report.proved[0][1]) == ((), MAX_PROVED, 2)


def test_no_signature_is_one_over_anything_else(path: Path) -> None:
    record = opening(path)
    text = statement(record, cast("JsonObject", record["proof"]))
    assert text.startswith(b"mcpguard session v1\n")
    assert not text.startswith(LINES)
    assert check(record, GENESIS) == ed25519.public_of(SEED)
    with pytest.raises(IdentityError, match="of another place or log"):
        check(record, b"x" * 32)


def test_a_key_that_vouches_for_no_key_is_refused(path: Path) -> None:
    record = opening(path)
    del record["proof"]
    record |= prove(ANA, record, GENESIS, "ed25519:0123456789abcdef")
    with pytest.raises(IdentityError, match="not known yet"):
        check(record, GENESIS)


@pytest.mark.parametrize(
    ("command", "form"),
    [("show", "text"), ("show", "jsonl"), ("tail", "text"), ("stats", "text"), ("stats", "json")],
)
def test_a_proof_is_shown_like_any_other_field(path: Path, command: str, form: str) -> None:
    result = CliRunner().invoke(audit, [command, str(path), "--format", form])
    assert (result.exit_code, result.exception) == (0, None)
