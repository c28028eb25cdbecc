import hashlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpguard.audit.fastpath import perfect, python
from mcpguard.audit.merkle import (
    BLOCK,
    EMPTY_ROOT,
    HASH,
    Leaves,
    Tree,
    consistency,
    consistent,
    included,
    inclusion,
    root_of,
)
from mcpguard.errors import AuditError

INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""Leaf inputs of Certificate Transparency's own test data."""

ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""The roots over the first 0 to 8 of them."""


def digest(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def leaves(count: int, base: int = 0) -> Leaves:
    """`count` leaves, of which the first `base` are only known as their peaks."""
    made = Leaves(tree(base))
    for number in range(base, count):
        made.add(digest(number))
    return made


def tree(count: int) -> Tree:
    made = Tree()
    made.extend(b"".join(digest(number) for number in range(count)))
    return made


@pytest.mark.guarantee("audit:merkle-proofs")
def test_roots_are_those_of_certificate_transparencys_test_data() -> None:
    grown = Tree()
    for data, root in zip([*INPUTS, b""], ROOTS, strict=True):
        assert grown.root.hex() == root
        grown.add(data)
    assert Tree().root == EMPTY_ROOT


@pytest.mark.guarantee("audit:merkle-proofs")
def test_the_paths_of_rfc_6962s_example_are_the_ones_it_names() -> None:
    """Section 2.1.3: seven leaves; a to f are its inner nodes, by their ranges."""
    seven = leaves(7)
    part = seven.hash
    assert inclusion(seven, 0, 7) == [part(1, 2), part(2, 4), part(4, 7)]
    assert inclusion(seven, 3, 7) == [part(2, 3), part(0, 2), part(4, 7)]
    assert inclusion(seven, 4, 7) == [part(5, 6), part(6, 7), part(0, 4)]
    assert inclusion(seven, 6, 7) == [part(4, 6), part(0, 4)]
    assert consistency(seven, 3, 7) == [part(2, 3), part(3, 4), part(0, 2), part(4, 7)]
    assert consistency(seven, 4, 7) == [part(4, 7)]
    assert consistency(seven, 6, 7) == [part(4, 6), part(6, 7), part(0, 4)]


def plain_root(data: list[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1, as it is written there."""
    if len(data) < 2:
        return hashlib.sha256(b"\0" + data[0]).digest() if data else EMPTY_ROOT
    k = 1
    while 2 * k < len(data):
        k *= 2
    left, right = plain_root(data[:k]), plain_root(data[k:])
    return hashlib.sha256(b"\1" + left + right).digest()


sizes = st.integers(1, 600)


@given(sizes, st.data())
@pytest.mark.guarantee("audit:merkle-proofs")
def test_every_leaf_is_shown_in_every_tree_and_nothing_else_is(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1), label="index")
    base = data.draw(st.integers(0, index), label="base")
    root = plain_root(list(map(digest, range(size))))
    grown = tree(base)
    grown.extend(b"".join(digest(number) for number in range(base, size)))
    assert grown.root == root == root_of(tree(size).peaks)
    path = inclusion(leaves(size, base), index, size)
    assert included(digest(index), index, size, path, root)
    assert not included(digest(index + 1), index, size, path, root)
    assert not included(digest(index), index, size, [*path, root], root)
    assert not included(digest(index), index, size, path, digest(0))
    other = data.draw(st.integers(-1, size).filter(lambda at: at != index), label="other")
    assert not included(digest(index), other, size, path, root)
    if path:
        at = data.draw(st.integers(0, len(path) - 1), label="step")
        assert not included(digest(index), index, size, path[:-1], root)
        wrong = [*path[:at], digest(0), *path[at + 1 :]]
        assert not included(digest(index), index, size, wrong, root)


@given(sizes, st.data())
@pytest.mark.guarantee("audit:merkle-proofs")
def test_every_tree_is_shown_to_begin_every_later_one_and_no_other_is(
    second: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(1, second), label="first")
    old, new = tree(first).root, tree(second).root
    path = consistency(leaves(second), first, second)
    assert consistent(first, second, old, new, path)
    assert not consistent(first, second, digest(0), new, path)
    assert not consistent(first, second, old, digest(0), path)
    assert not consistent(first, second, old, new, [*path, old])
    assert not consistent(second + 1, second, old, new, path)
    assert not consistent(0, second, old, new, path)
    if first != second:
        assert not consistent(first, second, old, new, path[:-1])
        assert not consistent(first, second, old, new, [])
        forked = Tree()
        forked.extend(b"".join(digest(n if n != first - 1 else second) for n in range(second)))
        assert not consistent(first, second, old, forked.root, path)


def test_what_lies_before_the_base_is_named_when_it_is_needed() -> None:
    part = leaves(20, base=13)
    assert inclusion(part, 13, 20) == inclusion(leaves(20), 13, 20)
    assert consistency(part, 13, 20) == consistency(leaves(20), 13, 20)
    with pytest.raises(AuditError, match="record 5 is needed for this, and not in the file"):
        inclusion(part, 3, 20)
    with pytest.raises(AuditError, match="needed"):
        consistency(part, 5, 20)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 3), (2, 9)])
def test_what_is_not_in_the_tree_cannot_be_shown(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        inclusion(leaves(5), index, size)


def test_peaks_that_do_not_fit_the_size_are_refused() -> None:
    for size, count in pairwise((0, 1, 3, 7)):
        with pytest.raises(ValueError, match="peaks"):
            Tree(size, [digest(0)] * count.bit_count())


@pytest.mark.guarantee("audit:merkle-proofs")
@given(st.lists(st.integers(0, 3 * BLOCK), max_size=6))
def test_leaves_that_come_together_are_the_tree_of_those_that_come_one_by_one(
    parts: list[int],
) -> None:
    one_by_one, together = Tree(), Tree()
    for count in parts:
        some = [digest(one_by_one.size + number) for number in range(count)]
        together.extend(b"".join(some))
        for each in some:
            one_by_one.add(each)
        assert (together.size, together.peaks) == (one_by_one.size, one_by_one.peaks)


@pytest.mark.guarantee("audit:merkle-proofs")
@pytest.mark.parametrize("make", [perfect, python.perfect], ids=["as it is", "in Python"])
@pytest.mark.parametrize("width", [1 << bit for bit in range(10)])
def test_a_power_of_two_of_leaves_is_hashed_at_once(
    make: Callable[[bytes], bytes], width: int
) -> None:
    some = [digest(number) for number in range(width)]
    one_by_one = Tree()
    for each in some:
        one_by_one.add(each)
    assert [make(b"".join(some))] == one_by_one.peaks


@pytest.mark.parametrize("make", [perfect, python.perfect], ids=["as it is", "in Python"])
@pytest.mark.parametrize("size", [0, 1, HASH - 1, HASH + 1, 3 * HASH, 4 * HASH - 1, 6 * HASH])
def test_another_number_of_bytes_is_refused(make: Callable[[bytes], bytes], size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are no power of two of leaves"):
        make(bytes(size))


@pytest.mark.parametrize("size", [1, HASH - 1, HASH + 1])
def test_a_part_of_a_leaf_is_refused(size: int) -> None:
    grown = tree(3)
    with pytest.raises(ValueError, match=f"{size} bytes are no whole leaves"):
        grown.extend(bytes(size))
    assert (grown.size, grown.root) == (3, tree(3).root)
