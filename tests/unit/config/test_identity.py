"""Who a session is: a profile, or the did:key of a key that the settings name and pin."""

from dataclasses import replace
from pathlib import Path

import pytest

from mcpguard.config.flags import ProxySettings
from mcpguard.config.loading import doubts, load
from mcpguard.config.plan import Plan, make_plan
from mcpguard.errors import IdentityError, PolicyError
from mcpguard.identity.holder import create
from mcpguard.identity.roster import EMPTY
from mcpguard.live.governor import Governor
from mcpguard.model import Principal, Proof
from tests.unit.config.documents import Home


class Own:
    """A folder with a key and the settings of its holder."""

    def __init__(self, base: Path) -> None:
        self.key, self.config, self.base = base / "id.pem", base / "mcpguard.yaml", base
        self.did = create(self.key).did

    def says(self, text: str) -> Path:
        self.config.write_text(text.replace("KEY", str(self.key)).replace("DID", f'"{self.did}"'))
        self.config.chmod(0o600)
        return self.config

    def plan(self, text: str, policy: str | None = None) -> Plan:
        flags = ProxySettings(command=("server",), config=self.says(text), policy=policy)
        return make_plan(flags, None)


@pytest.fixture
def own(tmp_path: Path) -> Own:
    return Own(tmp_path)


PINNED = "store: {backend: memory}\nidentity: KEY\nprincipals: {DID: {capabilities: ['docs:*']}}\n"


@pytest.mark.guarantee("identity:only-pinned-keys")
def test_a_pinned_key_is_the_caller_with_what_its_entry_holds(own: Own) -> None:
    plan = own.plan(PINNED)
    governor = Governor(plan, "s1", None, lambda: own.base, EMPTY)
    expected = Principal(own.did, 1, frozenset({"docs:*"}), Proof.KEY)
    assert (plan.principal, governor.parties.caller) == (own.did, expected)


@pytest.mark.guarantee("identity:only-pinned-keys")
@pytest.mark.parametrize(
    "pins",
    [
        "",
        "principals: {'local:default': {blocked: false}}",
        "principals: {did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK: {blocked: false}}",
    ],
)
def test_a_key_that_nothing_pins_begins_no_session(own: Own, pins: str) -> None:
    with pytest.raises(IdentityError) as caught:
        own.plan(f"identity: KEY\n{pins}\n")
    told = f"{own.key}: the key is of {own.did}, which the settings do not pin"
    assert (caught.value.message, caught.value.exit_code) == (told, 2)
    _, _, line = caught.value.hint.partition("add to mcpguard.yaml: ")
    assert load(own.says(line)).settings.principals.keys() == {own.did}


@pytest.mark.parametrize("entry", ["{capabilities: []}", "{blocked: false}", "{blocked: true}"])
def test_whatever_the_entry_says_pins_it(own: Own, entry: str) -> None:
    plan = own.plan(f"store: {{backend: memory}}\nidentity: KEY\nprincipals: {{DID: {entry}}}\n")
    blocked = Governor(plan, "s1", None, lambda: own.base, EMPTY).blocked
    assert blocked.caller(own.did) is ("true" in entry)


def test_every_layer_may_pin(own: Own, tmp_path: Path) -> None:
    team = tmp_path / "team.yaml"
    team.write_text(f'principals: {{"{own.did}": {{capabilities: ["a:b"]}}}}')
    assert own.plan("identity: KEY", str(team)).principal == own.did
    home = Home(tmp_path)
    for folder in ("user", "system"):
        (tmp_path / folder).mkdir()
    system = f'principals: {{"{own.did}": {{blocked: true}}}}'
    assert home.load(f"identity: {own.key}", system).settings.principals[own.did].blocked


@pytest.mark.guarantee("identity:private-key")
def test_a_key_that_others_can_read_begins_no_session(own: Own) -> None:
    own.key.chmod(0o644)
    with pytest.raises(IdentityError, match="open to others"):
        own.plan(PINNED)


def test_without_a_key_the_profile_is_the_caller(own: Own) -> None:
    plan = own.plan("profile: ana")
    assert (plan.principal, plan.did, plan.proof) == ("local:ana", "", Proof.PROFILE)


@pytest.mark.parametrize(
    ("said", "proof"), [("local:ana", Proof.PROFILE), ("", Proof.KEY), ("DID", Proof.KEY)]
)
def test_whom_a_program_names_is_proved_by_the_key_if_it_is_the_keys(
    own: Own, said: str, proof: Proof
) -> None:
    plan = replace(own.plan(PINNED), said=said.replace("DID", own.did))
    assert plan.proof is proof


def test_two_layers_that_say_who_the_host_is_are_an_error(own: Own, tmp_path: Path) -> None:
    team = tmp_path / "team.yaml"
    team.write_text("profile: team")
    with pytest.raises(PolicyError, match="both say who the host is") as caught:
        own.plan(PINNED, str(team))
    assert "the profile team stands at" in caught.value.hint
    team.write_text("profile: default")
    assert own.plan(PINNED, str(team)).principal == own.did


def test_the_systems_file_names_no_key(tmp_path: Path) -> None:
    home = Home(tmp_path)
    (tmp_path / "system").mkdir()
    (tmp_path / "user").mkdir()
    with pytest.raises(PolicyError, match="`identity` cannot be tightened"):
        home.load(None, "identity: /etc/id.pem")


def told(own: Own, text: str) -> list[str]:
    return [each.message.partition("warning")[2] or each.what for each in doubts(own.says(text))]


def test_what_keeps_a_session_from_its_start_is_warned_of(own: Own) -> None:
    assert told(own, PINNED) == []
    (unpinned,) = told(own, "identity: KEY")
    assert unpinned == f"no session starts unless another file pins its key, {own.did}"
    (missing,) = told(own, "identity: /nowhere/id.pem")
    assert missing == "no session starts here: /nowhere/id.pem: there is no such key"
    (other,) = told(own, PINNED.replace("DID:", "DID: {blocked: false}, 'local:ana':"))
    assert (
        other == f"no host is local:ana under this file: a session's host is the key in {own.key}"
    )
