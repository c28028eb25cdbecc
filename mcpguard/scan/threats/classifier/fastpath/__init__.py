"""What is done for every sentence of a text that is looked at, and for every word.

    python.py    what it does
    compiled.c   the same in C: with it a slow definition or result takes a quarter less

What was compiled is used where it was built (`scripts/hatch_build.py`). Tests hold the two against
each other.
"""

from mcpguard.scan.threats.classifier.fastpath.python import (
    BITS,
    ZERO,
    Numbers,
    Sentence,
    glance,
    stems,
)

try:
    from mcpguard.scan.threats.classifier.fastpath.compiled import divided, wording, worthy
except ImportError:  # it was installed where there was no C compiler
    from mcpguard.scan.threats.classifier.fastpath.python import divided, wording, worthy

__all__ = [
    "BITS",
    "ZERO",
    "Numbers",
    "Sentence",
    "divided",
    "glance",
    "stems",
    "wording",
    "worthy",
]
