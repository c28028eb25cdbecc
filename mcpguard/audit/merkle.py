"""The tree over a log's lines: RFC 6962 section 2.1, with SHA-256.

Leaf `seq - 1` is the 32-byte hash of the line numbered `seq`. That hash covers the line and every
one before it, so a proof about a leaf is one about the line, and shows nothing of its neighbours.
A node over leaves that are not at hand is known when it is a peak: one of the perfect subtrees,
largest first, that the leaves up to some size make.
"""

import hashlib
from collections.abc import Iterable, Sequence

from mcpguard.audit.fastpath import HASH, LEAF, NODE, perfect
from mcpguard.errors import AuditError

__all__ = [
    "BLOCK",
    "EMPTY_ROOT",
    "HASH",
    "Leaves",
    "Tree",
    "consistency",
    "consistent",
    "included",
    "inclusion",
    "root_of",
]

EMPTY_ROOT = hashlib.sha256(b"").digest()
"""The root of no leaves. RFC 6962 section 2.1."""

BLOCK = 256
"""Leaves, a power of two. So many are hashed at once: a tenth of a millisecond in C."""


def _leaf(data: bytes) -> bytes:
    return hashlib.sha256(LEAF + data).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(NODE + left + right).digest()


def root_of(peaks: Sequence[bytes]) -> bytes:
    """The root over what `peaks` (largest first) stand for."""
    if not peaks:
        return EMPTY_ROOT
    made = peaks[-1]
    for peak in reversed(peaks[:-1]):
        made = _node(peak, made)
    return made


class Tree:
    """A tree that only grows. Holds its peaks and their sum, `size`: at most 64 hashes."""

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Goes on from `peaks` over `size` leaves. Raises ValueError when these do not fit."""
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(f"{size} leaves have {size.bit_count()} peaks, not {len(self.peaks)}")

    def add(self, data: bytes) -> None:
        """One leaf more."""
        self._push(_leaf(data), 1)

    def extend(self, leaves: bytes) -> None:
        """More leaves of `HASH` bytes, the oldest first. Raises ValueError for a part of one."""
        at, stop = 0, len(leaves) // HASH
        if len(leaves) != stop * HASH:
            raise ValueError(f"{len(leaves)} bytes are no whole leaves")
        while at < stop:
            fits = self.size & -self.size or BLOCK
            width = min(fits, BLOCK, 1 << (stop - at).bit_length() - 1)
            self._push(perfect(leaves[HASH * at : HASH * (at + width)]), width)
            at += width

    def _push(self, made: bytes, width: int) -> None:
        """A perfect subtree of `width` leaves, a power of two that divides `size`."""
        count = self.size // width
        while count & 1:
            made = _node(self.peaks.pop(), made)
            count >>= 1
        self.peaks.append(made)
        self.size += width

    @property
    def root(self) -> bytes:
        """32 bytes."""
        return root_of(self.peaks)

    def copy(self) -> "Tree":
        """One that grows apart from this."""
        return Tree(self.size, self.peaks)


class Leaves:
    """All leaves from number `base.size` on, 32 bytes each, behind what `base` stands for."""

    def __init__(self, base: Tree | None = None) -> None:
        self._base = (base or Tree()).copy()
        self._data = bytearray()
        self._known: dict[tuple[int, int], bytes] = {}
        start = 0
        for peak, width in zip(self._base.peaks, _widths(self._base.size), strict=True):
            self._known[start, start + width] = peak
            start += width

    def add(self, data: bytes) -> None:
        """The next leaf."""
        self._data += data

    @property
    def size(self) -> int:
        return self._base.size + len(self._data) // 32

    def hash(self, start: int, stop: int) -> bytes:
        """The root over leaves `start`..`stop` (exclusive, one at least).

        Raises AuditError when that takes leaves before the base, which are not at hand.
        """
        if (start, stop) in self._known:
            return self._known[start, stop]
        if stop - start == 1:
            return _leaf(self._at(start))
        middle = start + _split(stop - start)
        made = _node(self.hash(start, middle), self.hash(middle, stop))
        if stop - start >= _KEPT:
            self._known[start, stop] = made
        return made

    def _at(self, index: int) -> bytes:
        at = 32 * (index - self._base.size)
        if at < 0:
            raise AuditError(
                f"record {index + 1} is needed for this, and not in the file",
                hint=f"name the log's earlier files too; this one begins at {self._base.size + 1}",
            )
        return bytes(self._data[at : at + 32])


_KEPT = 64
"""Leaves under a node that is remembered; smaller ones are quickly made again."""


def _widths(size: int) -> list[int]:
    """Leaves under each peak, the largest first."""
    return [1 << bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]


def _split(count: int) -> int:
    """The largest power of two below `count`, which is above 1."""
    return 1 << (count - 1).bit_length() - 1


def inclusion(leaves: Leaves, index: int, size: int) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves. RFC 6962 section 2.1.1."""
    if not 0 <= index < size <= leaves.size:
        raise ValueError(f"no leaf {index} of {size}, there are {leaves.size}")
    start, stop, path = 0, size, []
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(leaves.hash(middle, stop))
            stop = middle
        else:
            path.append(leaves.hash(start, middle))
            start = middle
    return path[::-1]


def consistency(leaves: Leaves, first: int, second: int) -> list[bytes]:
    """That the tree of `first` leaves begins the one of `second`. RFC 6962 section 2.1.2."""
    if not 0 < first <= second <= leaves.size:
        raise ValueError(f"no {first} leaves that begin {second}, there are {leaves.size}")
    start, stop, path, whole = 0, second, [], True
    while first != stop:
        middle = start + _split(stop - start)
        if first <= middle:
            path.append(leaves.hash(middle, stop))
            stop = middle
        else:
            path.append(leaves.hash(start, middle))
            start, whole = middle, False
    if not whole:
        path.append(leaves.hash(start, stop))
    return path[::-1]


def included(data: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` shows leaf `data` at `index` of `size`. RFC 9162 section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    at, last, made = index, size - 1, _leaf(data)
    for step in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            made = _node(step, made)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            made = _node(made, step)
        at, last = at >> 1, last >> 1
    return last == 0 and made == root


def consistent(
    first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether `path` shows that the first tree begins the second. RFC 9162 section 2.1.4.2."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    steps = [first_root, *path] if first & (first - 1) == 0 else list(path)
    if not steps:
        return False
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = _node(step, old), _node(step, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = _node(new, step)
        at, last = at >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root
