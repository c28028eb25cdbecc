from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit.checkpoint import Keys, load_public
from mcpguard.audit.keeper import Rotation
from mcpguard.audit.proof import MAX_STEPS, check, prove_consistency, prove_inclusion
from mcpguard.audit.verify import read
from mcpguard.errors import AuditError
from mcpguard.model import JsonObject
from tests.unit.audit.logs import CALL, NOON, SEED, keep, kept, opened, sign, signed, write


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of 1, 9 and 20 records; the last in a later file."""
    path = tmp_path_factory.mktemp("log") / "audit.jsonl"
    now = [NOON]
    log, keeper = kept(path, clock=lambda: now[0], rotation=Rotation(age=1000))
    sign(keeper)
    write(log, *[CALL] * 7)
    sign(keeper)
    write(log, *[CALL] * 4)
    now[0] += 1000
    keep(keeper)
    write(log, CALL, CALL)
    log.close(keeper.last)
    return path


def keys(path: Path) -> Keys:
    return dict(load_public(file) for file in path.parent.glob("*.pub"))


OTHER: Keys = {"ed25519:0000000000000000": bytes(32)}


def sizes(path: Path) -> list[int]:
    parts = [*path.parent.glob("audit~*"), path]
    found = (record for part in parts for record in read(part) if "root" in record)
    return [size for record in found if isinstance(size := record["size"], int)]


@pytest.mark.guarantee("audit:merkle-proofs")
def test_every_signed_record_is_proved_with_nothing_but_the_proof_and_the_key(path: Path) -> None:
    newest = max(sizes(path))
    for seq in range(1, newest + 1):
        proof = orjson.loads(orjson.dumps(prove_inclusion(path, str(seq))))
        answer = check(proof, keys(path))
        assert (answer.holds, answer.signed) == (True, True)
        assert answer.told.startswith(f"record {seq} is one of the first {newest} records")
        assert not check(proof).signed
        assert not check(proof, OTHER).holds
    with pytest.raises(AuditError, match=f"no checkpoint covers record {newest + 1} yet"):
        prove_inclusion(path, str(newest + 1))


def test_a_record_is_named_by_the_first_digits_of_its_hash_too(path: Path) -> None:
    wanted = list(read(path))[1]
    digest = str(wanted["hash"])
    for name in (digest, digest[:8], digest[:20].upper()):
        assert prove_inclusion(path, name) == prove_inclusion(path, str(wanted["seq"]))


@pytest.mark.parametrize("name", ["", "x", "-1", "abcdef", "12 ", "²", "0x12345678"])
def test_what_names_no_record_is_an_error(path: Path, name: str) -> None:
    with pytest.raises(AuditError, match="names no record") as caught:
        prove_inclusion(path, name)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["0", "999", "deadbeef"])
def test_a_record_that_is_not_there_is_an_error(path: Path, name: str) -> None:
    with pytest.raises(AuditError, match="there is no record"):
        prove_inclusion(path, name)


@pytest.mark.guarantee("audit:merkle-proofs")
def test_two_checkpoints_are_proved_to_be_of_one_log(path: Path) -> None:
    known = sorted(set(sizes(path)))
    assert len(known) >= 3
    for first in known:
        for second in (each for each in known if each >= first):
            answer = check(prove_consistency(path, first, second), keys(path))
            assert (answer.holds, answer.signed) == (True, True)
    assert prove_consistency(path, known[0], 0) == prove_consistency(path, known[0], known[-1])


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [(2, 0, "no checkpoint of 2 records"), (1, 5, "no checkpoint of 5"), (9, 1, "9 records are")],
)
def test_sizes_without_a_checkpoint_are_an_error_that_names_some(
    path: Path, first: int, second: int, what: str
) -> None:
    with pytest.raises(AuditError, match=what) as caught:
        prove_consistency(path, first, second)
    assert caught.value.hint


@pytest.mark.guarantee("audit:merkle-proofs")
def test_a_log_that_was_changed_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    lines = signed(path)
    for at, line in enumerate(lines[:-1]):  # nothing signs the last checkpoint itself
        path.write_bytes(b"".join([*lines[:at], line[:-10] + b"00" + line[-8:], *lines[at + 1 :]]))
        with pytest.raises(AuditError) as caught:
            prove_inclusion(path, "3")
        assert caught.value.hint


HARMS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a record fewer": lambda lines: [*lines[:4], *lines[5:]],
    "no JSON in a checkpoint": lambda lines: [*lines[:-1], b"{" + lines[-1]],
    "a list for a checkpoint": lambda lines: [*lines[:-1], b'["event":"audit.c"]\n'],
    "a checkpoint of too many": lambda lines: [*lines[:4], *lines[6:]],
    "no hash": lambda lines: [*lines[:4], b"nothing\n", *lines[5:]],
    "no UTF-8": lambda lines: [*lines[:2], b"\xff" + lines[2], *lines[3:]],
}


@pytest.mark.parametrize("harm", HARMS.values(), ids=HARMS)
def test_a_log_that_does_not_fit_together_is_an_error_that_says_what_next(
    tmp_path: Path, harm: Callable[[list[bytes]], list[bytes]]
) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_bytes(b"".join(harm(signed(path))))
    with pytest.raises(AuditError) as caught:
        prove_inclusion(path, "3")
    assert caught.value.hint


def test_a_log_whose_beginning_nothing_tells_of_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    opened(path).close()
    path.rename(tmp_path / "audit~000000000002.jsonl")
    opened(path).close()
    (tmp_path / "audit~000000000002.jsonl").unlink()
    with pytest.raises(AuditError, match="nothing tells of the records before it"):
        prove_inclusion(path, "4")


Edit = Callable[[dict[str, Any]], object]
FORGED: dict[str, Edit] = {
    "another record": lambda proof: proof.update(
        record=proof["record"].replace("tool-s1-2", "tool-s1-9")
    ),
    "another hash before": lambda proof: proof.update(previous="00" * 32),
    "no path": lambda proof: proof.update(path=[]),
    "a step less": lambda proof: proof["path"].pop(),
    "a step more": lambda proof: proof["path"].append("00" * 32),
    "another step": lambda proof: proof["path"].__setitem__(0, "00" * 32),
    "another root": lambda proof: proof["checkpoint"].update(root="00" * 32),
    "another size": lambda proof: proof["checkpoint"].update(size=8),
    "another signature": lambda proof: proof["checkpoint"].update(signature="AAAA"),
    "a blank in the record": lambda proof: proof.update(record=proof["record"] + " "),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
@pytest.mark.guarantee("audit:merkle-proofs")
def test_a_proof_that_was_changed_proves_nothing(tmp_path: Path, forge: Edit) -> None:
    path = tmp_path / "audit.jsonl"
    signed(path)
    proof: JsonObject = deepcopy(prove_inclusion(path, "4"))
    assert check(proof, keys(path)).holds
    forge(proof)
    assert not check(proof, keys(path)).holds


@pytest.mark.guarantee("audit:merkle-proofs")
def test_a_fork_of_a_signed_log_cannot_be_proved_consistent(tmp_path: Path) -> None:
    one, two = tmp_path / "one" / "a.jsonl", tmp_path / "two" / "a.jsonl"
    for path, calls in ((one, 3), (two, 4)):
        signed(path, calls)
        signed(path, 2, "later")
    proof = prove_consistency(one, 5, 0)
    other = prove_consistency(two, 6, 0)
    assert check(proof, keys(one)).holds
    assert keys(one) == keys(two)  # both were signed
    assert not check({**proof, "new": other["new"]}, keys(one)).holds
    assert not check({**other, "old": proof["old"]}, keys(one)).holds


NO_PROOFS: dict[str, Edit] = {
    "of another format": lambda proof: proof.update(format="x"),
    "of another kind": lambda proof: proof.update(kind="x"),
    "of a kind that is no text": lambda proof: proof.update(
        kind=orjson.loads(b"[" * 1000 + b"]" * 1000)
    ),
    "without a path": lambda proof: proof.pop("path"),
    "with a path that is a text": lambda proof: proof.update(path="00"),
    "with a step that is no hash": lambda proof: proof.update(path=["00"]),
    "with a step that is a number": lambda proof: proof.update(path=[1]),
    "with too long a path": lambda proof: proof.update(path=["00" * 32] * (MAX_STEPS + 1)),
    "with a record that is no JSON": lambda proof: proof.update(record="{"),
    "with a record that is a number": lambda proof: proof.update(record=1),
    "without a checkpoint": lambda proof: proof.pop("checkpoint"),
    "with a checkpoint that is a list": lambda proof: proof.update(checkpoint=[]),
    "with a size that is a text": lambda proof: proof["checkpoint"].update(size="8"),
    "with a signature that is no base64": lambda proof: proof["checkpoint"].update(signature="?"),
}


@pytest.mark.parametrize("harm", NO_PROOFS.values(), ids=NO_PROOFS)
def test_what_is_no_proof_is_an_error(tmp_path: Path, harm: Edit) -> None:
    path = tmp_path / "audit.jsonl"
    signed(path, 2)
    proof: JsonObject = deepcopy(prove_inclusion(path, "2"))
    harm(proof)
    with pytest.raises(AuditError, match="not a proof that can be read") as caught:
        check(proof, keys(path))
    assert caught.value.hint


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["record", "previous", "path", "checkpoint"]), json))
def test_whatever_is_given_is_an_answer_or_our_own_error(given_: JsonObject) -> None:
    for kind in ("inclusion", "consistency"):
        proof: JsonObject = {"format": "mcpguard audit proof v1", "kind": kind, **given_}
        with suppress(AuditError):
            assert not check(proof, {"k": SEED}).holds
