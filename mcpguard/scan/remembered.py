"""A cache for what strangers write: few entries, and none of them long."""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

__all__ = ["LONGEST", "remembered"]

LONGEST = 256
"""Characters or bytes of what is remembered. A stranger who writes a thousand different texts of a
megabyte each must not have them kept."""

T = TypeVar("T", str, bytes)
R = TypeVar("R")


def remembered(entries: int) -> Callable[[Callable[[T], R]], Callable[[T], R]]:
    """Remember what a function of one text gave for at most so many short ones, used last."""

    def remembering(work: Callable[[T], R]) -> Callable[[T], R]:
        known = lru_cache(maxsize=entries)(work)

        @wraps(work)
        def asked(text: T) -> R:
            return known(text) if len(text) <= LONGEST else work(text)

        return asked

    return remembering
