"""Where words of a table stand in a text that has no blanks.

An automaton of RE2 has so many states of thousands of words that it takes ten times as long.
"""

from collections.abc import Iterator, Mapping

__all__ = ["Tree", "longest", "tree"]


class Tree(dict[str, "Tree"]):
    """What may follow the beginning of a word, letter by letter. `means`: of a word that ends."""

    __slots__ = ("means",)

    def __init__(self) -> None:
        super().__init__()
        self.means = ""


def tree(words: Mapping[str, str]) -> Tree:
    """The tree of `words`, none of them empty, each with what it means, which is not empty."""
    root = Tree()
    for word, means in words.items():
        node = root
        for letter in word:
            node = node.setdefault(letter, Tree())
        node.means = means
    return root


def longest(root: Tree, text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and meaning of the words of `root` in `text`: from the left, the longest each."""
    at, size = 0, len(text)
    while at < size:
        node, place, end, means = root.get(text[at]), at, 0, ""
        while node is not None:
            place += 1
            if node.means:
                end, means = place, node.means
            node = node.get(text[place]) if place < size else None
        if end:
            yield at, end, means
        at = end or at + 1
