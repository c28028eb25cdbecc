"""Policies that approvers set for all proxies: signed, the latest, recorded, and nobody else's."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.cli.signing import Signing
from mcpguard.control import policies
from mcpguard.control.policies import Policy, Row
from mcpguard.errors import McpguardError, RefusalError, StoreError, UsageError
from mcpguard.identity.keys import Signer, create, open_key, roster
from mcpguard.live.reloading import MAX_SAID
from mcpguard.model import JsonObject, Mode
from mcpguard.store.memory import MemoryStore
from tests.unit.live.test_desk import ANA, PHRASE, Room, done

FREE: JsonObject = {"min_trust": 0}


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    return Room(tmp_path)


@pytest.fixture
def ana(room: Room) -> Signer:
    place = room.folder / "data" / "approvers"
    create(place, "ana", PHRASE, work=2)
    room.governor.roster = roster(place)
    return open_key(place, "ana", PHRASE)


def made(
    ana: Signer, fields: JsonObject = FREE, *, at: int = 10, glob: str = "rm", server: str = ""
) -> Policy:
    return Signing(ana, lambda: at).policy(server, glob, fields)


def trust(room: Room, tool: str = "rm") -> int:
    return room.governor.settings.tools.of(tool).min_trust


def put(store: MemoryStore, policy: Policy) -> None:
    """As who may write the store does, and asks nobody."""
    key = policies.PREFIX + policies.place_of(policy)
    held = store.get(key)
    assert store.put(key, policies.as_json(policy), held.version if held else 0) is not None


def row(policy: Policy) -> Row:
    return policies.row_of(policies.place_of(policy), policies.as_json(policy))


def look(room: Room, store: MemoryStore) -> None:
    room.governor.observer.job()(store)()


@pytest.mark.guarantee("live:policy-is-an-approvers")
def test_a_policy_in_the_store_holds_from_the_first_look_on(room: Room, ana: Signer) -> None:
    store = MemoryStore()
    put(store, made(ana))
    look(room, store)
    look(room, store)
    assert (trust(room), trust(room, "ls")) == (0, 300)
    (event,) = room.events()
    assert (event["event"], event["by"], event["key"]) == ("control.policy", "ana", ana.key_id)
    shown = done(room.desk.status)["policies"]
    told = {"server": "", "glob": "rm", "fields": FREE, "at": 10, "key": ana.key_id}
    assert shown == [told]


def forged(ana: Signer, room: Room) -> dict[str, object]:
    """What others might put into the store."""
    real = made(ana)
    create(room.folder / "eve", "eve", PHRASE, work=2)
    eve = open_key(room.folder / "eve", "eve", PHRASE)
    told = policies.as_json(real)
    other = base64.b64encode(bytes(64)).decode()
    return {
        "no signature": {**told, "signature": ""},
        "another signature": {**told, "signature": other},
        "other fields": {**told, "fields": {"blocked": False}},
        "another pattern": {**told, "glob": "*"},
        "another server": {**told, "server": "server"},
        "a later time": {**told, "at": 11},
        "somebody else": policies.as_json(made(eve)),
        "somebody else's, under her name": {**policies.as_json(made(eve)), "key": ana.key_id},
        "a key more": {**told, "more": 1},
        "no time": {**told, "at": True},
        "a flood": {**told, "fields": {str(n): n for n in range(99)}},
        "nothing": None,
        "a text": "policy",
        "a list": [told],
    }


WHY = {
    "another signature": policies.WRONG,
    "other fields": policies.WRONG,
    "another pattern": policies.WRONG,
    "another server": policies.WRONG,
    "a later time": policies.WRONG,
    "somebody else": policies.STRANGER,
    "somebody else's, under her name": policies.WRONG,
}
"""Of those that can be read."""


@pytest.mark.guarantee("live:policy-is-an-approvers")
@pytest.mark.guarantee("live:ignored-policy-is-said")
def test_whoever_can_write_the_store_sets_no_policy_and_it_is_said(room: Room, ana: Signer) -> None:
    for name, value in forged(ana, room).items():
        store, before = MemoryStore(), len(room.events())
        policy = policies.read(value)  # type: ignore[arg-type]
        place = policies.place_of(policy) if policy is not None else "0" * 64
        store.put(policies.PREFIX + place, value, 0)  # type: ignore[arg-type]
        look(room, store)
        look(room, store)
        told = [(one["event"], one["why"], one["place"]) for one in room.events()[before:]]
        assert told == [("policy.ignored", WHY.get(name, policies.UNREADABLE), place)], name
        assert done(room.desk.status)["ignored"]["count"] == 1  # type: ignore[index,call-overload]
    assert (trust(room), trust(room, "ls")) == (300, 300)


@pytest.mark.guarantee("live:policy-is-an-approvers")
def test_a_policy_in_the_place_of_another_is_none(room: Room, ana: Signer) -> None:
    store = MemoryStore()
    put(store, made(ana, {"min_trust": 900}, at=20))
    # What she signed before, where it is read last.
    store.put(f"{policies.PREFIX}{'f' * 64}", policies.as_json(made(ana, FREE, at=19)), 0)
    look(room, store)
    assert trust(room) == 900
    assert [one["why"] for one in room.events() if one["event"] == "policy.ignored"] == [
        policies.MISPLACED
    ]


@pytest.mark.guarantee("live:ignored-policy-is-said")
def test_a_store_full_of_rubbish_is_said_in_few_records(room: Room, ana: Signer) -> None:
    put(store := MemoryStore(), made(ana))
    for number in range(policies.MAX_POLICIES - 1):
        store.put(f"{policies.PREFIX}{number}", number, 0)
        if number in {9, 10, 99} or number == policies.MAX_POLICIES - 2:
            look(room, store)
    said = [one for one in room.events() if one["event"] == "policy.ignored"]
    numbers = [one["count"] for one in said if one["count"] != 1]
    assert (len(said), numbers) == (MAX_SAID + 2, [84, 239])
    assert trust(room) == 0
    store.put(f"{policies.PREFIX}more", None, 0)
    with pytest.raises(StoreError, match="holds 257 policies of tools, at most 256"):
        look(room, store)
    with pytest.raises(UsageError, match="holds 256 policies of tools, and no session reads more"):
        policies.add(store, made(ana, glob="new"), lambda _: True)
    assert policies.add(store, made(ana, at=11), lambda _: True) is not None


@pytest.mark.guarantee("live:ignored-policy-is-said")
def test_what_the_store_has_lost_or_put_back_is_said_and_holds_nothing_up(
    room: Room, ana: Signer
) -> None:
    put(store := MemoryStore(), made(ana, at=20))
    look(room, store)
    put(older := MemoryStore(), made(ana, {}, at=19))
    for one in (MemoryStore(), store, MemoryStore(), MemoryStore(), MemoryStore(), older, older):
        look(room, one)
    said = [one["why"] for one in room.events() if one["event"] == "policy.ignored"]
    assert (said, trust(room)) == ([policies.LOST, policies.NOT_LATER], 0)


def test_an_approvers_policy_replaces_what_nobody_signed(ana: Signer, room: Room) -> None:
    among = room.governor.roster.approvers
    put(store := MemoryStore(), made(ana, at=90)._replace(signature=bytes(64)))
    assert policies.add(store, made(ana), lambda row: not policies.flaw(row, among)) is None
    look(room, store)
    assert trust(room) == 0


@pytest.mark.guarantee("live:policy-is-an-approvers")
def test_nobody_sets_a_policy_where_there_is_no_approver(room: Room, tmp_path: Path) -> None:
    create(tmp_path / "eve", "eve", PHRASE, work=2)
    store = MemoryStore()
    put(store, made(open_key(tmp_path / "eve", "eve", PHRASE)))
    look(room, store)
    assert trust(room) == 300


@pytest.mark.guarantee("live:policy-ends-by-a-later-one")
def test_a_policy_ends_by_a_later_one_and_by_nothing_else(room: Room, ana: Signer) -> None:
    store = MemoryStore()
    strict: JsonObject = {"min_trust": 900}
    put(store, made(ana, strict, at=20))
    look(room, store)
    look(room, MemoryStore())  # somebody deleted it
    assert trust(room) == 900
    older = MemoryStore()
    put(older, made(ana, FREE, at=19))  # somebody put back what once held
    look(room, older)
    assert trust(room) == 900
    with pytest.raises(UsageError, match="a later policy"):
        policies.add(store, made(ana, FREE, at=19), lambda _: True)
    put(store, made(ana, {}, at=21))
    look(room, store)
    assert trust(room) == 300
    assert [one["event"] for one in room.events()] == ["control.policy"] * 2


def test_a_policy_of_somebody_who_becomes_an_approver_counts_then(room: Room, ana: Signer) -> None:
    store, place = MemoryStore(), room.folder / "data" / "approvers"
    create(place, "ben", PHRASE, ana, work=2)
    put(store, made(open_key(place, "ben", PHRASE)))
    look(room, store)
    look(room, store)
    assert trust(room) == 300
    room.governor.roster = roster(place)
    look(room, store)
    assert trust(room) == 0


def test_policies_of_another_server_are_none_of_ours(room: Room, ana: Signer) -> None:
    store = MemoryStore()
    put(store, made(ana, server="other"))
    put(store, made(ana, server="server", glob="ls"))
    look(room, store)
    assert (trust(room), trust(room, "ls")) == (300, 0)


def test_files_that_are_read_again_stay_beneath_what_approvers_set(room: Room, ana: Signer) -> None:
    store = MemoryStore()
    put(store, made(ana))
    look(room, store)
    room.write("trust: {min_trust: 400}\n")
    assert done(lambda: room.desk.reload(ANA))["changed"] == ["trust.min_trust"]
    assert (trust(room), trust(room, "ls")) == (0, 400)
    put(store, made(ana, {}, at=11))
    look(room, store)
    assert trust(room) == 400


@pytest.mark.guarantee("live:policy-ends-by-a-later-one")
def test_a_policy_that_cannot_be_taken_over_lets_nobody_through(room: Room, ana: Signer) -> None:
    store = MemoryStore()
    put(store, made(ana, {"min_trst": 1}))
    with pytest.raises(StoreError, match="unknown key"):
        look(room, store)
    assert room.governor.observer.state == "loading"
    assert (trust(room), room.events()) == (300, [])


@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.AUDIT_ONLY])
def test_a_policy_that_cannot_be_recorded_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    monkeypatch.setenv("MCPGUARD_DATA_DIR", str(tmp_path / "data"))
    room = Room(tmp_path, mode)
    place = tmp_path / "data" / "approvers"
    create(place, "ana", PHRASE, work=2)
    room.governor.roster = roster(place)
    told = made(open_key(place, "ana", PHRASE))
    room.lose_log()
    if mode is Mode.ENFORCE:
        with pytest.raises(McpguardError, match="cannot be recorded"):
            room.governor.rule(row(told))
    else:
        room.governor.rule(row(told))
    assert trust(room) == (300 if mode is Mode.ENFORCE else 0)


def test_a_person_tells_a_session_at_once_and_only_what_he_signed(room: Room, ana: Signer) -> None:
    told = policies.as_json(made(ana))
    for keys, statement in (
        (ANA, told),
        ((ana.key_id,), {**told, "fields": {}}),
        ((ana.key_id,), {}),
        ((), told),
    ):
        with pytest.raises(RefusalError):
            done(lambda k=keys, s=statement: room.desk.rule(s, k))  # type: ignore[misc]
    assert room.events() == []
    assert done(lambda: room.desk.rule(told, (ana.key_id,)))["here"] is True
    assert trust(room) == 0
    done(lambda: room.desk.rule(told, (ana.key_id,)))  # it came by the store meanwhile
    assert len(room.events()) == 1


@given(
    st.builds(
        Policy,
        st.text(max_size=20),
        st.text(max_size=20),
        st.dictionaries(st.text(max_size=5), st.integers() | st.booleans(), max_size=4),
        st.integers(0, 2**53 - 1),
        st.text(max_size=9),
        st.binary(min_size=64, max_size=64),
    )
)
def test_a_policy_is_read_back_as_it_was_written(policy: Policy) -> None:
    assert policies.read(policies.as_json(policy)) == policy
