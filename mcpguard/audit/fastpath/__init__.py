"""What is done for every record: most are written here, and the tree over them is made.

    python.py    what it does
    compiled.c   the same in C: with it a call takes a tenth less, of many at once a sixth

What was compiled is used where it was built (`scripts/hatch_build.py`). Tests hold the two against
each other.
"""

from mcpguard.audit.fastpath.python import (
    BEGUN,
    HASH,
    KEYED,
    LEAF,
    LONG_ARGS,
    NEVER,
    NODE,
    Chained,
)

try:
    from mcpguard.audit.fastpath.compiled import FastPath, perfect
except ImportError:  # it was installed where there was no C compiler
    from mcpguard.audit.fastpath.python import FastPath, perfect

__all__ = [
    "BEGUN",
    "HASH",
    "KEYED",
    "LEAF",
    "LONG_ARGS",
    "NEVER",
    "NODE",
    "Chained",
    "FastPath",
    "perfect",
]
