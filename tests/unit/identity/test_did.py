"""did:key: one name for each Ed25519 key, one key for each name, and nothing else."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.errors import IdentityError
from mcpguard.identity.did import did_of, public_of
from mcpguard.identity.roster import holds

PUBLISHED = {
    "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK": (
        "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6"
    ),
    "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp": (
        "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"
    ),
    "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw": (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    ),
}
"""The did:key method's own example and its test vector of the seed 0, RFC 8032's first key."""

DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def written(raw: bytes) -> str:
    """did:key of any bytes, by another way: digits from the front, a zero byte as a 1."""
    number, power, text = int.from_bytes(raw, "big"), 1, ""
    while power * 58 <= number:
        power *= 58
    while power:
        text += DIGITS[number // power]
        number, power = number % power, power // 58
    return "did:key:z" + text


@pytest.mark.guarantee("identity:one-name-a-key")
@pytest.mark.parametrize(("did", "public"), PUBLISHED.items())
def test_the_published_names_are_of_the_published_keys(did: str, public: str) -> None:
    assert did_of(bytes.fromhex(public)) == did == written(bytes.fromhex("ed01" + public))
    assert public_of(did).hex() == public


def test_a_name_is_of_the_key_that_a_seed_has() -> None:
    zero = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    assert did_of(zero) == "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"


@given(st.binary(min_size=32, max_size=32))
def test_every_key_has_its_name(seed: bytes) -> None:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    did = did_of(public)
    assert (public_of(did), did) == (public, written(b"\xed\x01" + public))
    assert did.startswith("did:key:z6Mk")


WHOLE = next(iter(PUBLISHED))
KEY = bytes.fromhex(PUBLISHED[WHOLE])

MALFORMED = {
    "another method": ("did:web:example.com", "are not known yet"),
    "another case": (WHOLE.replace("did", "DID"), "are not known yet"),
    "no DID": ("local:default", "are not known yet"),
    "empty": ("did:key:", "47 digits"),
    "another base": (WHOLE.replace(":z", ":m"), "47 digits"),
    "short": (WHOLE[:-1], "47 digits"),
    "long": (WHOLE + "1", "47 digits"),
    "a zero in front": (WHOLE.replace(":z", ":z1"), "47 digits"),
    "a digit that is none": (WHOLE[:-1] + "0", "47 digits"),
    "a digit that looks like one": (WHOLE[:-1] + "l", "47 digits"),
    "a newline": (WHOLE + "\n", "47 digits"),
    "the fragment": (f"{WHOLE}#{WHOLE[8:]}", "47 digits"),
    "a full-width digit": (WHOLE[:-1] + "\uff12", "47 digits"),
    "another kind of key": (written(b"\xec\x01" + KEY), "another kind"),
    "more than 34 bytes": ("did:key:z" + "z" * 47, "another kind"),
    "less than 34 bytes": ("did:key:z" + "1" * 47, "another kind"),
}


@pytest.mark.guarantee("identity:one-name-a-key")
@pytest.mark.parametrize(("did", "why"), MALFORMED.values(), ids=MALFORMED)
def test_nothing_else_is_a_name(did: str, why: str) -> None:
    with pytest.raises(IdentityError, match=why) as caught:
        public_of(did)
    assert "mcpguard identity show FILE" in caught.value.hint


SMALL = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)
"""The points of small order in their one form (curve25519's list)."""

UNSOUND = {
    **{f"order 8 or less {number}": each for number, each in enumerate(SMALL)},
    "the neutral point as a negative": SMALL[0][:-2] + "80",
    "the neutral point, not reduced": "ee" + "ff" * 30 + "7f",
    "the field's own size": "ed" + "ff" * 30 + "7f",
    "no point": "02" + "00" * 31,
}


@pytest.mark.guarantee("identity:one-name-a-key")
@pytest.mark.parametrize("raw", UNSOUND.values(), ids=UNSOUND)
def test_bytes_that_are_nobodys_key_have_no_name(raw: str) -> None:
    with pytest.raises(IdentityError, match="no key that anybody could have made"):
        public_of(written(bytes.fromhex("ed01" + raw)))


def test_under_a_key_of_small_order_a_signature_holds_that_nobody_made() -> None:
    """Why they are refused: this one holds over every text."""
    neutral = bytes.fromhex(SMALL[0])
    assert holds(neutral, b"anything", neutral + bytes(32))
